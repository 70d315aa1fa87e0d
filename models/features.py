"""Features: how a signal stands, moves and differs from the car's own past, from what had been received by then."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.days import day_numbers, midnight
from models.windows import STATISTICS, Floats, Ints, Rows, beginning, window

Regime = Literal["rest", "drive", "charge"]
Kind = Literal["level", "lowest", "highest", "deviation", "recent", "trend", "change", "drift"]

REGIMES: tuple[Regime, ...] = ("rest", "drive", "charge")
# The car's own past, to which "change" compares its newest days: long enough to hold a few weeks of every habit.
PAST_D = 28
# Rollups by day are kept for ten years unless set otherwise: a car's beginning lies no further back.
LIFE_D = 3660
# Numbers of one kind that are worked on at once, whatever the fleet and the days: 2 MB each.
CELLS_AT_ONCE = 250_000

# Some kinds are a difference; this is what it is a difference of.
_INGREDIENT: Mapping[str, str] = {"change": "level", "drift": "level"}


@dataclass(frozen=True, slots=True)
class Feature:
    """One number about one signal of one car.

    column   : column of the reading, e.g. "lv_battery_v"
    regime   : what the car was doing: "rest", "drive" or "charge"
    kind     : "level" (mean), "lowest", "highest", "deviation" (standard deviation), all over ``window_d``;
               "recent" (mean in which a reading's weight halves with every third of ``window_d`` of its age);
               "trend" (slope of the daily means, units per day, over ``window_d``);
               "change" (level over ``window_d`` less the level of the 28 days before those);
               "drift" (level over ``window_d`` less the level of the car's first ten days with readings). It looks at
               all that is kept of a car: a mode that takes it pays for that whenever its cars are scored
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
        match self.kind:
            case "change":
                return self.window_d + PAST_D
            case "drift":
                return max(self.window_d, LIFE_D)
            case _:
                return self.window_d


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
    rows = feature_rows_of_days(aggregates, features, days=[as_of])
    return rows.droplevel("as_of")


def feature_rows_of_days(
    aggregates: pd.DataFrame, features: Sequence[Feature], *, days: Sequence[datetime]
) -> pd.DataFrame:
    """Return what ``feature_rows`` returns for every one of ``days``, to the last bit, without a pass for each.

    days    : instants in any order
    Returns : DataFrame (n_days * n_vehicles at most, n_features) indexed by as_of (datetime64, the UTC day) in the
              order of ``days`` and vehicle_id in ascending order
    Raises  : KeyError, when the aggregates lack a column
    """
    instants = np.array([midnight(instant) for instant in days], dtype="datetime64[D]")
    asked, back = np.unique(instants, return_inverse=True)
    columns = dict.fromkeys(f"{feature.column}__{statistic}" for feature in features for statistic in STATISTICS)
    known = _received_before(
        aggregates[["vehicle_id", "day", "received_on", "regime", *columns]],
        first=asked[0] - np.timedelta64(reach_of(features), "D"),
        as_of=asked[-1],
    )
    vehicle_ids = np.unique(known["vehicle_id"].to_numpy(dtype=np.int64))
    day = day_numbers(known["day"])
    # Not before the first row, or a feature that looks years back would make years of empty days.
    origin = min(day.min(), asked[0]) if len(day) else asked[0]
    at, as_of = (day - origin).astype(np.int64), (asked - origin).astype(np.int64)
    lag = np.maximum((day_numbers(known["received_on"]) - day).astype(np.int64), 0)
    # The fewer cars at once the less memory, whatever the fleet: what is worked on stays near the processor.
    size = max(CELLS_AT_ONCE // max(len(asked), int(as_of[-1])), 1)
    starts = range(0, max(len(vehicle_ids), 1), size)
    edges = np.searchsorted(known["vehicle_id"].to_numpy(dtype=np.int64), vehicle_ids)
    edges = np.append(edges, len(known))
    tables, steps, cars = [], [], []
    for start in starts:
        part = slice(int(edges[start]), int(edges[min(start + size, len(vehicle_ids))]))
        ids = vehicle_ids[start : start + size]
        frame = known.iloc[part]
        owner = np.searchsorted(ids, frame["vehicle_id"].to_numpy(dtype=np.int64))
        values = _values(frame, features, owner, at[part], lag[part], as_of=as_of, vehicles=len(ids))
        there = _within_reach(owner, at[part], lag[part], reach_of(features), as_of=as_of, vehicles=len(ids))
        step, car = np.nonzero(there[back])
        tables.append(values[:, back[step], car].T)
        steps.append(step)
        cars.append(ids[car])
    step, vehicle_id = np.concatenate(steps), np.concatenate(cars)
    order = np.lexsort((vehicle_id, step))
    index = pd.MultiIndex.from_arrays(
        [instants[step[order]].astype("datetime64[s]"), vehicle_id[order]], names=["as_of", "vehicle_id"]
    )
    names = [feature.name for feature in features]
    return pd.DataFrame(np.concatenate(tables)[order], index=index, columns=names, dtype=np.float64)


def _received_before(aggregates: pd.DataFrame, *, first: np.datetime64, as_of: np.datetime64) -> pd.DataFrame:
    day = day_numbers(aggregates["day"])
    rows = (day_numbers(aggregates["received_on"]) < as_of) & (day >= first) & (day < as_of)
    # In a fixed order, so that sums are the same to the last bit whatever else the frame holds.
    return aggregates.loc[rows].sort_values(["vehicle_id", "day", "regime", "received_on"], kind="stable")


def _values(
    frame: pd.DataFrame, features: Sequence[Feature], vehicle: Ints, day: Ints, lag: Ints, *, as_of: Ints, vehicles: int
) -> Floats:
    """Return (n_features, n_as_of, n_vehicles) of the rows of some vehicles."""
    regime = frame["regime"].to_numpy()
    values = np.empty((len(features), len(as_of), vehicles))
    signals = dict.fromkeys((feature.column, feature.regime) for feature in features)
    for column, state in signals:
        own = [at for at, feature in enumerate(features) if (feature.column, feature.regime) == (column, state)]
        those = regime == state
        rows = Rows(
            vehicle=vehicle[those],
            day=day[those],
            lag=lag[those],
            values={
                statistic: frame[f"{column}__{statistic}"].to_numpy(dtype=np.float64, na_value=np.nan)[those]
                for statistic in STATISTICS
            },
        )
        kinds: dict[int, set[str]] = {}
        for at in own:
            kinds.setdefault(features[at].window_d, set()).add(_INGREDIENT.get(features[at].kind, features[at].kind))
        windows = {days: window(rows, days, wanted, as_of=as_of, vehicles=vehicles) for days, wanted in kinds.items()}
        for at in own:
            days, kind = features[at].window_d, features[at].kind
            now = windows[days][_INGREDIENT.get(kind, kind)]
            if kind == "change":
                past = window(rows, PAST_D, ["level"], before=days, as_of=as_of, vehicles=vehicles)
                now = now - past["level"]
            elif kind == "drift":
                now = now - beginning(rows, as_of=as_of, vehicles=vehicles)
            values[at] = now
    return values


def _within_reach(
    vehicle: Ints, day: Ints, lag: Ints, reach_d: int, *, as_of: Ints, vehicles: int
) -> NDArray[np.bool_]:
    """Say of which vehicles a reading of the last ``reach_d`` days was known: (n_as_of, n_vehicles)."""
    begins = np.searchsorted(as_of, day + lag + 1)
    ends = np.maximum(np.searchsorted(as_of, day + reach_d, side="right"), begins)
    change = np.zeros((len(as_of) + 1, vehicles), dtype=np.int64)
    np.add.at(change, (begins, vehicle), 1)
    np.add.at(change, (ends, vehicle), -1)
    return np.cumsum(change[:-1], axis=0) > 0


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
