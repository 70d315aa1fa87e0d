"""Time to lamp: how many days are left until a lamp comes on that will, and between which two numbers that lies."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COVERAGE = 0.9
# Boosted trees that differ by their seed err apart; the mean of five is steadier than each, of more hardly.
MEMBERS = 5
FOLDS = 5
# The nearer the lamp the surer the days: intervals are made for so many stretches of predicted days.
STRETCHES = 5
# Chosen on the training units of C-MAPSS, see docs/benchmark-cmapss.md.
PARAMETERS: Mapping[str, Any] = {
    "learning_rate": 0.03,
    "max_iter": 300,
    "max_leaf_nodes": 16,
    "min_samples_leaf": 40,
    "l2_regularization": 5.0,
    "max_features": 0.3,
    "early_stopping": False,
}
# With fewer rows than this a second thread waits longer than it works.
THREADED_ROWS = 200_000


class TooFewUnits(Exception):
    """So few units reached their end that no interval of the wanted coverage can be vouched for."""


class Bands(msgspec.Struct, frozen=True):
    """What to add to a prediction to get the two ends of its interval.

    edges     : (n_stretches - 1,) predicted days at which the next stretch begins, ascending
    low, high : (n_stretches,) days, by stretch
    """

    edges: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class Remaining(msgspec.Struct, frozen=True):
    """A trained model of the days that are left. What is further off than ``cap_d`` is predicted as ``cap_d``."""

    members: tuple[HistGradientBoostingRegressor, ...]
    columns: tuple[str, ...]
    cap_d: float
    coverage: float
    bands: Bands


def fit_remaining(
    rows: pd.DataFrame,
    left_d: Floats,
    unit: Ints,
    *,
    cap_d: float,
    parameters: Mapping[str, Any] = PARAMETERS,
    coverage: float = COVERAGE,
    members: int = MEMBERS,
    seed: int,
) -> Remaining:
    """Learn the days left from rows of units that reached their end, with intervals by split conformal prediction.

    rows     : DataFrame (n_rows, n_features) float64, NaN means not seen
    left_d   : (n_rows,) days until the end
    unit     : (n_rows,) whose row it is; all rows of a unit are on one side of every split
    coverage : share of units whose days left are to lie in the interval, at a moment of their life chosen at random
    Raises   : TooFewUnits
    """
    target = np.minimum(left_d, cap_d)
    bands = fit_bands(
        out_of_fold(rows, target, unit, parameters=parameters, seed=seed), target, unit, coverage=coverage
    )
    columns = seen_columns(rows)
    fitted = tuple(fit_one(rows[list(columns)], target, parameters, seed=member) for member in _seeds(seed, members))
    return Remaining(fitted, columns, cap_d, coverage, bands)


def predict_remaining(model: Remaining, rows: pd.DataFrame) -> pd.DataFrame:
    """Return DataFrame (n_rows, 3) with the index of ``rows``: days, low, high, none below 0 nor above the cap.

    An interval that ends at the cap ends there or anywhere beyond.
    """
    days = mean_of(model.members, rows[list(model.columns)], cap_d=model.cap_d)
    stretch = np.searchsorted(model.bands.edges, days, side="right")
    low, high = days + np.array(model.bands.low)[stretch], days + np.array(model.bands.high)[stretch]
    ends = {"days": days, "low": np.clip(low, 0.0, model.cap_d), "high": np.clip(high, 0.0, model.cap_d)}
    return pd.DataFrame(ends, index=rows.index)


def out_of_fold(
    rows: pd.DataFrame,
    target: Floats,
    unit: Ints,
    *,
    parameters: Mapping[str, Any],
    seed: int,
    members: int = 1,
    folds: int = FOLDS,
    learn_from: slice = slice(None),
) -> Floats:
    """Return each row's days by models that had not seen the row's unit: (n_rows,).

    learn_from : of the rows to learn from, those; to look for settings in less time
    Raises     : TooFewUnits, when there are fewer units than folds
    """
    if len(np.unique(unit)) < folds:
        raise TooFewUnits(f"{folds} units are needed and there are {len(np.unique(unit))}")
    days = np.empty(len(target))
    for train, test in GroupKFold(folds, shuffle=True, random_state=seed).split(rows, groups=unit):
        learnt = train[learn_from]
        columns = list(seen_columns(rows.iloc[learnt]))
        fitted = [
            fit_one(rows[columns].iloc[learnt], target[learnt], parameters, seed=one) for one in _seeds(seed, members)
        ]
        days[test] = mean_of(fitted, rows[columns].iloc[test], cap_d=float(target.max()))
    return days


def fit_bands(days: Floats, target: Floats, unit: Ints, *, coverage: float, stretches: int = STRETCHES) -> Bands:
    """Return intervals that hold at least ``coverage`` of units that are exchangeable with these.

    days, target, unit : (n_rows,) predictions by models that had not seen the unit, what was true, whose row it is
    stretches : at most so many, each with as many rows; fewer where too few units would be in one
    Source : the pooled form of hierarchical conformal prediction, Dunn, Wasserman, Ramdas, "Distribution-free
             prediction sets for two-layer hierarchical models", JASA 2023: every unit weighs the same however long it
             was followed, and one more unit counts as infinitely wrong
    Raises : TooFewUnits, when even one stretch of all predictions holds too few
    """
    while True:
        edges = np.unique(np.quantile(days, np.linspace(0, 1, stretches + 1)[1:-1]))
        try:
            return _bands(days, target, unit, edges, tail=(1 - coverage) / 2)
        except TooFewUnits:
            if len(edges) == 0:
                raise
            stretches = len(edges)


def _bands(days: Floats, target: Floats, unit: Ints, edges: Floats, *, tail: float) -> Bands:
    stretch = np.searchsorted(edges, days, side="right")
    low, high = [], []
    for at in range(len(edges) + 1):
        own = stretch == at
        error = target[own] - days[own]
        high.append(upper_bound(error, unit[own], share=1 - tail))
        low.append(-upper_bound(-error, unit[own], share=1 - tail))
    return Bands(tuple(edges.tolist()), tuple(low), tuple(high))


def upper_bound(error: Floats, unit: Ints, *, share: float) -> float:
    """Return the least error that ``share`` of units, one unseen among them, do not exceed.

    error, unit : (n_rows,); a unit's rows share its weight
    Raises      : TooFewUnits
    """
    _, owner, rows = np.unique(unit, return_inverse=True, return_counts=True)
    units = len(rows)
    order = np.argsort(error, kind="stable")
    weight = np.cumsum((1.0 / rows[owner])[order]) / (units + 1)
    # What is added up of many small parts falls a hair short.
    at = int(np.searchsorted(weight, share - 1e-9))
    if at >= len(error):
        needed = int(np.ceil(share / (1 - share) - 1e-9))
        raise TooFewUnits(f"{needed} units are needed for this coverage and there are {units}")
    return float(error[order][at])


def seen_columns(rows: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns that at least one row has: scikit-learn cannot bin a column without a value."""
    return tuple(str(column) for column in rows.columns[rows.notna().any()])


def mean_of(members: Sequence[HistGradientBoostingRegressor], rows: pd.DataFrame, *, cap_d: float) -> Floats:
    """Return the mean of what the members predict, none below 0 nor above the cap: (n_rows,)."""
    days: Floats = np.mean([member.predict(rows) for member in members], axis=0, dtype=np.float64)
    return np.clip(days, 0.0, cap_d)


def fit_one(
    rows: pd.DataFrame, target: Floats, parameters: Mapping[str, Any], *, seed: int
) -> HistGradientBoostingRegressor:
    """Fit one member."""
    estimator = HistGradientBoostingRegressor(**parameters, random_state=seed)
    with threadpool_limits(limits=1 if len(rows) < THREADED_ROWS else None):
        return estimator.fit(rows, target)


def _seeds(seed: int, members: int) -> Iterator[int]:
    """Members of one seed share no seed with those of another."""
    return iter(range(seed * 1000, seed * 1000 + members))
