"""What ``plain`` and ``timescale`` both offer."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, LiteralString, Protocol

import psycopg

from config.settings import StoreSettings
from config.signals import Catalogue

Connection = psycopg.Connection[Any]

# The tables of readings, partitioned by day, and the column that says whose a row is.
READING_TABLES: dict[str, LiteralString] = {
    "vehicle_reading": "vehicle_id",
    "cell_reading": "vehicle_id",
    "charging_reading": "connector_id",
}
# What every session sets. By default TimescaleDB refuses a statement that opens more than 100,000 compressed rows,
# which a day of late readings does; where TimescaleDB is not, the name is kept and means nothing.
SESSION_SETTINGS: dict[str, str] = {"timescaledb.max_tuples_decompressed_per_dml_transaction": "0"}
# What deletes waits that long for a query that reads: a table that waits for a lock lets nobody else in.
LOCK_TIMEOUT = "2s"

# Whoever writes readings shares this lock from the begin of the transaction on, before it has touched a table; a
# migration that changes their tables holds it alone. A COPY that waits for a table which becomes a hypertable
# meanwhile would write past the chunks, where no query looks. Every version takes the same number.
READINGS_LOCK = 7_033_264


class Engine(Protocol):
    """How readings over time are kept."""

    @property
    def name(self) -> str:
        """Product and version."""
        ...

    @property
    def advice(self) -> str | None:
        """What it costs that this is not the engine for production; None when it is."""
        ...

    def lay_out(self, conn: Connection, signals: Catalogue, settings: StoreSettings) -> None:
        """Bring tables, columnstore and rollups to this catalogue and these settings, in the caller's transaction."""
        ...

    def make_days(self, conn: Connection, first: date, last: date) -> None:
        """Make what readings of these days need before they come."""
        ...

    def refresh(self, conn: Connection, signals: Catalogue, *, minutes_from: date | None) -> int:
        """Roll up every day that changed, unless it has been expired in part; return how many days of cars.

        conn         : autocommit, the owner's
        minutes_from : first day that is rolled up by minute too, cars of recordings aside; None is every day
        """
        ...

    def expire(self, conn: Connection, table: str, before: datetime) -> int:
        """Delete what a table of readings or a rollup holds from before then, cars of recordings spared; remember it.

        conn    : autocommit, the owner's, under the refresh lock
        Returns : partitions dropped or cleaned; one that a query holds waits for the next time
        """
        ...

    def compress(self, conn: Connection, table: str) -> bool:
        """Move all that a table of readings or a rollup holds to the columnstore; False where there is none.

        conn : autocommit, the owner's
        """
        ...

    def size_bytes(self, conn: Connection, table: str) -> int:
        """Return what a table of readings takes, with its indexes and its columnstore."""
        ...

    def erase(self, conn: Connection, vehicle_ids: Sequence[int]) -> int:
        """Delete readings, cells and rollups of cars, in the caller's transaction; return how many readings."""
        ...
