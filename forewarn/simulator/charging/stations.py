"""Invented charging operators and their stations: where they stand and what their connectors can do."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from forewarn.simulator.people import CITIES
from ingest import topics

Kind = Literal["AC", "DC"]
Dialect = Literal["ocpp16", "cec", "vendor"]


@dataclass(frozen=True)
class Operator:
    """A charging operator.

    slug         : its name in topics
    dialect      : which codes its piles send: OCPP 1.6 names, numbers of the city platform, or its own
    failed_share : plug-ins that give no power, share of its sessions; real operators differ by a factor of ten
    silent_share : dangers that its piles do not report at all
    """

    slug: str
    name: str
    dialect: Dialect
    failed_share: float
    silent_share: float


OPERATORS = (
    Operator("linhe", "Linhe Power", "cec", 0.02, 0.15),
    Operator("kestrel", "Kestrel Charge", "ocpp16", 0.05, 0.25),
    Operator("osmanthus", "Osmanthus Energy", "cec", 0.09, 0.35),
    Operator("northgate", "Northgate Mobility", "vendor", 0.15, 0.5),
)

_CONNECTORS = (2, 13)
# Share of stations that only have slow connectors, and of connectors by power (kW).
_SLOW_SHARE = 0.25
_SLOW_KW = ((7.0, 0.7), (11.0, 0.3))
_FAST_KW = ((60.0, 0.25), (120.0, 0.35), (180.0, 0.4))
_SPREAD_KM = 7.0
_KM_PER_DEGREE = 111.2


@dataclass(frozen=True)
class Connector:
    """One connector: its place in topics, kind, and the power (kW) that it gives at most."""

    at: topics.Connector
    kind: Kind
    power_kw: float

    @property
    def phases(self) -> int:
        """Alternating current: 7 kW come on one phase, 11 kW on three."""
        return 3 if self.kind == "AC" and self.power_kw > 7.5 else 1

    @property
    def rated_a(self) -> float:
        """The current (A) that its cable is made for."""
        return (32.0 if self.phases == 1 else 16.0) if self.kind == "AC" else (250.0 if self.power_kw > 90 else 200.0)


@dataclass(frozen=True)
class Station:
    """A station of one operator in a city; the position is in WGS-84 degrees."""

    operator: Operator
    name: str
    city: str
    latitude: float
    longitude: float
    connectors: tuple[Connector, ...]


def draw_stations(count: int, rng: np.random.Generator, *, cities: tuple[str, ...] = ()) -> tuple[Station, ...]:
    """Return ``count`` stations, by turns in each city and of each operator.

    cities : names of ``forewarn.simulator.people.CITIES``; all of them when empty
    """
    places = [city for city in CITIES if not cities or city.name in cities]
    stations = []
    for number in range(count):
        city = places[number % len(places)]
        operator = OPERATORS[(number + number // len(OPERATORS)) % len(OPERATORS)]
        name = f"{city.name[:2].lower()}{number + 1:04d}"
        north_km, east_km = np.clip(rng.normal(0.0, _SPREAD_KM, 2), -20, 20)
        # The first stations of a city have both kinds: no car is left without.
        is_slow = number >= len(places) and rng.random() < _SLOW_SHARE
        size = int(rng.integers(*_CONNECTORS))
        slow = size if is_slow else (max(1, size // 4) if size > 2 or number < len(places) else 0)
        stations.append(
            Station(
                operator,
                name,
                city.name,
                round(city.latitude + north_km / _KM_PER_DEGREE, 5),
                round(city.longitude + east_km / (_KM_PER_DEGREE * np.cos(np.radians(city.latitude))), 5),
                tuple(_connector(operator, name, place, place >= size - slow, rng) for place in range(size)),
            )
        )
    return tuple(stations)


def _connector(operator: Operator, station: str, place: int, is_slow: bool, rng: np.random.Generator) -> Connector:
    powers, shares = zip(*(_SLOW_KW if is_slow else _FAST_KW), strict=True)
    power_kw = float(rng.choice(powers, p=shares))
    # The first fast connector of a station is one of the strongest, so that every session has a place in a city.
    if place == 0 and not is_slow:
        power_kw = 180.0
    return Connector(topics.Connector(operator.slug, station, str(place + 1)), "AC" if is_slow else "DC", power_kw)
