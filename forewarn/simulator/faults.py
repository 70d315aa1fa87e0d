"""What is going to break in a car and when: the plan, not the physics."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.car_models import CarModel

DAY_S = 86400.0
# Faulty cars live on beyond the end of the fleet, so that it is known when their lamp would have come on.
BEYOND_D = 25

Mode = Literal["hv_self_discharge", "lv_battery", "tyre_leak"]

# How long a fault grows before its lamp, in days, and how steeply at the end (exponent of its growth).
_GROWTH_D: dict[Mode, tuple[float, float]] = {
    "hv_self_discharge": (28.0, 60.0),
    "lv_battery": (18.0, 45.0),
    "tyre_leak": (5.0, 18.0),
}
_STEEPNESS: dict[Mode, tuple[float, float]] = {
    "hv_self_discharge": (1.5, 2.8),
    "lv_battery": (1.0, 2.2),
    "tyre_leak": (0.05, 0.6),
}
# Some break from one hour to the next, with nothing to see before: no model can catch those.
_SUDDEN_SHARE = 0.08
# Of ten faulty cars, which fault each has.
_DEAL: tuple[Mode, ...] = (
    "hv_self_discharge",
    "lv_battery",
    "hv_self_discharge",
    "lv_battery",
    "tyre_leak",
    "hv_self_discharge",
    "lv_battery",
    "hv_self_discharge",
    "lv_battery",
    "hv_self_discharge",
)


@dataclass(frozen=True)
class FaultPlan:
    """One fault of one car; times in seconds since the fleet began.

    aimed_s  : when the lamp is meant to come on; the physics decides when it does
    place    : number of the cell or of the wheel, from 0
    repair_s : when the workshop mends it, None if not within what is simulated
    """

    mode: Mode
    onset_s: float
    aimed_s: float
    steepness: float
    place: int
    sudden: bool
    repair_s: float | None = None

    def repaired_at(self, repair_s: float) -> "FaultPlan":
        return replace(self, repair_s=repair_s)


def deal_modes(count: int) -> list[Mode]:
    """Return the fault of each of ``count`` faulty cars: a fixed mix, so that small fleets have every fault too."""
    return [_DEAL[i % len(_DEAL)] for i in range(count)]


def can_have(model: CarModel, mode: Mode) -> bool:
    # The flat voltage curve of LFP hides self-discharge until the very end: another story than the one told here.
    return mode != "hv_self_discharge" or model.chemistry == "NMC"


def draw_plan(mode: Mode, model: CarModel, *, days: int, lamp_before_end: bool, rng: np.random.Generator) -> FaultPlan:
    """Return when a fault starts and when its lamp is aimed at: before the fleet's end, or soon after it."""
    aimed_d = rng.uniform(0.3 * days, 0.98 * days) if lamp_before_end else rng.uniform(days + 2.0, days + 17.0)
    sudden = bool(rng.random() < _SUDDEN_SHARE)
    growth_d = rng.uniform(0.02, 0.15) if sudden else rng.uniform(*_GROWTH_D[mode])
    places = {"hv_self_discharge": model.cells, "lv_battery": 1, "tyre_leak": 4}[mode]
    return FaultPlan(
        mode=mode,
        onset_s=(aimed_d - growth_d) * DAY_S,
        aimed_s=aimed_d * DAY_S,
        steepness=rng.uniform(*_STEEPNESS[mode]),
        place=int(rng.integers(places)),
        sudden=sudden,
    )


def progress(
    plan: FaultPlan | None, mode: Mode, t_s: NDArray[np.float64], *, highest: float = 1.6
) -> NDArray[np.float64]:
    """Return how far a fault of ``mode`` has come at ``t_s``.

    t_s     : (n,) seconds since the fleet began
    Returns : (n,) 0 before onset and after repair, 1 when the lamp is due, at most ``highest``
    """
    if plan is None or plan.mode != mode:
        return np.zeros_like(t_s)
    part = np.clip((t_s - plan.onset_s) / (plan.aimed_s - plan.onset_s), 0.0, 2.0)
    grown: NDArray[np.float64] = np.expm1(plan.steepness * part) / np.expm1(plan.steepness)
    if plan.repair_s is not None:
        grown = np.where(t_s >= plan.repair_s, 0.0, grown)
    return np.minimum(grown, highest)
