"""Features: how a signal stands, moves and differs from the car's own past, from what had been received by then.

Features that compare a car with its peers are worked out in ``models.peers``, from the rows of the whole fleet.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from config.quantities import quantities
from models.days import midnight
from models.known import Aggregates, Known, received_before
from models.quantities import Sums, members, signals_behind, statistics
from models.windows import Floats, Grid, Ints, OneDay, Rows, beginning, ratio, window

Regime = Literal["rest", "drive", "charge"]
Kind = Literal[
    "level",
    "lowest",
    "highest",
    "deviation",
    "recent",
    "trend",
    "change",
    "since",
    "left",
    "loaded",
    "drift",
    "peer",
    "peer_lowest",
    "peer_highest",
    "peer_trend",
    "peer_change",
    "peer_since",
    "peer_loaded",
]

REGIMES: tuple[Regime, ...] = ("rest", "drive", "charge")
# The car's own past, to which "change" compares its newest days: long enough to hold a few weeks of every habit.
PAST_D = 28
# What grows over months has grown in those weeks too: "since" compares with the five weeks before them.
LONG_PAST_D = 35
# Farther off than this nobody can tell, and nothing has to be done.
MOST_LEFT_D = 120.0
# Rollups by day are kept for ten years unless set otherwise: a car's beginning lies no further back.
LIFE_D = 3660
# Numbers of one kind that are worked on at once, whatever the fleet and the days: 2 MB each.
CELLS_AT_ONCE = 250_000

# Some kinds are a difference; this is what it is a difference of.
_INGREDIENT: Mapping[str, tuple[str, ...]] = {
    "change": ("level",),
    "since": ("level",),
    "drift": ("level",),
    "left": ("level", "trend"),
    "loaded": ("level",),
}
# What a feature that compares with peers compares.
PEER_OF: Mapping[str, Kind] = {
    "peer": "level",
    "peer_lowest": "lowest",
    "peer_highest": "highest",
    "peer_trend": "trend",
    "peer_change": "change",
    "peer_since": "since",
    "peer_loaded": "loaded",
}


@dataclass(frozen=True, slots=True)
class Feature:
    """One number about one signal of one car.

    column   : column of the reading, e.g. "lv_battery_v", or a quantity of config/quantities.toml
    regime   : what the car was doing: "rest", "drive" or "charge"
    kind     : "level" (mean), "lowest", "highest", "deviation" (standard deviation), all over ``window_d``;
               "recent" (mean in which a reading's weight halves with every third of ``window_d`` of its age);
               "trend" (slope of the daily means, units per day, over ``window_d``);
               "change" (level over ``window_d`` less the level of the 28 days before those);
               "since" (level over ``window_d`` less the level of the five weeks before those 28 days);
               "left" (days until the level reaches the quantity's limit at the trend of ``window_d``, at most
               MOST_LEFT_D, which is also what a signal has that stands still or moves away);
               "loaded" (level over ``window_d`` less the level at rest: what the load does);
               "drift" (level over ``window_d`` less the level of the car's first ten days with readings). It looks at
               all that is kept of a car: a mode that takes it pays for that whenever its cars are scored;
               "peer", "peer_lowest", … (level, lowest, … less the median of cars like it on the same day)
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
            case "change" | "peer_change":
                return self.window_d + PAST_D
            case "since" | "peer_since":
                return self.window_d + PAST_D + LONG_PAST_D
            case "drift":
                return max(self.window_d, LIFE_D)
            case _:
                return self.window_d

    @property
    def own(self) -> "Feature":
        """What of the car itself is behind the feature: for one that compares with peers what is compared."""
        if self.kind not in PEER_OF:
            return self
        return Feature(self.column, self.regime, PEER_OF[self.kind], self.window_d)


def columns_of(features: Iterable[Feature]) -> list[str]:
    """Return the columns of the reading that features are worked out of, each once."""
    return signals_behind(list(dict.fromkeys(feature.column for feature in features)))


def reach_of(features: Iterable[Feature]) -> int:
    """Return how many days of readings these features need before ``as_of``."""
    return max(feature.reach_d for feature in features)


def feature_rows(aggregates: Aggregates, features: Sequence[Feature], *, as_of: datetime) -> pd.DataFrame:
    """Return one row of features per vehicle from what had been received before ``as_of``.

    aggregates : DataFrame as of ``ingest.store.readings.daily_aggregates``: one row per (vehicle_id, day, received_on,
                 regime) with c__n, c__sum, c__sumsq, c__min, c__max of every column c, in the column's own unit; or
                 the same as of ``ingest.store.day_sums.read_share``
    as_of      : an instant; its UTC day begins the future. Rows received on that day or later do not count, nor do
                 readings that carry a time in it (a clock that runs ahead)
    Returns    : DataFrame (n_vehicles, n_features) float64 indexed by vehicle_id in ascending order, columns named by
                 ``Feature.name``, only vehicles with a reading within reach; NaN means not seen
    Raises     : KeyError, when the aggregates lack a column; ValueError, when a feature compares with peers
    """
    rows = feature_rows_of_days(aggregates, features, days=[as_of])
    return rows.droplevel("as_of")


def feature_rows_of_days(
    aggregates: Aggregates, features: Sequence[Feature], *, days: Sequence[datetime]
) -> pd.DataFrame:
    """Return what ``feature_rows`` returns for every one of ``days``, to the last bit, without a pass for each.

    days    : instants in any order
    Returns : DataFrame (n_days * n_vehicles at most, n_features) indexed by as_of (datetime64, the UTC day) in the
              order of ``days`` and vehicle_id in ascending order
    Raises  : KeyError, when the aggregates lack a column; ValueError, when a feature compares with peers
    """
    if foreign := [feature.name for feature in features if feature.kind in PEER_OF]:
        raise ValueError(f"models.peers works out {foreign[0]}, from rows of the whole fleet")
    instants = np.array([midnight(instant) for instant in days], dtype="datetime64[D]")
    asked, back = np.unique(instants, return_inverse=True)
    known = received_before(aggregates, first=asked[0] - np.timedelta64(reach_of(features), "D"), as_of=asked[-1])
    vehicle_ids = np.unique(known.vehicle_id)
    day = known.day
    # Not before the first row, or a feature that looks years back would make years of empty days.
    origin = min(day.min(), asked[0]) if len(day) else asked[0]
    at, as_of = (day - origin).astype(np.int64), (asked - origin).astype(np.int64)
    lag = np.maximum((known.received_on - day).astype(np.int64), 0)
    # "drift" looks at a car's first days too, which are no window.
    window_d = max(feature.window_d if feature.kind == "drift" else feature.reach_d for feature in features)
    # The fewer cars at once the less memory, whatever the fleet: what is worked on stays near the processor.
    size = max(CELLS_AT_ONCE // max(len(asked), int(as_of[-1])), 1)
    starts = range(0, max(len(vehicle_ids), 1), size)
    edges = np.append(np.searchsorted(known.vehicle_id, vehicle_ids), len(known))
    tables, steps, cars = [], [], []
    for start in starts:
        part = slice(int(edges[start]), int(edges[min(start + size, len(vehicle_ids))]))
        ids = vehicle_ids[start : start + size]
        own = known.part(part)
        owner = np.searchsorted(ids, own.vehicle_id)
        states = _States(own, owner, at[part], lag[part], reach_d=window_d, as_of=as_of, vehicles=len(ids))
        values = _values(states, features, as_of=as_of, vehicles=len(ids))
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


# What is known of a regime, whatever signal is asked for: vehicle, day and lag of its rows, and their grid of one day.
_State = tuple[Sums, tuple[Ints, Ints, Ints], Grid | None]


class _States:
    """Rows of some vehicles, regime by regime. vehicle, day, lag : (n_rows,) as of ``models.windows.Rows``"""

    def __init__(
        self,
        known: Known,
        vehicle: Ints,
        day: Ints,
        lag: Ints,
        *,
        reach_d: int,
        as_of: Ints,
        vehicles: int,
    ) -> None:
        self._known = known
        self._at = vehicle, day, lag
        self._reach_d, self._as_of, self._vehicles = reach_d, as_of, vehicles
        self._found: dict[Regime, _State] = {}

    def of(self, regime: Regime, member: str) -> Rows | OneDay:
        """Return what a signal or quantity came to in a regime."""
        if regime not in self._found:
            self._found[regime] = self._find(regime)
        sums, at, grid = self._found[regime]
        rows = Rows(*at, statistics(sums, member))
        return rows if grid is None else OneDay(rows, grid)

    def _find(self, regime: Regime) -> _State:
        those = self._known.in_regime(regime)
        vehicle, day, lag = (numbers[those] for numbers in self._at)
        grid = None
        if len(self._as_of) == 1:
            as_of = int(self._as_of[0])
            grid = Grid(vehicle, day, as_of=as_of, reach_d=self._reach_d, vehicles=self._vehicles)
        return self._known.sums(those), (vehicle, day, lag), grid


def _values(states: _States, features: Sequence[Feature], *, as_of: Ints, vehicles: int) -> Floats:
    """Return (n_features, n_as_of, n_vehicles) of the rows of some vehicles."""
    values = np.empty((len(features), len(as_of), vehicles))
    places: dict[tuple[str, Regime], list[int]] = {}
    for at, feature in enumerate(features):
        places.setdefault((feature.column, feature.regime), []).append(at)
    for (column, regime), own in places.items():
        asked = [features[at] for at in own]
        worst: Floats | None = None
        for member in members(column):
            found = _of_column(states.of(regime, member), asked, as_of=as_of, vehicles=vehicles)
            if any(feature.kind == "loaded" for feature in asked):
                found -= _at_rest(states.of("rest", member), asked, as_of=as_of, vehicles=vehicles)
            worst = found if worst is None else _worse(column, asked, worst, found)
        assert worst is not None
        values[own] = worst
    return values


def _at_rest(rows: Rows | OneDay, features: Sequence[Feature], *, as_of: Ints, vehicles: int) -> Floats:
    """Return what "loaded" features are less: (n_features, n_as_of, n_vehicles), 0 for all others."""
    levels = np.zeros((len(features), len(as_of), vehicles))
    for at, feature in enumerate(features):
        if feature.kind == "loaded":
            levels[at] = window(rows, feature.window_d, ["level"], as_of=as_of, vehicles=vehicles)["level"]
    return levels


def _worse(column: str, features: Sequence[Feature], one: Floats, other: Floats) -> Floats:
    """Return the worse of two members of a quantity; the fewer days are left the worse, whichever end is bad."""
    low = quantities()[column].worst == "low"
    lower = np.array([low or feature.kind == "left" for feature in features])[:, None, None]
    return np.where(lower, np.fmin(one, other), np.fmax(one, other))


def _of_column(rows: Rows | OneDay, features: Sequence[Feature], *, as_of: Ints, vehicles: int) -> Floats:
    """Return (n_features, n_as_of, n_vehicles) of features of one column in one regime."""
    kinds: dict[int, set[str]] = {}
    for feature in features:
        kinds.setdefault(feature.window_d, set()).update(_INGREDIENT.get(feature.kind, (feature.kind,)))
    windows = {days: window(rows, days, wanted, as_of=as_of, vehicles=vehicles) for days, wanted in kinds.items()}
    values = np.empty((len(features), len(as_of), vehicles))
    for at, feature in enumerate(features):
        now, before = windows[feature.window_d], feature.window_d
        match feature.kind:
            case "change":
                past = window(rows, PAST_D, ["level"], before=before, as_of=as_of, vehicles=vehicles)
                values[at] = now["level"] - past["level"]
            case "since":
                past = window(rows, LONG_PAST_D, ["level"], before=before + PAST_D, as_of=as_of, vehicles=vehicles)
                values[at] = now["level"] - past["level"]
            case "drift":
                # A car's first days are no window.
                every = rows.rows if isinstance(rows, OneDay) else rows
                values[at] = now["level"] - beginning(every, as_of=as_of, vehicles=vehicles)
            case "loaded":
                values[at] = now["level"]
            case "left":
                values[at] = _days_left(feature.column, now["level"], now["trend"])
            case kind:
                values[at] = now[kind]
    return values


def _days_left(column: str, level: Floats, trend: Floats) -> Floats:
    quantity = quantities().get(column)
    limit = None if quantity is None else quantity.limit
    if quantity is None or limit is None:
        raise ValueError(f"config/quantities.toml knows no limit of {column}, so nobody can say when it is reached")
    towards = 1.0 if quantity.worst == "high" else -1.0
    left = ratio(np.maximum(towards * (limit - level), 0.0), towards * trend)
    standing = ~np.isnan(trend) & (towards * trend <= 0)
    return np.where(standing, MOST_LEFT_D, np.minimum(left, MOST_LEFT_D))


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
