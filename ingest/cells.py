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


def cell_statistics(packs: Sequence[Sequence[float | None]] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return spread and deviations of packs that have the same number of cells.

    packs   : (n_packs, n_cells) volts; None or an impossible voltage counts as not measured
    Returns : (n_packs, 7) in the order of CELL_COLUMNS: mV, mV, 1-based number, mV, number, V, V; NaN without any cell
    """
    volts = np.asarray(packs, dtype=np.float64)
    result = np.full((len(volts), len(CELL_COLUMNS)), np.nan)
    if not volts.size:
        return result
    # NaN comes last, so the ends say whether a pack is whole; sorting is several times faster than np.median.
    ordered = np.sort(volts, axis=1)
    whole = (ordered[:, 0] >= CELL_LOWEST_V) & (ordered[:, -1] <= CELL_HIGHEST_V)
    if whole.all():
        return _statistics(volts, _middle(ordered), volts.argmin(axis=1), volts.argmax(axis=1))
    of_whole = volts[whole]
    result[whole] = _statistics(of_whole, _middle(ordered[whole]), of_whole.argmin(axis=1), of_whole.argmax(axis=1))
    gappy = ~whole
    partial = volts[gappy]
    partial[(partial < CELL_LOWEST_V) | (partial > CELL_HIGHEST_V)] = np.nan
    measured = ~np.isnan(partial).all(axis=1)
    if measured.any():
        gappy[gappy] = measured
        partial = partial[measured]
        median = np.nanmedian(partial, axis=1)
        low, high = np.nanargmin(partial, axis=1), np.nanargmax(partial, axis=1)
        result[gappy] = _statistics(partial, median, low, high)
    return result


def _middle(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    half = ordered.shape[1] // 2
    return ordered[:, half] if ordered.shape[1] % 2 else (ordered[:, half - 1] + ordered[:, half]) / 2


def _statistics(
    volts: NDArray[np.float64], median: NDArray[np.float64], low: NDArray[np.intp], high: NDArray[np.intp]
) -> NDArray[np.float64]:
    row = np.arange(len(volts))
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
