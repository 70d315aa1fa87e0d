"""Every run of a job leaves a row in ``prediction.run``, also when it fails."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import psycopg
from psycopg.types.json import Jsonb

from config import sql

Clock = Callable[[], datetime]
# Triage keeps its own record: alerts know the tables of models and nothing else of them.
RecordedJob = Literal["train", "score", "judge", "refresh", "expire", "drift", "report", "slots", "care"]


@dataclass(frozen=True, slots=True)
class Run:
    """A job under way. What is put into ``detail`` is stored when it ends and must be JSON."""

    run_id: int
    started_at: datetime
    detail: dict[str, Any] = field(default_factory=dict)


def utc_now() -> datetime:
    """Return the time of the wall clock."""
    return datetime.now(UTC)


@contextmanager
def recorded_run(conn: psycopg.Connection[Any], job: RecordedJob, *, clock: Clock) -> Iterator[Run]:
    """Record a job; what it wrote by this connection becomes visible together with its "done", or not at all.

    conn : role "models" or "schedule", outside a transaction; it is committed, or rolled back when the job raises
    """
    started_at = clock()
    # Names what it does in one transaction, so that a failure can still be noted in the next.
    with conn.transaction():
        row = conn.execute(sql.load("models", "start_run"), {"job": job, "started_at": started_at}).fetchone()
    assert row is not None
    run = Run(int(row[0]), started_at)
    try:
        with conn.transaction():
            yield run
            _finish(conn, run, "done", clock)
    except BaseException as error:
        run.detail["error"] = f"{type(error).__name__}: {error}"
        if not conn.closed:
            with conn.transaction():
                _finish(conn, run, "failed", clock)
        raise


def _finish(conn: psycopg.Connection[Any], run: Run, outcome: str, clock: Clock) -> None:
    values = {"run_id": run.run_id, "outcome": outcome, "finished_at": clock(), "detail": Jsonb(run.detail)}
    conn.execute(sql.load("models", "finish_run"), values)
