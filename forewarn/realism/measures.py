"""What is measured on either side: pure functions of arrays, each with its unit and where it comes from."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
# Distances are taken between samples no larger than this, evenly thinned.
_MOST = 20_000
# A car that says nothing for longer is taken as switched off.
LONGEST_UNDER_WAY_S = 900.0
_FEWEST = 100


class Distance(NamedTuple):
    """How far two samples are apart: Wasserstein in recorded interquartile ranges, Kolmogorov-Smirnov (0..1)."""

    wasserstein: float
    ks: float


def distance(recorded: Floats, simulated: Floats) -> Distance:
    """Return how far two samples of a signal are apart; NaN when one of them has fewer than 100 values.

    The Wasserstein distance is the mean shift from quantile to quantile, in units of the recorded interquartile range,
    or of the recorded range from the 5th to the 95th percentile where half of the values are the same.
    """
    one, other = (_thinned(values[np.isfinite(values)]) for values in (recorded, simulated))
    if min(len(one), len(other)) < _FEWEST:
        return Distance(np.nan, np.nan)
    low, first, third, high = np.quantile(one, [0.05, 0.25, 0.75, 0.95])
    width = third - first if third > first else high - low
    shift = float(stats.wasserstein_distance(one, other))
    ks = float(stats.ks_2samp(one, other, method="asymp").statistic)
    return Distance(shift / width if width > 0 else (0.0 if shift == 0 else np.inf), ks)


def autocorrelation(values: Floats, ts_s: Floats, stretch: NDArray[np.int64], lag_s: float, step_s: float) -> float:
    """Return the correlation (-1..1) of a signal with itself ``lag_s`` later, within uninterrupted stretches only.

    Pairs are exactly as many steps apart; 1 or 2 s of jitter of the car's clock do not matter. NaN, when the step does
    not divide the lag or there are fewer than 100 pairs.
    """
    steps = round(lag_s / step_s)
    if steps < 1 or abs(steps * step_s - lag_s) > 0.05 * lag_s or len(values) <= steps:
        return np.nan
    late = ts_s[steps:] - ts_s[:-steps]
    pairs = (stretch[steps:] == stretch[:-steps]) & (np.abs(late - lag_s) <= max(1.0, 0.1 * step_s))
    one, other = values[:-steps][pairs], values[steps:][pairs]
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < 100 or one[both].std() == 0 or other[both].std() == 0:
        return np.nan
    return float(np.corrcoef(one[both], other[both])[0, 1])


def lost_share(ts_s: Floats, step_s: float) -> float:
    """Return the share (0..1) of reports that lack under way: of steps within gaps of at most 15 minutes.

    A longer gap is a car that was switched off.
    """
    steps = np.rint(np.diff(ts_s) / step_s)
    under_way = (np.diff(ts_s) <= LONGEST_UNDER_WAY_S) & (steps >= 1)
    expected = steps[under_way].sum()
    return float((steps[under_way] - 1).sum() / expected) if expected else np.nan


def gap_lengths(ts_s: Floats, step_s: float) -> Floats:
    """Return the gaps (s) of more than one and a half steps, the time a car is switched off included."""
    since = np.diff(ts_s)
    result: Floats = since[since > 1.5 * step_s]
    return result


def sensor_noise(values: Floats, stretch: NDArray[np.int64]) -> float:
    """Return the noise of a sensor while what it measures rests, in the signal's unit (one standard deviation).

    1.4826 times the median absolute second difference, over the square root of 6: the robust estimate for white noise
    on a signal that is straight over three reports (Hall, Kay and Titterington, Biometrika 77, 1990).
    """
    second = values[2:] - 2 * values[1:-1] + values[:-2]
    second = np.abs(second[(stretch[2:] == stretch[:-2]) & np.isfinite(second)])
    return float(1.4826 * np.median(second) / np.sqrt(6)) if len(second) >= 30 else np.nan


def resolution(values: Floats) -> float:
    """Return the step in which a signal is told: the most frequent distance between neighbouring distinct values."""
    distinct = np.unique(np.round(values[np.isfinite(values)], 6))
    if len(distinct) < 3:
        return np.nan
    steps, counts = np.unique(np.round(np.diff(distinct), 4), return_counts=True)
    return float(steps[counts.argmax()])


def spread_mv(cells_v: NDArray[np.float32]) -> Floats:
    """Return the spread (mV) of each report: the highest less the lowest cell; NaN where cells are missing."""
    if not cells_v.size:
        return np.full(len(cells_v), np.nan)
    spread: Floats = (np.max(cells_v, axis=1) - np.min(cells_v, axis=1)).astype(np.float64) * 1000
    return spread


def even_spread_mv(cells_v: NDArray[np.float32]) -> Floats:
    """Return how far apart ordinary cells are (mV, standard deviation): 1.4826 times the median absolute deviation.

    What one faulty cell does is not in it.
    """
    if not cells_v.size:
        return np.full(len(cells_v), np.nan)
    deviation = np.abs(cells_v - np.median(cells_v, axis=1, keepdims=True))
    result: Floats = 1482.6 * np.median(deviation, axis=1).astype(np.float64)
    return result


def scan_slope_mv(cells_v: NDArray[np.float32]) -> float:
    """Return how much cell voltages rise or fall along the pack within a report (mV, standard deviation).

    From end to end. Cells are scanned one after the other: when the load changes meanwhile, the last ones are told of
    another moment than the first. What is the same in every report, each cell's own deviation, is taken off.
    """
    whole = cells_v[np.isfinite(cells_v).all(axis=1)].astype(np.float64) if cells_v.size else cells_v
    if len(whole) < 30:
        return np.nan
    deviation = whole - np.median(whole, axis=1, keepdims=True)
    deviation -= np.median(deviation, axis=0)
    place = np.linspace(-0.5, 0.5, whole.shape[1])
    return float((deviation @ place / (place @ place)).std() * 1000)


def deviation_persistence(cells_v: NDArray[np.float32]) -> float:
    """Return how far the deviations of cells stay their own (-1..1), from the first to the last third of the reports.

    The correlation over cells of their median deviation from the pack's median.
    """
    whole = cells_v[np.isfinite(cells_v).all(axis=1)] if cells_v.size else cells_v
    third = len(whole) // 3
    if third < 20:
        return np.nan
    deviation = whole - np.median(whole, axis=1, keepdims=True)
    early, late = (np.median(part, axis=0) for part in (deviation[:third], deviation[-third:]))
    return float(np.corrcoef(early, late)[0, 1]) if early.std() > 0 and late.std() > 0 else np.nan


def warm_up_s(ts_s: Floats, coolant_c: Floats, *, cold_c: float = 35.0, warm_c: float = 80.0) -> float:
    """Return how long (s) coolant takes to 80 C in a trip that begins colder than 35 C; NaN for any other trip."""
    known = np.flatnonzero(np.isfinite(coolant_c))
    if not len(known) or coolant_c[known[0]] >= cold_c:
        return np.nan
    warm = known[coolant_c[known] >= warm_c]
    return float(ts_s[warm[0]] - ts_s[known[0]]) if len(warm) else np.nan


def run_lengths_s(on: NDArray[np.bool_], ts_s: Floats, stretch: NDArray[np.int64], step_s: float) -> Floats:
    """Return how long (s) something stays on, report after report, within uninterrupted stretches."""
    change = (np.diff(on.astype(np.int64), prepend=0) != 0) | (np.diff(stretch, prepend=0) != 0)
    part = np.cumsum(change)[on]
    if not len(part):
        return np.empty(0)
    _, first, count = np.unique(part, return_index=True, return_counts=True)
    times = ts_s[on]
    result: Floats = times[first + count - 1] - times[first] + step_s
    return result


def _thinned(values: Floats) -> Floats:
    return values[:: max(1, len(values) // _MOST)]
