"""What is going to break in a car and when: the plan, not the physics."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from config.faults import fault_modes
from forewarn.simulator.car_models import CarModel
from forewarn.simulator.time import DAY_S

# Faulty cars live on beyond the end of the fleet, so that it is known when their lamp would have come on.
BEYOND_D = 25

Mode = str


@dataclass(frozen=True)
class Growth:
    """How faults of one mode grow.

    days         : from onset to full strength, from … to
    steepness    : exponent of the growth: 0 is a straight line, 3 stays small for long
    sudden_share : those that break within minutes, with nothing to see before
    paused_share : those that come and go
    pause_d      : how long they are gone, from … to, and …
    pause_every_d : … how far apart the pauses begin, about
    """

    days: tuple[float, float]
    steepness: tuple[float, float]
    sudden_share: float
    paused_share: float = 0.0
    pause_d: tuple[float, float] = (0.3, 4.0)
    pause_every_d: float = 7.0


GROWTH: dict[Mode, Growth] = {
    # A short inside a cell may burn itself off and grow again.
    "hv_self_discharge": Growth((25, 70), (1.5, 2.8), 0.12, 0.30, (2.0, 14.0), 26.0),
    "hv_connection": Growth((20, 80), (1.0, 2.5), 0.05, 0.15),
    "hv_sampling": Growth((10, 60), (0.3, 2.0), 0.10, 0.35),
    "insulation": Growth((15, 60), (1.0, 2.5), 0.10, 0.30),
    "lv_battery": Growth((18, 50), (1.0, 2.2), 0.08),
    "brake_wear": Growth((20, 70), (0.1, 0.8), 0.0),
    "tyre_leak": Growth((4, 20), (0.05, 0.6), 0.15),
    "coolant": Growth((8, 45), (0.3, 1.5), 0.12, 0.2),
    "oil_pressure": Growth((10, 60), (0.5, 2.0), 0.10),
    "drive_heat": Growth((10, 60), (0.5, 2.0), 0.10, 0.1),
    "dcdc": Growth((10, 50), (0.5, 2.0), 0.15, 0.15),
}
# Of eighteen faulty cars, which fault each has: the two that break down most often more often, every one at least once.
DEAL: tuple[Mode, ...] = (
    "hv_self_discharge",
    "lv_battery",
    "insulation",
    "tyre_leak",
    "lv_battery",
    "hv_connection",
    "hv_self_discharge",
    "coolant",
    "drive_heat",
    "lv_battery",
    "hv_sampling",
    "oil_pressure",
    "hv_self_discharge",
    "brake_wear",
    "dcdc",
    "lv_battery",
    "tyre_leak",
    "hv_self_discharge",
)
# Full strength; about 1 lights the lamp, if the car is used in a way that shows it.
_STRENGTH = (0.6, 1.8)
_SUDDEN_S = (60.0, 2400.0)
_REPAIRED_BEFORE_SHARE = 0.08
# Lamps are aimed at between this share of the fleet's days and so many days after its end.
_AIMED_FROM, _AIMED_BEYOND_D = 0.12, 17.0
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class FaultPlan:
    """One fault of one car; times in seconds since the fleet began.

    growth_s : from onset to full strength
    strength : severity after that; about 1 lights the lamp
    place    : number of the cell or of the wheel, from 0
    pauses   : times in which the fault does not show
    repair_s : when the workshop mends it, None if not within what is simulated
    """

    mode: Mode
    onset_s: float
    growth_s: float
    strength: float
    steepness: float
    place: int
    sudden: bool
    pauses: tuple[tuple[float, float], ...] = ()
    repair_s: float | None = None

    def repaired_at(self, repair_s: float) -> "FaultPlan":
        return replace(self, repair_s=repair_s)

    def severity(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far the fault has come: 0 before its onset, in its pauses and after its repair."""
        part = np.clip((t_s - self.onset_s) / self.growth_s, 0.0, 1.0)
        grown: NDArray[np.float64] = self.strength * np.expm1(self.steepness * part) / np.expm1(self.steepness)
        for begins, ends in self.pauses:
            grown[(t_s >= begins) & (t_s < ends)] = 0.0
        if self.repair_s is not None:
            grown[t_s >= self.repair_s] = 0.0
        return grown


def deal_modes(count: int, deal: Sequence[Mode] = DEAL) -> list[Mode]:
    """Return the fault of each of ``count`` faulty cars: a fixed mix, so that small fleets have every fault too."""
    return [deal[i % len(deal)] for i in range(count)]


def can_have(model: CarModel, mode: Mode) -> bool:
    return model.powertrain in fault_modes()[mode].on


def draw_plan(mode: Mode, model: CarModel, *, days: int, nth: int, rng: np.random.Generator) -> FaultPlan:
    """Return when a fault starts and how it grows.

    nth : how many faults of this mode the fleet has had: their lamps are spread over its days and the time after it
    """
    growth = GROWTH[mode]
    earliest, latest = _AIMED_FROM * days, days + _AIMED_BEYOND_D
    aimed_s = (earliest + (latest - earliest) * ((nth * _GOLDEN + 0.2 + rng.uniform(0, 0.2)) % 1.0)) * DAY_S
    sudden = bool(rng.random() < growth.sudden_share)
    growth_s = rng.uniform(*_SUDDEN_S) if sudden else rng.uniform(*growth.days) * DAY_S
    onset_s = aimed_s - growth_s * rng.uniform(0.7, 1.0)
    pauses = _draw_pauses(rng, growth, onset_s, growth_s) if not sudden and rng.random() < growth.paused_share else ()
    repair_s = None
    if not sudden and rng.random() < _REPAIRED_BEFORE_SHARE:
        repair_s = onset_s + growth_s * rng.uniform(0.4, 0.8)
    return FaultPlan(
        mode=mode,
        onset_s=onset_s,
        growth_s=growth_s,
        strength=rng.uniform(*_STRENGTH) * (1.15 if sudden else 1.0),
        steepness=rng.uniform(*growth.steepness),
        place=int(rng.integers(max(4, model.cells))) % (4 if mode == "tyre_leak" else max(1, model.cells)),
        sudden=sudden,
        pauses=pauses,
        repair_s=repair_s,
    )


def _draw_pauses(
    rng: np.random.Generator, growth: Growth, onset_s: float, growth_s: float
) -> tuple[tuple[float, float], ...]:
    count = 1 + rng.poisson(1.4 * growth_s / DAY_S / growth.pause_every_d)
    begins = np.sort(rng.uniform(onset_s, onset_s + 1.6 * growth_s, count))
    lengths = rng.uniform(*growth.pause_d, count) * DAY_S
    return tuple(zip(begins.tolist(), (begins + lengths).tolist(), strict=True))


class Faults:
    """The faults of a block's cars, as their physics asks for them."""

    def __init__(self, plans: Sequence[FaultPlan | None]) -> None:
        self.plans = plans

    def severity(self, mode: Mode, car: NDArray[np.int64], t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far a fault of ``mode`` has come; (n,) 0 for cars that have another or none."""
        result = np.zeros(len(t_s))
        for number, plan in enumerate(self.plans):
            if plan is not None and plan.mode == mode:
                rows = car == number
                result[rows] = plan.severity(t_s[rows])
        return result

    def of(self, mode: Mode) -> dict[int, FaultPlan]:
        """Return the plans of a mode by number of the car."""
        return {car: plan for car, plan in enumerate(self.plans) if plan is not None and plan.mode == mode}
