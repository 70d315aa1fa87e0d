"""The time at which a command was given."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time now, UTC."""
    return datetime.now(UTC)
