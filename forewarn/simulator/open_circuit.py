"""Resting voltage of a cell over its charge."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

# As published for cells of these chemistries at 25 C; below 0 is a cell that something goes on emptying.
_SOC = np.array([-0.12, -0.06, -0.02, 0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0, 1.05])
_POINTS = {
    "NMC": (0.8, 1.7, 2.6, 3.0, 3.38, 3.47, 3.56, 3.61, 3.645, 3.69, 3.785, 3.885, 3.985, 4.08, 4.125, 4.18, 4.30),
    "LFP": (0.5, 1.5, 2.2, 2.6, 3.1, 3.2, 3.25, 3.28, 3.295, 3.3, 3.308, 3.325, 3.335, 3.338, 3.345, 3.42, 3.75),
}
_GRID = np.linspace(_SOC[0], _SOC[-1], 1171)
_TABLE = {name: np.asarray(PchipInterpolator(_SOC, points)(_GRID)) for name, points in _POINTS.items()}
_SLOPE = {name: np.gradient(table, _GRID) for name, table in _TABLE.items()}

Chemistry = Literal["NMC", "LFP"]


def open_circuit_v(chemistry: Chemistry, soc: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the voltage at rest (V) of cells charged to ``soc`` (share)."""
    volts: NDArray[np.float64] = np.interp(soc, _GRID, _TABLE[chemistry])
    return volts


def slope_v(chemistry: Chemistry, soc: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much that voltage rises (V per share)."""
    slope: NDArray[np.float64] = np.interp(soc, _GRID, _SLOPE[chemistry])
    return slope
