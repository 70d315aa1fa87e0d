"""What is too old goes, recordings are spared, and rollups outlive their readings."""

from datetime import timedelta

import pytest

from config.settings import StoreSettings
from ingest.store.timeseries.retention import expire
from tests.integration.store.readings import COLUMNS, START, fleet
from tests.integration.store.test_columnstore import compress

VINS = ("LFWA0000000000001", "LFWA0000000000002", "LFWA0000000000003")
SETTINGS = StoreSettings(
    chunk_days=1, reading_days=30, cell_days=10, charging_days=20, minute_days=40, hour_days=50, day_days=60
)


@pytest.fixture
def filled(store):
    """Three cars, the third a recording, with three days of readings, cells and charging that are rolled up."""
    assert list(store.enrol(*VINS[:2]).values()) == [1, 2]
    assert store.enrol(VINS[2], replayed=True) == {VINS[2]: 3}
    readings = fleet(seed=21)
    store.insert("vehicle_reading", COLUMNS, readings)
    cells = [(*row[:4], [3.5, 3.6]) for row in readings]
    store.insert("cell_reading", [*COLUMNS[:4], "cell_v"], cells)
    charging = [(row[0], 1, row[2], row[3], 400.0) for row in readings if row[1] == 1]
    store.insert("charging_reading", ["ts", "connector_id", "seq", "received_at", "voltage_v"], charging)
    store.note_changed(readings)
    store.refresh()
    return store, readings


def run(store, *, days_after: float) -> dict[str, int]:
    with store.opened() as (conn, engine):
        return expire(conn, engine, SETTINGS, now=START + timedelta(days=days_after))


def cars(store, relation: str) -> set[int]:
    return {car for (car,) in store.ask(f"SELECT DISTINCT vehicle_id FROM telemetry.{relation}")}


def test_each_table_is_kept_for_its_own_time_and_recordings_for_ever(filled):
    store, readings = filled
    if store.is_timescale:
        compress(store, "vehicle_reading")
    assert run(store, days_after=9) == {}
    # Half a day short of the third day's end.
    found = run(store, days_after=12.5)
    assert found == {"cell_reading": 2}
    assert cars(store, "cell_reading") == {1, 2, 3}
    assert run(store, days_after=25) == {"cell_reading": 1, "charging_reading": 3}
    assert cars(store, "cell_reading") == {3}
    assert store.ask("SELECT count(*) FROM telemetry.charging_reading") == [(0,)]
    assert cars(store, "vehicle_reading") == {1, 2, 3}
    assert run(store, days_after=34)["vehicle_reading"] == 3
    assert cars(store, "vehicle_reading") == {3}
    assert store.ask("SELECT count(*) FROM telemetry.vehicle_reading") == [(sum(row[1] == 3 for row in readings),)]
    # Rollups outlive their readings, each for its own time; every chunk has to be over as a whole.
    assert cars(store, "rollup_minute") == cars(store, "rollup_hour") == cars(store, "rollup_day") == {1, 2, 3}
    run(store, days_after=800)
    assert cars(store, "rollup_minute") == cars(store, "rollup_hour") == cars(store, "rollup_day") == {3}
    assert run(store, days_after=801) == {}


def test_a_refresh_after_it_takes_nothing_from_the_rollups(filled):
    store, readings = filled
    before = store.ask("SELECT vehicle_id, bucket, n FROM telemetry.rollup_hour ORDER BY 1, 2, received_on, regime")
    now = START + timedelta(days=34)
    run(store, days_after=34)
    # A reading of an expired day comes late: it is stored, expires at the next turn and changes no rollup.
    late = [(START + timedelta(hours=3, seconds=1), 1, 99, now, *readings[0][4:])]
    store.insert("vehicle_reading", COLUMNS, late)
    store.note_changed(late)
    keep_from = (now - timedelta(days=SETTINGS.reading_days)).date()
    store.refresh(keep_from=keep_from)
    after = store.ask("SELECT vehicle_id, bucket, n FROM telemetry.rollup_hour ORDER BY 1, 2, received_on, regime")
    assert after == before
    assert store.ask("SELECT count(*) FROM telemetry.stale_day") == [(0,)]


def test_partitions_of_days_to_come_are_made_ahead(store):
    with store.opened() as (conn, engine):
        engine.make_days(conn, START.date(), (START + timedelta(days=3)).date())
        engine.make_days(conn, START.date(), (START + timedelta(days=3)).date())
    if store.is_timescale:
        return  # chunks are made as rows come
    made = store.ask(
        "SELECT inhparent::regclass::text, count(*) FROM pg_inherits WHERE inhparent::regclass::text"
        " LIKE 'telemetry.%reading' GROUP BY 1 ORDER BY 1"
    )
    assert made == [("telemetry.cell_reading", 4), ("telemetry.charging_reading", 4), ("telemetry.vehicle_reading", 4)]


def test_what_was_measured_for_safety_alone_goes_after_thirty_days(store):
    store.ask(
        "INSERT INTO telemetry.safety_reading (ts, vehicle_id, seq, received_at, signals)"
        " SELECT %s, 1, n, %s + n * interval '1 day', '{}' FROM generate_series(0, 9) AS n",
        START,
        START,
    )
    with store.opened() as (conn, engine):
        found = expire(conn, engine, StoreSettings(), now=START + timedelta(days=34.5))
    assert found == {"safety_reading": 5}


def test_a_car_is_erased_without_a_trace_in_readings_and_rollups(filled):
    store, readings = filled
    with store.opened() as (conn, engine):
        assert engine.erase(conn, [1, 3]) == sum(row[1] != 2 for row in readings)
    for relation in ("vehicle_reading", "cell_reading", "rollup_minute", "rollup_hour", "rollup_day"):
        assert cars(store, relation) == {2}
