"""Columns follow config/signals.toml: added without downtime, never retyped or removed."""

import threading
import time
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
import pytest
from psycopg import sql

from config.signals import Catalogue, Signal, catalogue
from ingest.store.connection import connect
from ingest.store.migrate import SignalRetyped
from ingest.store.timeseries.views import relation_with
from ingest.store.version import SchemaOutdated, check_columns
from tests.integration.store.readings import COLUMNS, START, fleet
from tests.integration.store.test_columnstore import compress
from tests.integration.store.test_rollups import check_against_readings

HUMIDITY = Signal(
    path="Vehicle.Exterior.Humidity", column="humidity_pct", type="real", on=("bev",), zh="湿度", en="humidity"
)
WIPER = Signal(path="Vehicle.Body.Wiper", column="wiper_on", type="boolean", on=("bev",), zh="雨刮", en="wiper")

MODULES = Signal(path="Vehicle.Modules", column="module_v", type="real[]", on=("bev",), zh="模组", en="modules")


def with_more(*signals: Signal) -> Catalogue:
    return Catalogue((*catalogue().signals, *signals))


def without(column: str) -> Catalogue:
    return Catalogue(tuple(signal for signal in catalogue().signals if signal.column != column))


def retyped(column: str, type_: str) -> Catalogue:
    return Catalogue(
        tuple(
            msgspec.structs.replace(signal, type=type_) if signal.column == column else signal
            for signal in catalogue().signals
        )
    )


def left_out(column: str) -> Catalogue:
    """The catalogue with a signal that is not rolled up."""
    return Catalogue(
        tuple(
            msgspec.structs.replace(signal, rollup=False) if signal.column == column else signal
            for signal in catalogue().signals
        )
    )


def columns(store, table: str) -> set[str]:
    query = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'telemetry' AND table_name = %s"
    return {name for (name,) in store.ask(query, table)}


def test_a_new_signal_becomes_a_column_of_readings_state_and_rollups(store):
    readings = fleet(seed=31)
    store.insert("vehicle_reading", COLUMNS, readings)
    store.note_changed(readings)
    store.refresh()
    if store.is_timescale:
        assert compress(store, "vehicle_reading") == 3
    before = store.ask("SELECT bucket, n, lv_battery_v__sum FROM telemetry.rollup_day ORDER BY 1, 2, 3")
    more = with_more(HUMIDITY, WIPER)
    store.migrate(more)
    assert {"humidity_pct", "wiper_on"} <= columns(store, "vehicle_reading")
    assert {"humidity_pct", "humidity_pct_at"} <= columns(store, "vehicle_state")
    rows = [(START + timedelta(hours=n), 1, 1000 + n, START, 40.0 + n, n % 2 == 0) for n in range(4)]
    store.insert("vehicle_reading", [*COLUMNS[:4], "humidity_pct", "wiper_on"], rows)
    store.note_changed(rows)
    store.refresh(more)
    query = (
        "SELECT sum(humidity_pct__n), sum(humidity_pct__sum), max(humidity_pct__max), sum(wiper_on__sum)"
        " FROM telemetry.rollup_{} WHERE vehicle_id = 1 AND bucket < '2026-03-02 00:00+00'"
    )
    for level in ("minute", "hour", "day"):
        assert store.ask(query.format(level)) == [(4, 166.0, 43.0, 2.0)]
    after = store.ask("SELECT bucket, n, lv_battery_v__sum FROM telemetry.rollup_day ORDER BY 1, 2, 3")
    assert sum(row[1] for row in after) == sum(row[1] for row in before) + 4
    # Nothing more to do, and nothing is done twice.
    store.migrate(more)
    assert store.ask("SELECT sum(humidity_pct__n) FROM telemetry.rollup_day") == [(4,)]


def test_what_is_read_of_one_part_joins_no_other(store):
    """A signal that came later is in a part of its own on TimescaleDB; who asks for others does not pay for it."""
    readings = fleet(seed=33)
    store.insert("vehicle_reading", COLUMNS, readings)
    more = with_more(HUMIDITY)
    store.migrate(more)
    rows = [(START + timedelta(hours=1), 1, 1000, START, 40.0)]
    store.insert("vehicle_reading", [*COLUMNS[:4], "humidity_pct"], rows)
    store.note_changed([*readings, *rows])
    store.refresh(more)
    with connect(store.dsn, role="models") as conn:
        for columns, of_one in ((["n", "lv_battery_v__n"], True), (["n", "humidity_pct__n"], not store.is_timescale)):
            relation = relation_with(conn, "day", columns)
            assert (relation.as_string(conn) == 'telemetry."rollup_day_1"') == of_one
            query = sql.SQL("SELECT sum(n), sum({}) FROM {}").format(sql.Identifier(columns[1]), relation)
            n, values = conn.execute(query).fetchone()
            assert n > values > 0


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (without("soc_pct"), r"column soc_pct has no signal in config/signals.toml: put it back"),
        (retyped("soc_pct", "boolean"), r"is boolean in config/signals.toml but its column soc_pct is real"),
        (without("probe_c"), r"column probe_c has no signal in config/signals.toml: put it back"),
        (retyped("probe_c", "real"), r"is real in config/signals.toml but its column probe_c is real\[\]"),
        (retyped("soc_pct", "real[]"), r"is real\[\] in config/signals.toml but its column soc_pct is real:"),
        (retyped("soc_pct", "position"), r"is position in config/signals.toml but its column soc_pct is real:"),
    ],
)
def test_removing_or_retyping_one_is_refused_and_changes_nothing(store, wanted, said):
    tables = ("vehicle_reading", "cell_reading", "vehicle_state")
    before = [columns(store, table) for table in tables]
    with pytest.raises(SignalRetyped, match=said):
        store.migrate(wanted)
    assert [columns(store, table) for table in tables] == before


def test_a_new_list_becomes_a_column_of_cells(store):
    cells = [(*row[:4], [3.5]) for row in fleet(seed=32)]
    store.insert("cell_reading", [*COLUMNS[:4], "cell_v"], cells)
    if store.is_timescale:
        assert compress(store, "cell_reading") == 3
    more = with_more(MODULES)
    with connect(store.dsn, role="ingest") as conn, pytest.raises(SchemaOutdated, match=r"Vehicle\.Modules has no col"):
        check_columns(conn, more)
    store.migrate(more)
    with connect(store.dsn, role="ingest") as conn:
        check_columns(conn, more)
    assert "module_v" not in columns(store, "vehicle_reading") | columns(store, "vehicle_state")
    row = (START + timedelta(hours=1, milliseconds=1), 1, 1000, START, [3.5], [42.0, 43.0])
    store.insert("cell_reading", [*COLUMNS[:4], "cell_v", "module_v"], [row])
    assert store.ask("SELECT module_v FROM telemetry.cell_reading WHERE seq = 1000") == [([42.0, 43.0],)]


def test_a_signal_that_is_rolled_up_from_now_on_is_so_for_all_days(empty_store):
    store = empty_store
    store.migrate(left_out("lv_battery_v"))
    readings = fleet(seed=33, days=2)
    store.insert("vehicle_reading", COLUMNS, readings)
    store.note_changed(readings)
    store.refresh(left_out("lv_battery_v"))
    # A signal that had no column yet has nothing to roll up.
    store.migrate(Catalogue((*left_out("lv_battery_v").signals, HUMIDITY)))
    assert store.ask("SELECT count(*) FROM telemetry.stale_day") == [(0,)]
    store.migrate(with_more(HUMIDITY))
    assert store.refresh(with_more(HUMIDITY)) == 6
    check_against_readings(store, readings)
    store.migrate(with_more(HUMIDITY))
    assert store.ask("SELECT count(*) FROM telemetry.stale_day") == [(0,)]


def test_a_process_with_a_newer_catalogue_says_to_migrate(store):
    with connect(store.dsn, role="ingest") as conn:
        check_columns(conn, catalogue())
        with pytest.raises(
            SchemaOutdated, match=r"Vehicle.Exterior.Humidity has no column yet: run 'forewarn migrate'"
        ):
            check_columns(conn, with_more(HUMIDITY))


def test_readings_go_on_while_a_column_is_added(shared_store):
    """A long query holds the table, the migration waits for it in short turns, and no insert waits for long."""
    store = shared_store
    store.migrate()
    now = datetime.now(UTC)
    longest, stored, stop = 0.0, 0, threading.Event()

    def write() -> None:
        nonlocal longest, stored
        with connect(store.dsn, role="admin", autocommit=True) as conn:
            conn.execute("SELECT telemetry.ensure_partition('vehicle_reading', %s)", (now.date(),))
            while not stop.is_set():
                began = time.monotonic()
                conn.execute(
                    "INSERT INTO telemetry.vehicle_reading (ts, vehicle_id, seq, received_at) VALUES (%s, 1, %s, %s)",
                    (now, stored, now),
                )
                longest, stored = max(longest, time.monotonic() - began), stored + 1
                time.sleep(0.01)

    def query_for(seconds: float, holds: threading.Event) -> None:
        with psycopg.connect(store.dsn) as conn:
            conn.execute("SELECT count(*) FROM telemetry.vehicle_reading")
            holds.set()
            time.sleep(seconds)

    holds = threading.Event()
    threads = [threading.Thread(target=write), threading.Thread(target=query_for, args=(6, holds))]
    for thread in threads:
        thread.start()
    assert holds.wait(10)
    store.migrate(with_more(HUMIDITY))
    stop.set()
    for thread in threads:
        thread.join()
    assert "humidity_pct" in columns(store, "vehicle_reading")
    assert stored > 100
    # Two seconds for one turn of the migration, and as much again for a busy machine.
    assert longest < 4
