"""Brake pads: they wear with distance, style and mass, and faster where a caliper drags."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.car_models import CarModel
from forewarn.simulator.faults import FaultPlan, Faults
from forewarn.simulator.habits import Habit
from forewarn.simulator.sampling import Samples

# A new pad has 12 mm, a wear squealer touches at 3.2 to 4 mm, at 2 mm it is worn out (100 percent).
_NEW_MM, _WORN_MM, _SQUEALS_MM = 12.0, 2.0, 3.6
LAMP_PCT = (_NEW_MM - _SQUEALS_MM) / (_NEW_MM - _WORN_MM) * 100
# Workshops change pads at a service from this wear on, well before the lamp.
_CHANGED_PCT = (62.0, 82.0)
_REAR_SHARE = 0.72
# Electric cars mostly brake with their motor.
_WITH_MOTOR = 0.45
_FLUID_LOW_PCT = 92.0
# A caliper that drags wears its pads so many times faster at severity 1.
_DRAGS = 40.0


@dataclass(frozen=True)
class Brakes:
    """One car's pads: percent worn when the fleet begins, front and rear, and at which they are changed."""

    worn_pct: tuple[float, float]
    changed_pct: float


def draw_brakes(rng: np.random.Generator) -> Brakes:
    changed = rng.uniform(*_CHANGED_PCT)
    return Brakes((rng.uniform(4.0, changed - 4), rng.uniform(4.0, changed - 4)), float(changed))


def run_brakes(
    model: CarModel,
    brakes: list[Brakes],
    habits: list[Habit],
    samples: Samples,
    driven_km: NDArray[np.float64],
    faults: Faults,
) -> NDArray[np.float64]:
    """Return how worn front and rear pads are at every sample: (n_samples, 2) percent."""
    worn = np.empty((len(driven_km), 2))
    dragging = faults.of("brake_wear")
    for car, (pads, habit) in enumerate(zip(brakes, habits, strict=True)):
        rows = samples.rows[car]
        km = driven_km[rows]
        friction = 75.0 / model.pad_km
        per_km = friction * habit.style**1.5 * (_WITH_MOTOR if model.has_pack else 1.0)
        plan = dragging.get(car)
        for axle, share in enumerate((1.0, _REAR_SHARE)):
            rate = np.full(len(km), per_km * share)
            if plan is not None and plan.place % 2 == axle:
                # It drags whatever the motor brakes.
                rate += friction * _DRAGS * plan.severity(samples.t_s[rows])
            total = pads.worn_pct[axle] + np.cumsum(rate * np.diff(km, prepend=km[:1]))
            if plan is not None and plan.place % 2 == axle:
                worn[rows, axle] = _unserviced(total, pads.changed_pct, samples.t_s[rows], plan)
            else:
                # Changed at a service, again and again.
                worn[rows, axle] = total % pads.changed_pct
    result: NDArray[np.float64] = np.clip(worn, 0.0, 100.0)
    return result


def fluid_low(worn_pct: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where worn pads let the fluid sink below its mark. worn_pct : (n, 2)"""
    result: NDArray[np.bool_] = worn_pct.max(axis=1) > _FLUID_LOW_PCT
    return result


def _unserviced(
    total: NDArray[np.float64], changed_pct: float, t_s: NDArray[np.float64], plan: FaultPlan
) -> NDArray[np.float64]:
    """Return the wear of pads that are changed like others until they drag, and then by the workshop alone."""
    worn: NDArray[np.float64] = total % changed_pct
    drags = t_s >= plan.onset_s
    if drags.any():
        first = int(drags.argmax())
        worn = np.where(drags, worn[first] + total - total[first], worn)
    if plan.repair_s is not None and (mended := t_s >= plan.repair_s).any():
        first = int(mended.argmax())
        worn = np.where(mended, (total - total[first]) % changed_pct, worn)
    return worn
