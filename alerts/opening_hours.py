"""When a dealer is open: split shifts, nights, public holidays and weekends that are worked, in the dealer's own zone.

Source: a subset of the opening-hours notation of OpenStreetMap, which map services export.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from alerts.business_days import DayKind, kind_of_day

# Nobody is told of an opening later than that; the longest holidays in a row last nine days.
HORIZON = timedelta(days=14)
_DAY_MIN = 24 * 60
_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_DAY_RANGE = re.compile(r"(Mo|Tu|We|Th|Fr|Sa|Su)(?:-(Mo|Tu|We|Th|Fr|Sa|Su))?")
_SHIFT = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")
_RULE = re.compile(r"(?P<days>(?:PH|[MTWFS][a-z])(?:[-,](?:PH|[MTWFS][a-z]))*) +(?P<shifts>off|[\d:,-]+)")


class HoursMisread(ValueError):
    """These are no opening hours."""


class Shift(NamedTuple):
    """Minutes after local midnight; ``closes`` is past 24 h for a shift that ends on the next day."""

    opens: int
    closes: int


class Interval(NamedTuple):
    """A stretch of time, half open, UTC."""

    starts_at: datetime
    ends_at: datetime


class Hours(msgspec.Struct, frozen=True):
    """The shifts of each weekday from Monday, and those of a public holiday; None for a holiday like any other day."""

    week: tuple[tuple[Shift, ...], ...]
    holiday: tuple[Shift, ...] | None = None

    def of_day(self, day: date, *, country: str) -> tuple[Shift, ...]:
        """Return the shifts that begin on a day. A weekend that is worked has the hours of a Monday."""
        kind = kind_of_day(day, country)
        if kind is DayKind.HOLIDAY and self.holiday is not None:
            return self.holiday
        return self.week[0 if kind is DayKind.MADE_UP else day.weekday()]


def parse_hours(text: str) -> Hours:
    """Read hours such as ``Mo-Fr 08:30-12:00,13:30-18:00; Sa 09:00-17:00; PH off``, or ``24/7``.

    A day that no rule names is closed; a later rule for a day replaces an earlier one. A shift whose end is not after
    its beginning ends on the next day. ``PH`` is a public holiday; without it a holiday is like any other day.
    Raises : HoursMisread, with what to correct
    """
    if " ".join(text.split()) == "24/7":
        return Hours(((Shift(0, _DAY_MIN),),) * 7)
    week: list[tuple[Shift, ...]] = [()] * 7
    holiday: tuple[Shift, ...] | None = None
    rules = [" ".join(rule.split()) for rule in text.split(";")]
    if rules[-1] == "":
        rules.pop()
    if not rules:
        raise HoursMisread("no opening hours: write them as Mo-Fr 08:30-18:00; Sa 09:00-17:00")
    for rule in rules:
        found = _RULE.fullmatch(rule)
        if found is None:
            raise HoursMisread(f"{rule!r} is no rule: write it as Mo-Fr 08:30-12:00,13:30-18:00 or PH off")
        shifts = () if found["shifts"] == "off" else _parse_shifts(found["shifts"])
        for part in found["days"].split(","):
            if part == "PH":
                holiday = shifts
            for day in _parse_days(part):
                week[day] = shifts
    return Hours(tuple(week), holiday)


def format_hours(hours: Hours) -> str:
    """Return hours in the notation of ``parse_hours``; equal weekdays in a row share a rule."""
    rules = []
    first = 0
    for day in range(1, 8):
        if day < 7 and hours.week[day] == hours.week[first]:
            continue
        if hours.week[first]:
            name = _DAYS[first] if day - first == 1 else f"{_DAYS[first]}-{_DAYS[day - 1]}"
            rules.append(f"{name} {_format_shifts(hours.week[first])}")
        first = day
    if hours.holiday is not None:
        rules.append(f"PH {_format_shifts(hours.holiday)}")
    return "; ".join(rules) or "Mo-Su off"


def open_intervals(hours: Hours, since: datetime, until: datetime, *, zone: str, country: str) -> Sequence[Interval]:
    """Return when it is open between two instants, in order; shifts that touch or overlap are one interval.

    zone    : IANA name; a shift is by the clock on the wall, so it is an hour longer or shorter where the clock changes
    country : ISO 3166 code, whose public holidays count
    """
    local = ZoneInfo(zone)
    # A night shift of the day before may still run.
    day = since.astimezone(local).date() - timedelta(days=1)
    last = until.astimezone(local).date()
    found = []
    while day <= last:
        for shift in hours.of_day(day, country=country):
            starts_at, ends_at = _instant(day, shift.opens, local), _instant(day, shift.closes, local)
            # Where the clock is put forward a shift may fall into the hour that is not.
            if starts_at < ends_at and ends_at > since and starts_at < until:
                found.append(Interval(max(starts_at, since), min(ends_at, until)))
        day += timedelta(days=1)
    return _merged(found)


def is_open(hours: Hours, at: datetime, *, zone: str, country: str) -> bool:
    """Tell whether it is open at an instant."""
    return bool(open_intervals(hours, at, at + timedelta(microseconds=1), zone=zone, country=country))


def next_opening(hours: Hours, at: datetime, *, zone: str, country: str) -> datetime | None:
    """Return when it opens next, ``at`` itself while it is open; None when that is not within ``HORIZON``."""
    intervals = open_intervals(hours, at, at + HORIZON, zone=zone, country=country)
    return intervals[0].starts_at if intervals else None


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for interval in sorted(intervals):
        if merged and interval.starts_at <= merged[-1].ends_at:
            merged[-1] = Interval(merged[-1].starts_at, max(merged[-1].ends_at, interval.ends_at))
        else:
            merged.append(interval)
    return merged


def _instant(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    days, minutes = divmod(minutes, _DAY_MIN)
    wall = datetime.combine(day + timedelta(days=days), time(minutes // 60, minutes % 60), tzinfo=zone)
    return wall.astimezone(UTC)


def _parse_days(part: str) -> Iterable[int]:
    if part == "PH":
        return ()
    found = _DAY_RANGE.fullmatch(part)
    if found is None:
        raise HoursMisread(f"{part!r} names no days: write Mo, Tu, We, Th, Fr, Sa, Su, as in Mo-Fr, or PH")
    first = _DAYS.index(found[1])
    last = _DAYS.index(found[2]) if found[2] else first
    # "Sa-Mo" goes round the end of the week.
    return [day % 7 for day in range(first, last + 1 if last >= first else last + 8)]


def _parse_shifts(text: str) -> tuple[Shift, ...]:
    shifts = []
    for part in text.split(","):
        found = _SHIFT.fullmatch(part)
        if found is None:
            raise HoursMisread(f"{part!r} is no shift: write it as 08:30-12:00")
        hour, minute, end_hour, end_minute = map(int, found.groups())
        opens, closes = 60 * hour + minute, 60 * end_hour + end_minute
        if hour > 23 or end_hour > 24 or minute > 59 or end_minute > 59 or closes > _DAY_MIN:
            raise HoursMisread(f"{part!r} has a time that no clock shows: 00:00 to 24:00")
        shifts.append(Shift(opens, closes if closes > opens else closes + _DAY_MIN))
    shifts.sort()
    for earlier, later in pairwise(shifts):
        if later.opens < earlier.closes:
            raise HoursMisread(f"{text!r} has shifts that overlap: correct one of them")
    return tuple(shifts)


def _format_shifts(shifts: Sequence[Shift]) -> str:
    return ",".join(f"{_clock(shift.opens)}-{_clock(shift.closes)}" for shift in shifts) or "off"


def _clock(minutes: int) -> str:
    shown = minutes if minutes <= _DAY_MIN else minutes - _DAY_MIN
    return f"{shown // 60:02d}:{shown % 60:02d}"
