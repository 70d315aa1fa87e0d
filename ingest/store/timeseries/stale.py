"""Which days of which cars wait for their rollups."""

from collections.abc import Container, Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from config import sql as sql_files
from config.signals import Catalogue
from ingest.store.timeseries.engine import Connection
from ingest.store.timeseries.views import columns_of

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


def list_rolled_days(conn: Connection, signals: Catalogue, *, new: Container[str]) -> None:
    """Put every day that has rollups on the list when they lack a signal whose column holds readings already.

    new : columns that hold nothing yet
    """
    present = columns_of(conn, "rollup_hour")
    known = [signal.column for signal in signals.rolled_up if signal.column not in new]
    if present and any(f"{column}__n" not in present for column in known):
        conn.execute(sql_files.load("ingest.store", "rolled_days_stale"))


def runs(days: set[date], *, longest_d: int) -> list[tuple[date, date]]:
    """Return days as half-open intervals, neighbours joined up to so many, oldest first."""
    result: list[tuple[date, date]] = []
    for day in sorted(days):
        if result and result[-1][1] == day and (day - result[-1][0]).days < longest_d:
            result[-1] = (result[-1][0], day + timedelta(days=1))
        else:
            result.append((day, day + timedelta(days=1)))
    return result
