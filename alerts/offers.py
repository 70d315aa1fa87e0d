"""What goes with an invitation: the nearest dealer that can do the work, and one coupon."""

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
import psycopg
from psycopg.rows import class_row, kwargs_row

from alerts.coupons import new_code
from alerts.dealers import Dealer, Place, nearest_eligible
from config import sql

Connection = psycopg.Connection[Any]
FAULT_CAMPAIGN = "fault_care"
# A code that exists already is a chance of one in 2^55 a coupon; twice in a row means that the generator is broken.
_CODE_ATTEMPTS = 3


class Campaign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of ``config/campaigns.toml``."""

    key: str
    purpose: str
    valid_d: int
    sources: tuple[str, ...]
    zh: str
    en: str
    percent_off: int | None = None
    yuan_off: int | None = None
    most_yuan: int | None = None

    def name(self, language: str) -> str:
        return self.zh if language.startswith("zh") else self.en


class Car(msgspec.Struct, frozen=True, kw_only=True):
    """A car whose owner may be called: its brand, where it is, what its owner agreed to.

    is_parked : whether the place is where the car was last parked, not the owner's home
    """

    vehicle_id: int
    brand: str
    place: Place | None
    purposes: frozenset[str]
    is_parked: bool = False


class Wanted(msgspec.Struct, frozen=True):
    """A case that should carry an offer: its car, all that a dealer must be able to do for it, and what is offered."""

    case_id: int
    car: Car
    capabilities: frozenset[str]
    campaign: str = FAULT_CAMPAIGN


class Offered(msgspec.Struct, frozen=True):
    """How many offers are new, how many moved to another dealer, and how many cases no dealer can take."""

    new: int
    moved: int
    without_dealer: int


class Existing(msgspec.Struct, frozen=True):
    """An offer that was made before."""

    case_id: int
    campaign: str
    offer_id: int
    dealer_id: str
    redeemed: bool


@cache
def campaigns() -> Mapping[str, Campaign]:
    """Return every campaign by its key."""
    tables = tomllib.loads(files("config").joinpath("campaigns.toml").read_text(encoding="utf-8"))
    return {key: msgspec.convert({"key": key, **table}, Campaign) for key, table in tables.items()}


def callable_cars(conn: Connection, vehicle_ids: Iterable[int]) -> dict[int, Car]:
    """Return the cars among ``vehicle_ids`` whose owner is known, agreed to care, and did not ask to be left alone."""

    def row(
        vehicle_id: int,
        brand: str,
        purposes: list[str],
        latitude: float | None,
        longitude: float | None,
        is_parked: bool,
    ) -> tuple[int, Car]:
        place = None if latitude is None or longitude is None else Place(latitude, longitude)
        return vehicle_id, Car(
            vehicle_id=vehicle_id, brand=brand, place=place, purposes=frozenset(purposes), is_parked=is_parked
        )

    with conn.cursor(row_factory=kwargs_row(row)) as cursor:
        values = {"vehicle_ids": list(vehicle_ids)}
        return dict(cursor.execute(sql.load(__package__, "callable_cars"), values).fetchall())


def make_offers(
    conn: Connection,
    wanted: Sequence[Wanted],
    *,
    dealers: Sequence[Dealer],
    now: datetime,
    code: Callable[[], str] = new_code,
) -> Offered:
    """Give every case its offer and coupon. Call it with the cases locked.

    An offer that was made stays, for the owner may have been told, unless its dealer can no longer do the work;
    then the same coupon goes with the nearest one that can.
    """
    existing = _existing(conn, [want.case_id for want in wanted])
    by_id = {dealer.dealer_id: dealer for dealer in dealers}
    new = moved = without_dealer = 0
    for want in wanted:
        campaign = campaigns()[want.campaign]
        if campaign.purpose not in want.car.purposes:
            continue
        made = existing.get((want.case_id, campaign.key))
        offered = by_id.get(made.dealer_id) if made else None
        if made and made.redeemed:
            continue
        if offered and offered.is_eligible(brand=want.car.brand, capabilities=want.capabilities):
            continue
        nearest = nearest_eligible(dealers, want.car.place, capabilities=want.capabilities, brand=want.car.brand)
        if nearest is None:
            without_dealer += 1
            continue
        values = {
            "case_id": want.case_id,
            "campaign": campaign.key,
            "dealer_id": nearest.dealer.dealer_id,
            "distance_km": nearest.distance_km,
            "offered_at": now,
        }
        if made:
            conn.execute(sql.load(__package__, "move_offer"), {**values, "offer_id": made.offer_id})
            moved += 1
        elif offer := conn.execute(sql.load(__package__, "insert_offer"), values).fetchone():
            _add_coupon(conn, offer[0], campaign, now=now, code=code)
            new += 1
    return Offered(new, moved, without_dealer)


def campaign_for(sources: Iterable[str]) -> str:
    """Return the campaign of a case that is about such leads: the first one that names any of them."""
    about = set(sources)
    return next((key for key, one in campaigns().items() if about & set(one.sources)), FAULT_CAMPAIGN)


def _existing(conn: Connection, case_ids: list[int]) -> dict[tuple[int, str], Existing]:
    with conn.cursor(row_factory=class_row(Existing)) as cursor:
        rows = cursor.execute(sql.load(__package__, "offers_of_cases"), {"case_ids": case_ids})
        return {(made.case_id, made.campaign): made for made in rows}


def _add_coupon(conn: Connection, offer_id: int, campaign: Campaign, *, now: datetime, code: Callable[[], str]) -> None:
    for _ in range(_CODE_ATTEMPTS):
        values = {
            "offer_id": offer_id,
            "code": code(),
            "percent_off": campaign.percent_off,
            "yuan_off": campaign.yuan_off,
            "most_yuan": campaign.most_yuan,
            "valid_from": now,
            "valid_until": now + timedelta(days=campaign.valid_d),
        }
        if conn.execute(sql.load(__package__, "insert_coupon"), values).rowcount:
            return
    raise RuntimeError(f"{_CODE_ATTEMPTS} new coupon codes existed already: the source of randomness is broken")
