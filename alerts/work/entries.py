"""What happened to a case, in order: written once, in the transaction of what it tells of."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from config import sql


class Entry(NamedTuple):
    """One thing that happened. ``actor`` is an account, a key, or "Forewarn"; ``at`` is UTC."""

    at: datetime
    actor: str
    kind: str
    text: str
    detail: dict[str, Any]


def note(
    conn: psycopg.Connection[Any],
    case_id: int,
    kind: str,
    *,
    actor: str,
    now: datetime,
    text: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write down what happened to a case, role "alerts"."""
    values = {"case_id": case_id, "at": now, "actor": actor, "kind": kind, "text": text}
    conn.execute(sql.load(__package__, "insert_entry"), {**values, "detail": Jsonb(dict(detail or {}))})


def entries_of(conn: psycopg.Connection[Any], case_id: int) -> Sequence[Entry]:
    """Return what happened to a case, newest first."""
    with conn.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(sql.load(__package__, "entries_of_case"), {"case_id": case_id}).fetchall()
