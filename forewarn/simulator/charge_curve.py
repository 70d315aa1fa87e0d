"""How fast a pack takes charge, by how full it is: constant at first, then less and less."""

import numpy as np
from numpy.typing import NDArray

# Share of the charger's power that a pack takes at each state of charge. Fast chargers are throttled from two thirds on
# (mean of the sessions of EPFL's level-3 data set: most leave at 80 %); slow ones only at the very end.
_SOC = np.linspace(0.0, 1.0, 201)
_FAST = np.interp(_SOC, [0.0, 0.08, 0.55, 0.80, 0.95, 1.0], [0.75, 1.0, 1.0, 0.55, 0.22, 0.10])
_SLOW = np.interp(_SOC, [0.0, 0.94, 1.0], [1.0, 1.0, 0.35])


def _hours_to(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the hours from empty to each state of charge, for a charger that would need one hour at full power."""
    return np.concatenate([[0.0], np.cumsum(np.diff(_SOC) * 2 / (power[1:] + power[:-1]))])


_HOURS = (_hours_to(_SLOW), _hours_to(_FAST))


def charging_hours(pack_kwh: float, charger_kw: float, soc: float, to: float, *, fast: bool) -> float:
    """Return how long a pack takes from ``soc`` to ``to`` (shares); 0 when it is that full already."""
    first, last = np.interp((soc, to), _SOC, _HOURS[fast])
    return max(0.0, float(last - first)) * pack_kwh / charger_kw


def charged(
    soc_start: NDArray[np.float64], soc_end: NDArray[np.float64], part: NDArray[np.float64], *, fast: bool
) -> NDArray[np.float64]:
    """Return the state of charge (share) when ``part`` (0..1) of a charge's time has gone, elementwise."""
    hours = _HOURS[fast]
    first, last = np.interp(soc_start, _SOC, hours), np.interp(soc_end, _SOC, hours)
    result: NDArray[np.float64] = np.interp(first + part * (last - first), hours, _SOC)
    return result
