"""How many cases there are by fault and city: counted now and then for all pages, not for each."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import structlog
from psycopg_pool import PoolClosed, PoolTimeout

from alerts.calls import Count, count_calls

# What took longer than that to count is not counted for a page, but beside it …
_QUICK_S = 0.05
# … and again no sooner than after forty times as long: pages that come meanwhile share the machine with it.
_REST = 40

_log = structlog.get_logger(__name__)


class Counts:
    """Keeps what was counted last. connection : of the pool, to count by beside the pages"""

    def __init__(self, connection: Callable[[], AbstractContextManager[psycopg.Connection[Any]]]) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._counts: Sequence[Count] | None = None
        self._took = 0.0
        self._until = 0.0

    def get(self, conn: psycopg.Connection[Any]) -> Sequence[Count]:
        """Return the counts: anew, where that is quick, else those of a short while ago."""
        if self._counts is None:
            # Of the first pages one counts, and the others wait for it: all of them at once would take as many times.
            with self._lock:
                if self._counts is None:
                    self._count(conn)
        elif self._took <= _QUICK_S:
            self._count(conn)
        elif time.monotonic() > self._until and self._lock.acquire(blocking=False):
            threading.Thread(target=self._beside, name="counts", daemon=True).start()
        assert self._counts is not None
        return self._counts

    def _count(self, conn: psycopg.Connection[Any]) -> None:
        began = time.monotonic()
        self._counts = count_calls(conn)
        self._took = time.monotonic() - began
        self._until = time.monotonic() + _REST * self._took

    def _beside(self) -> None:
        try:
            with self._connection() as conn:
                self._count(conn)
        except PoolClosed:
            # The server ends.
            return
        except (psycopg.Error, PoolTimeout) as error:
            _log.warning("cases cannot be counted", error=str(error))
        finally:
            self._lock.release()
