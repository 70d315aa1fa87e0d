"""Everything that stations and charging cars send in some days, in the order in which it is received."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from forewarn.message import Message
from forewarn.simulator.charging.dangers import KINDS, NEAR_MISSES, Kind, NearMiss, can_have
from forewarn.simulator.charging.run import Pace, SessionRun, run_session
from forewarn.simulator.charging.sessions import Placed, Session, Visit, place_sessions
from forewarn.simulator.charging.stations import Station, draw_stations
from forewarn.simulator.climate import Climate
from forewarn.simulator.people import CITIES

_METER_KWH = (2_000.0, 400_000.0)


@dataclass(frozen=True)
class Traffic:
    """A simulation: who charges where and what goes wrong. The sessions themselves are run when they are asked for.

    kinds         : by (VIN, start of the visit in epoch ms), the danger or near miss it has
    stopped_at_ms : by VIN, when charging was told to stop
    """

    stations: tuple[Station, ...]
    placed: Placed
    kinds: Mapping[tuple[str, int], Kind | NearMiss]
    start: datetime
    days: int
    seed: int
    pace: Pace = field(default_factory=Pace)
    stopped_at_ms: Mapping[str, int] = field(default_factory=dict)

    def runs(self) -> Iterator[SessionRun]:
        """Yield every session, earliest start first; each time the same."""
        climates = {city.name: Climate(city, start=self.start, days=self.days + 2, seed=self.seed) for city in CITIES}
        register: dict[object, float] = {}
        start_ms = round(self.start.timestamp() * 1000)
        meters = np.random.default_rng((self.seed, 1))
        for station in self.stations:
            for connector in station.connectors:
                register[connector.at] = float(np.round(meters.uniform(*_METER_KWH), 2))
        for number, session in enumerate(self.placed.sessions):
            middle_s = (session.started_ms + session.ended_ms) / 2000 - start_ms / 1000
            air_c = float(climates[session.city].air_c(np.array([middle_s]))[0])
            at = session.connector.at
            run = run_session(
                session,
                number=number,
                seed=self.seed,
                air_c=air_c,
                register_kwh=register[at],
                kind=self._kind(session),
                stopped_at_ms=self.stopped_at_ms.get(session.visit.vin) if session.visit is not None else None,
                pace=self.pace,
            )
            register[at] = run.register_kwh if run.register_kwh is not None else register[at]
            yield run

    def _kind(self, session: Session) -> Kind | NearMiss | None:
        if session.visit is None or session.failed:
            return None
        return self.kinds.get((session.visit.vin, session.visit.started_ms))


def simulate_charging(
    *,
    stations: int,
    days: int,
    seed: int,
    start: datetime,
    visits: Sequence[Visit] = (),
    dangers: int = 0,
    kind: Kind | None = None,
    near_misses: int | None = None,
    public_per_day: float = 5.0,
    pace: Pace | None = None,
    stopped_at_ms: Mapping[str, int] | None = None,
) -> Traffic:
    """Simulate stations from ``start`` (aware) on; the same arguments give the same traffic, to the byte.

    visits         : of enrolled cars; those that find no free connector are ``placed.unplaced``
    dangers        : how many of the visits have one, kinds by turns or all of ``kind``
    near_misses    : how many look so and are none; as many as dangers when None, as far as there are visits
    public_per_day : sessions of other cars per fast connector and day
    Raises         : ValueError, when there is nothing to simulate or there are fewer fit visits than dangers
    """
    if stations < 1 or days < 1:
        raise ValueError("charging needs at least one station and one day")
    start = start.astimezone(UTC).replace(microsecond=0)
    place_rng, kind_rng = (np.random.default_rng(root) for root in np.random.SeedSequence((seed, 2)).spawn(2))
    drawn = stations_of(stations, seed=seed)
    has_dc = {(s.city, c.kind) for s in drawn for c in s.connectors}
    fit = [visit for visit in visits if (visit.city, visit.kind) in has_dc]
    kinds = _deal(fit, dangers, kind, near_misses, kind_rng)
    dangerous = frozenset(n for n, visit in enumerate(visits) if kinds.get((visit.vin, visit.started_ms)) in KINDS)
    placed = place_sessions(
        drawn,
        visits,
        start_ms=round(start.timestamp() * 1000),
        days=days,
        rng=place_rng,
        dangerous=dangerous,
        public_per_day=public_per_day,
    )
    return Traffic(drawn, placed, kinds, start, days, seed, pace or Pace(), dict(stopped_at_ms or {}))


def stations_of(count: int, *, seed: int) -> tuple[Station, ...]:
    """Return the stations of a simulation of this seed."""
    return draw_stations(count, np.random.default_rng((seed, 4)))


def _deal(
    visits: Sequence[Visit], dangers: int, kind: Kind | None, near_misses: int | None, rng: np.random.Generator
) -> dict[tuple[str, int], Kind | NearMiss]:
    """Return which visit has what; a car has one danger at most."""
    kinds: dict[tuple[str, int], Kind | NearMiss] = {}
    waiting = [visits[n] for n in rng.permutation(len(visits))]
    used: set[str] = set()
    for number in range(dangers):
        wanted = kind or KINDS[number % len(KINDS)]
        visit = next((v for v in waiting if v.vin not in used and can_have(wanted, v)), None)
        if visit is None:
            raise ValueError(f"no visit is left that can have {wanted}: {number} of {dangers} dangers were placed")
        used.add(visit.vin)
        kinds[visit.vin, visit.started_ms] = wanted
    misses = 0
    for visit in waiting:
        if misses == (dangers if near_misses is None else near_misses):
            break
        # Near the end of a slow charge a pack never gets hot.
        if visit.vin not in used:
            used.add(visit.vin)
            kinds[visit.vin, visit.started_ms] = NEAR_MISSES[misses % len(NEAR_MISSES)]
            misses += 1
    return kinds


def messages(traffic: Traffic) -> Iterator[Message]:
    """Yield every message on replay topics, earliest received first; holds in memory what goes on at one time."""
    for _, message in ordered(traffic.runs()):
        yield message


def ordered(
    runs: Iterator[SessionRun], *, live: bool = False, cars: bool = True
) -> Iterator[tuple[SessionRun, Message]]:
    """Yield the messages of ``runs``, which come by start, earliest received first, with the run they belong to.

    cars : whether what the cars themselves send is among them
    """
    waiting: list[tuple[int, int, int, SessionRun, Iterator[Message], Message]] = []
    number = 0
    following = next(runs, None)
    while waiting or following is not None:
        # Nothing of a session is received before it starts.
        while following is not None and (not waiting or following.session.started_ms <= waiting[0][0]):
            for part, sent in enumerate(_parts(following, live=live, cars=cars)):
                _push(waiting, number, part, following, sent)
            number += 1
            following = next(runs, None)
        if waiting:
            _, of_session, part, run, sent, message = heapq.heappop(waiting)
            yield run, message
            _push(waiting, of_session, part, run, sent)


def _push(
    waiting: list[tuple[int, int, int, SessionRun, Iterator[Message], Message]],
    number: int,
    part: int,
    run: SessionRun,
    sent: Iterator[Message],
) -> None:
    message = next(sent, None)
    if message is not None:
        heapq.heappush(waiting, (message.received_ms, number, part, run, sent, message))


def _parts(run: SessionRun, *, live: bool, cars: bool) -> Iterator[Iterator[Message]]:
    pile, car = run.pile, run.car
    yield (pile.message(row, live=live) for row in range(len(pile.ts_ms)))
    if car is not None and cars:
        yield (car.message(row, live=live) for row in range(len(car.ts_ms)))
    reports = sorted(run.alarms, key=lambda alarm: alarm.received_ms)
    yield (alarm.message(live=live) for alarm in reports)


def last_day(days: int, *, now: datetime) -> datetime:
    """Return when a simulation of ``days`` days begins that ends last midnight (UTC)."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)
