"""The upgrade from every earlier schema, with data in it; from PostgreSQL alone to TimescaleDB."""

from datetime import timedelta
from importlib.resources import files
from typing import Any

import pytest
from psycopg import sql

from config import sql as sql_files
from config.settings import StoreSettings
from config.signals import catalogue
from ingest.store.connection import connect
from ingest.store.migrate import migrate
from ingest.store.timeseries.plain import Plain
from ingest.store.timeseries.rollups import LEVELS
from ingest.store.version import check_version, head
from models.promotion import champion_versions
from models.tables import flagged_predictions
from tests.integration.store.readings import COLUMNS, START, fleet

REVISIONS = sorted(
    script.name.removesuffix(".sql")
    for script in files("ingest.store").joinpath("migrations", "sql").iterdir()
    if script.name.endswith(".sql")
)
_CHARGING = "ts, connector_id, seq, received_at, session_id, voltage_v, extra"


def at_revision(store, revision: str) -> None:
    """Leave the database as the version that ended with this revision would."""
    migrate(store.dsn, StoreSettings(timescaledb="off"), to=revision)


def store_something(store, revision: str) -> dict[str, list[tuple[Any, ...]]]:
    """Store rows in every table of readings there is at a revision; return all there is to keep, by table."""
    store.ask("INSERT INTO telemetry.vehicle (model, powertrain) VALUES ('Dawn', 'bev'), ('Dusk', 'phev')")
    some = fleet(seed=7, cars=1, days=1, a_day=10)[0]
    moments = [(START, 1), (START + timedelta(hours=5), 1), (START + timedelta(days=9), 1), (START, 2)]
    readings = [(ts, car, 3, ts + timedelta(seconds=1), 0, *some[5:]) for ts, car in moments]
    _insert(store, "vehicle_reading", ", ".join(COLUMNS), readings)
    cells = [(ts, car, 3, ts, [3.5, None, 3.625], [20.0]) for ts, car in moments[:2]]
    _insert(store, "cell_reading", "ts, vehicle_id, seq, received_at, cell_v, probe_c", cells)
    _insert(
        store,
        "vehicle_event",
        "ts, vehicle_id, received_at, kind, code, state",
        [(START, 1, START, "lamp", "lv_battery", "on")],
    )
    if revision >= "0005":
        store.ask("INSERT INTO telemetry.connector (operator, station, connector) VALUES ('op', 'st', '1')")
        charging = [(START + timedelta(days=n), 1, 0, START, "s", 400.5, '{"Frequency": 50}') for n in (0, 40)]
        _insert(store, "charging_reading", _CHARGING, charging)
    return everything(store)


def everything(store) -> dict[str, list[tuple[Any, ...]]]:
    kept = {
        "vehicle_reading": ", ".join(COLUMNS),
        "cell_reading": "ts, vehicle_id, seq, received_at, cell_v, probe_c",
        "vehicle_event": "ts, vehicle_id, kind, code, state",
        "vehicle": "vehicle_id, model, powertrain",
    }
    if store.ask("SELECT to_regclass('telemetry.charging_reading')")[0][0]:
        kept["charging_reading"] = _CHARGING
    return {
        table: store.ask(f"SELECT {columns} FROM telemetry.{table} ORDER BY 1, 2, 3") for table, columns in kept.items()
    }


def _insert(store, table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
    days = sorted({row[0].date() for row in rows})
    with store.opened() as (conn, _):
        (kind,) = conn.execute(
            "SELECT relkind::text FROM pg_class WHERE oid = %s::regclass", (f"telemetry.{table}",)
        ).fetchone()
        if kind == "p":
            for day in days:
                conn.execute("SELECT telemetry.ensure_partition(%s, %s)", (table, day))
        marks = sql.SQL(", ").join([sql.Placeholder()] * len(rows[0]))
        statement = sql.SQL("INSERT INTO telemetry.{} ({}) VALUES ({})").format(
            sql.Identifier(table), sql.SQL(columns), marks
        )
        for row in rows:
            conn.execute(statement, row)


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_an_older_database_keeps_everything(empty_store, revision):
    at_revision(empty_store, revision)
    before = store_something(empty_store, revision)
    assert all(before.values())
    empty_store.migrate()
    after = everything(empty_store)
    assert {table: after[table] for table in before} == before
    with empty_store.opened() as (conn, engine):
        check_version(conn)
        assert ("TimescaleDB 2" in engine.name) == empty_store.is_timescale
    empty_store.migrate()
    assert {table: rows for table, rows in everything(empty_store).items() if table in before} == before


def test_choices_made_before_choices_were_told_by_receipt_stay_in_force(empty_store):
    """A withdrawal that a clock a year ahead once outweighed is in force from now on."""
    at_revision(empty_store, "0006_timeseries")
    empty_store.ask("INSERT INTO telemetry.vehicle (model, powertrain) SELECT 'Dawn', 'bev' FROM generate_series(1, 3)")
    day = timedelta(days=1)
    choices = [
        (1, "enrolment", True, START - day, START),
        (2, "enrolment", True, START - day, START),
        (2, "car", False, START + day, START + day),
        (2, "car", True, START + 2 * day, START + 3 * day),
        (3, "enrolment", True, START - day, START),
        (3, "car", True, START + 300 * day, START + day),
        (3, "car", False, START + 2 * day, START + 2 * day),
    ]
    for vehicle_id, source, granted, chosen_at, recorded_at in choices:
        empty_store.ask(
            "INSERT INTO pii.consent (vehicle_id, purpose, granted, policy_version, source, chosen_at, recorded_at)"
            " VALUES (%s, 'care', %s, '1', %s, %s, %s)",
            vehicle_id,
            granted,
            source,
            chosen_at,
            recorded_at,
        )
    empty_store.migrate()
    assert empty_store.ask("SELECT vehicle_id, granted, chosen_at FROM pii.consent_now ORDER BY 1") == [
        (1, True, START - day),
        (2, True, START + 2 * day),
        (3, False, START + 2 * day),
    ]
    assert empty_store.ask("SELECT count(*) FROM pii.consent WHERE chosen_at > received_at") == [(0,)]


def test_predictions_of_before_decisions_were_recorded_are_kept(empty_store):
    at_revision(empty_store, "0010_given")
    empty_store.ask(
        "INSERT INTO prediction.run (job, started_at, finished_at, outcome, detail)"
        " VALUES ('score', %s, %s, 'done', '{\"vehicles\": 2}'), ('train', %s, NULL, NULL, '{}')",
        *[START] * 3,
    )
    empty_store.ask(
        "INSERT INTO prediction.prediction"
        " (run_id, vehicle_id, fault_mode, scored_at, as_of, probability, threshold, model_version, reasons)"
        " VALUES (1, 1, 'lv_battery', %s, %s, 0.75, 0.5, 'v1', '[{\"signal\": \"lv_battery_v\"}]'),"
        " (1, 2, 'lv_battery', %s, %s, 0.25, 0.5, 'v1', '[]')",
        *[START] * 4,
    )
    empty_store.ask(
        "INSERT INTO prediction.label (vehicle_id, fault_mode, occurred_at, known_at, source)"
        " VALUES (1, 'lv_battery', %s, %s, 'lamp')",
        *[START] * 2,
    )
    # What a later version adds is empty in rows of before, and not looked at.
    rows = "SELECT jsonb_strip_nulls(to_jsonb(r)) FROM prediction.{} AS r ORDER BY 1"
    tables = ("run", "prediction", "label")
    before = {table: empty_store.ask(rows.format(table)) for table in tables}
    empty_store.migrate()
    assert {table: empty_store.ask(rows.format(table)) for table in tables} == before
    with connect(empty_store.dsn, role="models") as conn:
        assert [one.held_out for one in flagged_predictions(conn)] == [False]
        assert champion_versions(conn) == {}


def test_a_database_without_timescaledb_moves_to_it_with_its_rows_and_rollups(made):
    store = made("timescale")
    at_revision(store, head())
    plain = Plain("any")
    readings = fleet(seed=8)
    store.insert("vehicle_reading", COLUMNS, readings)
    with store.opened() as (conn, _):
        plain.lay_out(conn, catalogue(), store.settings)
        conn.execute(sql_files.load("ingest.store", "all_days_stale"))
        assert plain.refresh(conn, catalogue(), minutes_from=None) == 9
    rollups = "SELECT bucket, vehicle_id, received_on, regime, n FROM telemetry.rollup_{} ORDER BY 1, 2, 3, 4"
    before = {level: store.ask(rollups.format(level)) for level in LEVELS}
    rows = everything(store)
    store.migrate()
    assert everything(store) == rows
    tables = {name for (name,) in store.ask("SELECT hypertable_name FROM timescaledb_information.hypertables")}
    assert tables >= {"vehicle_reading", "cell_reading", "charging_reading"}
    assert {level: store.ask(rollups.format(level)) for level in LEVELS} == before
    store.note_changed(readings)
    store.refresh()
    assert {level: store.ask(rollups.format(level)) for level in LEVELS} == before
    assert before["minute"]


def test_the_newest_revision_is_the_one_that_processes_ask_for():
    assert REVISIONS[-1] == head()
