"""What goes wrong in systems like this one, a test each: a worker between a real mosquitto and a real database."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psycopg
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from config.settings import DatabaseSettings, IngestSettings, MqttSettings, Settings
from ingest import topics
from ingest.worker import run_worker
from tests.fault.proxy import proxy
from tests.fault.scene import eventually
from tests.mosquitto import Mosquitto, mosquitto

VIN = "LFWA0000000000001"
SPEED = "Vehicle.Speed"
_LOCK_WAITS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'forewarn ingest' AND wait_event_type = 'Lock'
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker", "max_queued_messages 0\nmax_inflight_messages 0") as running:
        yield running


@pytest.fixture
def settings(database: str, broker: Mosquitto, enrolled: Callable[..., dict[str, int]]) -> Settings:
    enrolled(VIN)
    return Settings(database=DatabaseSettings(dsn=database), mqtt=MqttSettings(host="127.0.0.1", port=broker.port))


@contextmanager
def worker(settings: Settings, *, port: int | None = None) -> Iterator[None]:
    """Run a worker in a thread until the block ends; it has subscribed when the block begins."""
    if port is not None:
        settings = settings.model_copy(update={"mqtt": settings.mqtt.model_copy(update={"port": port})})
    stop = threading.Event()
    thread = threading.Thread(target=run_worker, args=(settings,), kwargs={"stop": stop})
    epochs = number(settings, "SELECT count(*) FROM telemetry.outcome")
    thread.start()
    try:
        eventually(
            lambda: number(settings, "SELECT count(*) FROM telemetry.outcome") > epochs,
            within_s=15,
            what="the worker subscribes",
        )
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive(), "the worker did not stop"


def number(settings: Settings, query: str) -> int:
    with psycopg.connect(settings.database.dsn or "") as conn:
        row = conn.execute(query).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return int(row[0] or 0)


def stored(settings: Settings) -> int:
    return number(settings, "SELECT count(*) FROM telemetry.vehicle_reading")


def until_stored(settings: Settings, wanted: int, *, within_s: float = 20) -> None:
    eventually(lambda: stored(settings) >= wanted, within_s=within_s, what=f"{wanted} readings, not {stored(settings)}")


@contextmanager
def locked(settings: Settings, table: str) -> Iterator[psycopg.Connection]:
    """Make every writer of ``table`` wait until the block ends."""
    with psycopg.connect(settings.database.dsn or "") as conn:
        conn.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")  # type: ignore[call-overload]
        yield conn


def until_it_waits(settings: Settings) -> None:
    eventually(lambda: number(settings, _LOCK_WAITS) > 0, within_s=15, what="the writer waits for the lock")


@contextmanager
def publishing(port: int) -> Iterator[Callable[[str, bytes], None]]:
    client = Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(200)
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent = []
    try:
        yield lambda topic, payload: sent.append(client.publish(topic, payload, qos=1))
        for info in sent:
            info.wait_for_publish(20)
    finally:
        client.disconnect()
        client.loop_stop()


def message(*seqs: int) -> bytes:
    now = int(time.time() * 1000) // 86_400_000 * 86_400_000 - 3_600_000
    return msgspec.json.encode(
        {"samples": [{"ts": now + seq, "seq": seq, "signals": {SPEED: seq % 200}} for seq in seqs]}
    )


def publish(settings: Settings, *payloads: bytes) -> None:
    with publishing(settings.mqtt.port) as send:
        for payload in payloads:
            send(topics.telemetry(VIN), payload)


def connections(broker: Mosquitto) -> list[str]:
    """Return the broker's lines about connections of consumers."""
    return [line for line in broker.log.read_text().splitlines() if " as forewarn-ingest-" in line]


def test_a_consumer_whose_inbox_was_full_goes_on(settings, broker, monkeypatch):
    # Held for longer than two keep-alives, in which it reads nothing: neither may end for good.
    monkeypatch.setattr("ingest.consumer.KEEPALIVE_S", 1)
    settings = settings.model_copy(update={"ingest": IngestSettings(queue_messages=20, batch_rows=10)})
    with worker(settings):
        with locked(settings, "telemetry.vehicle_reading"):
            publish(settings, *(message(n) for n in range(2000)))
            until_it_waits(settings)
            full_until = time.monotonic() + 5
            eventually(lambda: time.monotonic() >= full_until, within_s=6, what="the time has passed")
        until_stored(settings, 2000, within_s=40)
    assert stored(settings) == 2000
    assert len({line.split("(p")[1][0] for line in connections(broker)}) == 1, "it changed the protocol"


def test_a_slow_database_does_not_cost_the_connection(settings, broker, monkeypatch):
    monkeypatch.setattr("ingest.consumer.KEEPALIVE_S", 1)
    with worker(settings):
        with locked(settings, "telemetry.vehicle_reading"):
            publish(settings, *(message(n) for n in range(500)))
            until_it_waits(settings)
            slow_until = time.monotonic() + 4
            eventually(lambda: time.monotonic() >= slow_until, within_s=5, what="the time has passed")
        until_stored(settings, 500)
    assert len(connections(broker)) == 1


def test_a_message_that_cannot_be_read_is_kept_before_it_is_acknowledged(settings, broker):
    acknowledged = threading.Event()

    def look(_connection: int, piece: bytes) -> None:
        # Nothing else that this client sends begins like a PUBACK.
        if piece[0] == 0x40:
            acknowledged.set()

    with proxy(broker.port, before_forward=look) as link, worker(settings, port=link.port):
        with locked(settings, "pii.dead_letter"):
            publish(settings, b"not json")
            until_it_waits(settings)
            assert not acknowledged.is_set()
        assert acknowledged.wait(15)
        assert number(settings, "SELECT count(*) FROM pii.dead_letter") == 1


def test_the_session_survives_since_the_client_id_stays_the_same(settings, broker):
    for _ in range(2):
        with worker(settings):
            pass
    names = [line.split(" as ")[1].split()[0] for line in connections(broker)]
    assert names == ["forewarn-ingest-0"] * 2


def test_fifty_messages_a_second_are_stored_within_two_seconds(settings):
    count, sent_at, seen_at = 250, [], {}
    with worker(settings), publishing(settings.mqtt.port) as send:
        began = time.monotonic()

        def look() -> bool:
            now, there = time.monotonic(), stored(settings)
            for n in range(len(seen_at), there):
                seen_at[n] = now
            if len(sent_at) < count and now - began >= len(sent_at) / 50:
                sent_at.append(time.monotonic())
                send(topics.telemetry(VIN), message(len(sent_at)))
            return there == count

        deadline = began + 30
        while not look():
            assert time.monotonic() < deadline
    # In one session and one worker order is kept, so the n-th that is there is the n-th that was sent.
    assert max(seen_at[n] - sent_at[n] for n in range(count)) < 2


def test_a_late_upload_of_what_is_there_is_not_stored_again(settings):
    with worker(settings):
        publish(settings, *(message(n) for n in range(100)))
        until_stored(settings, 100)
        publish(settings, *(message(n) for n in range(50)), message(100))
        until_stored(settings, 101)
        received = "SELECT sum(received) FROM telemetry.outcome"
        eventually(lambda: number(settings, received) == 151, within_s=15, what="all received")
    assert stored(settings) == 101
    assert number(settings, "SELECT sum(duplicate) FROM telemetry.outcome") == 50


def test_samples_that_share_time_but_not_seq_are_all_stored(settings):
    ts = int(time.time() * 1000) - 60_000
    samples = [{"ts": ts, "seq": seq, "signals": {SPEED: 1}} for seq in range(5)]
    with worker(settings):
        publish(settings, msgspec.json.encode({"samples": samples}))
        until_stored(settings, 5)
    assert stored(settings) == 5


@pytest.mark.parametrize("seq", [2**63, 2**64, -(2**63) - 1])
def test_a_number_that_is_too_large_does_not_stop_the_worker(settings, seq):
    bad = msgspec.json.encode({"samples": [{"ts": 1_767_225_600_000, "signals": {}}]})
    bad = bad.replace(b'"signals"', b'"seq":%d,"signals"' % seq)
    with worker(settings):
        publish(settings, message(0), bad, message(1))
        until_stored(settings, 2)
        assert number(settings, "SELECT count(*) FROM pii.dead_letter WHERE reason = 'bad_seq'") == 1


def test_two_workers_meet_a_new_day_at_the_same_time(settings, plain_database):
    settings = settings.model_copy(update={"database": DatabaseSettings(dsn=plain_database)})
    ensure = "SELECT telemetry.ensure_partition('vehicle_reading', '2031-05-06')"
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
    answers: list[object] = []

    def second() -> None:
        try:
            answers.append(number(settings, ensure))
        except psycopg.Error as error:
            answers.append(error)

    thread = threading.Thread(target=second)
    with psycopg.connect(settings.database.dsn or "") as conn:
        conn.execute(ensure)
        thread.start()
        eventually(lambda: number(settings, waits) == 1, within_s=15, what="the second worker waits for the first")
    thread.join(15)
    assert answers == [0]
