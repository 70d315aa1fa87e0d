"""Children are started, restarted with a growing pause, and stopped."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from config.settings import Settings
from forewarn import supervisor as supervisor_module
from forewarn.supervisor import Child, ChildGaveUp, Supervisor, child_environment, pause_s, supervised

_WAIT_FOR_PARENT = "import sys; sys.stdin.buffer.read()"


def _supervisor(program: str, *, clock=time.monotonic) -> Supervisor:
    return Supervisor([Child("it", ())], environment=os.environ, program=(sys.executable, "-c", program), clock=clock)


def _until(condition, *, within_s: float = 10.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_pause_grows_to_a_limit():
    pauses = [pause_s(failures) for failures in range(1, 40)]
    assert pauses[0] == 0.2
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30.0


def test_a_killed_child_is_started_again():
    supervisor = _supervisor(_WAIT_FOR_PARENT)
    supervisor.start()
    try:
        first = supervisor.pids()["it"]
        os.kill(first, signal.SIGKILL)

        def restarted():
            supervisor.watch()
            return supervisor.pids().get("it", first) != first

        _until(restarted)
    finally:
        supervisor.stop()
    assert supervisor.pids() == {}


def test_a_childs_mistake_is_not_repeated():
    supervisor = _supervisor("raise SystemExit(2)")
    supervisor.start()

    def look():
        supervisor.watch()
        return False

    with pytest.raises(ChildGaveUp, match="it cannot run"):
        _until(look)
    supervisor.stop()


def test_a_child_whose_database_is_away_is_started_again():
    supervisor = _supervisor("raise SystemExit(75)")
    supervisor.start()
    first = supervisor.pids().get("it")
    try:

        def restarted():
            supervisor.watch()
            return supervisor.pids().get("it", first) != first

        _until(restarted)
    finally:
        supervisor.stop()


def test_children_of_a_caller_that_failed_do_not_keep_it(monkeypatch, tmp_path):
    monkeypatch.setattr(supervisor_module, "_STOP_AFTER_FAILURE_S", 0.2)
    deaf, ready = tmp_path / "deaf.py", tmp_path / "ready"
    deaf.write_text(
        "import pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, signal.SIG_IGN); pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    )
    monkeypatch.setattr(Supervisor.__init__, "__kwdefaults__", _with_program((sys.executable, str(deaf))))

    def fail():
        with supervised([Child("it", ())], environment=os.environ):
            _until(ready.exists)
            raise ZeroDivisionError

    began = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        fail()
    assert time.monotonic() - began < 20


def _with_program(program):
    return {**Supervisor.__init__.__kwdefaults__, "program": program}


def test_children_end_with_a_parent_that_was_killed(tmp_path):
    pid_file = tmp_path / "pid"
    program = (
        "import os, sys, time\n"
        "from forewarn.supervisor import Child, Supervisor\n"
        "s = Supervisor([Child('it', ())], environment=os.environ, program=(sys.executable, '-c', sys.argv[2]))\n"
        "s.start(); open(sys.argv[1], 'w').write(str(s.pids()['it'])); time.sleep(60)"
    )
    parent = os.posix_spawn(
        sys.executable, [sys.executable, "-c", program, str(pid_file), _WAIT_FOR_PARENT], os.environ
    )
    _until(lambda: pid_file.exists() and pid_file.read_text())
    child = int(pid_file.read_text())
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    _until(lambda: not _runs(child))


def _runs(pid: int) -> bool:
    from forewarn.embedded.processes import runs

    return runs(pid)


def test_run_ends_when_told():
    stop = threading.Event()
    supervisor = _supervisor(_WAIT_FOR_PARENT)
    runner = threading.Thread(target=supervisor.run, args=[stop])
    runner.start()
    _until(supervisor.pids)
    stop.set()
    runner.join(10)
    assert not runner.is_alive()


def test_a_child_gets_the_servers_of_its_parent(tmp_path):
    settings = Settings(data_dir=tmp_path)
    found = settings.model_copy(
        update={
            "database": settings.database.model_copy(update={"dsn": "postgresql://here"}),
            "mqtt": settings.mqtt.model_copy(update={"host": "127.0.0.1", "port": 1999}),
        }
    )
    environment = child_environment(found, {"PATH": "/bin", "FOREWARN_MQTT__PORT": "1"})
    assert environment["FOREWARN_DATABASE__DSN"] == "postgresql://here"
    assert environment["FOREWARN_MQTT__PORT"] == "1999"
    assert Path(environment["FOREWARN_DATA_DIR"]) == tmp_path.resolve()
    assert environment["PATH"] == "/bin"


def test_a_worker_knows_how_many_share_the_subscription(tmp_path):
    """Without that it would subscribe for itself and read everything, as every other one."""
    found = Settings(data_dir=tmp_path)
    shared = found.model_copy(update={"ingest": found.ingest.model_copy(update={"workers": 3})})
    assert child_environment(shared, {})["FOREWARN_INGEST__WORKERS"] == "3"
