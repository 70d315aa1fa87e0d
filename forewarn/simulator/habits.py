"""How owners use their cars."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Driver = Literal["commuter", "taxi", "weekend", "rare"]
DRIVERS: tuple[Driver, ...] = ("commuter", "taxi", "weekend", "rare")
_SHARES = (0.62, 0.08, 0.18, 0.12)
# Owners of electric cars with a charger at home.
_HOME_CHARGER_SHARE = 0.72


@dataclass(frozen=True)
class Habit:
    """How an owner uses a car. Hours are local; shares are of the pack's charge.

    trips       : trips on a workday and on a day of the weekend, means
    style       : 1 is average; a higher one accelerates and brakes harder
    charger_kw  : at home; 0 is none there
    refill_d    : days between two looks at the tyres
    """

    driver: Driver
    depart_h: float
    return_h: float
    trips: tuple[float, float]
    trip_min: float
    speed_kmh: float
    style: float
    charge_at: float
    charge_to: float
    charger_kw: float
    refill_d: float
    idle_days: tuple[int, int] = (0, 0)


def draw_habit(
    rng: np.random.Generator, *, days: int, driver: Driver | None = None, short_trips: bool = False, idle: bool = False
) -> Habit:
    """Return one owner's habit; ``idle`` leaves the car standing for a week or two of the ``days``."""
    chosen = driver or DRIVERS[rng.choice(len(DRIVERS), p=_SHARES)]
    idle_days = (0, 0)
    if idle and days > 12:
        first = int(rng.integers(4, days - 8))
        idle_days = (first, first + int(rng.integers(6, 13)))
    trip_min = {
        "commuter": np.clip(rng.lognormal(3.5, 0.35), 14, 85),
        "taxi": np.clip(rng.lognormal(3.25, 0.25), 15, 50),
        "weekend": np.clip(rng.lognormal(4.05, 0.4), 30, 140),
        "rare": np.clip(rng.lognormal(3.0, 0.4), 8, 60),
    }[chosen]
    trips = {
        "commuter": (2.2, rng.uniform(0.4, 2.2)),
        "taxi": (rng.uniform(9, 15), rng.uniform(8, 14)),
        "weekend": (0.25, rng.uniform(1.6, 3.0)),
        "rare": (rng.uniform(0.15, 0.4), rng.uniform(0.2, 0.7)),
    }[chosen]
    at_home = chosen != "taxi" and rng.random() < _HOME_CHARGER_SHARE
    return Habit(
        driver=chosen,
        depart_h=rng.normal(7.8, 0.5),
        return_h=rng.normal(18.2, 0.8),
        trips=trips,
        trip_min=rng.uniform(6, 10) if short_trips else float(trip_min),
        # Recorded cars cover 21 to 28 km in an hour of a drive, stops included.
        speed_kmh=rng.uniform(18, 34) if chosen == "taxi" else rng.uniform(19, 44),
        style=float(np.clip(rng.lognormal(0.0, 0.22), 0.6, 1.8)),
        charge_at=rng.uniform(0.3, 0.65),
        charge_to=rng.choice((0.8, 0.9, 1.0), p=(0.25, 0.35, 0.4)),
        charger_kw=float(rng.choice((3.3, 7.0, 11.0), p=(0.3, 0.6, 0.1))) if at_home else 0.0,
        refill_d=rng.uniform(25, 120),
        idle_days=idle_days,
    )
