"""Daily sums of one signal and what windows of them come to, for many days at once, each as it was known on its day.

The newest day of a window is taken first and the others are added one after the other, so that a value is the same to
the last bit whatever other cars or days are asked for together with it.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.quantities import STATISTICS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A slope through fewer days says more about those days than about the car.
TREND_MIN_DAYS = 3
# The car's own beginning: enough days that their noise averages out, few enough that nothing has worn by then.
BEGINNING_DAYS = 10
# The weight of a day halves after this part of the window: what is cut off at its end weighs an eighth of the newest.
HALF_LIFE = 1 / 3

_NOTHING = {"min": np.inf, "max": -np.inf}
_MERGE = {"min": np.minimum, "max": np.maximum}
_SUMS = {
    "level": ("n", "sum"),
    "lowest": ("min",),
    "highest": ("max",),
    "deviation": ("n", "sum", "sumsq"),
    "trend": ("days", "at", "at_at", "mean", "at_mean", "n", "sum"),
    "recent": ("weights", "weighted"),
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one signal in one regime, ordered by vehicle, day and day of receipt. All arrays are (n_rows,).

    day    : number of the day measured, 0 is the first of any row
    lag    : days from then to the day of receipt, 0 also where the clock ran ahead
    values : n, sum, sumsq, min, max of the readings; NaN where the signal was not sent
    """

    vehicle: Ints
    day: Ints
    lag: Ints
    values: Mapping[str, Floats]

    def sent(self, statistic: str) -> Floats:
        """Return one statistic with what stands for nothing where there is none."""
        numbers = self.values[statistic]
        return np.where(np.isnan(numbers), _NOTHING.get(statistic, 0.0), numbers)


class Grid:
    """Where rows lie by age in days and vehicle, as known on one day: the same for all signals of a regime.

    vehicle, day : (n_rows,) as of ``Rows``
    as_of   : number of the day; no row was received on it or later
    reach_d : days that are looked at
    near    : (n_near,) rows that are looked at; place : (n_near,) of each in the grid, row after row
    alone   : no two rows lie in one place
    """

    def __init__(self, vehicle: Ints, day: Ints, *, as_of: int, reach_d: int, vehicles: int) -> None:
        age = as_of - 1 - day
        self.near = np.flatnonzero((age >= 0) & (age < reach_d))
        self.place = age[self.near] * vehicles + vehicle[self.near]
        self.shape = reach_d, vehicles
        self.alone = bool((np.bincount(self.place) <= 1).all())


class OneDay:
    """Rows as they were known on one day: by age in days and vehicle, whatever window is asked for."""

    def __init__(self, rows: Rows, grid: Grid) -> None:
        self.rows = rows
        self._grid = grid
        self._numbers: dict[str, Floats] = {}

    def of(self, statistic: str, age: int) -> Floats:
        """Return (1, n_vehicles) what the day of that age held."""
        if statistic not in self._numbers:
            sent, nothing = self.rows.sent(statistic)[self._grid.near], _NOTHING.get(statistic, 0.0)
            flat = np.full(self._grid.shape[0] * self._grid.shape[1], nothing)
            if self._grid.alone:
                flat[self._grid.place] = sent
            else:
                _MERGE.get(statistic, np.add).at(flat, self._grid.place, sent)
            self._numbers[statistic] = flat.reshape(self._grid.shape)
        return self._numbers[statistic][age : age + 1]


def window(
    rows: Rows | OneDay, days: int, kinds: Collection[str], *, before: int = 0, as_of: Ints, vehicles: int
) -> dict[str, Floats]:
    """Return what ``days`` days that end ``before`` days before each ``as_of`` come to, of what was known then.

    kinds    : "level", "lowest", "highest", "deviation", "trend" or "recent", each as in ``models.features.Feature``
    as_of    : (n_as_of,) numbers of days, none below 0
    vehicles : how many there are
    Returns  : by kind (n_as_of, n_vehicles); NaN where nothing was seen
    """
    shape = len(as_of), vehicles
    names = {name for kind in kinds for name in _SUMS[kind]}
    sums = {name: np.full(shape, _NOTHING.get(name, 0.0)) for name in names}
    statistics = [name for name in STATISTICS if name in names or ("weights" in names and name in ("n", "sum"))]
    for age, today in enumerate(_newest_first(rows, days, statistics, before=before, as_of=as_of, vehicles=vehicles)):
        for name in names & today.keys():
            merge = _MERGE.get(name, np.add)
            merge(sums[name], today[name], out=sums[name])
        if "weights" in names:
            weight = 0.5 ** (age / (HALF_LIFE * days))
            sums["weights"] += weight * today["n"]
            sums["weighted"] += weight * today["sum"]
        if "days" in names:
            seen = today["n"] > 0
            mean = np.zeros(shape)
            np.divide(today["sum"], today["n"], out=mean, where=seen)
            sums["days"] += seen
            sums["at"] -= age * seen
            sums["at_at"] += age**2 * seen
            sums["mean"] += mean
            sums["at_mean"] -= age * mean
    return {kind: _value(kind, sums) for kind in kinds}


def _value(kind: str, sums: Mapping[str, Floats]) -> Floats:
    match kind:
        case "lowest" | "highest":
            extreme = sums["min" if kind == "lowest" else "max"]
            return np.where(np.isfinite(extreme), extreme, np.nan)
        case "deviation":
            level = ratio(sums["sum"], sums["n"])
            return np.sqrt(np.maximum(ratio(sums["sumsq"], sums["n"]) - level**2, 0.0)).astype(np.float64)
        case "trend":
            # Least squares through the daily means, every day with readings counting the same.
            covariance = sums["days"] * sums["at_mean"] - sums["at"] * sums["mean"]
            variance = sums["days"] * sums["at_at"] - sums["at"] ** 2
            return ratio(covariance, np.where(sums["days"] >= TREND_MIN_DAYS, variance, 0.0))
        case "recent":
            return ratio(sums["weighted"], sums["weights"])
        case _:
            return ratio(sums["sum"], sums["n"])


def _newest_first(
    rows: Rows | OneDay, days: int, statistics: Collection[str], *, before: int, as_of: Ints, vehicles: int
) -> Iterator[dict[str, Floats]]:
    """Yield what each day of the window held as far as was known at ``as_of``: (n_as_of, n_vehicles) by statistic."""
    if isinstance(rows, OneDay):
        for age in range(before, before + days):
            yield {name: rows.of(name, age) for name in statistics}
        return
    first, last = int(as_of.min()) - before - days, int(as_of.max()) - before
    near = np.flatnonzero((rows.day >= first) & (rows.day < last) & (rows.lag < before + days))
    # A day is looked at ``age`` days after it ended, so of its rows those count that took no longer to arrive.
    near = near[np.argsort(rows.lag[near], kind="stable")]
    arrived = np.searchsorted(rows.lag[near], np.arange(before + days), side="right")
    # The day after the last is empty: it stands for those before the first row.
    begin = max(first, 0)
    empty = max(last - begin, 0)
    grid = {name: np.full((empty + 1, vehicles), _NOTHING.get(name, 0.0)) for name in statistics}
    sent = {name: rows.sent(name)[near] for name in statistics}
    slot = rows.day[near] - begin, rows.vehicle[near]
    done = 0
    for age in range(before, before + days):
        new = slice(done, int(arrived[age]))
        done = new.stop
        if new.start < new.stop:
            for name, values in grid.items():
                _MERGE.get(name, np.add).at(values, (slot[0][new], slot[1][new]), sent[name][new])
        day = as_of - 1 - age - begin
        day = np.where(day < 0, empty, day)
        yield {name: values[day] for name, values in grid.items()}


def beginning(rows: Rows, *, as_of: Ints, vehicles: int) -> Floats:
    """Return the mean of all readings of each car's first days with readings, of what was known at each ``as_of``.

    as_of   : (n_as_of,) numbers of days, ascending
    Returns : (n_as_of, n_vehicles)
    """
    seen = rows.sent("n") > 0
    vehicle, day = rows.vehicle[seen], rows.day[seen]
    count, total = rows.sent("n")[seen], rows.sent("sum")[seen]
    known_from = day + rows.lag[seen] + 1
    levels = np.full((len(as_of), vehicles), np.nan)
    now = np.full(vehicles, np.nan)
    # The last of a car's first days: what arrives about later ones no longer matters.
    until = np.full(vehicles, np.iinfo(np.int64).max)
    before = np.iinfo(np.int64).min
    for step, instant in enumerate(as_of.tolist()):
        new = (known_from <= instant) & (known_from > before) & (day <= until[vehicle])
        before = instant
        if new.any():
            changed = np.zeros(vehicles, dtype=bool)
            changed[vehicle[new]] = True
            known = changed[vehicle] & (known_from <= instant) & (day <= until[vehicle])
            early = known.copy()
            early[known] = _rank(vehicle[known], day[known]) < BEGINNING_DAYS
            readings, sums = (
                np.bincount(vehicle[early], weights=weights[early], minlength=vehicles).astype(np.float64)
                for weights in (count, total)
            )
            now[changed] = ratio(sums, readings)[changed]
            full = np.bincount(vehicle[early], weights=_is_first(vehicle[early], day[early]), minlength=vehicles)
            last = np.full(vehicles, -1, dtype=np.int64)
            np.maximum.at(last, vehicle[early], day[early])
            until = np.where(changed & (full >= BEGINNING_DAYS), last, until)
        levels[step] = now
    return levels


def _is_first(vehicle: Ints, day: Ints) -> NDArray[np.bool_]:
    """Say which rows, ordered by vehicle and day, are the first of their day."""
    first = np.ones(len(day), dtype=bool)
    first[1:] = (vehicle[1:] != vehicle[:-1]) | (day[1:] != day[:-1])
    return first


def _rank(vehicle: Ints, day: Ints) -> Ints:
    """Return of rows ordered by vehicle and day how many different days of the same vehicle come before each."""
    order: Ints = np.cumsum(_is_first(vehicle, day), dtype=np.int64)
    starts = np.ones(len(vehicle), dtype=bool)
    starts[1:] = vehicle[1:] != vehicle[:-1]
    before: Ints = order[starts][np.cumsum(starts) - 1]
    return order - before


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; NaN where there is nothing to divide by."""
    ratio = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio
