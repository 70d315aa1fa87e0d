"""Features: how a signal stands, moves and differs from the car's own past, from what had been received by then."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.days import day_numbers, midnight

Regime = Literal["rest", "drive", "charge"]
Kind = Literal["level", "lowest", "highest", "deviation", "trend", "change"]
Floats = NDArray[np.float64]

REGIMES: tuple[Regime, ...] = ("rest", "drive", "charge")
# The car's own past, to which "change" compares its newest days: long enough to hold a few weeks of every habit.
PAST_D = 28
# A slope through fewer days says more about those days than about the car.
TREND_MIN_DAYS = 3


@dataclass(frozen=True, slots=True)
class Feature:
    """One number about one signal of one car.

    column   : column of the reading, e.g. "lv_battery_v"
    regime   : what the car was doing: "rest", "drive" or "charge"
    kind     : "level" (mean), "lowest", "highest", "deviation" (standard deviation), all over ``window_d``;
               "trend" (slope of the daily means, units per day, over ``window_d``);
               "change" (level over ``window_d`` less the level of the 28 days before those)
    monotone : +1 when a greater value cannot make the fault less likely, -1 the other way round, 0 unknown
    """

    column: str
    regime: Regime
    kind: Kind
    window_d: int
    monotone: int = 0

    @property
    def name(self) -> str:
        return f"{self.column}.{self.regime}.{self.kind}.{self.window_d}d"

    @property
    def reach_d(self) -> int:
        """How many days before ``as_of`` the feature looks at."""
        return self.window_d + PAST_D if self.kind == "change" else self.window_d


class _Daily(NamedTuple):
    """One signal in one regime by day: each array is (n_vehicles, n_days), the day before ``as_of`` last."""

    readings: Floats
    total: Floats
    squares: Floats
    lowest: Floats
    highest: Floats

    def last(self, days: int, *, before: int = 0) -> "_Daily":
        stop = self.readings.shape[1] - before
        return _Daily(*(values[:, max(stop - days, 0) : stop] for values in self))


def reach_of(features: Iterable[Feature]) -> int:
    """Return how many days of readings these features need before ``as_of``."""
    return max(feature.reach_d for feature in features)


def feature_rows(aggregates: pd.DataFrame, features: Sequence[Feature], *, as_of: datetime) -> pd.DataFrame:
    """Return one row of features per vehicle from what had been received before ``as_of``.

    aggregates : DataFrame as of ``ingest.store.readings.daily_aggregates``: one row per (vehicle_id, day, received_on,
                 regime) with c__n, c__sum, c__sumsq, c__min, c__max of every column c, in the column's own unit
    as_of      : an instant; its UTC day begins the future. Rows received on that day or later do not count, nor do
                 readings that carry a time in it (a clock that runs ahead)
    Returns    : DataFrame (n_vehicles, n_features) float64 indexed by vehicle_id in ascending order, columns named by
                 ``Feature.name``, only vehicles with a reading within reach; NaN means not seen
    Raises     : KeyError, when the aggregates lack a column
    """
    first = midnight(as_of) - np.timedelta64(reach_of(features), "D")
    known = _received_before(aggregates, first=first, as_of=midnight(as_of))
    vehicle_ids, vehicle = np.unique(known["vehicle_id"].to_numpy(dtype=np.int64), return_inverse=True)
    day = (day_numbers(known["day"]) - first).astype(np.int64)
    regime = known["regime"].to_numpy()
    days = reach_of(features)
    columns: dict[str, Floats] = {}
    cells: dict[tuple[str, Regime], _Daily] = {}
    for feature in features:
        key = feature.column, feature.regime
        if key not in cells:
            rows = regime == feature.regime
            cells[key] = _daily(known.loc[rows], feature.column, vehicle[rows], day[rows], (len(vehicle_ids), days))
        columns[feature.name] = _value(cells[key], feature)
    return pd.DataFrame(columns, index=pd.Index(vehicle_ids, name="vehicle_id"), dtype=np.float64)


def _received_before(aggregates: pd.DataFrame, *, first: np.datetime64, as_of: np.datetime64) -> pd.DataFrame:
    day = day_numbers(aggregates["day"])
    rows = (day_numbers(aggregates["received_on"]) < as_of) & (day >= first) & (day < as_of)
    # In a fixed order, so that sums are the same to the last bit whatever else the frame holds.
    return aggregates.loc[rows].sort_values(["vehicle_id", "day", "regime", "received_on"], kind="stable")


def _daily(
    rows: pd.DataFrame, column: str, vehicle: NDArray[np.int64], day: NDArray[np.int64], shape: tuple[int, int]
) -> _Daily:
    """Merge the rows of one day that arrived on different days."""
    slot = vehicle * shape[1] + day
    size = shape[0] * shape[1]

    def values(statistic: str, missing: float) -> Floats:
        numbers = rows[f"{column}__{statistic}"].to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(np.isnan(numbers), missing, numbers)

    def summed(statistic: str) -> Floats:
        return np.bincount(slot, weights=values(statistic, 0.0), minlength=size).reshape(shape).astype(np.float64)

    lowest, highest = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(lowest, slot, values("min", np.inf))
    np.maximum.at(highest, slot, values("max", -np.inf))
    return _Daily(summed("n"), summed("sum"), summed("sumsq"), lowest.reshape(shape), highest.reshape(shape))


def _value(daily: _Daily, feature: Feature) -> Floats:
    window = daily.last(feature.window_d)
    match feature.kind:
        case "level":
            return _level(window)
        case "lowest":
            return _finite(window.lowest.min(axis=1))
        case "highest":
            return _finite(window.highest.max(axis=1))
        case "deviation":
            return _deviation(window)
        case "trend":
            return _slope(window)
        case "change":
            return _level(window) - _level(daily.last(PAST_D, before=feature.window_d))


def _level(window: _Daily) -> Floats:
    return _ratio(window.total.sum(axis=1), window.readings.sum(axis=1))


def _deviation(window: _Daily) -> Floats:
    mean_square = _ratio(window.squares.sum(axis=1), window.readings.sum(axis=1))
    return cast(Floats, np.sqrt(np.maximum(mean_square - _level(window) ** 2, 0.0)))


def _slope(window: _Daily) -> Floats:
    """Least squares through the daily means, every day with readings counting the same."""
    seen = window.readings > 0
    means = np.where(seen, _ratio(window.total, window.readings), 0.0)
    at = np.broadcast_to(np.arange(window.readings.shape[1], dtype=np.float64), means.shape) * seen
    days = seen.sum(axis=1)
    covariance = days * (at * means).sum(axis=1) - at.sum(axis=1) * means.sum(axis=1)
    variance = days * (at**2).sum(axis=1) - at.sum(axis=1) ** 2
    return _ratio(covariance, np.where(days >= TREND_MIN_DAYS, variance, 0.0))


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    ratio = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


def as_table(features: Iterable[Feature]) -> list[dict[str, object]]:
    """Return the features as plain values that JSON can hold; ``from_table`` reads them back."""
    return [
        {"column": f.column, "regime": f.regime, "kind": f.kind, "window_d": f.window_d, "monotone": f.monotone}
        for f in features
    ]


def from_table(rows: Iterable[Mapping[str, object]]) -> tuple[Feature, ...]:
    """Read features written by ``as_table``.

    Raises : TypeError, when a row is no feature
    """
    return tuple(Feature(**row) for row in rows)  # type: ignore[arg-type]
