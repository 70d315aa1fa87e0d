"""Recordings and simulated cars like them, side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from forewarn.realism import recorded, simulated
from forewarn.realism.electric import compare_electric
from forewarn.realism.engines import compare_engine, drives
from forewarn.realism.finding import Finding
from forewarn.realism.sessions import Session, compare_sessions, fast_sessions
from forewarn.realism.simulated import Request
from forewarn.realism.trace import Trace
from forewarn.simulator.car_models import CarModel


@dataclass(frozen=True)
class Pair:
    """A recording, its trips, and the simulated cars beside it."""

    recorded: list[Trace]
    cars: list[Trace]


@dataclass
class Comparison:
    """Findings, what they were made of, and which recordings were not there."""

    findings: list[Finding] = field(default_factory=list)
    pairs: dict[str, Pair] = field(default_factory=dict)
    sessions: dict[str, list[Session]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """How many cars are simulated beside each recording, for how many days up to the season it was made in."""

    cars: int = 16
    days: int = 28
    seed: int = 1


# Each recording ends about here, in the evening in China: simulated cars have its season.
_ENDS = {
    "car1": datetime(2021, 5, 6, 16, tzinfo=UTC),
    "car2": datetime(2019, 6, 15, 16, tzinfo=UTC),
    "car3": datetime(2019, 5, 12, 16, tzinfo=UTC),
    "engine": datetime(2018, 6, 20, 16, tzinfo=UTC),
    "sessions": datetime(2023, 1, 15, 16, tzinfo=UTC),
}
_STEPS_S = {"car1": 1.0, "car2": 30.0, "car3": 10.0}
# At one report a second a few days are as much as weeks at one in half a minute.
_FEWER_DAYS = {1.0: 7, 10.0: 2, 30.0: 1}
_SESSION_STEP_S = 60.0
# Recordings that progress is told of: three electric cars, two engines, the sessions.
STEPS = 6
# Most owners charge at home: it takes many cars to see a hundred sessions at fast chargers.
_MORE_CARS = 6


def compare(
    data: Path, *, plan: Plan, fleet: Path | None = None, on_progress: Callable[[int], None] | None = None
) -> Comparison:
    """Compare what lies in ``data`` with simulated cars, or with those of a fleet in files.

    Raises : UserMistake, when a recording is damaged or the folder ``fleet`` is no fleet
    """
    result = Comparison()
    done = 0

    def cars_like(kind: str, step_s: float, wanted: Callable[[CarModel], bool]) -> list[Trace]:
        if fleet is not None:
            return simulated.of_fleet(fleet, wanted, most=plan.cars)
        days = max(1, plan.days // _FEWER_DAYS.get(step_s, 1))
        cars = plan.cars * (_MORE_CARS if kind == "sessions" else 1)
        return simulated.simulate(Request(cars, days, plan.seed, _ENDS[kind], step_s), wanted)

    def progress() -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress(done)

    for car, path in recorded.ELECTRIC.items():
        trace = recorded.electric_trace(data, car)
        if trace is None:
            result.missing.append(path)
        else:
            cars = cars_like(car, _STEPS_S[car], simulated.nickel_electric(trace.cells_v.shape[1]))
            result.findings += compare_electric(trace, cars)
            result.pairs[car] = Pair([trace], cars)
        progress()
    engines: list[Trace] | None = None
    for name, path, trips in (
        ("carobd", recorded.PETROL, recorded.petrol_trips(data)),
        ("kit-obd2", recorded.DIESEL, recorded.diesel_trips(data)),
    ):
        if not trips:
            result.missing.append(path)
        else:
            engines = engines or cars_like("engine", recorded.ENGINE_STEP_S, simulated.petrol)
            result.findings += compare_engine(name, trips, [drives(car) for car in engines], diesel=name == "kit-obd2")
            result.pairs[name] = Pair(trips, engines)
        progress()
    sessions = recorded.charging_sessions(data)
    if not sessions:
        result.missing.append(recorded.SESSIONS)
    else:
        cars = cars_like("sessions", _SESSION_STEP_S, simulated.nickel_electric())
        made = [session for car in cars for session in fast_sessions(car)]
        result.findings += compare_sessions(sessions, made)
        result.sessions = {"recorded": sessions, "simulated": made}
    progress()
    return result


def of_section(findings: Sequence[Finding], section: str) -> list[Finding]:
    return [finding for finding in findings if finding.section == section]
