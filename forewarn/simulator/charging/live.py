"""One danger that happens now, for trying out what the safety desk does: it ends when somebody stops it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from forewarn.message import Message
from forewarn.simulator.charging.cars import draw_cars
from forewarn.simulator.charging.dangers import Kind, can_have
from forewarn.simulator.charging.run import Pace, SessionRun, run_session
from forewarn.simulator.charging.sessions import Session
from forewarn.simulator.charging.stations import Operator, Station
from forewarn.simulator.charging.traffic import ordered
from forewarn.simulator.charging.truth import Truth
from ingest.store.enrolment import Enrolment

# The danger begins so long after the first message: time enough to look at the healthy car.
LEAD_S = 15.0
_STRONG = 0.8
_CARS = 40


@dataclass(frozen=True)
class LiveDanger:
    """A car on a fast charger with a danger ahead of it."""

    enrolment: Enrolment
    session: Session
    kind: Kind
    seed: int
    strength: float
    starts_ms: int

    @property
    def truth(self) -> tuple[Truth, ...]:
        return self.run(None).truth

    def run(self, stopped_at_ms: int | None) -> SessionRun:
        """Return the session as it goes when charging is told to stop then."""
        return run_session(
            self.session,
            number=0,
            seed=self.seed,
            air_c=28.0,
            kind=self.kind,
            strength=self.strength,
            stopped_at_ms=stopped_at_ms,
            pace=Pace(pile_s=1, car_s=1),
        )

    def messages(self, stopped: Callable[[], int | None]) -> Iterator[Message]:
        """Yield what is sent, on live topics, from ``starts_ms`` on.

        stopped : is asked before each message when charging was told to stop (epoch ms); from then on it is
        """
        stopped_at_ms = None
        pending = self._sent(stopped_at_ms)
        place = 0
        while place < len(pending):
            if stopped_at_ms is None and (stopped_at_ms := stopped()) is not None:
                # What is sent already is the same: nothing before a stop differs.
                pending = self._sent(stopped_at_ms)
                continue
            yield pending[place]
            place += 1

    def _sent(self, stopped_at_ms: int | None) -> list[Message]:
        run = self.run(stopped_at_ms)
        return [message for _, message in ordered(iter([run]), live=True) if message.received_ms >= self.starts_ms]


def draw_live_danger(
    kind: Kind, stations: tuple[Station, ...], *, seed: int, now_ms: int, strength: float = _STRONG
) -> LiveDanger:
    """Return a danger of ``kind`` on a fast connector of ``stations`` that begins LEAD_S after ``now_ms``."""
    at = datetime.fromtimestamp(now_ms / 1000, tz=UTC)
    enrolments, visits = draw_cars(_CARS, stations, start=at, days=1, seed=seed)
    number = next(n for n, visit in enumerate(visits) if visit.kind == "DC" and can_have(kind, visit))
    visit = visits[number]
    operator, connector = next(
        (_talkative(station.operator), connector)
        for station in stations
        if station.city == visit.city
        for connector in station.connectors
        if connector.kind == "DC"
    )
    session = Session(
        f"{operator.slug}-live-{now_ms // 1000:x}",
        operator,
        connector,
        visit.city,
        visit.started_ms,
        visit.ended_ms,
        visit.soc_start,
        visit.soc_end,
        visit=visit,
    )
    danger = LiveDanger(enrolments[number], session, kind, seed, strength, now_ms)
    onset_s = _onset_s(danger)
    # It has charged for a while: its first messages are those of now.
    started_ms = now_ms - round((onset_s - LEAD_S) * 1000)
    moved = replace(visit, started_ms=started_ms, ended_ms=started_ms + visit.ended_ms - visit.started_ms)
    session = replace(session, started_ms=moved.started_ms, ended_ms=moved.ended_ms, visit=moved)
    return replace(danger, session=session)


def _onset_s(danger: LiveDanger) -> float:
    plan = danger.run(None).danger
    assert plan is not None
    return plan.onset_s


def _talkative(operator: Operator) -> Operator:
    # Somebody who tries the desk out wants to hear from the pile, too.
    return replace(operator, silent_share=0.0)
