"""Whether a car says that coolant is missing: a state of three steps as a number that rollups can count."""

import numpy as np
from numpy.typing import NDArray

# What ``coolant_level`` says of an engine that lacks coolant.
LOW_LEVELS = ("CRITICALLY_LOW", "LOW")


def coolant_low(*, known_level: NDArray[np.bool_], low: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return whether coolant is low, reading by reading: 1, 0, or NaN where the level is not told.

    known_level : (n,) whether the reading says how high it stands
    low         : (n,) whether that is one of LOW_LEVELS
    """
    return np.where(known_level, low, np.nan)
