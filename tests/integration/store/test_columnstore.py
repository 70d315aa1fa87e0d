"""TimescaleDB's columnstore: late and re-sent readings in it, judging, erasing, its policies."""

import contextlib
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from config.signals import catalogue
from ingest import topics
from ingest.charging import ChargerMessage, ChargerSample
from ingest.charging_rows import Connectors, store_chargers
from ingest.history import judge_changed_days
from ingest.quality import Quality
from ingest.reports import ChargerReport
from ingest.store.connection import connect
from ingest.store.migrate import migrate
from ingest.store.timeseries.timescale import Timescale
from ingest.topics import Connector
from tests.integration.store.readings import COLUMNS, START, fleet
from tests.integration.store.test_rollups import check_against_readings

LATE = 5


def compress(store, table: str) -> int:
    """Move every chunk of a table to the columnstore; return how many there are."""
    with store.opened() as (conn, _):
        chunks = conn.execute("SELECT show_chunks(%s)", (f"telemetry.{table}",)).fetchall()
        for (chunk,) in chunks:
            conn.execute("CALL convert_to_columnstore(%s::regclass, if_not_columnstore => true)", (str(chunk),))
    return len(chunks)


def compressed(store, table: str) -> int:
    query = "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = %s AND is_compressed"
    return store.ask(query, table)[0][0]


@pytest.fixture
def columns(timescale):
    """A store whose readings are all in the columnstore, and those readings, without a few that come late."""
    readings = fleet(seed=11)
    timescale.insert("vehicle_reading", COLUMNS, readings[LATE:])
    timescale.note_changed(readings[LATE:])
    timescale.refresh()
    assert compress(timescale, "vehicle_reading") == compressed(timescale, "vehicle_reading") == 3
    return timescale, readings


def test_late_readings_go_into_it_and_into_the_rollups(columns):
    store, readings = columns
    assert store.insert("vehicle_reading", COLUMNS, readings[:LATE]) == LATE
    store.note_changed(readings[:LATE])
    store.refresh()
    assert store.ask("SELECT count(*) FROM telemetry.vehicle_reading") == [(len(readings),)]
    check_against_readings(store, readings)


def test_what_is_in_it_already_is_stored_once(columns):
    store, readings = columns
    assert store.insert("vehicle_reading", COLUMNS, readings) == LATE
    assert store.insert("vehicle_reading", COLUMNS, readings) == 0
    assert store.ask("SELECT count(*) FROM telemetry.vehicle_reading") == [(len(readings),)]


def test_a_day_in_it_is_judged(columns):
    store, _ = columns
    # What a clock that ran ahead put elsewhere is not missing; this is.
    store.ask("DELETE FROM telemetry.vehicle_reading WHERE vehicle_id = 1 AND ts < '2026-03-02' AND seq IN (20, 21)")
    store.ask("INSERT INTO telemetry.changed_day (vehicle_id, day) VALUES (1, '2026-03-01')")
    with connect(store.dsn, role="ingest") as conn:
        assert judge_changed_days(conn) > 0
    flagged = (
        f"SELECT count(*) FROM telemetry.vehicle_reading WHERE vehicle_id = 1 AND quality & {int(Quality.GAP)} <> 0"
    )
    assert store.ask(flagged) == [(1,)]


def test_a_car_is_erased_from_it_and_from_the_rollups_and_others_stay(columns):
    store, readings = columns
    for level in ("minute", "hour", "day"):
        compress(store, f"rollup_{level}_1")
    with store.opened() as (conn, engine):
        cars = {row[1] for row in readings[LATE:]}
        count = sum(row[1] == 2 for row in readings[LATE:])
        assert engine.erase(conn, [2]) == count
    for relation in ("vehicle_reading", "rollup_minute", "rollup_hour", "rollup_day"):
        assert {car for (car,) in store.ask(f"SELECT DISTINCT vehicle_id FROM telemetry.{relation}")} == cars - {2}
    # A refresh does not bring it back.
    store.note_changed(readings)
    store.refresh()
    assert {car for (car,) in store.ask("SELECT DISTINCT vehicle_id FROM telemetry.rollup_day")} == cars - {2}


def test_cells_and_chargers_have_theirs(timescale):
    cells = [(START + timedelta(seconds=n), 1, 0, START, [3.5, None, 3.7], [20.0]) for n in range(20)]
    timescale.insert("cell_reading", ["ts", "vehicle_id", "seq", "received_at", "cell_v", "probe_c"], cells)
    charging = [(START + timedelta(seconds=n), 7, 0, START, 400.0 + n) for n in range(20)]
    timescale.insert("charging_reading", ["ts", "connector_id", "seq", "received_at", "voltage_v"], charging)
    assert compress(timescale, "cell_reading") == compress(timescale, "charging_reading") == 1
    assert timescale.ask("SELECT cell_v FROM telemetry.cell_reading ORDER BY ts LIMIT 1") == [([3.5, None, 3.7],)]
    assert timescale.ask("SELECT sum(voltage_v)::int FROM telemetry.charging_reading") == [(20 * 400 + 190,)]
    segments = timescale.ask(
        "SELECT hypertable::text, segmentby, orderby FROM timescaledb_information.hypertable_columnstore_settings"
        " WHERE hypertable::text LIKE 'telemetry.%reading' ORDER BY 1"
    )
    assert segments == [
        ("telemetry.cell_reading", "vehicle_id", "ts,seq"),
        ("telemetry.charging_reading", "connector_id", "ts,seq"),
        ("telemetry.vehicle_reading", "vehicle_id", "ts,seq"),
    ]


def test_a_columnstore_of_charging_readings_gets_its_flags(made):
    store = made("timescale")
    migrate(store.dsn, store.settings, to="0006_timeseries")
    with store.opened() as (conn, _):
        Timescale("any").lay_out(conn, catalogue(), store.settings)
    rows = [(START + timedelta(seconds=n), 7, 0, START, 400.0 + n) for n in range(20)]
    store.insert("charging_reading", ["ts", "connector_id", "seq", "received_at", "voltage_v"], rows)
    assert compress(store, "charging_reading") == 1
    store.migrate()
    assert store.ask("SELECT sum(voltage_v)::int, max(quality) FROM telemetry.charging_reading") == [(8190, 0)]
    store.insert("charging_reading", ["ts", "connector_id", "seq", "received_at", "quality"], [(START, 8, 0, START, 1)])
    assert store.ask("SELECT max(quality) FROM telemetry.charging_reading") == [(1,)]


def test_charging_readings_in_it_are_recognised_when_they_come_again(timescale):
    at = Connector("op", "st", "1")

    def report(*values):
        samples = [
            ChargerSample(int(START.timestamp() * 1000) + n, {"Voltage": value}) for n, value in enumerate(values)
        ]
        return [ChargerReport(at, samples[0].ts, topics.charger(at, "telemetry"), ChargerMessage(samples, "s"))]

    def store(*values):
        with connect(timescale.dsn, role="ingest") as conn, conn.cursor() as cursor:
            return store_chargers(cursor, report(*values), Connectors(), clock_ahead_ms=300_000)

    assert store(400.1, 400.2).stored == 2
    assert compress(timescale, "charging_reading") == 1
    again = store(400.1, 401, 402)
    assert (again.stored, again.duplicate, [letter.reason for letter in again.dead]) == (1, 1, ["key_conflict"])


def columnstore_after(store, table: str) -> str:
    query = (
        "SELECT coalesce(config ->> 'compress_after', config ->> 'after') FROM timescaledb_information.jobs"
        " WHERE proc_name IN ('policy_compression', 'policy_columnstore') AND hypertable_name = %s"
    )
    return store.ask(query, table)[0][0]


def test_its_policy_moves_what_is_old_enough_and_follows_the_settings(timescale):
    now = datetime.now(UTC)
    rows = [(now - timedelta(days=days), 1, 0, now) for days in (0, 5, 9, 12)]
    timescale.insert("vehicle_reading", COLUMNS[:4], rows)
    assert columnstore_after(timescale, "vehicle_reading") == "7 days"
    (job,) = timescale.ask(
        "SELECT job_id FROM timescaledb_information.jobs WHERE hypertable_name = 'vehicle_reading'"
        " AND proc_name IN ('policy_compression', 'policy_columnstore')"
    )[0]
    deadline = time.monotonic() + 30
    while compressed(timescale, "vehicle_reading") != 2 and time.monotonic() < deadline:
        # A server's own scheduler may be at it in the same moment, and then one of the two has to wait.
        with contextlib.suppress(psycopg.errors.LockNotAvailable, psycopg.errors.ObjectInUse):
            timescale.ask("CALL run_job(%s)", job)
    assert compressed(timescale, "vehicle_reading") == 2
    timescale.migrate(columnstore_after_days=3, rollup_columnstore_after_days=90)
    assert columnstore_after(timescale, "vehicle_reading") == "3 days"
    assert timescale.ask("SELECT count(*) FROM telemetry.vehicle_reading") == [(4,)]


def test_every_rollup_has_a_refresh_policy_that_works(timescale):
    rows = fleet(seed=12)
    timescale.insert("vehicle_reading", COLUMNS, rows)
    jobs = timescale.ask(
        "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'policy_refresh_continuous_aggregate'"
    )
    assert len(jobs) == 3
    for (job,) in jobs:
        timescale.ask("CALL run_job(%s)", job)
    again = timescale.ask(
        "SELECT count(*) FROM timescaledb_information.jobs WHERE proc_name LIKE 'policy_%' AND job_id >= 1000"
    )
    timescale.migrate()
    assert again == timescale.ask(
        "SELECT count(*) FROM timescaledb_information.jobs WHERE proc_name LIKE 'policy_%' AND job_id >= 1000"
    )


def test_a_continuous_aggregate_reads_one_hypertable(timescale):
    """What rollups need of the cells is a column of the reading: no aggregate joins."""
    assert {"cell_spread_mv", "cell_low_dev_mv", "at_rest"} <= {signal.column for signal in catalogue().rolled_up}
    found = timescale.ask("SELECT DISTINCT hypertable_name FROM timescaledb_information.continuous_aggregates")
    assert ("vehicle_reading",) in found
    assert len(found) == 2  # the readings, and the hours that days are made of


def test_chunks_are_as_long_as_the_settings_say(timescale):
    def chunks() -> int:
        return timescale.ask(
            "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'vehicle_reading'"
        )[0][0]

    rows = [(START + timedelta(days=day), 1, 0, START) for day in range(10)]
    timescale.insert("vehicle_reading", COLUMNS[:4], rows[:3])
    assert chunks() == 3
    timescale.migrate(chunk_days=30)
    timescale.insert("vehicle_reading", COLUMNS[:4], rows)
    assert chunks() < 6
    assert timescale.ask("SELECT count(*) FROM telemetry.vehicle_reading") == [(10,)]
