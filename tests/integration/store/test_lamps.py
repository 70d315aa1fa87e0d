"""The statement that derives lamp events, on both engines."""

from datetime import UTC, datetime, timedelta

from config import sql
from ingest.store.connection import connect

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_late_frame_changes_what_came_after(store):
    columns = ["ts", "vehicle_id", "seq", "received_at", "alarm_lamps"]
    told = {0: "", 60: "insulation", 180: "insulation", 240: ""}
    rows = [(_at(second), 1, 0, _at(second), codes) for second, codes in told.items()]
    store.insert("vehicle_reading", columns, rows)
    with connect(store.dsn, role="admin") as conn:
        conn.execute(
            "INSERT INTO telemetry.vehicle_state (vehicle_id, ts, received_at, readings, alarm_lamps_at)"
            " VALUES (1, %(newest)s, %(newest)s, 4, %(newest)s)",
            {"newest": _at(240)},
        )
    _derive(store, 0, 240)
    assert _events(store) == [(60, "on"), (240, "off")]
    store.insert("vehicle_reading", columns, [(_at(120), 1, 0, _at(300), "")])
    _derive(store, 120, 120)
    assert _events(store) == [(60, "on"), (120, "off"), (180, "on"), (240, "off")]
    store.insert("vehicle_reading", columns, [(_at(60), 1, 1, _at(301), "")])
    _derive(store, 60, 60)
    assert _events(store) == [(180, "on"), (240, "off")]


def _at(second):
    return BEGIN + timedelta(seconds=second)


def _derive(store, first, last):
    values = {"vehicle_ids": [1], "firsts": [_at(first)], "lasts": [_at(last)], "newest": _at(first), "ahead": 8}
    with connect(store.dsn, role="ingest") as conn:
        since = _at(first) - timedelta(days=2)
        conn.execute(sql.load("ingest.store", "derive_lamps"), values | {"since": since}, prepare=False)


def _events(store):
    found = store.ask("SELECT ts, state FROM telemetry.vehicle_event WHERE code = 'insulation' ORDER BY ts")
    return [((at - BEGIN).total_seconds(), state) for at, state in found]
