"""The time column of a CSV to epoch milliseconds, as a mapping has it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from config.errors import UserMistake
from forewarn.replay.mapping import TimeTable, number
from forewarn.replay.recording import LATEST_MS

_MS = {"s": 1000, "ms": 1, "us": "0.001", "ns": "0.000001"}
_OFFSET = re.compile(r"([+-])(\d{2}):(\d{2})")


def time_reader(path: Path, time: TimeTable, *, start: datetime | None, decimal: str) -> Callable[[str], int]:
    """Return a function from a field to epoch ms; it raises ValueError for a field that is no time.

    start  : the instant at which elapsed time is 0; takes the place of the mapping's own
    Raises : UserMistake, when the mapping cannot be carried out
    """
    if time.format is not None:
        if start is not None:
            raise UserMistake(f"{path}: its times have their dates: leave --start out")
        return _by_format(path, time)
    begin = start or time.start
    if time.elapsed is not None and begin is None:
        raise UserMistake(f"{path}: elapsed time needs a beginning: add time.start, or give --start")
    if time.epoch is not None and start is not None:
        raise UserMistake(f"{path}: its times have their dates: leave --start out")
    begin_ms = round(begin.timestamp() * 1000) if begin is not None else 0
    ms = number(str(_MS[time.epoch or time.elapsed or "s"]), ".")

    def from_number(field: str) -> int:
        value = number(field.strip(), decimal)
        # Asked first: a number with a huge exponent has no end as an integer. Nanoseconds are the smallest unit.
        if not value.is_finite() or value.copy_abs() > LATEST_MS * 10**6:
            raise ValueError(f"{field!r:.40} is no time between 1970 and 2286")
        return _checked(begin_ms + round(value * ms), field)

    return from_number


def _by_format(path: Path, time: TimeTable) -> Callable[[str], int]:
    form = str(time.format)
    zone = _zone(path, time.zone) if time.zone is not None else None
    if form != "iso":
        _check_format(path, form)

    def from_text(field: str) -> int:
        text = field.strip()
        try:
            at = datetime.fromisoformat(text) if form == "iso" else _parsed(text, form)
            if at.tzinfo is None and zone is None:
                raise ValueError(f"{text!r:.40} has no time zone: add time.zone to the mapping, as Europe/Berlin")
            instant = at if at.tzinfo is not None else at.replace(tzinfo=zone)
            return _checked(round(instant.timestamp() * 1000), text)
        except OverflowError as error:
            raise ValueError(f"{text!r:.40} is no time between 1970 and 2286") from error

    return from_text


def _parsed(text: str, form: str) -> datetime:
    # Whether it has a zone is up to the file; without one it gets that of the mapping.
    return datetime.strptime(text, form)  # noqa: DTZ007 - the caller gives it its zone


def _check_format(path: Path, form: str) -> None:
    if not any(year in form for year in ("%Y", "%y")):
        raise UserMistake(
            f"{path}: time.format {form!r:.60} has no year (%Y or %y): correct it, or use epoch or elapsed"
        )
    try:
        sample = datetime(2019, 4, 15, 13, 30, 15, tzinfo=UTC).strftime(form)
        _parsed(sample, form)
    except (ValueError, OverflowError, re.error) as error:
        raise UserMistake(f"{path}: time.format {form!r:.60} cannot be used ({error}): see docs/replay.md") from error


def _zone(path: Path, name: str) -> tzinfo:
    offset = _OFFSET.fullmatch(name)
    try:
        if offset is not None:
            away = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
            return timezone(-away if offset[1] == "-" else away)
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UserMistake(
            f"{path}: time.zone {name!r:.60} is no time zone: use one as Europe/Berlin, or +08:00"
        ) from error


def _checked(ts_ms: int, text: str) -> int:
    if not 0 <= ts_ms <= LATEST_MS:
        raise ValueError(f"{text!r:.40} is no time between 1970 and 2286")
    return ts_ms
