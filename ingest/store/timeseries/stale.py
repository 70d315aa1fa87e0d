"""Which days of which cars wait for their rollups."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from ingest.store.timeseries.engine import Connection

# Any number will do as long as every process takes the same one: one refresh at a time.
_REFRESH_LOCK = 7_033_263


@contextmanager
def only_refresh(conn: Connection) -> Iterator[None]:
    """Hold the refresh lock over several transactions; wait for a process that has it."""
    conn.execute("SELECT pg_advisory_lock(%s)", (_REFRESH_LOCK,))
    try:
        yield
    finally:
        conn.execute("SELECT pg_advisory_unlock(%s)", (_REFRESH_LOCK,))


def runs(days: set[date], *, longest_d: int) -> list[tuple[date, date]]:
    """Return days as half-open intervals, neighbours joined up to so many, oldest first."""
    result: list[tuple[date, date]] = []
    for day in sorted(days):
        if result and result[-1][1] == day and (day - result[-1][0]).days < longest_d:
            result[-1] = (result[-1][0], day + timedelta(days=1))
        else:
            result.append((day, day + timedelta(days=1)))
    return result
