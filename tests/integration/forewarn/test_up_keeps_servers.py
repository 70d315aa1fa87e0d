"""``forewarn up`` outlives the sudden death of its servers; a full disk ends a delivery soon."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psycopg
import pytest

from config.settings import Settings
from forewarn import delivery
from forewarn.delivery import DiskIsFull, deliver
from forewarn.embedded import services
from forewarn.embedded.broker import running_broker
from forewarn.embedded.ports import free_port
from forewarn.embedded.postgres import running_cluster
from forewarn.embedded.postmaster import running_pid
from forewarn.embedded.processes import runs


def _environment(folder, web_port) -> dict[str, str]:
    own = {"FOREWARN_DATA_DIR": str(folder), "FOREWARN_WEB__PORT": str(web_port)}
    own["FOREWARN_PARTNERS__PORT"] = str(free_port())
    return {name: value for name, value in os.environ.items() if not name.startswith("FOREWARN_")} | own


def _wait_until_well(environment, up, *, within_s=60.0):
    deadline = time.monotonic() + within_s
    while True:
        done = subprocess.run(
            [sys.executable, "-m", "forewarn", "status", "--json"], env=environment, capture_output=True, text=True
        )
        if done.returncode == 0:
            return json.loads(done.stdout)
        assert up.poll() is None, "it ended"
        assert time.monotonic() < deadline, done.stdout + done.stderr
        time.sleep(0.5)


def _wait_for(condition, *, within_s=30.0):
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_killed_servers_are_started_again(open_folder):
    environment = _environment(open_folder, free_port())
    told = open_folder / "told"
    with told.open("w") as errors:
        up = subprocess.Popen([sys.executable, "-m", "forewarn", "up"], env=environment, stderr=errors)
    try:
        _wait_until_well(environment, up, within_s=90)
        cluster = running_cluster(open_folder / "postgres", run_as=None)
        broker = running_broker(open_folder / "broker")
        postmaster = running_pid(cluster.data)
        os.kill(postmaster, signal.SIGKILL)
        os.kill(broker.pid, signal.SIGKILL)
        _wait_for(lambda: running_pid(cluster.data) not in (None, postmaster))
        again = _wait_for(lambda: running_broker(open_folder / "broker"))
        _wait_until_well(environment, up)
        assert running_cluster(open_folder / "postgres", run_as=None).dsn == cluster.dsn
        assert again.port == broker.port
        last = [running_pid(cluster.data), again.pid]
        # Whoever lost the election lock with its connection finds out within a few seconds.
        time.sleep(6)
        _wait_until_well(environment, up)
        up.send_signal(signal.SIGTERM)
        assert up.wait(60) == 0, told.read_text()
    finally:
        if up.poll() is None:
            up.kill()
            up.wait()
    said = told.read_text()
    assert said.count("PostgreSQL ended and was started again.") == 1, said
    assert said.count("the MQTT broker ended and was started again.") == 1, said
    assert "Traceback" not in said, said
    assert not [pid for pid in last if runs(pid)]


def test_an_end_without_a_server_to_stop_is_quiet(open_folder):
    with services(Settings(data_dir=open_folder), broker=True):
        os.kill(running_pid(open_folder / "postgres" / "data"), signal.SIGKILL)
        os.kill(running_broker(open_folder / "broker").pid, signal.SIGKILL)


def test_a_full_disk_ends_a_delivery_soon(open_folder, monkeypatch):
    """Nobody ingests here, as when no row can be written; what was committed is there afterwards."""
    monkeypatch.setattr(delivery, "publish", lambda messages, **how: 10)
    monkeypatch.setattr(delivery, "outcomes", lambda conn: delivery.Outcomes())
    settings = Settings(data_dir=open_folder)

    def run():
        with services(settings, broker=True) as complete:
            with psycopg.connect(complete.database.dsn) as conn:
                conn.execute("CREATE TABLE kept ()")
            monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**20))
            began.append(time.monotonic())
            deliver([], complete)

    began = []
    with pytest.raises(DiskIsFull, match=f"the disk is full at {open_folder}.*free some space"):
        run()
    assert time.monotonic() - began[0] < 10
    assert running_cluster(open_folder / "postgres", run_as=None) is None
    with services(settings, broker=False) as complete, psycopg.connect(complete.database.dsn) as conn:
        conn.execute("TABLE kept")
