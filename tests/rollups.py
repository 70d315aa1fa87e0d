"""Brings the rollups of a test's database up to date, for tests that store readings without ingest."""

from config import sql
from config.signals import catalogue
from ingest.store.connection import connect
from ingest.store.timeseries.detect import engine_of


def roll_up(dsn: str) -> int:
    """Roll up every day of every car; return how many."""
    with connect(dsn, role="admin", autocommit=True) as conn:
        conn.execute(sql.load("ingest.store", "all_days_stale"))
        return engine_of(conn).refresh(conn, catalogue(), minutes_from=None)
