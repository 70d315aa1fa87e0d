"""The product's own writer on a store whose readings are in the columnstore; the one in WebAssembly has no COPY."""

import uuid
from datetime import UTC, datetime

import msgspec
import pytest

from config.settings import IngestSettings
from config.signals import catalogue
from ingest import topics
from ingest.gate import Gate
from ingest.history import judge_changed_days
from ingest.inbox import Message
from ingest.store.connection import connect
from ingest.writer import Epoch, Outcome, Writer

VIN = "LFWA0000000000001"
NOW = datetime(2026, 3, 10, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
SOC = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"
CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"
DAYS, A_DAY = 4, 200


def samples(*, soc: float = 50.0, only=range(DAYS * A_DAY)):
    return [
        {
            "ts": NOW_MS - n // A_DAY * 86_400_000 - n % A_DAY * 30_000,
            "seq": DAYS * A_DAY - n,
            "signals": {SOC: soc, CELLS: [3.6, 3.61, 3.59]},
        }
        for n in only
    ]


@pytest.fixture
def write(shared_store):
    """Write samples with a writer that keeps one connection, as a worker does; return what they came to."""
    shared_store.migrate()
    shared_store.enrol(VIN)
    batch = 0
    with connect(shared_store.dsn, role="ingest") as conn:
        epoch = Epoch("test", "bulk", uuid.uuid4(), NOW)
        writer = Writer(conn, epoch=epoch, gate=Gate(remember_s=0), settings=IngestSettings(), clock=lambda: NOW)

        def write_samples(some) -> Outcome:
            nonlocal batch
            total = Outcome()
            payloads = [msgspec.json.encode({"samples": some[at : at + 100]}) for at in range(0, len(some), 100)]
            messages = [Message(topics.telemetry(VIN), payload, 1, NOW_MS, 1) for payload in payloads]
            while messages:
                batch += 1
                written = writer.write(messages, batch=batch)
                messages = messages[written.messages :]
                total += written.outcome
            return total

        yield write_samples


def compress(store) -> bool:
    with store.opened() as (conn, engine):
        moved = [engine.compress(conn, table) for table in ("vehicle_reading", "cell_reading")]
        return all(moved)


def test_late_resent_and_conflicting_readings_meet_the_columnstore(shared_store, write):
    late = range(0, DAYS * A_DAY, 7)
    on_time = [n for n in range(DAYS * A_DAY) if n % 7]
    assert write(samples(only=on_time)) == Outcome(received=len(on_time), stored=len(on_time))
    assert compress(shared_store) == shared_store.is_timescale
    assert write(samples(only=late)) == Outcome(received=len(late), stored=len(late))
    count = DAYS * A_DAY
    assert write(samples()) == Outcome(received=count, duplicate=count)
    assert write(samples(soc=49)) == Outcome(received=count, dead=count)
    for table in ("vehicle_reading", "cell_reading"):
        assert shared_store.ask(f"SELECT count(*), count(DISTINCT seq) FROM telemetry.{table}") == [(count, count)]
    assert shared_store.ask("SELECT DISTINCT reason FROM pii.dead_letter") == [("key_conflict",)]


def test_it_is_judged_and_rolled_up_where_it_lies(shared_store, write):
    write(samples(only=[n for n in range(DAYS * A_DAY) if n % 50]))
    compress(shared_store)
    with connect(shared_store.dsn, role="ingest") as conn:
        flagged = judge_changed_days(conn)
    assert flagged > 0
    shared_store.refresh()
    compress(shared_store)
    # What was missing comes and takes the flags away.
    assert write(samples(only=range(0, DAYS * A_DAY, 50))).stored == DAYS * A_DAY // 50
    with connect(shared_store.dsn, role="ingest") as conn:
        judge_changed_days(conn)
    assert shared_store.ask("SELECT count(*) FROM telemetry.vehicle_reading WHERE quality & 1024 <> 0")[0][0] < flagged
    shared_store.refresh(catalogue())
    days = shared_store.ask("SELECT sum(n), sum(soc_pct__n) FROM telemetry.rollup_day")
    assert days == [(DAYS * A_DAY, DAYS * A_DAY)]
    newest = shared_store.ask("SELECT ts, soc_pct_at FROM telemetry.vehicle_state")
    assert newest == [(NOW, NOW)]
