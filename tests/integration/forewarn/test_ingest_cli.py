"""``forewarn ingest check-broker``, warnings at the start, and the metrics of workers that run."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from forewarn import cli
from forewarn.embedded.ports import free_ports
from tests.mosquitto import mosquitto


@pytest.fixture
def broker(tmp_path, monkeypatch):
    """Start a mosquitto with these further lines and point the settings at it."""
    started = []

    def start(*lines):
        (port,) = free_ports(1)
        configuration = "\n".join([f"listener {port} 127.0.0.1", "allow_anonymous true", *lines])
        running = mosquitto(tmp_path / "mosquitto", configuration, ports=[port])
        started.append(running)
        running.__enter__()
        monkeypatch.setenv("FOREWARN_DATA_DIR", str(tmp_path))
        monkeypatch.setenv("FOREWARN_MQTT__HOST", "127.0.0.1")
        monkeypatch.setenv("FOREWARN_MQTT__PORT", str(port))

    yield start
    for running in started:
        running.__exit__(None, None, None)


def test_a_broker_that_keeps_everything_passes(broker, capsys):
    broker("max_queued_messages 0", "max_inflight_messages 0")
    assert cli.run(["ingest", "check-broker", "--messages", "2000", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["acknowledged"], told["delivered"], told["lost"], told["refused"]) == (2000, 2000, 0, None)
    assert cli.run(["ingest", "check-broker", "--messages", "100"]) == 0
    assert "100 messages that the broker took for an absent consumer it lost none" in capsys.readouterr().out


def test_a_broker_that_throws_away_is_found_out(broker, capsys):
    broker("max_queued_messages 500", "max_queued_bytes 0")
    assert cli.run(["ingest", "check-broker", "--messages", "2000"]) == 1
    told = capsys.readouterr().out
    assert "it lost 1," in told
    assert "docs/broker.md" in told
    assert "warning: " in told


def test_it_is_about_a_broker_of_ones_own(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FOREWARN_DATA_DIR", str(tmp_path))
    assert cli.run(["ingest", "check-broker"]) == 2
    assert "FOREWARN_MQTT__HOST" in capsys.readouterr().err


def test_a_broker_that_is_not_there_is_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("FOREWARN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FOREWARN_MQTT__HOST", "127.0.0.1")
    monkeypatch.setenv("FOREWARN_MQTT__PORT", str(free_ports(1)[0]))
    assert cli.run(["ingest", "check-broker"]) == 2
    assert "cannot be measured" in capsys.readouterr().err


def test_ingest_warns_at_its_start_and_serves_figures(broker, database, monkeypatch):
    broker()
    # The lane of charging has the port after that of everything else.
    ports = free_ports(2)
    monkeypatch.setenv("FOREWARN_DATABASE__DSN", database)
    monkeypatch.setenv("FOREWARN_INGEST__METRICS_PORT", str(ports[0]))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "forewarn", "ingest", "run"],
        env=os.environ,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        for port, lane in zip(ports, ("bulk", "charging"), strict=True):
            _until_connected(port, lane, process)
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    # A mosquitto as it comes keeps 1000 messages for a consumer that is away.
    assert "Warning: " in said
    assert "max_queued_messages" in said


def _until_connected(port, lane, process):
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                if f'forewarn_ingest_connected{{lane="{lane}"}} 1.0' in answer.read().decode():
                    return
        except OSError:
            assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
