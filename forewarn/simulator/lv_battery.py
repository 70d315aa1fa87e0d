"""The 12 V lead-acid battery: charged while the car is awake, drained while it sleeps, and ageing.

Resting voltage says its charge, the dip while cranking says its resistance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.car_models import CarModel
from forewarn.simulator.climate import Climate
from forewarn.simulator.faults import FaultPlan, progress
from forewarn.simulator.sampling import Samples
from forewarn.simulator.usage import Kind, Segments

# The lamp: this low at rest, or cranking, at two wake-ups or starts in a row.
LAMP_REST_V = 11.8
LAMP_CRANK_V = 8.6
_IN_A_ROW = 2

# A battery of six cells rests at 11.7 V when empty and 12.7 V when full.
_EMPTY_V, _FULL_V = 11.7, 12.7
_SURFACE_V, _SURFACE_TAU_H = 0.30, 1.2
_CRANK_A = 230.0
_NEW_MOHM = 5.8
_RECHARGE_TAU_H = 0.7


@dataclass(frozen=True)
class LvBattery:
    """One car's 12 V battery.

    wear      : 0 is new, 1 is about where the lamp comes on
    sleep_a   : what the parked car draws from it
    charger_v : what converter or alternator hold it at while the car is awake, at 25 C
    """

    capacity_ah: float
    wear: float
    sleep_a: float
    charger_v: float


@dataclass(frozen=True)
class LvState:
    """What the battery truly does at each sample: V at its poles, A (positive charges)."""

    voltage_v: NDArray[np.float64]
    current_a: NDArray[np.float64]


def draw_lv_battery(
    model: CarModel, rng: np.random.Generator, *, old: bool = False, drained: bool = False
) -> LvBattery:
    return LvBattery(
        capacity_ah=model.lv_capacity_ah,
        wear=rng.uniform(0.3, 0.42) if old else rng.uniform(0.0, 0.22),
        sleep_a=rng.uniform(0.10, 0.16) if drained else rng.uniform(0.012, 0.035),
        charger_v=float(np.clip(rng.normal(13.75, 0.12), 13.45, 14.1)),
    )


def run_lv_battery(
    battery: LvBattery, model: CarModel, segments: Segments, samples: Samples, climate: Climate, plan: FaultPlan | None
) -> LvState:
    """Return what the 12 V battery does at every sample."""
    grown = progress(plan, "lv_battery", segments.start_s, highest=1.4)
    wear = np.maximum(battery.wear, grown)
    if plan is not None and plan.mode == "lv_battery" and plan.repair_s is not None:
        wear[segments.start_s >= plan.repair_s] = 0.0  # a new battery
    best = np.clip(1.0 - 0.45 * wear, 0.2, 1.0)
    # Worn plates hold less and discharge themselves.
    drain_per_h = (battery.sleep_a + 0.6 * wear**3) / (battery.capacity_ah * np.clip(1.0 - 0.7 * wear, 0.15, 1.0))
    gain = np.exp(-segments.hours / (_RECHARGE_TAU_H * (1.0 + wear)))
    asleep = segments.kind == Kind.PARKED
    charge = np.empty(len(wear))
    now = float(best[0])
    for i, hours in enumerate(segments.hours):
        # A new battery comes charged; an old one never gets fuller than it can.
        now = float(best[i]) if i and wear[i] < wear[i - 1] - 0.3 else min(now, float(best[i]))
        charge[i] = now
        now = max(0.03, now - drain_per_h[i] * hours) if asleep[i] else best[i] - (best[i] - now) * gain[i]
    return _at_samples(battery, model, segments, samples, climate, wear, best, drain_per_h, charge)


def _at_samples(
    battery: LvBattery,
    model: CarModel,
    segments: Segments,
    samples: Samples,
    climate: Climate,
    wear: NDArray[np.float64],
    best: NDArray[np.float64],
    drain_per_h: NDArray[np.float64],
    charge: NDArray[np.float64],
) -> LvState:
    at = samples.segment
    since_h = (samples.t_s - segments.start_s[at]) / 3600
    air_c = climate.air_c(samples.t_s)
    asleep = segments.kind[at] == Kind.PARKED
    left = np.maximum(0.03, charge[at] - drain_per_h[at] * since_h)
    # A shorted or sulphated cell takes its share of the voltage too.
    open_v = _EMPTY_V + (_FULL_V - _EMPTY_V) * np.where(asleep, left, charge[at]) - 0.25 * wear[at] ** 2
    rest_v = open_v + _SURFACE_V * np.exp(-since_h / _SURFACE_TAU_H)
    missing = (best[at] - charge[at]) * np.exp(-since_h / (_RECHARGE_TAU_H * (1.0 + wear[at])))
    # Converters and alternators charge colder batteries with a higher voltage.
    running_v = np.clip(battery.charger_v - 0.014 * (air_c - 25.0), 13.2, 14.7) - 0.25 * missing
    running_a = 1.5 + 60.0 * missing
    voltage = np.where(asleep, rest_v, running_v)
    current = np.where(asleep, -0.15, running_a)
    if model.has_engine:
        cranking = cranks(model, segments, samples)
        cold = 1.0 + 0.012 * np.clip(25.0 - air_c, 0.0, 50.0)
        resistance = _NEW_MOHM * (1.0 + 1.5 * wear[at]) * cold / 1000
        voltage = np.where(cranking, np.maximum(open_v - _CRANK_A * resistance, 5.0), voltage)
        current = np.where(cranking, -_CRANK_A, current)
    return LvState(voltage, current)


def cranks(model: CarModel, segments: Segments, samples: Samples) -> NDArray[np.bool_]:
    """Return which samples fall into the moment the starter turns the engine."""
    started: NDArray[np.bool_] = (segments.kind[samples.segment] == Kind.DRIVE) & (samples.number == 0)
    return started if model.powertrain == "ice" else np.zeros_like(started)


def lv_lamp_s(state: LvState, model: CarModel, segments: Segments, samples: Samples) -> float | None:
    """Return when the lamp comes on: the second time in a row that the battery rests or cranks too low, or None."""
    asleep = segments.kind[samples.segment] == Kind.PARKED
    times = [
        _second_in_a_row(samples.t_s[asleep], state.voltage_v[asleep] < LAMP_REST_V),
    ]
    cranking = cranks(model, segments, samples)
    times.append(_second_in_a_row(samples.t_s[cranking], state.voltage_v[cranking] < LAMP_CRANK_V))
    found = [time for time in times if time is not None]
    # A lamp needs somebody to wake the car: the report itself did.
    return min(found) + 2.0 if found else None


def _second_in_a_row(t_s: NDArray[np.float64], low: NDArray[np.bool_]) -> float | None:
    if len(low) < _IN_A_ROW:
        return None
    runs = np.flatnonzero(low[1:] & low[:-1])
    return float(t_s[runs[0] + 1]) if runs.size else None
