"""The battery's own alarm level: what lamps say, and what it says for nothing, as recorded cars do.

Recorded: one car shows level 2 all through most of its charging, one mostly at 75 to 80 km/h (574 of 14,385 reports),
both level 1 now and then.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.lamps import LEVELS, Lamp

Habit = Literal["charging", "speed", "seldom"]
_SHARES: tuple[tuple[Habit, float], ...] = (("charging", 0.05), ("speed", 0.07), ("seldom", 0.88))
_SPEED_KMH = (75.0, 80.0)
_SEEN_SHARE = 0.8
_SELDOM_SHARE = 0.002
_BATTERY_LAMPS = ("hv_cell_spread", "hv_connection", "hv_sampling", "insulation")


def draw_alarm_habit(rng: np.random.Generator) -> Habit:
    names = [name for name, _ in _SHARES]
    return names[rng.choice(len(names), p=[share for _, share in _SHARES])]


def warning_level(
    habit: Habit,
    lamps: list[Lamp],
    t_s: NDArray[np.float64],
    speed_kmh: NDArray[np.float64],
    charging: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return one car's alarm level (0 to 3, 3 the worst) at each of its samples."""
    chance = rng.random(len(t_s), dtype=np.float32)
    level = np.where(chance < _SELDOM_SHARE, 1.0, 0.0)
    if habit == "charging":
        level[charging & (chance < _SEEN_SHARE)] = 2.0
    elif habit == "speed":
        level[(speed_kmh >= _SPEED_KMH[0]) & (speed_kmh < _SPEED_KMH[1]) & (chance < _SEEN_SHARE)] = 2.0
    for lamp in lamps:
        if lamp.code in _BATTERY_LAMPS:
            shines = (t_s >= lamp.on_s) & (t_s < (np.inf if lamp.off_s is None else lamp.off_s))
            level[shines] = np.maximum(level[shines], LEVELS[lamp.code])
    return level
