"""Dealers: who can do the work, and which of them is nearest."""

import math
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files

import msgspec
import psycopg
from psycopg.rows import kwargs_row

from config import sql

# Mean radius of the WGS-84 ellipsoid (IUGG R1): the great circle is within 0.6 % of the geodesic.
EARTH_RADIUS_KM = 6371.0088


class Place(msgspec.Struct, frozen=True):
    """A point in WGS-84 degrees."""

    latitude: float
    longitude: float


class Dealer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A workshop. Capabilities are those that ``config/faults.toml`` asks for.

    hours  : in the notation of ``alerts.opening_hours``; None when nobody told them
    places : cars taken in at once, in a slot; None when this dealer's appointments are not kept here
    """

    dealer_id: str
    name_zh: str
    name_en: str
    city: str
    brand: str
    latitude: float
    longitude: float
    capabilities: frozenset[str]
    admitted: bool
    phone: str
    time_zone: str = "Asia/Shanghai"
    country: str = "CN"
    hours: str | None = None
    places: int | None = None

    @property
    def place(self) -> Place:
        return Place(self.latitude, self.longitude)

    def name(self, language: str) -> str:
        return self.name_zh if language.startswith("zh") else self.name_en

    def is_eligible(self, *, brand: str, capabilities: frozenset[str]) -> bool:
        """Tell whether a car of ``brand`` that needs all of ``capabilities`` may be sent here."""
        return self.admitted and self.brand == brand and capabilities <= self.capabilities


class Nearest(msgspec.Struct, frozen=True):
    """A dealer and how far away it is as the crow flies, in km."""

    dealer: Dealer
    distance_km: float


def great_circle_km(a: Place, b: Place) -> float:
    """Return the length of the great circle from ``a`` to ``b`` in km, by the haversine (exact for small ones too)."""
    lat_a, lat_b = math.radians(a.latitude), math.radians(b.latitude)
    d_lat, d_lon = lat_b - lat_a, math.radians(b.longitude - a.longitude)
    h = math.sin(d_lat / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin(d_lon / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(h)))


def nearest_eligible(
    dealers: Iterable[Dealer], position: Place | None, *, capabilities: frozenset[str], brand: str
) -> Nearest | None:
    """Return the nearest dealer that is admitted, serves the brand and can do all of the work; None when there is none.

    position : where the car was last parked, else the owner's home; None, when neither is known, finds nobody
    """
    if position is None:
        return None
    eligible = [dealer for dealer in dealers if dealer.is_eligible(brand=brand, capabilities=capabilities)]
    if not eligible:
        return None
    # The id decides between two at the same distance, so that a second run finds the same one.
    distance_km, _, dealer = min(
        ((great_circle_km(position, dealer.place), dealer.dealer_id, dealer) for dealer in eligible),
        key=lambda found: found[:2],
    )
    return Nearest(dealer, distance_km)


@cache
def sample_dealers() -> Sequence[Dealer]:
    """Return the invented dealers of ``config/dealers.toml``."""
    tables = tomllib.loads(files("config").joinpath("dealers.toml").read_text(encoding="utf-8"))
    return tuple(
        msgspec.convert(
            {"dealer_id": key, "name_zh": table.pop("zh"), "name_en": table.pop("en"), **table}, Dealer, strict=True
        )
        for key, table in tables.items()
    )


def load_sample_dealers(conn: psycopg.Connection[tuple[object, ...]]) -> int:
    """Write the sample dealers, role "alerts"; a second time changes nothing. Return their number.

    A dealer that is there already keeps its admission: losing it is somebody's decision, not the file's.
    """
    store_dealers(conn, sample_dealers(), set_admission=False)
    return len(sample_dealers())


def store_dealers(
    conn: psycopg.Connection[tuple[object, ...]], dealers: Iterable[Dealer], *, set_admission: bool
) -> None:
    """Write dealers, new ones and known ones, all or none of them.

    set_admission : whether a dealer that is known already gets the admission given here
    """
    rows = [
        {**msgspec.structs.asdict(d), "capabilities": sorted(d.capabilities), "set_admission": set_admission}
        for d in dealers
    ]
    with conn.transaction(), conn.cursor() as cursor:
        cursor.executemany(sql.load(__package__, "upsert_dealer"), rows)


def all_dealers(conn: psycopg.Connection[tuple[object, ...]], *, admitted_only: bool = True) -> Sequence[Dealer]:
    """Return every dealer that is admitted, or every one there is, by id."""
    with conn.cursor(row_factory=kwargs_row(_dealer)) as cursor:
        values = {"admitted_only": admitted_only}
        return cursor.execute(sql.load(__package__, "all_dealers"), values).fetchall()


def _dealer(*, capabilities: list[str], **columns: object) -> Dealer:
    return Dealer(capabilities=frozenset(capabilities), **columns)  # type: ignore[arg-type]
