"""Dead letters in the database: listed, read, claimed for a replay, marked, expired."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg

from config import sql

Connection = psycopg.Connection[tuple[Any, ...]]


class Summary(msgspec.Struct, frozen=True):
    """One line of the list; ``bytes`` is the size of the payload."""

    id: int
    received_at: datetime
    reason: str
    detail: str
    topic: str
    samples: int
    bytes: int


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that could not be stored, and all that is known of it. ``replayed_at`` None: nobody replayed it yet.

    received_at : when it counts as received, for a recording long ago; ``recorded_at`` is when it became a dead letter
    """

    id: int
    received_at: datetime
    recorded_at: datetime
    replayed_at: datetime | None
    reason: str
    detail: str
    topic: str
    samples: int
    payload: bytes


class Claimed(msgspec.Struct, frozen=True):
    """A dead letter that is locked until the transaction ends."""

    id: int
    received_at: datetime
    topic: str
    payload: bytes


class Selection(msgspec.Struct, frozen=True):
    """Which dead letters are meant: those that nobody replayed, further narrowed by what is not None."""

    ids: tuple[int, ...] | None = None
    reason: str | None = None


def newest(conn: Connection, *, limit: int, reason: str | None = None) -> list[Summary]:
    """Return the newest dead letters that nobody has replayed."""
    rows = conn.execute(_sql("list_dead_letters"), {"limit": limit, "reason": reason}).fetchall()
    return [Summary(*row) for row in rows]


def get(conn: Connection, letter_id: int) -> DeadLetter | None:
    """Return one dead letter, None when there is none of that number."""
    row = conn.execute(_sql("get_dead_letter"), {"id": letter_id}).fetchone()
    return None if row is None else DeadLetter(*row)


def newest_id(conn: Connection) -> int:
    """Return the highest number given so far, 0 when there is no dead letter."""
    row = conn.execute("SELECT coalesce(max(dead_letter_id), 0) FROM pii.dead_letter").fetchone()
    assert row is not None
    return int(row[0])


def replayed_at(conn: Connection, ids: Sequence[int]) -> dict[int, datetime | None]:
    """Return when each of these was replayed, None for never; those that do not exist are left out."""
    return dict(conn.execute(_sql("standing_of_dead_letters"), {"ids": list(ids)}).fetchall())


def claim(conn: Connection, selection: Selection, *, after: int, newest: int, limit: int) -> list[Claimed]:
    """Lock and return the next of the selection, those above ``after`` and up to ``newest``, lowest number first.

    What another replay has claimed is left to it.
    """
    values = {
        "after": after,
        "newest": newest,
        "limit": limit,
        "ids": None if selection.ids is None else list(selection.ids),
        "reason": selection.reason,
    }
    return [Claimed(*row) for row in conn.execute(_sql("claim_dead_letters"), values).fetchall()]


def mark_replayed(conn: Connection, ids: Sequence[int], *, at: datetime) -> None:
    """Note that these were published again."""
    conn.execute(_sql("mark_replayed"), {"ids": list(ids), "at": at})


def dead_again(conn: Connection, topics: Sequence[str], *, newest: int) -> dict[str, int]:
    """Return by reason how many dead letters above number ``newest`` came on these topics."""
    return dict(conn.execute(_sql("dead_again"), {"newest": newest, "topics": list(topics)}).fetchall())


def expire(conn: Connection, *, now: datetime, older_than: timedelta) -> int:
    """Delete dead letters that were recorded longer ago, replayed or not, and return how many."""
    return conn.execute(_sql("expire_dead_letters"), {"before": now - older_than}).rowcount


def _sql(name: str) -> Any:
    return sql.load("ingest.store", name)
