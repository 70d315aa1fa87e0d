"""One session from its start to what was sent of it: the same arguments give the same bytes."""

import zlib
from dataclasses import dataclass
from typing import cast, get_args

import numpy as np

from forewarn.simulator.charging.alarms import (
    OFFLINE,
    PileAlarm,
    danger_alarms,
    everyday_alarms,
    numbered,
    start_alarms,
)
from forewarn.simulator.charging.car import CarReadings, car_readings
from forewarn.simulator.charging.codes import draw_everyday
from forewarn.simulator.charging.dangers import Danger, Kind, NearMiss, draw_danger, draw_near_miss
from forewarn.simulator.charging.happening import CELL_WORST_V, Happening, enrolled_session, public_session
from forewarn.simulator.charging.heat import draw_rise_c
from forewarn.simulator.charging.pack import Pack, draw_pack
from forewarn.simulator.charging.pile import ENERGY, PileReadings, pile_readings
from forewarn.simulator.charging.sessions import Session, Visit
from forewarn.simulator.charging.truth import Truth, What

_OFFLINE_S = (60.0, 900.0)


@dataclass(frozen=True)
class Pace:
    """How often who reports, whole seconds; after its first alarm of a session a pile reports every second."""

    pile_s: int = 15
    # One sample a second while charging is what the car's charging topic is for.
    car_s: int = 1

    def __post_init__(self) -> None:
        if self.pile_s < 1 or self.car_s < 1:
            raise ValueError("a pile and a car report every second at most")


@dataclass(frozen=True)
class SessionRun:
    """A session: what was sent of it, and (for scoring only) what happened and what was wrong."""

    session: Session
    pile: PileReadings
    car: CarReadings | None
    alarms: tuple[PileAlarm, ...]
    danger: Danger | None
    happening: Happening
    truth: tuple[Truth, ...]

    @property
    def register_kwh(self) -> float | None:
        """What the pile's meter said last, None where nothing was sent."""
        register = self.pile.columns[ENERGY]
        return float(register[-1]) if len(register) else None


def pack_of(visit: Visit, *, seed: int) -> Pack:
    """Return the pack of the visit's car: the same for all visits of a car."""
    return draw_pack(visit, np.random.default_rng((seed, zlib.crc32(visit.vin.encode()))))


def run_session(
    session: Session,
    *,
    number: int,
    seed: int,
    air_c: float,
    register_kwh: float = 0.0,
    kind: Kind | NearMiss | None = None,
    strength: float | None = None,
    stopped_at_ms: int | None = None,
    pace: Pace | None = None,
) -> SessionRun:
    """Return what is sent of a session.

    number        : its place among the sessions, which with ``seed`` makes its chance its own
    kind          : the danger or near miss of an enrolled car's session
    stopped_at_ms : when charging is told to stop; nothing before it differs
    Raises        : ValueError, when the visit cannot have that danger
    """
    pace = pace or Pace()
    roots = np.random.SeedSequence((seed, number)).spawn(5)
    plan_rng, physics_rng, car_rng, pile_rng, alarm_rng = (np.random.default_rng(root) for root in roots)
    rise_c = draw_rise_c(physics_rng)
    phase_ms = int(physics_rng.integers(1, 1000))
    stop_s = None if stopped_at_ms is None else (stopped_at_ms - session.started_ms) / 1000
    faults = [] if session.failed else draw_everyday(session.operator, session.seconds, plan_rng)
    offline_s = plan_rng.uniform(*_OFFLINE_S)
    danger = None
    if session.visit is None or session.failed:
        stop_s = _earliest(stop_s, [at for fault, at in faults if fault.stops])
        happening = public_session(session, air_c=air_c, stop_s=stop_s, rise_c=rise_c)
    else:
        pack = pack_of(session.visit, seed=seed)
        if kind in get_args(NearMiss):
            danger = draw_near_miss(cast(NearMiss, kind), session.visit, pack, rng=plan_rng)
        elif kind is not None:
            silent = session.operator.silent_share
            danger = draw_danger(
                cast(Kind, kind),
                session.visit,
                pack,
                rng=plan_rng,
                silent_share=silent,
                strength=strength,
            )
        if danger is not None:
            # One thing at a time: otherwise nobody could say what an answer was right about.
            faults = []
        stop_s = _earliest(stop_s, [at for fault, at in faults if fault.stops])
        happening = enrolled_session(session, pack, danger, air_c=air_c, rise_c=rise_c, stop_s=stop_s)
    offline = next(((at, at + offline_s) for fault, at in faults if fault.name == OFFLINE), None)
    alarms = everyday_alarms(session, happening, faults, rng=alarm_rng)
    if session.failed:
        alarms += start_alarms(session, happening, rng=alarm_rng)
    if danger is not None:
        alarms += danger_alarms(session, happening, danger, rng=alarm_rng)
    alarms = numbered(alarms)
    pile = pile_readings(
        session,
        happening,
        danger,
        alarms,
        every_s=float(pace.pile_s),
        register_kwh=register_kwh,
        offline=offline,
        rng=pile_rng,
    )
    car = None
    if happening.car is not None:
        car = car_readings(session, happening, danger, every_s=float(pace.car_s), phase_ms=phase_ms, rng=car_rng)
    truth = _nuisances(session, alarms) if danger is None else (_truth(session, happening, danger, alarms),)
    return SessionRun(session, pile, car, tuple(alarms), danger, happening, truth)


def _earliest(stop_s: float | None, others: list[float]) -> float | None:
    return min([*others, *([] if stop_s is None else [stop_s])], default=None)


def _nuisances(session: Session, alarms: list[PileAlarm]) -> tuple[Truth, ...]:
    vin = session.visit.vin if session.visit is not None else None
    return tuple(
        Truth(
            session.session_id,
            vin,
            "nuisance",
            alarm.fault,
            alarm.fault,
            alarm.ts_ms,
            severity=alarm.severity,
            alarm_ms=alarm.ts_ms,
            finding="nothing that is dangerous",
        )
        for alarm in alarms
        if alarm.state == "on"
    )


def _truth(session: Session, happening: Happening, danger: Danger, alarms: list[PileAlarm]) -> Truth:
    def at_ms(seconds: float | None) -> int | None:
        return None if seconds is None else session.started_ms + round(seconds * 1000)

    def row_ms(row: int | None) -> int | None:
        return None if row is None else at_ms(float(happening.t_s[row]))

    gap = danger.gap or (None, None)
    what: What = "danger" if danger.is_danger else "near_miss"
    return Truth(
        session.session_id,
        session.visit.vin if session.visit is not None else None,
        what,
        danger.kind,
        danger.physics,
        session.started_ms + round(danger.onset_s * 1000),
        condition_ms=row_ms(happening.condition_row),
        gb38031_ms=row_ms(happening.gb38031_row),
        severity=_severity(happening, danger),
        strength=danger.strength,
        is_gradual=danger.is_gradual,
        alarm_ms=min((alarm.ts_ms for alarm in alarms), default=None),
        gap_from_ms=at_ms(gap[0]),
        gap_to_ms=at_ms(gap[1]),
        finding=_finding(happening, danger),
    )


def _severity(happening: Happening, danger: Danger) -> int:
    if not danger.is_danger:
        return 3
    if happening.condition_row is None:
        # A short inside a cell is no small thing, even if it never burns.
        return 2 if danger.physics == "thermal_runaway" else 3
    if danger.physics == "over_voltage":
        assert happening.car is not None
        return 1 if happening.car.cell_v.max() >= CELL_WORST_V[happening.car.pack.chemistry] else 2
    return 2 if danger.physics == "disagreement" else 1


def _finding(happening: Happening, danger: Danger) -> str:
    is_met = happening.condition_row is not None
    match danger.physics:
        case "thermal_runaway":
            cell = danger.runaway.cell + 1 if danger.runaway is not None else 0
            return f"cell {cell} burnt out" if is_met else f"internal short in cell {cell}"
        case "insulation_loss":
            return "water in the connector or a cable chafed through"
        case "contact_heat":
            return "contacts of gun and inlet burnt" if is_met else "contacts worn"
        case "over_voltage":
            return "the end of charge was ignored"
        case "disagreement":
            return f"current sensor of the {danger.biased} out of true"
        case "hot_day":
            return "warm within its limits"
        case "noisy_sensor":
            return "one sample of one sensor"
        case _:
            return "rain on the connector"
