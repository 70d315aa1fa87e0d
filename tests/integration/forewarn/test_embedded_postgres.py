"""The embedded server is private, durable, shared and survives what happens to processes."""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from config.errors import UserMistake
from forewarn.embedded import binaries
from forewarn.embedded.account import account_for
from forewarn.embedded.postgres import Cluster, shared_cluster, start_cluster
from forewarn.embedded.processes import has_ended


@pytest.fixture
def cluster(tmp_path):
    started = start_cluster(tmp_path / "postgres", run_as=None)
    yield started
    started.stop(remove=True)


def _pid(cluster: Cluster) -> int:
    return int((cluster.data / "postmaster.pid").read_text().splitlines()[0])


def test_is_private_and_durable(cluster):
    wanted = {"fsync": "on", "listen_addresses": "127.0.0.1", "password_encryption": "scram-sha-256", "TimeZone": "UTC"}
    with psycopg.connect(cluster.dsn) as connection:
        for name, value in wanted.items():
            assert connection.execute("SELECT current_setting(%s)", [name]).fetchone() == (value,), name
        sockets, superuser = connection.execute(
            "SELECT current_setting('unix_socket_permissions'), rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert sockets == "0700"
    assert not superuser
    rules = [line.split() for line in (cluster.data / "pg_hba.conf").read_text().splitlines()]
    assert {rule[-1] for rule in rules if rule and not rule[0].startswith("#")} == {"scram-sha-256"}
    for name, mode in {"socket": 0o700, "data": 0o700, "password": 0o600, "superuser-password": 0o600}.items():
        assert stat.S_IMODE((cluster.home / name).stat().st_mode) == mode, name


def test_a_wrong_password_is_refused(cluster):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://forewarn:guess@127.0.0.1:{cluster.port}/forewarn")


def test_root_never_runs_the_server(cluster):
    owner = cluster.data.stat().st_uid
    assert owner != 0
    assert owner == (os.geteuid() or cluster.account.uid)


def test_starting_again_adopts_the_running_server(cluster):
    again = start_cluster(cluster.home, run_as=None)
    assert (again.dsn, _pid(again)) == (cluster.dsn, _pid(cluster))


def test_committed_rows_survive_a_kill(cluster):
    with psycopg.connect(cluster.dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    pid = _pid(cluster)
    os.kill(pid, signal.SIGKILL)
    assert has_ended(pid, within_s=10)
    again = start_cluster(cluster.home, run_as=None)
    with psycopg.connect(again.dsn) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_taken_port_is_a_mistake_said_in_one_line(open_folder):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UserMistake, match=f"port {port} is in use") as raised:
            start_cluster(open_folder / "postgres", run_as=None, port=port)
    assert "\n" not in str(raised.value)


def test_the_remembered_port_is_left_to_whoever_took_it(cluster):
    cluster.stop()
    with socket.socket() as other:
        # Connections of before may linger.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", cluster.port))
        other.listen()
        again = start_cluster(cluster.home, run_as=None)
        assert again.port != cluster.port
        psycopg.connect(again.dsn).close()


def test_a_deep_folder_gets_a_short_socket_path(open_folder):
    deep = open_folder.joinpath(*["deep" * 5] * 5)
    cluster = start_cluster(deep, run_as=None)
    folder = Path((cluster.data / "postmaster.pid").read_text().splitlines()[4])
    assert cluster.home == deep
    assert len(str(folder)) < 80
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    cluster.stop(remove=True)
    assert not folder.exists()


def test_the_last_process_to_leave_stops_the_server(open_folder):
    with shared_cluster(open_folder / "postgres", run_as=None) as first:
        with shared_cluster(open_folder / "postgres", run_as=None) as second:
            assert second.dsn == first.dsn
        psycopg.connect(first.dsn).close()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(first.dsn)


def test_a_server_left_by_a_killed_process_is_adopted_and_stopped(open_folder):
    program = (
        "import sys; from pathlib import Path; from forewarn.embedded.postgres import shared_cluster\n"
        "with shared_cluster(Path(sys.argv[1]), run_as=None):\n"
        "    print('ready', flush=True); sys.stdin.read()"
    )
    folder = open_folder / "postgres"
    command = [sys.executable, "-c", program, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.kill()
    with shared_cluster(folder, run_as=None) as adopted:
        psycopg.connect(adopted.dsn).close()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(adopted.dsn)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders the server's user cannot enter")
def test_a_folder_out_of_reach_keeps_its_mode_and_the_server_moves(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    cluster = start_cluster(closed / "var", run_as=None)
    try:
        assert cluster.home.is_relative_to(binaries.SYSTEM_HOME)
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    finally:
        cluster.stop(remove=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_programs_out_of_reach_are_copied(tmp_path, monkeypatch):
    account = account_for(None)
    reachable = Path("/var/tmp") / f"forewarn-test-{os.getpid()}"
    monkeypatch.setattr(binaries, "SYSTEM_HOME", reachable)
    monkeypatch.setattr(binaries, "can_reach", lambda account, path: False)
    try:
        folder = binaries.programs(account)
        assert folder.is_relative_to(reachable)
        asked = subprocess.run(
            [folder / "initdb", "--version"], cwd="/", capture_output=True, text=True, **account.popen_arguments()
        )
        assert asked.stdout.startswith("initdb (PostgreSQL)")
        assert binaries.programs(account) == folder
    finally:
        binaries.shutil.rmtree(reachable, ignore_errors=True)


def test_an_unknown_user_is_a_mistake():
    with pytest.raises(UserMistake, match="FOREWARN_EMBEDDED__RUN_AS"):
        account_for("no-such-user")


def test_a_missing_package_is_a_mistake(monkeypatch):
    monkeypatch.setattr(binaries.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserMistake, match="make venv"):
        binaries.programs(None)


def test_a_full_disk_is_said_in_one_line(tmp_path):
    said = "initdb: creating\nPANIC:  could not write to file: No space left on device\n"
    line = binaries.explain(said, None, tmp_path / "postgres.log")
    assert line.startswith("the disk that holds")
    assert "\n" not in line
