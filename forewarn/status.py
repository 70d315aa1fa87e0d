"""How each part is doing, for a person and for a program. Looks only: it starts nothing."""

import json
import socket
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from config import sql
from config.errors import UserMistake
from config.settings import Settings
from forewarn.embedded.locks import try_lock


class Part(msgspec.Struct, frozen=True):
    """One part: whether it works, and a sentence about it."""

    name: str
    ok: bool
    detail: str


class LaneSamples(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a lane's samples, over all workers ever; counted where they are stored, so that it balances.

    in_flight : messages that the running workers had received and not acknowledged at their last commit
    """

    lane: str
    received: int
    stored: int
    duplicate: int
    dead: int
    refused: int
    in_flight: int
    balanced: bool


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Everything ``forewarn status`` shows. Times are ISO 8601 UTC, None is never; ``samples`` are over all workers.

    store_advice : what it costs that the database is without TimescaleDB; None when it has it
    """

    parts: tuple[Part, ...]
    vehicles: int | None = None
    open_cases: int | None = None
    dead_letters: int | None = None
    samples: dict[str, int] = msgspec.field(default_factory=dict)
    lanes: tuple["LaneSamples", ...] = ()
    last_sample_at: str | None = None
    store_advice: str | None = None
    last_runs: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return all(part.ok for part in self.parts) and all(lane.balanced for lane in self.lanes)


def look(settings: Settings) -> Status:
    """Return the status of the system that ``settings`` describe."""
    dsn = settings.database.dsn or _embedded_dsn(settings)
    broker, consumers, watch, web = _broker(settings), _ingest(settings), _charging(settings), _web(settings)
    if dsn is None:
        away = Part("database", False, "the embedded PostgreSQL does not run: 'forewarn up' starts it")
        return Status(parts=(away, broker, consumers, watch, web))
    database, facts = _database(dsn)
    return Status(parts=(database, broker, consumers, watch, web), **facts)


def _embedded_dsn(settings: Settings) -> str | None:
    from forewarn.embedded.postgres import running_cluster

    cluster = running_cluster(settings.data_dir / "postgres", run_as=settings.embedded.run_as)
    return cluster.dsn if cluster else None


def _database(dsn: str) -> tuple[Part, dict[str, Any]]:
    from ingest.store.connection import connect
    from ingest.store.timeseries.detect import engine_of
    from ingest.store.version import check_version

    try:
        with connect(dsn, role="admin", autocommit=True, connect_timeout_s=3) as conn:
            engine = engine_of(conn)
            check_version(conn)
            facts = _facts(conn) | {"store_advice": engine.advice}
            return Part("database", True, f"{engine.name}, schema up to date"), facts
    except UserMistake as error:
        return Part("database", False, str(error)), {}


def _facts(conn: psycopg.Connection[tuple[Any, ...]]) -> dict[str, Any]:
    row = conn.execute(sql.load("forewarn", "status")).fetchone()
    assert row is not None
    vehicles, open_cases, dead_letters, received, stored, duplicate, dead, refused, last_sample_at = row
    return {
        "vehicles": vehicles,
        "open_cases": open_cases,
        "dead_letters": dead_letters,
        "samples": {
            "received": received,
            "stored": stored,
            "duplicate": duplicate,
            "dead": dead,
            "refused": refused,
        },
        "lanes": tuple(_lane(*row) for row in conn.execute(sql.load("forewarn", "lane_outcomes"))),
        "last_sample_at": _iso(last_sample_at),
        "last_runs": {job: _iso(at) for job, at in conn.execute(sql.load("forewarn", "last_runs"))},
    }


def _lane(
    lane: str, received: int, stored: int, duplicate: int, dead: int, refused: int, in_flight: int
) -> LaneSamples:
    return LaneSamples(
        lane=lane,
        received=received,
        stored=stored,
        duplicate=duplicate,
        dead=dead,
        refused=refused,
        in_flight=in_flight,
        balanced=received == stored + duplicate + dead + refused,
    )


def _broker(settings: Settings) -> Part:
    if settings.mqtt.host is not None:
        where = f"{settings.mqtt.host}:{settings.mqtt.port}"
        try:
            socket.create_connection((settings.mqtt.host, settings.mqtt.port), timeout=3).close()
        except OSError as error:
            return Part("broker", False, f"{where} does not answer ({error}): start it or correct mqtt.host")
        return Part("broker", True, f"{where} answers")
    from forewarn.embedded.broker import running_broker

    broker = running_broker(settings.data_dir / "broker")
    if broker is None:
        return Part("broker", False, "the embedded broker does not run: 'forewarn up' starts it")
    return Part("broker", True, f"embedded, 127.0.0.1:{broker.port}")


def _ingest(settings: Settings) -> Part:
    if _is_held(settings.data_dir / "ingest.lock"):
        return Part("ingest", True, "runs")
    return Part("ingest", False, "does not run from this data folder: 'forewarn ingest run' or 'forewarn up' starts it")


def _charging(settings: Settings) -> Part:
    folder = settings.data_dir / "charging" / "watcher"
    if not _is_held(folder / "lock"):
        return Part("charging", False, "nobody watches from this data folder: 'forewarn charging run' starts it")
    if not (folder / "ready").exists():
        return Part("charging", False, "the watch runs and hears no broker yet: see mqtt.host and its log")
    return Part("charging", True, "is watched")


def _web(settings: Settings) -> Part:
    where = f"http://{settings.web.host}:{settings.web.port}/"
    try:
        socket.create_connection((settings.web.host, settings.web.port), timeout=1).close()
    except OSError:
        return Part("web", False, f"{where} does not answer: 'forewarn serve' or 'forewarn up' starts it")
    return Part("web", True, where)


def _is_held(lock: Path) -> bool:
    if not lock.exists():
        return False
    # A shared lock is enough to find an exclusive one, and two that look do not disturb each other.
    ours = try_lock(lock, exclusive=False)
    if ours is None:
        return True
    ours.close()
    return False


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")


def to_json(status: Status) -> str:
    """Return the status as one JSON object."""
    return json.dumps({"ok": status.ok, **msgspec.to_builtins(status)}, indent=2)
