"""What has been expired, as the database remembers it: settings say only what will be."""

from datetime import UTC, date, datetime, timedelta

import msgspec

from config import sql as sql_files
from ingest.store.timeseries.engine import Connection

# A day's hours and the day itself are made of all its readings; hours that went are not made again by one late reading.
_WHOLE = ("vehicle_reading", "rollup_hour", "rollup_day")


class FirstDays(msgspec.Struct, frozen=True):
    """First day from which all cars are rolled up; before it, cars of recordings alone. None is every day.

    rollups : hours and days
    minutes : not before ``rollups``
    """

    rollups: date | None
    minutes: date | None


def first_days(conn: Connection, minutes_from: date | None) -> FirstDays:
    """Return from when on days may be rolled up.

    minutes_from : first day whose minutes the settings keep
    """
    expired: dict[str, date] = dict(conn.execute("SELECT relation, day FROM telemetry.expired_before").fetchall())
    rollups = max((expired[relation] for relation in _WHOLE if relation in expired), default=None)
    bounds = (rollups, expired.get("rollup_minute"), minutes_from)
    return FirstDays(rollups, max((day for day in bounds if day is not None), default=None))


def note_expired(conn: Connection, relation: str, until: datetime) -> None:
    """Remember, in the transaction that deletes, that rows before this instant went."""
    at = until.astimezone(UTC)
    begun = at.time() != datetime.min.time()
    conn.execute(
        sql_files.load("ingest.store", "note_expired"),
        {"relation": relation, "day": at.date() + timedelta(days=begun)},
    )
