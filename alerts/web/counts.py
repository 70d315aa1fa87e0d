"""How many cases there are by fault and city: counted now and then for all pages, not for each."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import psycopg

from alerts.calls import Count, count_calls

# Counting a hundred thousand cases takes longer than a page may.
_AGAIN_AFTER = 20.0


class Counts:
    """Keeps what was counted last, until it is old and had taken some time to count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Sequence[Count] = ()
        self._until = 0.0

    def get(self, conn: psycopg.Connection[Any]) -> Sequence[Count]:
        """Return the counts; what was quick to count is always counted anew. Only one caller counts, others go on."""
        if time.monotonic() < self._until or not self._lock.acquire(blocking=not self._counts):
            return self._counts
        try:
            began = time.monotonic()
            self._counts = count_calls(conn)
            took = time.monotonic() - began
            # A tenth of the time at most goes into counting.
            self._until = began + took + min(_AGAIN_AFTER, 10 * took if took > 0.02 else 0.0)
        finally:
            self._lock.release()
        return self._counts
