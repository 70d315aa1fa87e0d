"""What a call centre looks like at an instant: what waits, what is late, what comes next."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from config import sql

Connection = psycopg.Connection[Any]
_SOON = timedelta(hours=1)


class Overview(NamedTuple):
    """Open cases: nobody's and ready, in somebody's hands, resting; promises: late, due within the hour."""

    ready: int
    claimed: int
    resting: int
    late: int
    soon: int


class Late(NamedTuple):
    """A promise that was not kept in time, or will soon be."""

    case_id: int
    kind: str
    due_at: datetime
    holder: str | None


class Seen(NamedTuple):
    """The figures, and the promises that are due first."""

    figures: Overview
    clocks: list[Late]


def overview(conn: Connection, *, now: datetime, limit: int = 50) -> Seen:
    """Return what waits and what is late, role "alerts"."""
    values = {"now": now, "soon": now + _SOON, "limit": limit}
    with conn.cursor(row_factory=class_row(Overview)) as cursor:
        figures = cursor.execute(sql.load(__package__, "overview"), values).fetchone()
    assert figures is not None
    with conn.cursor(row_factory=class_row(Late)) as cursor:
        clocks = cursor.execute(sql.load(__package__, "clocks_due"), values).fetchall()
    return Seen(figures, clocks)
