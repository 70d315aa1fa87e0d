"""What several commands are told in the same words: speeds and times."""

from datetime import UTC, datetime

from config.errors import UserMistake

AS_OF = "UTC day whose midnight ends the data that may be used, as 2026-03-01; default today."

# Below it a day lasts three years.
_SLOWEST = 0.001


def times_of(speed: str) -> float | None:
    """Return how many times faster ``--speed`` is; None for max. Raises : UserMistake"""
    if speed == "max":
        return None
    try:
        times = float(speed)
    except ValueError:
        times = 0.0
    if not _SLOWEST <= times < float("inf"):
        raise UserMistake(f"--speed {speed} is not a speed: give a number of {_SLOWEST} or more, as 60, or max")
    return times


def instant(text: str, *, option: str, example: str = "2018-06-01T08:00:00-03:00") -> datetime:
    """Return an aware time that an option was given. Raises : UserMistake"""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserMistake(f"{option} {text} is not a time: write it as {example}") from error
    if at.tzinfo is None:
        raise UserMistake(f"{option} {text} has no time zone: add it, as in {example}")
    return at


def midnight(day: str | None) -> datetime | None:
    """Return the midnight that ``--as-of`` was given, None without one. Raises : UserMistake"""
    if day is None:
        return None
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise UserMistake(f"--as-of {day} is not a day: write it as 2026-03-01") from error
