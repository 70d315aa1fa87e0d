"""Charging sessions: who plugs in where, from when until when."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from forewarn.simulator.charging.shape import draw_sessions
from forewarn.simulator.charging.stations import Connector, Kind, Operator, Station

DAY_MS = 86_400_000
CHINA_OFFSET_MS = 8 * 3_600_000
# Between two sessions of a connector somebody unplugs and drives away.
_PAUSE_MS = 120_000
# After a danger a connector is closed.
CLOSED_MS = 6 * 3_600_000
_FAILED_S = (40.0, 240.0)
# The strongest connector gives what the strongest session of the recording took.
_STRONGEST_KW = 180.0


@dataclass(frozen=True)
class Visit:
    """An enrolled car that wants to charge in ``city`` within [started_ms, ended_ms).

    soc_start, soc_end : share of the charge, 0..1
    capacity_kwh       : usable energy of the pack as it is now
    nominal_v          : pack voltage at half charge
    """

    vin: str
    city: str
    started_ms: int
    ended_ms: int
    kind: Kind
    soc_start: float
    soc_end: float
    capacity_kwh: float
    cells: int
    chemistry: Literal["NMC", "LFP"]
    nominal_v: float

    def __post_init__(self) -> None:
        if not 0 <= self.soc_start <= self.soc_end <= 1:
            raise ValueError(f"a visit's charge is a share that rises, not {self.soc_start} to {self.soc_end}")
        if self.ended_ms <= self.started_ms or self.capacity_kwh <= 0 or self.cells < 1:
            raise ValueError("a visit takes time, and its car has a pack")


@dataclass(frozen=True)
class Session:
    """One session on a connector, [started_ms, ended_ms).

    pmax_kw, energy_kwh : of a public session, what is drawn from the recordings' shape; 0 for an enrolled car
    visit               : the enrolled car, None for a public session
    failed              : plugged in, and no power came
    """

    session_id: str
    operator: Operator
    connector: Connector
    city: str
    started_ms: int
    ended_ms: int
    soc_start: float
    soc_end: float
    pmax_kw: float = 0.0
    energy_kwh: float = 0.0
    visit: Visit | None = None
    failed: bool = False

    @property
    def seconds(self) -> int:
        return (self.ended_ms - self.started_ms) // 1000


@dataclass(frozen=True)
class Placed:
    """Sessions in order of their start, and the visits that found no free connector."""

    sessions: tuple[Session, ...]
    unplaced: tuple[Visit, ...]


@dataclass(frozen=True)
class _Wish:
    city: str
    kind: Kind
    started_ms: int
    ended_ms: int
    closed_until_ms: int
    power_kw: float


class _Calendar:
    """Which connector is taken when."""

    def __init__(self, stations: Sequence[Station]) -> None:
        self._by_city: dict[tuple[str, Kind], list[tuple[Operator, Connector]]] = {}
        self._taken: dict[Connector, list[tuple[int, int]]] = {}
        for station in stations:
            for connector in station.connectors:
                self._by_city.setdefault((station.city, connector.kind), []).append((station.operator, connector))
                self._taken[connector] = []

    def take(self, wish: _Wish, rng: np.random.Generator) -> tuple[Operator, Connector] | None:
        """Take a free connector, one that is strong enough if there is any; None when all are taken."""
        free = [
            place
            for place in self._by_city.get((wish.city, wish.kind), [])
            if self.is_free(place[1], wish.started_ms, wish.closed_until_ms)
        ]
        if not free:
            return None
        strong = [place for place in free if place[1].power_kw >= wish.power_kw]
        operator, connector = (strong or free)[rng.integers(len(strong or free))]
        self.hold(connector, wish.started_ms, wish.closed_until_ms)
        return operator, connector

    def is_free(self, connector: Connector, start_ms: int, end_ms: int) -> bool:
        taken = self._taken[connector]
        place = bisect_left(taken, (start_ms, 0))
        before_ends = taken[place - 1][1] if place else -1
        after_starts = taken[place][0] if place < len(taken) else end_ms + _PAUSE_MS
        return before_ends + _PAUSE_MS <= start_ms and end_ms + _PAUSE_MS <= after_starts

    def hold(self, connector: Connector, start_ms: int, end_ms: int) -> None:
        insort(self._taken[connector], (start_ms, end_ms))

    @property
    def fast_by_city(self) -> dict[str, int]:
        return {city: len(places) for (city, kind), places in self._by_city.items() if kind == "DC"}


def place_sessions(
    stations: Sequence[Station],
    visits: Iterable[Visit],
    *,
    start_ms: int,
    days: int,
    rng: np.random.Generator,
    dangerous: frozenset[int] = frozenset(),
    public_per_day: float = 5.0,
) -> Placed:
    """Place enrolled cars first, then the public in what is free; a connector never holds two sessions.

    dangerous      : places in ``visits`` after which the connector stays closed for CLOSED_MS
    public_per_day : public sessions wished for, per fast connector and day; who finds none free drives on
    """
    calendar = _Calendar(stations)
    sessions: list[Session] = []
    unplaced = []
    for number, visit in enumerate(visits):
        closed_until = visit.ended_ms + (CLOSED_MS if number in dangerous else 0)
        wish = _Wish(visit.city, visit.kind, visit.started_ms, visit.ended_ms, closed_until, _STRONGEST_KW)
        place = calendar.take(wish, rng)
        if place is None:
            unplaced.append(visit)
            continue
        sessions.append(
            Session(
                session_id="",
                operator=place[0],
                connector=place[1],
                city=visit.city,
                started_ms=visit.started_ms,
                ended_ms=visit.ended_ms,
                soc_start=visit.soc_start,
                soc_end=visit.soc_end,
                visit=visit,
            )
        )
    sessions += _public(calendar, start_ms=start_ms, days=days, per_day=public_per_day, rng=rng)
    sessions += _failed(calendar, sessions, rng)
    sessions.sort(
        key=lambda session: (session.started_ms, session.connector.at.station, session.connector.at.connector)
    )
    return Placed(tuple(replace(s, session_id=_session_id(s, n)) for n, s in enumerate(sessions)), tuple(unplaced))


def _public(
    calendar: _Calendar, *, start_ms: int, days: int, per_day: float, rng: np.random.Generator
) -> list[Session]:
    sessions = []
    for city, connectors in calendar.fast_by_city.items():
        wishes = draw_sessions(int(rng.poisson(per_day * connectors * days)), rng)
        day = rng.integers(0, days, len(wishes))
        for number, drawn in enumerate(wishes.to_dict("records")):
            # The recordings' hours are local ones, and so are these; a day of the simulation begins when it begins.
            into_day = (int(drawn["hour"] * 3_600_000) - (start_ms + CHINA_OFFSET_MS)) % DAY_MS
            started_ms = start_ms + int(day[number]) * DAY_MS + into_day // 1000 * 1000
            ended_ms = started_ms + round(drawn["stay_min"] * 60) * 1000
            place = calendar.take(_Wish(city, "DC", started_ms, ended_ms, ended_ms, drawn["pmax_kw"]), rng)
            if place is None:
                continue
            # On a weaker connector it takes what there is, in the same time.
            weaker = min(1.0, place[1].power_kw / drawn["pmax_kw"])
            added = (drawn["soc_end_pct"] - drawn["soc_start_pct"]) / 100 * weaker
            sessions.append(
                Session(
                    session_id="",
                    operator=place[0],
                    connector=place[1],
                    city=city,
                    started_ms=started_ms,
                    ended_ms=ended_ms,
                    soc_start=drawn["soc_start_pct"] / 100,
                    soc_end=min(1.0, drawn["soc_start_pct"] / 100 + added),
                    pmax_kw=drawn["pmax_kw"] * weaker,
                    energy_kwh=drawn["energy_kwh"] * weaker,
                )
            )
    return sessions


def _failed(calendar: _Calendar, sessions: Sequence[Session], rng: np.random.Generator) -> list[Session]:
    """Return the attempts before a session that gave no power, where the connector was free for them."""
    failed = []
    for session in sessions:
        tries, seconds = rng.random(), rng.uniform(*_FAILED_S)
        if tries >= session.operator.failed_share:
            continue
        ended_ms = session.started_ms - _PAUSE_MS
        started_ms = ended_ms - round(seconds) * 1000
        if calendar.is_free(session.connector, started_ms, ended_ms):
            calendar.hold(session.connector, started_ms, ended_ms)
            failed.append(
                replace(session, started_ms=started_ms, ended_ms=ended_ms, soc_end=session.soc_start, failed=True)
            )
    return failed


def _session_id(session: Session, number: int) -> str:
    return f"{session.operator.slug}-{session.started_ms // 1000:x}-{number:05d}"
