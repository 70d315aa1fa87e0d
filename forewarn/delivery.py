"""Publishes messages and sees them through: until ingest has accounted for every sample."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import IO

import psycopg

from config import sql
from config.errors import UserMistake
from config.settings import Settings
from forewarn.embedded.account import make_folder
from forewarn.embedded.disk import is_full
from forewarn.embedded.locks import try_lock
from forewarn.message import Message
from forewarn.publish import publish
from forewarn.supervisor import Child, Supervisor, child_environment, supervised
from ingest.store.connection import connect

# The broker keeps at most 512 MiB unread; this many samples are a tenth of that at their largest.
_MOST_WAITING = 50_000
_STALLED_AFTER_S = 60.0
_LOOK_AT_DISK_AFTER_S = 3.0
_SUBSCRIBED_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.1


class DeliveryStalled(UserMistake):
    """What was published does not arrive in the database."""


class DiskIsFull(DeliveryStalled):
    """The embedded database has no room left."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of samples, over all workers ever."""

    received: int = 0
    stored: int = 0
    duplicate: int = 0
    dead: int = 0
    refused: int = 0

    def since(self, earlier: "Outcomes") -> "Outcomes":
        return Outcomes(*(now - then for now, then in zip(astuple(self), astuple(earlier), strict=True)))

    @property
    def settled(self) -> int:
        return self.stored + self.duplicate + self.dead + self.refused


def outcomes(conn: psycopg.Connection[tuple[object, ...]]) -> Outcomes:
    """Return the sums of telemetry.outcome."""
    row = conn.execute(sql.load("forewarn", "outcomes")).fetchone()
    assert row is not None
    return Outcomes(*(int(str(value)) for value in row))


@contextmanager
def ingest_beside(settings: Settings, *, wanted: bool = True) -> Iterator[bool]:
    """Run an ingest worker for as long as the caller needs it, unless one runs in this data folder already.

    Yields : whether a worker was started
    """
    alone = _ingest_lock(settings) if wanted else None
    if alone is None:
        yield False
        return
    children = ingest_workers(settings)
    assert settings.database.dsn is not None
    with connect(settings.database.dsn, role="admin", autocommit=True) as conn:
        before = _epochs(conn)
        with alone, supervised(children, environment=child_environment(settings)) as supervisor:
            _wait_until_subscribed(lambda: _epochs(conn) - before, len(children), supervisor)
            yield True


def _epochs(conn: psycopg.Connection[tuple[object, ...]]) -> int:
    row = conn.execute("SELECT count(DISTINCT epoch) FROM telemetry.outcome").fetchone()
    assert row is not None
    return int(str(row[0]))


def _wait_until_subscribed(count: Callable[[], int], wanted: int, supervisor: Supervisor) -> None:
    """Wait for the workers' epochs: a broker keeps nothing for a session that it has not seen yet."""
    deadline = time.monotonic() + _SUBSCRIBED_WITHIN_S
    while count() < wanted:
        supervisor.check()
        if time.monotonic() > deadline:
            raise DeliveryStalled(
                f"ingest did not subscribe within {_SUBSCRIBED_WITHIN_S:.0f} s: what it printed above says why"
            )
        time.sleep(_LOOK_EVERY_S)


@contextmanager
def only_ingest(settings: Settings) -> Iterator[None]:
    """Be the one process that runs ingest from this data folder.

    Raises : UserMistake, when another one does
    """
    alone = _ingest_lock(settings)
    if alone is None:
        raise UserMistake(f"ingest runs in {settings.data_dir} already: end that first, or set FOREWARN_DATA_DIR")
    with alone:
        yield


def ingest_workers(settings: Settings) -> list[Child]:
    """Return the workers that the settings ask for, and the one that reads the charging lane."""
    bulk = [
        Child(f"ingest-{index}", ("ingest", "worker", "--index", str(index)))
        for index in range(settings.ingest.workers)
    ]
    return [*bulk, Child("ingest-charging", ("ingest", "worker", "--charging"))]


def _ingest_lock(settings: Settings) -> IO[str] | None:
    make_folder(settings.data_dir)
    return try_lock(settings.data_dir / "ingest.lock", exclusive=True)


def deliver(
    messages: Iterable[Message],
    settings: Settings,
    *,
    on_progress: Callable[[int], None] | None = None,
    stalled_after_s: float = _STALLED_AFTER_S,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcomes:
    """Publish ``messages`` and return what became of them, once every sample is accounted for.

    The publisher never runs further ahead than the broker can keep. Other publishers at the same time are counted too.
    Raises : DeliveryStalled, when ingest accounts for nothing more for ``stalled_after_s``, or sooner when the disk
             of the embedded database is full
    """
    assert settings.database.dsn is not None
    assert settings.mqtt.host is not None
    home = _embedded_home(settings)

    def check_disk() -> None:
        if home is not None and is_full(home):
            raise DiskIsFull(f"the disk is full at {home}: free some space and try again")

    try:
        with connect(settings.database.dsn, role="admin", autocommit=True) as conn:
            before = outcomes(conn)
            arrived = _Arrival(
                lambda: outcomes(conn).since(before),
                stalled_after_s=stalled_after_s,
                sleep=sleep,
                on_standstill=check_disk,
            )
            published = publish(
                messages,
                host=settings.mqtt.host,
                port=settings.mqtt.port,
                username=settings.mqtt.username,
                password=settings.mqtt.password,
                on_progress=on_progress,
                throttle=arrived.throttle,
            )
            return arrived.wait_until(published)
    except psycopg.OperationalError:
        # A full disk may end the server itself.
        check_disk()
        raise


def _embedded_home(settings: Settings) -> Path | None:
    """Return the folder of the database when it is the embedded one."""
    from forewarn.embedded.postgres import running_cluster

    # No user to run an embedded server as: then it is not the one in use.
    with suppress(UserMistake):
        cluster = running_cluster(settings.data_dir / "postgres", run_as=settings.embedded.run_as)
        if cluster is not None and cluster.dsn == settings.database.dsn:
            return cluster.home
    return None


class _Arrival:
    """Looks at the counters, not more often than they change."""

    def __init__(
        self,
        count: Callable[[], Outcomes],
        *,
        stalled_after_s: float,
        sleep: Callable[[float], None],
        on_standstill: Callable[[], None] = lambda: None,
    ) -> None:
        self._count = count
        self._stalled_after_s = stalled_after_s
        self._sleep = sleep
        self._on_standstill = on_standstill
        self._seen = Outcomes()

    def throttle(self, published: int) -> None:
        """Block while the broker has as much to keep as it may."""
        self.wait_until(published - _MOST_WAITING)

    def wait_until(self, samples: int) -> Outcomes:
        """Return the outcomes once at least ``samples`` are settled."""
        changed_at = time.monotonic()
        while self._seen.settled < samples:
            seen = self._count()
            if seen != self._seen:
                self._seen, changed_at = seen, time.monotonic()
            elif time.monotonic() - changed_at > self._stalled_after_s:
                raise DeliveryStalled(
                    f"ingest has accounted for {seen.settled} of {samples} samples and does not go on: "
                    "see that 'forewarn ingest run' runs on the same broker and database"
                )
            else:
                if time.monotonic() - changed_at > _LOOK_AT_DISK_AFTER_S:
                    self._on_standstill()
                self._sleep(_LOOK_EVERY_S)
        return self._seen
