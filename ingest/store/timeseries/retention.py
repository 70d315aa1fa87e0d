"""Deletes what is older than the settings allow, cars of recordings spared."""

from datetime import datetime, timedelta

from config.settings import StoreSettings
from ingest.store.timeseries.engine import Connection, Engine
from ingest.store.timeseries.stale import only_refresh


def kept_days(settings: StoreSettings) -> dict[str, int]:
    """Return how many days of every table of readings and every rollup are kept."""
    return {
        "vehicle_reading": settings.reading_days,
        "cell_reading": settings.cell_days,
        "charging_reading": settings.charging_days,
        "rollup_minute": settings.minute_days,
        "rollup_hour": settings.hour_days,
        "rollup_day": settings.day_days,
    }


def expire(conn: Connection, engine: Engine, settings: StoreSettings, *, now: datetime) -> dict[str, int]:
    """Delete what is too old; return how many partitions or chunks of each table went, only those that lost any.

    conn : autocommit, the owner's; what was measured for safety alone goes by row, after ``safety_days``
    """
    # Not while a day is rolled up from the readings that go here.
    with only_refresh(conn):
        found = {
            table: engine.expire(conn, table, now - timedelta(days=days)) for table, days in kept_days(settings).items()
        }
    found["safety_reading"] = conn.execute(
        "DELETE FROM telemetry.safety_reading WHERE received_at < %s", (now - timedelta(days=settings.safety_days),)
    ).rowcount
    return {table: count for table, count in found.items() if count}
