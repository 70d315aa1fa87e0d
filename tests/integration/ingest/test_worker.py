"""A worker between a real broker and a real database."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import LiteralString

import msgspec
import psycopg
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from psycopg import sql
from structlog.testing import capture_logs

from config.settings import DatabaseSettings, IngestSettings, MqttSettings, Settings
from ingest import topics
from ingest.other_rows import store_dead_letters
from ingest.worker import run_worker

VIN = "LFWA0000000000001"
SOC = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"


@pytest.fixture
def settings(database: str, broker_port: int, enrolled: Callable[..., dict[str, int]]) -> Settings:
    enrolled(VIN)
    return Settings(
        database=DatabaseSettings(dsn=database),
        mqtt=MqttSettings(host="127.0.0.1", port=broker_port),
        ingest=IngestSettings(batch_age_ms=50),
    )


@pytest.fixture
def start(settings: Settings) -> Iterator[Callable[[], tuple[threading.Event, threading.Thread]]]:
    running: list[tuple[threading.Event, threading.Thread]] = []

    def start_worker() -> tuple[threading.Event, threading.Thread]:
        stop = threading.Event()
        thread = threading.Thread(target=run_worker, args=(settings,), kwargs={"stop": stop})
        thread.start()
        running.append((stop, thread))
        wait_for(settings.database.dsn, "SELECT count(*) FROM telemetry.outcome", len(running))
        return stop, thread

    yield start_worker
    for stop, thread in running:
        stop.set()
        thread.join(20)
        assert not thread.is_alive(), "the worker did not stop"


def publish(port: int, messages: list[tuple[str, bytes]]) -> None:
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for info in [client.publish(topic, payload, qos=1) for topic, payload in messages]:
        info.wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def wait_for(database: str, query: LiteralString, wanted: int, *, seconds: float = 15) -> int:
    deadline = time.monotonic() + seconds
    with psycopg.connect(database, autocommit=True) as conn:
        while True:
            row = conn.execute(query).fetchone()
            assert row is not None
            if row[0] >= wanted or time.monotonic() > deadline:
                return int(row[0])
            time.sleep(0.05)


def stored_within(database: str, wanted: int) -> int:
    return wait_for(database, "SELECT count(*) FROM telemetry.vehicle_reading", wanted)


def messages(count: int, *, begin: int = 0) -> list[tuple[str, bytes]]:
    now = int(time.time() * 1000)
    return [
        (
            topics.telemetry(VIN),
            msgspec.json.encode({"samples": [{"ts": now - 60_000, "seq": n, "signals": {SOC: n % 100}}]}),
        )
        for n in range(begin, begin + count)
    ]


def test_what_is_published_is_stored_and_bad_messages_do_not_stop_it(settings, start):
    start()
    good = messages(500)
    publish(settings.mqtt.port, [*good[:250], (topics.telemetry(VIN), b"\xff"), *good[250:]])
    assert stored_within(settings.database.dsn, 500) == 500
    with psycopg.connect(settings.database.dsn) as conn:
        row = conn.execute("SELECT sum(received), sum(stored), sum(dead) FROM telemetry.outcome").fetchone()
    assert row == (501, 500, 1)


def test_a_worker_that_was_away_gets_what_it_missed(settings, start):
    stop, thread = start()
    publish(settings.mqtt.port, messages(10))
    assert stored_within(settings.database.dsn, 10) == 10
    stop.set()
    thread.join(20)
    publish(settings.mqtt.port, messages(300, begin=10))
    start()
    assert stored_within(settings.database.dsn, 310) == 310


def test_the_database_may_go_away_for_a_while(settings, start):
    start()
    publish(settings.mqtt.port, messages(10))
    assert stored_within(settings.database.dsn, 10) == 10
    with psycopg.connect(settings.database.dsn, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'forewarn ingest'"
        )
    publish(settings.mqtt.port, messages(100, begin=10))
    assert stored_within(settings.database.dsn, 110) == 110


def test_a_database_that_becomes_read_only_is_away_until_it_is_no_longer(settings, start):
    _, thread = start()
    publish(settings.mqtt.port, messages(10))
    assert stored_within(settings.database.dsn, 10) == 10
    with psycopg.connect(settings.database.dsn, autocommit=True) as conn:
        name = sql.Identifier(conn.info.dbname)
        conn.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'forewarn ingest'"
        )
    with capture_logs() as logs:
        publish(settings.mqtt.port, messages(100, begin=10))
        deadline = time.monotonic() + 15
        while not any("read-only" in str(entry.get("error")) for entry in logs):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert thread.is_alive()
    with psycopg.connect(settings.database.dsn, autocommit=True) as conn:
        conn.execute("SET default_transaction_read_only = off")
        conn.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))
    assert stored_within(settings.database.dsn, 110) == 110


def test_a_session_that_the_database_ends_for_idling_in_a_batch_is_another_try(settings, start, monkeypatch):
    monkeypatch.setattr("ingest.store.connection._IDLE_IN_TRANSACTION", "200ms")
    slow = threading.Event()

    def idle_once(*args, **kwargs):
        if not slow.is_set():
            slow.set()
            time.sleep(1)
        return store_dead_letters(*args, **kwargs)

    monkeypatch.setattr("ingest.writer.store_dead_letters", idle_once)
    start()
    publish(settings.mqtt.port, messages(10))
    assert stored_within(settings.database.dsn, 10) == 10
    assert slow.is_set()
    with psycopg.connect(settings.database.dsn) as conn:
        row = conn.execute("SELECT sum(received), sum(stored) FROM telemetry.outcome").fetchone()
    assert row == (10, 10)
