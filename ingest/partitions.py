"""The daily partitions that a batch needs, made before it is written."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import psycopg
from numpy.typing import ArrayLike

_DAY_MS = 86_400_000
# A few at a time: every table a transaction makes takes a lock out of a common store.
_DAYS_AT_ONCE = 16


class Partitions:
    """Makes partitions over one connection and remembers which there are."""

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        self._conn = conn
        self._made: set[tuple[str, int]] = set()

    def make(self, tables: Iterable[str], ts_ms: ArrayLike) -> None:
        """Make what readings of these instants need, in transactions of their own: each locks the table briefly.

        ts_ms : epoch milliseconds
        """
        days = np.unique(np.asarray(ts_ms, dtype=np.int64) // _DAY_MS).tolist()
        missing = sorted((day, table) for table in tables for day in days if (table, day) not in self._made)
        for first in range(0, len(missing), _DAYS_AT_ONCE):
            some = missing[first : first + _DAYS_AT_ONCE]
            with self._conn.transaction():
                self._conn.execute(
                    "SELECT telemetry.ensure_partition(parent, day)"
                    " FROM unnest(%s::text[], %s::date[]) AS wanted (parent, day)",
                    ([table for _, table in some], [_date(day) for day, _ in some]),
                )
            self._made |= {(table, day) for day, table in some}

    def forget(self) -> None:
        """Ask the database again: one may have been dropped."""
        self._made.clear()


def _date(day: int) -> date:
    return datetime.fromtimestamp(day * _DAY_MS / 1000, tz=UTC).date()
