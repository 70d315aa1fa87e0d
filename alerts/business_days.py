"""Public holidays, and weekends that are worked in their place.

Source: the package ``holidays``; for China the yearly notices of the State Council, make-up workdays included.
"""

from datetime import date
from enum import Enum
from functools import cache
from typing import NamedTuple

import holidays

_SATURDAY = 5


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
    calendar = holidays.country_holidays(country, years=year)
    # Kept as plain sets: the package's own mapping grows by itself when it is asked, which no thread may watch.
    # Days of a neighbouring year are among the weekends that are worked.
    worked = frozenset(day for day in getattr(calendar, "weekend_workdays", ()) if day.year == year)
    return _Year(frozenset(calendar) - worked, worked)
