"""What is common to workers that are not this process: each reads the store by a connection of its own."""

from collections.abc import Callable

from ingest.store.connection import connect
from models.workers import Connection


class Apart:
    """Workers that reach the store by ``dsn``."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def prepare(self, work: Callable[[Connection], object]) -> None:
        """Do it in a transaction of its own: what the caller's has not committed they would not find."""
        with connect(self._dsn, role="models") as conn:
            work(conn)
