"""A worker that is killed in the middle loses nothing, and nothing is stored twice."""

import os
import signal
import threading
import time
from datetime import UTC, datetime

import psycopg
import pytest

from config.settings import DatabaseSettings, IngestSettings, MqttSettings, Settings
from forewarn.delivery import deliver, ingest_beside, ingest_workers, outcomes
from forewarn.embedded.broker import WINDOW_MESSAGES
from forewarn.replay.recording import telemetry_message
from forewarn.supervisor import child_environment, supervised

VIN = "LFWA1234567890123"
START_MS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def settings(database, broker_port, tmp_path):
    return Settings(
        data_dir=tmp_path,
        database=DatabaseSettings(dsn=database),
        mqtt=MqttSettings(host="127.0.0.1", port=broker_port),
        ingest=IngestSettings(batch_rows=WINDOW_MESSAGES),
    )


def _messages(count):
    for number in range(count):
        signals = {"Vehicle.LowVoltageBattery.CurrentVoltage": 12.0 + number % 100 / 100}
        yield telemetry_message(VIN, START_MS + number * 1000, 0, signals)


def _stored(dsn):
    with psycopg.connect(dsn) as conn:
        return conn.execute("SELECT count(*), count(DISTINCT ts) FROM telemetry.vehicle_reading").fetchone()


def test_nothing_is_lost_or_doubled(settings, enrolled):
    enrolled(VIN)
    count, kills = 20_000, 4
    with ingest_beside(settings):
        # The session stands now; from here on workers are ours to kill.
        pass
    with supervised(ingest_workers(settings), environment=child_environment(settings)) as supervisor:
        done = threading.Event()
        killed = []

        def kill_again_and_again():
            for round_ in range(1, kills + 1):
                while not done.is_set() and _stored(settings.database.dsn)[0] < round_ * count // (kills + 1):
                    time.sleep(0.02)
                pid = supervisor.pids().get("ingest-0")
                if pid and not done.is_set():
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

        killer = threading.Thread(target=kill_again_and_again)
        killer.start()
        try:
            # A sample that was stored but not acknowledged comes again: duplicates would end the wait too early.
            deliver(_messages(count), settings)
            deadline = time.monotonic() + 60
            while _stored(settings.database.dsn)[0] < count and time.monotonic() < deadline:
                time.sleep(0.1)
        finally:
            done.set()
            killer.join()
    assert len(killed) == kills
    assert _stored(settings.database.dsn) == (count, count)
    with psycopg.connect(settings.database.dsn) as conn:
        seen = outcomes(conn)
    assert seen.received == seen.settled
    assert seen.stored == count
    assert (seen.dead, seen.refused) == (0, 0)
