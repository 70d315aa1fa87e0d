"""When warning lamps come on: the thresholds of one carmaker's gateway, held for a moment, and lamps that are wrong.

Conditions are judged on what the car itself senses, at every report; a lamp that is on stays on until the workshop
or, for those a driver can mend, until the condition has been gone for a while.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.time import DAY_S

# The gateway holds a condition for two seconds before the lamp.
HELD_S = 2.0
# The car looks every moment, the simulation at reports: two in a row that show it are taken for a condition that held.
# What only ever grows needs one.
IN_A_ROW = {"brake_pad": 1}
_IN_A_ROW = 2
LEVELS = {
    "hv_cell_spread": 3,
    "hv_connection": 3,
    "insulation": 3,
    "hv_sampling": 2,
    "lv_battery": 2,
    "tire_pressure": 2,
    "brake_pad": 1,
    "coolant": 2,
    "oil_pressure": 3,
    "motor_overheat": 2,
    "inverter_overheat": 2,
    "dcdc": 2,
}
# A lamp goes out by itself when its condition has been gone for so long.
_GONE_S = 1.5 * DAY_S
# Lamps that come on for nothing, in a year of one car, and how long they shine.
NUISANCE_PER_YEAR = 0.06
_NUISANCE_S = (600.0, 2 * DAY_S)


class Lamp(NamedTuple):
    """A warning lamp; seconds since the start. ``nuisance``: nothing is behind it."""

    code: str
    on_s: float
    off_s: float | None
    nuisance: bool = False


def lit(
    code: str, t_s: NDArray[np.float64], condition: NDArray[np.bool_], judged: NDArray[np.bool_], repair_s: float | None
) -> list[Lamp]:
    """Return when a lamp was on.

    t_s       : (n,) times of the reports
    condition : (n,) whether it holds
    judged    : (n,) whether the car looks at all: tyres are not judged while they stand
    repair_s  : when the workshop puts it out
    """
    times, holds = t_s[judged], condition[judged]
    row = IN_A_ROW.get(code, _IN_A_ROW)
    on = holds.copy()
    for back in range(1, row):
        on[back:] &= holds[:-back]
        on[:back] = False
    lamps: list[Lamp] = []
    position = 0
    starts, held = np.flatnonzero(on), np.flatnonzero(holds)
    while (found := np.searchsorted(starts, position)) < len(starts):
        first = int(starts[found])
        later = held[np.searchsorted(held, first) :]
        # Out when reports have said for long that it is gone; a car that stands says nothing.
        gone = np.searchsorted(times, times[later] + _GONE_S)
        out = np.flatnonzero(gone < np.append(later[1:], len(times)))
        off_s: float | None = float(times[gone[out[0]]]) if len(out) else None
        last = int(later[out[0]]) if len(out) else len(times)
        if repair_s is not None and times[first] < repair_s and (off_s is None or repair_s < off_s):
            off_s = repair_s
        lamps.append(Lamp(code, float(times[first]) + HELD_S, off_s))
        position = last + 1
    return lamps


def nuisance_lamps(
    codes: tuple[str, ...], t_s: NDArray[np.float64], days: float, rng: np.random.Generator
) -> list[Lamp]:
    """Return lamps with nothing behind them. t_s : (n,) times of the reports, at which lamps come on and go out"""
    lamps = []
    for _ in range(rng.poisson(NUISANCE_PER_YEAR * days / 365.25) if len(t_s) else 0):
        on_s = float(t_s[rng.integers(len(t_s))])
        after = np.searchsorted(t_s, on_s + rng.uniform(*_NUISANCE_S))
        off_s = float(t_s[after]) if after < len(t_s) else None
        lamps.append(Lamp(str(rng.choice(codes)), on_s + HELD_S, off_s, nuisance=True))
    return lamps


def apart(lamps: Mapping[str, list[Lamp]]) -> list[Lamp]:
    """Return all lamps in time order; of those of one code that overlap the real one stays."""
    result: list[Lamp] = []
    for found in lamps.values():
        real = [lamp for lamp in found if not lamp.nuisance]
        result += real
        result += [lamp for lamp in found if lamp.nuisance and not any(_overlap(lamp, other) for other in real)]
    return sorted(result, key=lambda lamp: (lamp.on_s, lamp.code))


def _overlap(one: Lamp, other: Lamp) -> bool:
    ends = (np.inf if lamp.off_s is None else lamp.off_s for lamp in (one, other))
    first, second = ends
    return one.on_s <= second and other.on_s <= first
