"""When owners may be called: by the clock where they live, never on a public holiday there."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.core import get_global

from alerts.business_days import countries
from alerts.opening_hours import Hours, is_open, next_opening, parse_hours
from config.service import service

# A zone that no country claims, and that of a country whose holidays nobody knows, has those of the maker's country.
_DEFAULT_COUNTRY = "CN"


def may_call(zone: str, at: datetime) -> bool:
    """Tell whether an owner who lives in a time zone may be called at an instant. zone : IANA name"""
    known = _known(zone)
    return is_open(_hours(), at, zone=known, country=country_of(known))


def next_window(zone: str, at: datetime) -> datetime | None:
    """Return when an owner may be called next, ``at`` itself when that is now; None when not within two weeks."""
    known = _known(zone)
    return next_opening(_hours(), at, zone=known, country=country_of(known))


def callable_zones(zones: Iterable[str], at: datetime) -> list[str]:
    """Return those of some time zones in which owners may be called at an instant."""
    return [zone for zone in zones if may_call(zone, at)]


def after_pause(zone: str, at: datetime, pause: timedelta) -> datetime:
    """Return when to call again at the earliest: after the pause, and within the owner's window."""
    return next_window(zone, at + pause) or at + pause


@cache
def country_of(zone: str) -> str:
    """Return the ISO 3166 code of the country that a time zone is of."""
    found = str(get_global("zone_territories").get(zone, _DEFAULT_COUNTRY))
    return found if found in countries() else _DEFAULT_COUNTRY


@cache
def _hours() -> Hours:
    return parse_hours(service().calling.hours)


@cache
def _known(zone: str) -> str:
    # Of somebody whose zone is misspelt nobody is to think that it is noon there: the call centre's own counts.
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        return service().time_zone
    return zone
