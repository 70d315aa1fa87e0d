"""Tyre pressures: they follow the temperature, are filled up now and then, and one may leak."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.car_models import CarModel
from forewarn.simulator.faults import Faults
from forewarn.simulator.habits import Habit
from forewarn.simulator.relax import relax
from forewarn.simulator.sampling import Samples
from forewarn.simulator.time import DAY_S
from forewarn.simulator.usage import Kind, Segments

# The lamp: a quarter under the placard while driving.
LAMP_SHARE = 0.75
_AIR_KPA = 101.3
_FILLED_AT_C = 20.0
# Driving warms tyres by about this much at 60 km/h, within a quarter of an hour; a standing tyre cools within an hour.
_WARMER_C_PER_KMH = 0.2
_WARM_TAU_S, _COOL_TAU_S = 900.0, 3600.0
_LOSS_KPA_PER_DAY = 0.06
# Whoever sees a tyre this far under the placard fills it up before the lamp does it for him.
_SEEN_SHARE = 0.85


@dataclass(frozen=True)
class Tyres:
    """One car's tyres: (4,) kPa above the air's, cold at 20 C: front left, front right, rear left, rear right.

    kept   : (4,) share of what it is filled to, wheel by wheel: nobody fills all four alike
    sensor : (4,) error of the sensors, kPa
    """

    filled_kpa: NDArray[np.float64]
    kept: NDArray[np.float64]
    sensor_kpa: NDArray[np.float64]


def draw_tyres(model: CarModel, rng: np.random.Generator) -> Tyres:
    kept = rng.normal(1.0, 0.012, 4)
    return Tyres(model.placard_kpa * rng.uniform(0.95, 1.07) * kept, kept, rng.normal(0.0, 1.5, 4))


def run_tyres(
    model: CarModel,
    tyres: list[Tyres],
    habits: list[Habit],
    day_mean_c: list[NDArray[np.float64]],
    segments: Segments,
    samples: Samples,
    speed_kmh: NDArray[np.float64],
    air_c: NDArray[np.float64],
    faults: Faults,
) -> NDArray[np.float64]:
    """Return the pressure of every tyre at every sample: (n_samples, 4) kPa above the air's.

    day_mean_c : by car, (days,) mean air temperature of each day
    """
    cold = np.empty((len(samples.t_s), 4))
    leaks = faults.of("tyre_leak")
    for car, (tyre, habit) in enumerate(zip(tyres, habits, strict=True)):
        rows = samples.rows[car]
        days = np.arange(len(day_mean_c[car]) + 1, dtype=np.float64)
        leak = np.zeros((len(days), 4))
        plan = leaks.get(car)
        if plan is not None:
            # Full strength takes the tyre to its lamp within the time the leak grows.
            to_lamp = tyre.filled_kpa[plan.place] - LAMP_SHARE * model.placard_kpa + 8.0
            leak[:, plan.place] = plan.severity(days * DAY_S) * to_lamp * 2.2 / max(plan.growth_s / DAY_S, 0.02)
            if plan.sudden:
                leak[:, plan.place] = 0.0
        filled = _by_day(model, tyre, habit, day_mean_c[car], leak, None if plan is None else plan.repair_s)
        for wheel in range(4):
            cold[rows, wheel] = np.interp(samples.t_s[rows] / DAY_S, days, filled[:, wheel])
        if plan is not None and plan.sudden:
            punctured = plan.severity(samples.t_s[rows]) * 0.35 * model.placard_kpa
            cold[rows, plan.place] -= punctured
    driving = segments.kind[samples.segment] == Kind.DRIVE
    warmer = np.where(driving, _WARMER_C_PER_KMH * speed_kmh, 0.0)
    # What drives mixes fast and slow: the tyre feels the mean.
    tau = np.where(driving, _WARM_TAU_S, _COOL_TAU_S)
    tyre_c = air_c + relax(np.where(np.isinf(samples.since_s), 0.0, warmer), samples.since_s, tau)
    warm = (tyre_c + 273.15) / (_FILLED_AT_C + 273.15)
    pressure: NDArray[np.float64] = (cold + _AIR_KPA) * warm[:, None] - _AIR_KPA
    return np.maximum(pressure, 0.0)


def _by_day(
    model: CarModel,
    tyre: Tyres,
    habit: Habit,
    mean_c: NDArray[np.float64],
    leak: NDArray[np.float64],
    repair_s: float | None,
) -> NDArray[np.float64]:
    """Return what the tyres hold (kPa at 20 C) at the begin of each day, filled up when their owner looks."""
    now = tyre.filled_kpa.copy()
    filled = np.empty(leak.shape)
    looks_next = habit.refill_d
    for day in range(len(leak)):
        air = mean_c[min(day, len(mean_c) - 1)]
        warm = (air + 273.15) / (_FILLED_AT_C + 273.15)
        shown = (now + _AIR_KPA) * warm - _AIR_KPA
        healthy = leak[day] == 0
        due = day >= looks_next or (shown[healthy] < _SEEN_SHARE * model.placard_kpa).any()
        mended = repair_s is not None and day - 1 < repair_s / DAY_S <= day
        if due or mended:
            looks_next = day + habit.refill_d
            # Filled to the placard as the tyre is now: cold in winter.
            full = (model.placard_kpa * 1.02 * tyre.kept + _AIR_KPA) / warm - _AIR_KPA
            # A leak is seen as a low tyre and filled up like the others, unless its owner only minds the rest.
            now = np.where(healthy | mended | (shown < 0.9 * model.placard_kpa), np.maximum(now, full), now)
        filled[day] = now
        now = np.maximum(now - _LOSS_KPA_PER_DAY - leak[day], 0.0)
    return filled
