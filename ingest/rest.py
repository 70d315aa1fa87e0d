"""When a car is at rest: parked, off the charger, and nothing drawn from its pack."""

import numpy as np
from numpy.typing import NDArray

# Below this a parked car's pack is at rest: what is left is the 12 V supply and the contactors.
REST_CURRENT_A = 2.0
# What ``lv_system_state`` says of a car that is switched off.
OFF_STATES = ("OFF", "LOCK")


def at_rest(
    *,
    known_state: NDArray[np.bool_],
    off: NDArray[np.bool_],
    speed_kmh: NDArray[np.float64],
    is_charging: NDArray[np.float64],
    pack_a: NDArray[np.float64],
    engine_rpm: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return whether a car is at rest, reading by reading: 1, 0, or NaN where neither state nor speed is known.

    known_state : (n,) whether the reading says what state the 12 V system is in
    off         : (n,) whether that is one of OFF_STATES
    the others  : (n,) NaN is not measured
    """
    moving, charging = speed_kmh > 0, is_charging == 1
    loaded = (np.abs(pack_a) > REST_CURRENT_A) | (engine_rpm > 0)
    rest = ~moving & ~charging & ~loaded & (off | ~known_state)
    return np.where(known_state | ~np.isnan(speed_kmh), rest, np.nan)
