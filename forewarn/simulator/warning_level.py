"""The battery's own alarm level: what lamps say, and what it says for nothing, as recorded cars do.

Recorded: one car shows level 2 all through most of its charging (17 % of its reports; an alarm lasts 12 minutes in the
median, over an hour in one of ten), one for moments, half of them while it stands and many at 75 to 80 km/h (5 % of its
reports); both level 1 now and then.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.lamps import LEVELS, Lamp

Habit = Literal["charging", "speed", "moments", "seldom"]
_SHARES: tuple[tuple[Habit, float], ...] = (("charging", 0.12), ("speed", 0.10), ("moments", 0.10), ("seldom", 0.68))
_SPEED_KMH = (75.0, 80.0)


class _Shown(NamedTuple):
    """An alarm that comes and goes: share of the time, and how long it takes to forget whether it is there."""

    share: float
    tau_s: float


_CHARGING, _AT_SPEED, _SELDOM = _Shown(0.9, 1800.0), _Shown(0.8, 60.0), _Shown(0.003, 40.0)
_MOMENTS = _Shown(0.05, 20.0)
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
    level = np.where(_shows(_SELDOM, t_s, rng), 1.0, 0.0)
    if habit == "charging":
        level[charging & _shows(_CHARGING, t_s, rng)] = 2.0
    elif habit == "speed":
        in_band = (speed_kmh >= _SPEED_KMH[0]) & (speed_kmh < _SPEED_KMH[1])
        level[in_band & _shows(_AT_SPEED, t_s, rng)] = 2.0
    elif habit == "moments":
        level[_shows(_MOMENTS, t_s, rng)] = 2.0
    for lamp in lamps:
        if lamp.code in _BATTERY_LAMPS:
            shines = (t_s >= lamp.on_s) & (t_s < (np.inf if lamp.off_s is None else lamp.off_s))
            level[shines] = np.maximum(level[shines], LEVELS[lamp.code])
    return level


def _shows(alarm: _Shown, t_s: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return at which samples an alarm shows: on average for ``share`` of the time, and in one piece for a while."""
    # It stays what it was until the first event of a Poisson process, then it is drawn anew.
    anew = rng.random(len(t_s)) >= np.exp(-np.diff(t_s, prepend=-np.inf) / alarm.tau_s)
    drawn = rng.random(len(t_s)) < alarm.share
    result: NDArray[np.bool_] = drawn[np.maximum.accumulate(np.where(anew, np.arange(len(t_s)), 0))]
    return result
