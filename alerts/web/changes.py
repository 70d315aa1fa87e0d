"""Hears from the database that cases have changed, once for all pages that show them."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import structlog
from psycopg_pool import PoolClosed, PoolTimeout

_log = structlog.get_logger(__name__)
SAFETY, CARE = "forewarn_safety", "forewarn_care"
# Without a word for so long pages look all the same: a notice that was lost must not matter.
_LOOK_EVERY_S = 5.0
_AWAY_PAUSE_S = 1.0


class Changes:
    """Counts changes. ``version`` differs from what it was once something may have changed.

    connection : of the pool; one is held for as long as somebody looks
    channel    : SAFETY or CARE
    """

    def __init__(self, connection: Callable[[], AbstractContextManager[psycopg.Connection[Any]]], channel: str) -> None:
        self._connection = connection
        self._channel = channel
        self._lock = threading.Lock()
        self._watchers = 0
        self._thread: threading.Thread | None = None
        self.version = 0

    def watch(self) -> None:
        """Begin to listen, if nobody does."""
        with self._lock:
            self._watchers += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name=f"{self._channel}-changes", daemon=True)
                self._thread.start()

    def leave(self) -> None:
        """Listen no more, once nobody looks."""
        with self._lock:
            self._watchers -= 1

    def _has_ended(self) -> bool:
        with self._lock:
            if self._watchers > 0:
                return False
            self._thread = None
            return True

    def _listen(self) -> None:
        while True:
            try:
                with self._connection() as conn:
                    conn.set_autocommit(True)
                    conn.execute(f"LISTEN {self._channel}")
                    try:
                        while True:
                            self.version += 1
                            if self._has_ended():
                                return
                            for _ in conn.notifies(timeout=_LOOK_EVERY_S, stop_after=1):
                                pass
                    finally:
                        conn.execute(f"UNLISTEN {self._channel}")
                        conn.set_autocommit(False)
            except PoolClosed:
                # The server ends, and every page with it.
                return
            except (psycopg.Error, PoolTimeout) as error:
                _log.warning("changes of cases cannot be heard", error=str(error))
                # Pages say that the database is away.
                self.version += 1
                if self._has_ended():
                    return
                threading.Event().wait(_AWAY_PAUSE_S)
