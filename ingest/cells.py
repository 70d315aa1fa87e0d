"""What a pack's cell voltages say of it, worked out once at the door: spread and deviation from the pack's median."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Outside these volts a cell voltage is a broken wire or a decoding error, not a cell.
CELL_LOWEST_V = 0.5
CELL_HIGHEST_V = 5.0

# Names of the columns of ``cell_statistics``.
CELL_COLUMNS = (
    "cell_spread_mv",
    "cell_low_dev_mv",
    "cell_low_number",
    "cell_high_dev_mv",
    "cell_high_number",
    "cell_min_v",
    "cell_max_v",
)


def cell_statistics(packs: Sequence[Sequence[float | None]]) -> NDArray[np.float64]:
    """Return spread and deviations of packs that have the same number of cells.

    packs   : (n_packs, n_cells) volts; None or an impossible voltage counts as not measured
    Returns : (n_packs, 7) in the order of CELL_COLUMNS: mV, mV, 1-based number, mV, number, V, V; NaN without any cell
    """
    volts = np.array(packs, dtype=np.float64)
    impossible = (volts < CELL_LOWEST_V) | (volts > CELL_HIGHEST_V)
    volts[impossible] = np.nan
    result = np.full((len(volts), len(CELL_COLUMNS)), np.nan)
    measured = ~np.isnan(volts)
    whole = measured.all(axis=1)
    # The median of complete packs is a partition; with gaps it is several times slower, so only where there are gaps.
    if whole.any():
        result[whole] = _statistics(volts[whole], np.median(volts[whole], axis=1))
    partial = measured.any(axis=1) & ~whole
    if partial.any():
        result[partial] = _statistics(volts[partial], np.nanmedian(volts[partial], axis=1))
    return result


def _statistics(volts: NDArray[np.float64], median: NDArray[np.float64]) -> NDArray[np.float64]:
    row = np.arange(len(volts))
    low, high = np.nanargmin(volts, axis=1), np.nanargmax(volts, axis=1)
    lowest, highest = volts[row, low], volts[row, high]
    columns = (
        (highest - lowest) * 1000,
        (lowest - median) * 1000,
        low + 1,
        (highest - median) * 1000,
        high + 1,
        lowest,
        highest,
    )
    return np.column_stack(columns)
