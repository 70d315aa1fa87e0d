"""Worker processes under a supervisor, watched from outside: their memory, what they have written, how to hurt them."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from forewarn.supervisor import Child, Supervisor, supervised

READY_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.05


def eventually(condition: Callable[[], bool], *, within_s: float, what: str) -> float:
    """Wait until ``condition()`` holds and return the seconds it took; fail with ``what`` after ``within_s``."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, f"not within {within_s:g} s: {what}"
        time.sleep(_LOOK_EVERY_S)
    return time.monotonic() - began


class Workers:
    """Ingest worker processes. ``dsn`` is where this side looks; the workers' own may lead through a proxy."""

    def __init__(self, supervisor: Supervisor, dsn: str) -> None:
        self.supervisor = supervisor
        self._dsn = dsn
        self._peak_kib: dict[int, int] = {}

    def pid(self, index: int) -> int | None:
        return self.supervisor.pids().get(f"ingest-{index}")

    def kill(self, index: int) -> int:
        """End one worker as the kernel does when memory runs out, and return its process id."""
        pid = self.pid(index)
        assert pid is not None, f"worker {index} does not run"
        self.look()
        os.kill(pid, signal.SIGKILL)
        return pid

    def stored(self) -> int:
        """Return how many samples the counters call stored, 0 while the database is away."""
        return self._count("SELECT coalesce(sum(stored), 0) FROM telemetry.outcome")

    def received(self) -> int:
        return self._count("SELECT coalesce(sum(received), 0) FROM telemetry.outcome")

    def epochs(self) -> int:
        return self._count("SELECT count(DISTINCT epoch) FROM telemetry.outcome")

    def until_stored(self, wanted: int, *, within_s: float) -> float:
        """Wait until so many samples are stored and return the seconds it took."""
        return eventually(
            lambda: self.stored() >= wanted, within_s=within_s, what=f"{wanted} samples stored, it is {self.stored()}"
        )

    @property
    def peak_mib(self) -> float:
        """The most memory any worker ever had, over all that lived."""
        self.look()
        return max(self._peak_kib.values(), default=0) / 1024

    def look(self) -> None:
        for pid in self.supervisor.pids().values():
            with suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
                for line in status.splitlines():
                    if line.startswith("VmHWM:"):
                        self._peak_kib[pid] = int(line.split()[1])

    def _count(self, query: str) -> int:
        self.look()
        try:
            with psycopg.connect(self._dsn, connect_timeout=5) as conn:
                row = conn.execute(query).fetchone()  # type: ignore[call-overload]
        except psycopg.OperationalError:
            return 0
        assert row is not None
        return int(row[0])


@contextmanager
def workers(
    indexes: Sequence[int],
    *,
    dsn: str,
    mqtt_port: int,
    folder: Path,
    of: int | None = None,
    worker_dsn: str | None = None,
    client_id: str = "forewarn-ingest",
    settings: dict[str, object] | None = None,
) -> Iterator[Workers]:
    """Run workers with these indexes, supervised, and wait until their subscriptions stand.

    of       : how many workers share the subscription; None is these
    settings : by name below FOREWARN_, for example {"INGEST__BATCH_ROWS": 100}
    """
    own = {
        "DATA_DIR": folder,
        "LOG_LEVEL": "ERROR",
        "DATABASE__DSN": worker_dsn or dsn,
        "MQTT__HOST": "127.0.0.1",
        "MQTT__PORT": mqtt_port,
        "MQTT__CLIENT_ID": client_id,
        "INGEST__WORKERS": of or len(indexes),
        **(settings or {}),
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREWARN_")}
    environment |= {f"FOREWARN_{name}": str(value) for name, value in own.items()}
    children = [Child(f"ingest-{index}", ("ingest", "worker", "--index", str(index))) for index in indexes]
    with supervised(children, environment=environment) as supervisor:
        running = Workers(supervisor, dsn)
        before = running.epochs()

        def ready() -> bool:
            supervisor.check()
            return running.epochs() >= before + len(children)

        eventually(ready, within_s=READY_WITHIN_S, what="the workers subscribe")
        yield running
        running.look()
