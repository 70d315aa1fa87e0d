"""How far a distribution has moved: the population stability index (PSI), and from where on it is no chance.

Why this one: it needs counts in a dozen bins and no rows of the training, it treats "not sent" as a bin of its own, so
that a sensor that falls silent shows, and it is one number that people who watch models know. It says nothing of moves
within a bin.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

Floats = NDArray[np.float64]

BINS = 10
# From 0.25 on a population counts as another one, below 0.1 as the same: the rule of thumb of credit scoring.
# Source: Siddiqi, Credit Risk Scorecards (2006), ch. 7.
DRIFTED = 0.25
# Single precision tells values apart that differ by some ten millionths: twice a value is the same within these.
STILL = 1e-5
# Of cars that did not change at all, so many in a hundred features would be called drifted.
CHANCE = 0.01


class Distribution(msgspec.Struct, frozen=True):
    """Where the values of one quantity lay when a model learnt.

    edges  : (n_bins - 1,) ascending; a value that equals an edge is above it
    shares : (n_bins + 1,) of all rows, the last of those without a value
    cars   : that the rows are of. Days of one car say nearly the same, so cars are what counts as independent
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]
    cars: int


def distribution_of(values: Floats, *, cars: int) -> Distribution:
    """Return the distribution of values in bins that hold equally many.

    Where values repeat there are fewer bins, and three where nearly all are the same.

    values : (n_rows,), NaN where there is none; at least one row
    """
    known = values[~np.isnan(values)]
    edges: tuple[float, ...] = ()
    if len(known):
        inner = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
        # The lowest value of all as an edge would leave the bin below it empty.
        edges = tuple(float(edge) for edge in inner if edge > known.min())
        if not edges:
            # What nearly always is one value stands alone in its bin: any other is below or above it.
            still = float(known.min())
            near = STILL * max(abs(still), 1.0)
            edges = (still - near, still + near)
    return Distribution(edges, tuple((count_bins(edges, values) / len(values)).tolist()), cars)


def count_bins(edges: Sequence[float], values: Floats) -> NDArray[np.int64]:
    """Return how many values lie in each bin: (n_bins + 1,), the last without a value. Counts of parts add up."""
    known = values[~np.isnan(values)]
    counts = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
    return np.append(counts, len(values) - len(known)).astype(np.int64)


def stability_index(before: Distribution, counts: NDArray[np.int64]) -> float:
    """Return the PSI of counts, one row a car, against a distribution: 0 when nothing moved.

    counts : as of ``count_bins`` with the distribution's edges; at least one row
    """
    now = int(counts.sum())
    # Half a car more in each bin: a bin that was or is empty would make it infinite.
    more = len(counts) / 2
    old = (np.array(before.shares) * before.cars + 0.5) / (before.cars + more)
    new = (counts + 0.5) / (now + more)
    return float(((new - old) * np.log(new / old)).sum())


def worst_by_chance(before: Distribution, cars: int) -> float:
    """Return the PSI above which ``cars`` cars have drifted: ``DRIFTED``, or more where so few would show more anyway.

    Source : Yurdakul and Naranjo, Statistical properties of the population stability index (2020): without any change
             it is distributed as (1/n + 1/m) times chi-square with a degree of freedom less than there are bins
    """
    by_chance = float(chi2.ppf(1 - CHANCE, max(len(before.shares) - 1, 1)))
    return max(DRIFTED, by_chance * (1 / max(cars, 1) + 1 / max(before.cars, 1)))
