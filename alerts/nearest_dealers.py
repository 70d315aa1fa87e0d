"""The nearest dealers that can do the work and have time for it: looked for in a box, measured on the sphere."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import psycopg
from psycopg.rows import dict_row

from alerts.dealer_hours import read_stored_hours
from alerts.dealers import EARTH_RADIUS_KM, Dealer, Place, great_circle_km
from alerts.opening_hours import is_open, next_opening
from config import sql

# Free pick-up, by the terms of the service.
PICK_UP_KM = 20.0
# An owner does not wait longer for the first appointment.
BOOKABLE = timedelta(days=14)
_WANTED = 3
# A city, a province, a country, half the earth: most searches end with the first.
_RADII_KM = (30.0, 150.0, 800.0, math.pi * EARTH_RADIUS_KM)
# More dealers in one box than that, all closed for two weeks, and the next ones are not looked at.
_MOST_LOOKED_AT = 200


class Candidate(msgspec.Struct, frozen=True):
    """A dealer near enough, and its first free slot, UTC; None when it has none or its book is not kept here."""

    dealer: Dealer
    next_slot_at: datetime | None = None


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A dealer to offer. ``distance_km`` is as the crow flies; times are UTC.

    open_now   : None when nobody told its opening hours
    opens_at   : when it opens next, if it is closed and that is known
    keeps_book : whether its appointments are kept here, so that ``next_slot_at`` can be booked
    """

    dealer: Dealer
    distance_km: float
    pick_up: bool
    open_now: bool | None
    opens_at: datetime | None
    keeps_book: bool
    next_slot_at: datetime | None


class Box(NamedTuple):
    """Degrees, all bounds inclusive; longitudes do not go round the date line."""

    south: float
    north: float
    west: float
    east: float

    def holds(self, place: Place) -> bool:
        return self.south <= place.latitude <= self.north and self.west <= place.longitude <= self.east


def rank_dealers(
    candidates: Iterable[Candidate],
    place: Place,
    *,
    brand: str,
    capabilities: frozenset[str],
    now: datetime,
    limit: int = _WANTED,
) -> Sequence[Choice]:
    """Return the nearest dealers that are eligible, nearest first; the id decides between equal distances.

    Eligible is who is admitted, serves the brand, can do all of the work, opens within ``HORIZON`` unless its hours are
    unknown, and has a free slot unless its book is not kept here.
    """
    measured = sorted(
        (great_circle_km(place, candidate.dealer.place), candidate.dealer.dealer_id, candidate)
        for candidate in candidates
        if candidate.dealer.is_eligible(brand=brand, capabilities=capabilities)
        and (candidate.next_slot_at is not None or candidate.dealer.places is None)
    )
    chosen: list[Choice] = []
    for distance_km, _, candidate in measured:
        if len(chosen) == limit:
            break
        choice = _choice(candidate, distance_km, now)
        if choice is not None:
            chosen.append(choice)
    return chosen


def find_nearest_dealers(
    conn: psycopg.Connection[Any],
    place: Place,
    *,
    brand: str,
    capabilities: frozenset[str],
    now: datetime,
    limit: int = _WANTED,
) -> Sequence[Choice]:
    """Return what ``rank_dealers`` would of all dealers there are, role "alerts"; most are never read."""
    chosen: Sequence[Choice] = ()
    for radius_km in _RADII_KM:
        found = _within(conn, place, radius_km, brand=brand, capabilities=capabilities, now=now)
        chosen = rank_dealers(found, place, brand=brand, capabilities=capabilities, now=now, limit=limit)
        if len(chosen) == limit:
            break
    return chosen


def boxes_around(place: Place, radius_km: float) -> Sequence[Box]:
    """Return boxes that hold every place within ``radius_km``: two where they meet at the date line.

    Source : J. P. Matuschek, Finding points within a distance of a latitude/longitude, section 3
    """
    angle = radius_km / EARTH_RADIUS_KM
    reach = math.degrees(angle)
    # A hair wider: a place on the edge must not be lost by rounding.
    margin = 1e-9 + 1e-12 * reach
    south, north = place.latitude - reach - margin, place.latitude + reach + margin
    if south <= -90 or north >= 90:
        # A pole is inside, and every longitude with it.
        return [Box(max(south, -90.0), min(north, 90.0), -180.0, 180.0)]
    width = math.degrees(math.asin(min(1.0, math.sin(angle) / math.cos(math.radians(place.latitude))))) + margin
    west, east = place.longitude - width, place.longitude + width
    if west < -180:
        return [Box(south, north, west + 360, 180.0), Box(south, north, -180.0, east)]
    if east > 180:
        return [Box(south, north, west, 180.0), Box(south, north, -180.0, east - 360)]
    return [Box(south, north, west, east)]


def _within(
    conn: psycopg.Connection[Any],
    place: Place,
    radius_km: float,
    *,
    brand: str,
    capabilities: frozenset[str],
    now: datetime,
) -> list[Candidate]:
    values = _search(place, radius_km, brand=brand, capabilities=capabilities, now=now)
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(sql.load(__package__, "dealers_near"), values).fetchall()
    return [
        Candidate(
            Dealer(
                capabilities=frozenset(row.pop("capabilities")),
                **{name: row[name] for name in Dealer.__struct_fields__ if name != "capabilities"},
            ),
            row["next_slot_at"],
        )
        for row in rows
    ]


def _search(
    place: Place, radius_km: float, *, brand: str, capabilities: frozenset[str], now: datetime
) -> dict[str, Any]:
    boxes = boxes_around(place, radius_km)
    values: dict[str, Any] = {
        "latitude": place.latitude,
        "longitude": place.longitude,
        "radius_km": radius_km,
        "earth_radius_km": EARTH_RADIUS_KM,
        "brand": brand,
        "capabilities": sorted(capabilities),
        "now": now,
        "until": now + BOOKABLE,
        "limit": _MOST_LOOKED_AT,
    }
    for name, box in (("first", boxes[0]), ("second", boxes[-1])):
        # As PostgreSQL writes a box: two corners, x before y.
        values[name] = f"({box.west!r},{box.south!r}),({box.east!r},{box.north!r})"
    return values


def _choice(candidate: Candidate, distance_km: float, now: datetime) -> Choice | None:
    dealer = candidate.dealer
    open_now: bool | None = None
    opens_at: datetime | None = None
    hours = read_stored_hours(dealer.dealer_id, dealer.hours, zone=dealer.time_zone, country=dealer.country)
    if hours is not None:
        open_now = is_open(hours, now, zone=dealer.time_zone, country=dealer.country)
        opens_at = next_opening(hours, now, zone=dealer.time_zone, country=dealer.country)
        if opens_at is None:
            return None
    return Choice(
        dealer=dealer,
        distance_km=distance_km,
        pick_up=distance_km <= PICK_UP_KM,
        open_now=open_now,
        opens_at=None if open_now else opens_at,
        keeps_book=dealer.places is not None,
        next_slot_at=candidate.next_slot_at,
    )
