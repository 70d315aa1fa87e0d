"""The opening hours of a dealer as they are stored, where one that is written wrongly must not stop the others."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog

from alerts.business_days import countries
from alerts.opening_hours import Hours, HoursMisread, parse_hours

_log = structlog.get_logger(__name__)


def read_stored_hours(dealer_id: str, text: str | None, *, zone: str, country: str) -> Hours | None:
    """Return the hours of a dealer; None when nobody told them, or what the table holds cannot be read.

    An import checks them; what somebody wrote by hand into the table is only logged, and counts as unknown.
    """
    if text is None:
        return None
    try:
        ZoneInfo(zone)
        hours = parse_hours(text)
    except (HoursMisread, ZoneInfoNotFoundError, ValueError, OSError) as error:
        _log.warning("opening hours cannot be read", dealer=dealer_id, reason=str(error))
        return None
    if country not in countries():
        _log.warning("opening hours cannot be read", dealer=dealer_id, reason=f"country {country} is not known")
        return None
    return hours
