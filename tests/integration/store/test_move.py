"""From PostgreSQL alone to TimescaleDB: nothing is lost on the way, and what is refused changes nothing."""

import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
import pytest

from config.settings import IngestSettings, StoreSettings
from config.signals import Catalogue, catalogue
from ingest import topics
from ingest.gate import Gate
from ingest.inbox import Message
from ingest.store.connection import connect
from ingest.store.migrate import SignalRetyped, migrate
from ingest.store.timeseries import detect
from ingest.store.timeseries.move import MoveBlocked
from ingest.store.timeseries.plain import Plain
from ingest.store.timeseries.timescale import Timescale
from ingest.store.version import SchemaTooNew, check_version, head
from ingest.writer import Epoch, Writer
from tests.integration.store.readings import COLUMNS, START, fleet
from tests.integration.store.test_migrate import everything

VIN = "LFWA0000000000001"
SOC = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"
PLAIN = StoreSettings(timescaledb="off")


def plain(store):
    """Leave the store on PostgreSQL alone, with readings and rollups in it."""
    migrate(store.dsn, PLAIN)
    readings = fleet(seed=3)
    store.insert("vehicle_reading", COLUMNS, readings)
    store.note_changed(readings)
    store.refresh()
    return len(readings)


def message(first: int) -> Message:
    ts = int(START.timestamp() * 1000)
    samples = [{"ts": ts + n * 1000, "seq": n, "signals": {SOC: 50.0}} for n in range(first, first + 20)]
    return Message(topics.telemetry(VIN), msgspec.json.encode({"samples": samples}), 1, ts + 86_400_000, 1)


@pytest.mark.parametrize("takes_the_lock", [True, False], ids=["this version", "a writer without the lock"])
def test_what_is_written_while_the_tables_move_is_there(shared_store, monkeypatch, takes_the_lock):
    """A writer that takes no part in the lock writes past the chunks; the migration finds its readings again."""
    store = shared_store
    if not takes_the_lock:
        monkeypatch.setattr("ingest.writer.READINGS_LOCK", 1)
    migrate(store.dsn, PLAIN)
    store.enrol(VIN)
    engine = Timescale if store.is_timescale else Plain
    lay_out = engine.lay_out
    with connect(store.dsn, role="ingest") as conn:
        writer = Writer(
            conn,
            epoch=Epoch("test", "bulk", uuid.uuid4(), datetime.now(UTC)),
            gate=Gate(remember_s=60),
            settings=IngestSettings(),
        )
        written = [writer.write([message(0)], batch=1).outcome]
        thread = threading.Thread(target=lambda: written.append(writer.write([message(100)], batch=2).outcome))

        def lay_out_while_it_writes(self, *arguments):
            lay_out(self, *arguments)
            thread.start()
            wait_until_it_waits(store.dsn, thread)

        monkeypatch.setattr(engine, "lay_out", lay_out_while_it_writes)
        store.migrate()
        thread.join()
    assert [outcome.stored for outcome in written] == [20, 20]
    assert store.ask("SELECT count(*) FROM telemetry.vehicle_reading") == [(40,)]


def wait_until_it_waits(dsn: str, thread: threading.Thread) -> None:
    """Return as soon as the writer waits for a lock, or has written."""
    query = "SELECT FROM pg_stat_activity WHERE application_name = 'forewarn ingest' AND wait_event_type = 'Lock'"
    deadline = time.monotonic() + 20
    with psycopg.connect(dsn, autocommit=True) as conn:
        while thread.is_alive() and conn.execute(query).fetchone() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def retyped(store):
    changed = [
        msgspec.structs.replace(signal, type="integer") if signal.column == "soc_pct" else signal
        for signal in catalogue().signals
    ]
    store.migrate(Catalogue(tuple(changed)))


def of_a_newer_version(store):
    store.ask("UPDATE public.schema_version SET version_num = '9999_future'")
    try:
        store.migrate()
    finally:
        with psycopg.connect(store.dsn) as conn:
            conn.execute("UPDATE public.schema_version SET version_num = %s", (head(),))


@pytest.mark.parametrize(("attempt", "refusal"), [(retyped, SignalRetyped), (of_a_newer_version, SchemaTooNew)])
def test_a_refused_migration_changes_nothing_and_the_store_goes_on(shared_store, attempt, refusal):
    count = plain(shared_store)
    before = everything(shared_store.dsn)
    with pytest.raises(refusal):
        attempt(shared_store)
    assert everything(shared_store.dsn) == before
    still_works(shared_store, count)


def still_works(store, count: int) -> None:
    with store.opened() as (conn, engine):
        assert isinstance(engine, Plain)
        check_version(conn)
    late = [(START + timedelta(hours=4, seconds=1), 1, 77, START, *fleet(seed=3)[0][4:])]
    rolled_up = store.ask("SELECT sum(n) + 1 FROM telemetry.rollup_day")
    assert store.insert("vehicle_reading", COLUMNS, late) == 1
    store.note_changed(late)
    assert store.refresh() == 1
    assert store.ask("SELECT sum(n) FROM telemetry.rollup_day") == rolled_up
    assert store.ask("SELECT count(*) FROM telemetry.vehicle_reading") == [(count + 1,)]


def test_what_depends_on_a_table_that_moves_is_named_and_nothing_changed(made):
    store = made("timescale")
    count = plain(store)
    store.ask("CREATE SCHEMA IF NOT EXISTS mine")
    store.ask("CREATE OR REPLACE VIEW mine.newest AS SELECT max(ts) FROM telemetry.vehicle_reading")
    before = everything(store.dsn)
    with pytest.raises(MoveBlocked, match=r"view mine\.newest depends on table telemetry\.vehicle_reading\).*drop"):
        store.migrate()
    assert everything(store.dsn) == before
    still_works(store, count)
    store.ask("DROP SCHEMA mine CASCADE")
    store.migrate()
    with store.opened() as (_, engine):
        assert isinstance(engine, Timescale)
    assert store.ask("SELECT count(*) FROM telemetry.vehicle_reading") == [(count + 1,)]


def test_an_administrators_extension_changes_nothing_until_the_tables_moved(made):
    store = made("timescale")
    count = plain(store)
    store.ask("CREATE EXTENSION IF NOT EXISTS timescaledb")
    still_works(store, count)
    migrate(store.dsn, PLAIN)
    with store.opened() as (conn, engine):
        assert isinstance(engine, Plain)
        with pytest.raises(detect.StoreUnfit, match="requires: run 'forewarn migrate'"):
            detect.check_required(conn, store.settings)
    store.migrate()
    # There is no way back.
    migrate(store.dsn, PLAIN)
    with store.opened() as (conn, engine):
        assert isinstance(engine, Timescale)
        detect.check_required(conn, store.settings)
    assert store.ask("SELECT count(*) FROM telemetry.vehicle_reading") == [(count + 1,)]


def test_a_timescaledb_too_old_is_not_used_unless_required(made, monkeypatch):
    store = made("timescale")
    count = plain(store)
    before = everything(store.dsn)
    monkeypatch.setattr(detect, "_LEAST_TIMESCALE", (99, 0))
    with pytest.raises(detect.StoreUnfit, match=r"^TimescaleDB 2\.\S+ is too old"):
        store.migrate()
    store.migrate(timescaledb="auto")
    assert everything(store.dsn) == before
    still_works(store, count)
