"""Child processes: started, watched, restarted with a growing pause, stopped by number."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import structlog

from config.errors import UserMistake
from config.settings import Settings

# A child that lived this long has started well: its next failure starts from the shortest pause again.
_HEALTHY_S = 30.0
_SHORTEST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 30.0
# Ingest may take 30 s to write what it has read and wait for a database that is away.
_STOP_TIMEOUT_S = 45.0
_LOOK_EVERY_S = 0.1
# A caller that has failed does not wait for children to finish what cannot be finished either.
_STOP_AFTER_FAILURE_S = 5.0
_USER_MISTAKE = 2
# Tells a child that somebody starts it again. Not one of the settings, hence the underscore.
SUPERVISED = "_FOREWARN_SUPERVISED"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Child:
    """A command of ours: ``arguments`` are those of ``forewarn``."""

    name: str
    arguments: tuple[str, ...]


class ChildGaveUp(UserMistake):
    """A child ended because of a mistake that a restart does not mend; it has said which."""


def pause_s(failures: int) -> float:
    """Return how long to wait before the restart after ``failures`` failures in a row (from 1)."""
    return min(_LONGEST_PAUSE_S, _SHORTEST_PAUSE_S * float(2 ** min(failures - 1, 16)))


def child_environment(settings: Settings, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment that makes a child use the servers of ``settings``, whatever its own files say."""
    own = {
        "FOREWARN_DATA_DIR": str(settings.data_dir.resolve()),
        "FOREWARN_LANGUAGE": settings.language,
        "FOREWARN_LOG_LEVEL": settings.log_level,
        "FOREWARN_DATABASE__DSN": settings.database.dsn or "",
        "FOREWARN_MQTT__HOST": settings.mqtt.host or "",
        "FOREWARN_MQTT__PORT": str(settings.mqtt.port) if settings.mqtt.host else "",
        # A worker that does not know of the others would read everything instead of its share.
        "FOREWARN_INGEST__WORKERS": str(settings.ingest.workers),
        "FOREWARN_INGEST__BATCH_ROWS": str(settings.ingest.batch_rows),
    }
    environment = dict(os.environ if base is None else base)
    return environment | {name: value for name, value in own.items() if value}


class Supervisor:
    """Runs children until it is stopped. ``start``, then ``watch`` again and again, then ``stop``."""

    def __init__(
        self,
        children: Sequence[Child],
        *,
        environment: Mapping[str, str],
        program: Sequence[str] = (sys.executable, "-P", "-m", "forewarn"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environment = {**environment, SUPERVISED: "1"}
        self._program = tuple(program)
        self._clock = clock
        self._gave_up: str | None = None
        self._running = {child.name: _Running(child) for child in children}

    def start(self) -> None:
        """Start every child."""
        for running in self._running.values():
            self._launch(running)

    def pids(self) -> dict[str, int]:
        """Return the process of every child that runs now."""
        return {
            name: running.process.pid
            for name, running in self._running.items()
            if running.process is not None and running.process.poll() is None
        }

    def watch(self) -> None:
        """Look at every child once and restart those that ended and whose pause is over.

        Raises : ChildGaveUp, when a child ended with the exit code of a person's mistake
        """
        now = self._clock()
        for name, running in self._running.items():
            if running.process is None:
                if now >= running.restart_at:
                    self._launch(running)
                continue
            code = running.process.poll()
            if code is None:
                continue
            _close(running.process)
            running.process = None
            if code == _USER_MISTAKE:
                self._gave_up = name
                self.check()
            running.failures = 1 if now - running.started_at >= _HEALTHY_S else running.failures + 1
            running.restart_at = now + pause_s(running.failures)
            _log.warning("process ended", name=name, code=code, restart_in_s=pause_s(running.failures))

    def check(self) -> None:
        """Raise ChildGaveUp when a child has given up."""
        if self._gave_up is not None:
            raise ChildGaveUp(f"{self._gave_up} cannot run, its own message says why: correct that and start again")

    def run(self, stop: threading.Event) -> None:
        """Start, watch until ``stop``, and stop the children."""
        try:
            self.start()
            while not stop.wait(_LOOK_EVERY_S):
                self.watch()
        finally:
            self.stop()

    def stop(self, *, within_s: float = _STOP_TIMEOUT_S) -> None:
        """Ask every child to end, wait, and kill those that do not."""
        processes = [running.process for running in self._running.values() if running.process is not None]
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = self._clock() + within_s
        for process in processes:
            try:
                process.wait(max(0.0, deadline - self._clock()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _close(process)
        for running in self._running.values():
            running.process = None

    def _launch(self, running: "_Running") -> None:
        # The pipe tells a child that we are gone, however we went: it ends at end of file. A session of its own keeps
        # Ctrl-C from it: we tell it when.
        running.process = subprocess.Popen(
            [*self._program, *running.child.arguments],
            stdin=subprocess.PIPE,
            env=self._environment,
            start_new_session=True,
        )
        running.started_at = self._clock()


@dataclass(slots=True)
class _Running:
    child: Child
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    failures: int = 0


@contextmanager
def supervised(children: Sequence[Child], *, environment: Mapping[str, str]) -> Iterator[Supervisor]:
    """Run children beside the caller, watched by a thread.

    Raises : ChildGaveUp in place of what the caller raises, when a child gave up before
    """
    supervisor = Supervisor(children, environment=environment)
    stop = threading.Event()

    def watch() -> None:
        # The caller finds out by check.
        with suppress(ChildGaveUp):
            while not stop.wait(_LOOK_EVERY_S):
                supervisor.watch()

    supervisor.start()
    watcher = threading.Thread(target=watch, name="supervisor", daemon=True)
    watcher.start()
    patience_s = _STOP_TIMEOUT_S
    try:
        yield supervisor
    except Exception:
        patience_s = _STOP_AFTER_FAILURE_S
        # What the caller saw fail is the consequence; a child that gave up is the cause.
        supervisor.check()
        raise
    finally:
        stop.set()
        watcher.join()
        supervisor.stop(within_s=patience_s)


def stop_when_parent_ends(stop: threading.Event) -> None:
    """Set ``stop`` once standard input, the supervisor's pipe, is closed."""

    def wait() -> None:
        # Not sys.stdin: its lock would be held when the interpreter ends.
        while os.read(0, 4096):
            pass
        stop.set()

    threading.Thread(target=wait, name="parent", daemon=True).start()


def stop_on_signals(stop: threading.Event) -> None:
    """Set ``stop`` at SIGTERM and at Ctrl-C; a second one ends the process at once."""

    def handle(number: int, _frame: object) -> None:
        if stop.is_set():
            raise SystemExit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
