"""Public holidays, and weekends that are worked in their place.

Source: the package ``holidays``; for China the yearly notices of the State Council, make-up workdays included.
"""

from datetime import date, timedelta
from enum import Enum
from functools import cache
from typing import NamedTuple

import holidays

_SATURDAY = 5
# Where a holiday is a row of days by law: the State Council names them from the first to the last, weekends included.
_WEEKENDS_BELONG = frozenset({"CN"})


class DayKind(Enum):
    """What a day is to those who work."""

    WORKDAY = "workday"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"
    # A Saturday or Sunday that is worked, since a day before or after a holiday is off.
    MADE_UP = "made_up"


class _Year(NamedTuple):
    off: frozenset[date]
    worked: frozenset[date]


def kind_of_day(day: date, country: str) -> DayKind:
    """Return what a day is in a country.

    country : ISO 3166 code
    Raises  : KeyError, for a country that ``countries`` has not
    """
    year = _year(country, day.year)
    if day in year.worked:
        return DayKind.MADE_UP
    if day in year.off:
        return DayKind.HOLIDAY
    return DayKind.WEEKEND if day.weekday() >= _SATURDAY else DayKind.WORKDAY


@cache
def countries() -> frozenset[str]:
    """Return the ISO 3166 codes of the countries whose holidays are known."""
    return frozenset(holidays.list_supported_countries(include_aliases=False))


@cache
def _year(country: str, year: int) -> _Year:
    if country not in countries():
        raise KeyError(country)
    calendar = holidays.country_holidays(country, years=(year - 1, year, year + 1))
    # Kept as plain sets: the package's own mapping grows by itself when it is asked, which no thread may watch.
    worked = frozenset(getattr(calendar, "weekend_workdays", ()))
    off = frozenset(calendar) - worked
    if country in _WEEKENDS_BELONG:
        off |= _weekends_beside(off, worked)
    return _Year(*(frozenset(day for day in days if day.year == year) for days in (off, worked)))


def _weekends_beside(off: frozenset[date], worked: frozenset[date]) -> frozenset[date]:
    """Return the days of weekends that holidays touch: the package lists those holidays that fall on workdays."""
    found: set[date] = set()
    for holiday in off:
        for step in (timedelta(days=1), timedelta(days=-1)):
            day = holiday + step
            while day.weekday() >= _SATURDAY and day not in worked:
                found.add(day)
                day += step
    return frozenset(found)
