"""The 12 V lead-acid battery: charged while the car is awake, drained while it sleeps, and ageing.

Resting voltage says its charge, the dip while cranking says its resistance. An electric car has no starter; its
converter wakes to charge the battery when it runs low.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.car_models import CarModel
from forewarn.simulator.faults import Faults
from forewarn.simulator.sampling import Samples
from forewarn.simulator.usage import Kind, Segments

LAMP_REST_V = 11.8
LAMP_CRANK_V = 8.6
# A converter that holds up no more than this while the car is awake has failed.
DCDC_LAMP_V = 12.5

# A battery of six cells rests at 11.7 V when empty and 12.7 V when full.
_EMPTY_V, _FULL_V = 11.7, 12.7
_SURFACE_V, _SURFACE_TAU_H = 0.30, 1.2
# Recorded dips of a healthy car while it cranks: median 11.15 V, one in twenty below 9.8 V. How deep the report sees
# depends on when in the crank it is made.
_CRANK_A = 270.0
_NEW_MOHM = 4.6
_RECHARGE_TAU_H = 0.7
# An electric car's converter charges the battery when it is this low; a petrol car switches its own consumers off. A
# battery that is worn out goes on falling.
_CONVERTER_WAKES_AT, _CONSUMERS_OFF_AT, _WORN_OUT = 0.35, 0.24, 0.6
# A failing converter gives less than the car takes.
_DCDC_SAG_V = 1.5


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
    """What the batteries truly do at each sample: V at the poles, A (positive charges), and whether the car cranks."""

    voltage_v: NDArray[np.float64]
    current_a: NDArray[np.float64]
    cranking: NDArray[np.bool_]


def draw_lv_battery(
    model: CarModel, rng: np.random.Generator, *, old: bool = False, drained: bool = False
) -> LvBattery:
    return LvBattery(
        capacity_ah=model.lv_capacity_ah,
        wear=rng.uniform(0.3, 0.42) if old else rng.uniform(0.0, 0.22),
        sleep_a=rng.uniform(0.10, 0.16) if drained else rng.uniform(0.012, 0.035),
        charger_v=float(np.clip(rng.normal(13.75, 0.12), 13.45, 14.1)),
    )


def cranks(model: CarModel, segments: Segments, samples: Samples) -> NDArray[np.bool_]:
    """Return which samples fall into the moment the starter turns the engine."""
    started: NDArray[np.bool_] = (segments.kind[samples.segment] == Kind.DRIVE) & (samples.number == 0)
    return started if model.powertrain == "ice" else np.zeros_like(started)


def run_lv_batteries(
    model: CarModel,
    batteries: list[LvBattery],
    segments: Segments,
    samples: Samples,
    air_c: NDArray[np.float64],
    faults: Faults,
    moment: NDArray[np.float64],
) -> LvState:
    """Return what the 12 V batteries of a block do at every sample.

    air_c  : (n_samples,) C
    moment : (n_samples,) 0..1, how deep into the crank a report sees
    """
    wear = _wear(batteries, segments, faults)
    best = np.clip(1.0 - 0.45 * wear, 0.2, 1.0)
    sleep_a = np.array([battery.sleep_a for battery in batteries])[segments.car]
    # Worn plates hold less and discharge themselves.
    drain_per_h = (sleep_a + 0.6 * wear**3) / (model.lv_capacity_ah * np.clip(1.0 - 0.7 * wear, 0.15, 1.0))
    dcdc = faults.severity("dcdc", segments.car, segments.start_s)
    kept = np.where(wear < _WORN_OUT, _CONSUMERS_OFF_AT * best, 0.03)
    floor = np.where((model.powertrain != "ice") & (dcdc < 0.8), _CONVERTER_WAKES_AT * best, kept)
    charge = _charge(segments, wear, best, drain_per_h, floor)

    at = samples.segment
    since_h = (samples.t_s - segments.start_s[at]) / 3600
    asleep = segments.kind[at] == Kind.PARKED
    left = np.maximum(floor[at], charge[at] - drain_per_h[at] * since_h)
    # A shorted or sulphated cell takes its share of the voltage too.
    open_v = _EMPTY_V + (_FULL_V - _EMPTY_V) * np.where(asleep, left, charge[at]) - 0.25 * wear[at] ** 2
    rest_v = open_v + _SURFACE_V * np.exp(-since_h / _SURFACE_TAU_H)
    missing = (best[at] - charge[at]) * np.exp(-since_h / (_RECHARGE_TAU_H * (1.0 + wear[at])))
    # Converters and alternators charge colder batteries with a higher voltage.
    charger_v = np.array([battery.charger_v for battery in batteries])[samples.car]
    running_v = np.clip(charger_v - 0.014 * (air_c - 25.0), 13.2, 14.7) - 0.25 * missing
    failing = faults.severity("dcdc", samples.car, samples.t_s)
    running_v = np.maximum(running_v - _DCDC_SAG_V * np.clip(failing - 0.4, 0.0, 1.2), open_v - 0.1)
    voltage = np.where(asleep, rest_v, running_v)
    current = np.where(asleep, -0.15, 1.5 + 60.0 * missing)
    cranking = cranks(model, segments, samples)
    if cranking.any():
        cold = 1.0 + 0.012 * np.clip(25.0 - air_c, 0.0, 50.0)
        resistance = _NEW_MOHM * (1.0 + 1.9 * wear[at]) * cold / 1000
        drawn = _CRANK_A * (0.55 + 1.15 * moment**2)
        voltage = np.where(cranking, np.maximum(open_v - drawn * resistance, 5.0), voltage)
        current = np.where(cranking, -drawn, current)
    return LvState(voltage, current, cranking)


def _wear(batteries: list[LvBattery], segments: Segments, faults: Faults) -> NDArray[np.float64]:
    new = np.array([battery.wear for battery in batteries])[segments.car]
    wear: NDArray[np.float64] = np.maximum(
        new, np.minimum(faults.severity("lv_battery", segments.car, segments.start_s), 1.4)
    )
    for car, plan in faults.of("lv_battery").items():
        if plan.repair_s is not None:
            wear[(segments.car == car) & (segments.start_s >= plan.repair_s)] = 0.0  # a new battery
    return wear


def _charge(
    segments: Segments,
    wear: NDArray[np.float64],
    best: NDArray[np.float64],
    drain_per_h: NDArray[np.float64],
    floor: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the charge (share) at the begin of every segment."""
    gain = np.exp(-segments.hours / (_RECHARGE_TAU_H * (1.0 + wear))).tolist()
    hours, asleep = segments.hours.tolist(), (segments.kind == Kind.PARKED).tolist()
    drain, most, least = drain_per_h.tolist(), best.tolist(), floor.tolist()
    renewed = (np.diff(wear, prepend=wear[:1]) < -0.3) | segments.first_of_car
    charge = []
    now = 0.0
    for i, fresh in enumerate(renewed.tolist()):
        # A new battery comes charged; an old one never gets fuller than it can.
        now = most[i] if fresh else min(now, most[i])
        charge.append(now)
        drained, filled = now - drain[i] * hours[i], most[i] - (most[i] - now) * gain[i]
        now = max(least[i], drained) if asleep[i] else filled
    return np.array(charge)
