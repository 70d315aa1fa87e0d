"""Tyre pressures: they follow the temperature, and one may leak."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.car_models import CarModel
from forewarn.simulator.climate import Climate
from forewarn.simulator.faults import DAY_S, FaultPlan, progress
from forewarn.simulator.sampling import Samples
from forewarn.simulator.usage import Kind, Segments

# The lamp: a quarter under the placard while driving.
LAMP_SHARE = 0.75
_AIR_KPA = 101.3
_FILLED_AT_C = 20.0
# Driving warms tyres by about this much, within a quarter of an hour.
_WARMER_C = 12.0
_WARM_TAU_S = 900.0
_LOSS_KPA_PER_DAY = 0.06


@dataclass(frozen=True)
class Tyres:
    """One car's tyres: (4,) kPa above the air's, cold at 20 C: front left, front right, rear left, rear right."""

    filled_kpa: NDArray[np.float64]


def draw_tyres(model: CarModel, rng: np.random.Generator) -> Tyres:
    return Tyres(model.placard_kpa * rng.uniform(0.95, 1.07) * rng.normal(1.0, 0.012, 4))


def run_tyres(
    tyres: Tyres, model: CarModel, segments: Segments, samples: Samples, climate: Climate, plan: FaultPlan | None
) -> NDArray[np.float64]:
    """Return the pressure of every tyre at every sample: (n_samples, 4) kPa."""
    lost = np.outer(samples.t_s / DAY_S * _LOSS_KPA_PER_DAY, np.ones(4))
    if plan is not None and plan.mode == "tyre_leak":
        to_lamp = tyres.filled_kpa[plan.place] * 1.05 - LAMP_SHARE * model.placard_kpa
        lost[:, plan.place] += progress(plan, "tyre_leak", samples.t_s) * to_lamp
    at = samples.segment
    driven_s = np.where(segments.kind[at] == Kind.DRIVE, samples.t_s - segments.start_s[at], 0.0)
    tyre_c = climate.air_c(samples.t_s) + _WARMER_C * (1.0 - np.exp(-driven_s / _WARM_TAU_S))
    warm = (tyre_c + 273.15) / (_FILLED_AT_C + 273.15)
    pressure: NDArray[np.float64] = (tyres.filled_kpa - lost + _AIR_KPA) * warm[:, None] - _AIR_KPA
    return np.maximum(pressure, 0.0)


def tyre_lamp_s(pressure: NDArray[np.float64], model: CarModel, segments: Segments, samples: Samples) -> float | None:
    """Return when a tyre under way was first a quarter under its placard, or None."""
    driving = segments.kind[samples.segment] == Kind.DRIVE
    low = driving & (pressure.min(axis=1) < LAMP_SHARE * model.placard_kpa)
    found = np.flatnonzero(low)
    return float(samples.t_s[found[0]]) + 2.0 if found.size else None
