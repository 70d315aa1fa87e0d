"""What the store would make of cars' readings: hourly and daily rollups, worked out without a database."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.settings import IngestSettings
from config.signals import Catalogue, Signal, catalogue
from forewarn.simulator.readings import TEXTS, Readings
from ingest.cells import CELL_COLUMNS, cell_statistics
from ingest.coolant import LOW_LEVELS, coolant_low
from ingest.rest import OFF_STATES, at_rest
from ingest.store.given import Rollups
from ingest.store.readings import REGIMES
from ingest.store.timeseries.rollups import INSULATION_BANDS

_HOUR_MS = 3_600_000
_DAY_MS = 86_400_000
# So many packs' voltages at once stay in the processor's cache.
_PACKS = 1000
_REST, _DRIVE, _CHARGE = (REGIMES.index(name) for name in ("rest", "drive", "charge"))


@dataclass(frozen=True)
class Packs:
    """Cell voltages of readings whose packs have as many cells.

    rows     : (n,) which readings
    which    : (n,) row of ``cells`` of each
    cells    : (n_packs, n_cells)
    per_volt : what of ``cells`` makes a volt
    """

    rows: NDArray[np.intp]
    which: NDArray[np.int64]
    cells: NDArray[Any]
    per_volt: int


@dataclass(frozen=True)
class Sent:
    """What some cars sent, in any order; the arrays are (n,), one element a reading.

    car                     : a number of each car's own
    ts_ms, seq, received_ms : as in ``Readings``
    columns                 : by signal path, float64; NaN was not sent, texts are indices into TEXTS
    """

    car: NDArray[np.int64]
    ts_ms: NDArray[np.int64]
    seq: NDArray[np.int64]
    received_ms: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float64]]
    packs: Sequence[Packs]

    def __len__(self) -> int:
        return len(self.ts_ms)


@dataclass(frozen=True)
class OfCars:
    """Rollups of several cars. ``car``: (n,) whose each row is; rows are sorted by it first."""

    car: NDArray[np.int64]
    rollups: Rollups


def roll_up(
    readings: Readings, *, signals: Catalogue | None = None, clock_ahead_s: int | None = None
) -> tuple[Rollups, Rollups]:
    """Return the hourly and the daily rollups of one car, as ``roll_up_cars`` does of several.

    readings : in any order
    """
    hours, days = roll_up_cars(_sent(readings), signals=signals, clock_ahead_s=clock_ahead_s)
    return hours.rollups, days.rollups


def roll_up_cars(
    sent: Sent,
    *,
    columns: Collection[str] | None = None,
    signals: Catalogue | None = None,
    clock_ahead_s: int | None = None,
) -> tuple[OfCars, OfCars]:
    """Return the hourly and the daily rollups of some cars, as ingest and SQL make them of the same readings.

    Of a car's readings with one (ts, seq) the first received counts, values out of their signal's range do not, nor do
    readings whose clock is ahead of their receipt. Sums may differ in the last digits: they are added up in another
    order. What comes out for a car does not depend on which others are there.

    columns       : of the reading, to be rolled up; None is all, and what is kept of a signal under a condition
    signals       : None is config/signals.toml
    clock_ahead_s : as ``ingest.clock_ahead_s``; None is its default
    """
    signals = signals or catalogue()
    if clock_ahead_s is None:
        clock_ahead_s = IngestSettings().clock_ahead_s
    hours = _hours(sent, _stored(sent, signals), _counting(sent, clock_ahead_s * 1000), signals, columns)
    return hours, _days(hours)


def _sent(readings: Readings) -> Sent:
    rows = np.flatnonzero(readings.cell_row >= 0)
    packs = [Packs(rows, readings.cell_row[rows], readings.cell_mv, 1000)]
    return Sent(
        car=np.zeros(len(readings.ts_ms), dtype=np.int64),
        ts_ms=readings.ts_ms,
        seq=readings.seq,
        received_ms=readings.received_ms,
        columns=readings.columns,
        packs=packs if len(rows) and readings.cell_mv.shape[1] else [],
    )


def _counting(sent: Sent, clock_ahead_ms: int) -> NDArray[np.intp]:
    """Return the positions of readings that count, car by car in the order of (ts, seq)."""
    car, ts, seq, received = sent.car, sent.ts_ms, sent.seq, sent.received_ms
    same = np.diff(car) == 0
    if (np.diff(ts)[same] > 0).all() and (np.diff(car) >= 0).all():
        rows = np.arange(len(ts))
    else:
        # Stable, so that of two received at once the one that stands first counts.
        order = np.lexsort((received, seq, ts, car))
        keys = (key[order] for key in (car, ts, seq))
        rows = order[np.r_[True, np.any([np.diff(key) != 0 for key in keys], axis=0)]]
    # After the duplicates: what is sent again of a reading whose clock was ahead is a duplicate of that.
    return rows[ts[rows] <= received[rows] + clock_ahead_ms]


def _stored(sent: Sent, signals: Catalogue) -> dict[str, NDArray[np.float64]]:
    """Return the columns as ingest stores them, apart from single precision, with those that it derives."""
    columns = {}
    for path, values in sent.columns.items():
        signal = signals.by_path.get(path)
        if signal is not None and signal.type in ("real", "double", "integer", "boolean"):
            columns[signal.column] = _within_range(signal, values)
    unknown = np.full(len(sent), np.nan)
    _derive_cells(sent.packs, columns, unknown)
    known_level, low = _said(sent, signals.by_column["coolant_level"].path, LOW_LEVELS)
    columns["coolant_low"] = coolant_low(known_level=known_level, low=low)
    known_state, off = _said(sent, signals.by_column["lv_system_state"].path, OFF_STATES)
    columns["at_rest"] = at_rest(
        known_state=known_state,
        off=off,
        **{name: columns.get(name, unknown) for name in ("speed_kmh", "is_charging", "pack_a", "engine_rpm")},
    )
    return columns


def _within_range(signal: Signal, values: NDArray[np.float64]) -> NDArray[np.float64]:
    if signal.type == "boolean":
        return np.where(np.isnan(values), np.nan, values != 0)
    if signal.type == "integer":
        values = np.trunc(values)
    outside = np.zeros(len(values), dtype=bool)
    if signal.lowest is not None:
        outside |= values < signal.lowest
    if signal.highest is not None:
        outside |= values > signal.highest
    return np.where(outside, np.nan, values) if outside.any() else values


def _derive_cells(
    packs: Sequence[Packs], columns: dict[str, NDArray[np.float64]], unknown: NDArray[np.float64]
) -> None:
    # What the car says itself of its lowest and highest cell stands.
    said = {name: columns.get(name, unknown) for name in CELL_COLUMNS}
    for alike in packs:
        blocks = [
            cell_statistics(alike.cells[begin : begin + _PACKS] / alike.per_volt)
            for begin in range(0, len(alike.cells), _PACKS)
        ]
        derived = np.concatenate(blocks)[alike.which]
        for number, name in enumerate(CELL_COLUMNS):
            ours = np.isnan(said[name][alike.rows])
            if ours.any():
                filled = columns.get(name, unknown).copy()
                filled[alike.rows[ours]] = derived[ours, number]
                columns[name] = filled


def _said(sent: Sent, path: str, one_of: Collection[str]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return in which readings a text was sent, and in which it is one of some: (n,) each."""
    told = sent.columns.get(path)
    if told is None:
        nowhere = np.zeros(len(sent), dtype=bool)
        return nowhere, nowhere
    return ~np.isnan(told), np.isin(told, [number for number, text in enumerate(TEXTS[path]) if text in one_of])


class _Groups:
    """Rows in an order in which those of one key follow each other."""

    def __init__(self, *keys: NDArray[np.int64]) -> None:
        """keys : (n,) each, at least one row. Groups are sorted by the first first, rows of one group stay in order."""
        code = np.zeros(len(keys[0]), dtype=np.int64)
        for key in keys:
            least = key.min()
            code = code * (key.max() - least + 1) + (key - least)
        self.order = np.argsort(code, kind="stable")
        code = code[self.order]
        starts = np.flatnonzero(np.r_[True, code[1:] != code[:-1]])
        self._bounds = np.r_[starts, len(code)]
        self.keys = [key[self.order[starts]] for key in keys]
        self.sizes = np.diff(self._bounds)

    def of(self, present: NDArray[np.bool_]) -> "_Present":
        """Return the groups of some rows alone; ``present`` is in ``order``."""
        rows = np.flatnonzero(present)
        bounds = self._bounds if len(rows) == len(present) else np.searchsorted(rows, self._bounds)
        return _Present(rows, np.asarray(bounds), everywhere=len(rows) == len(present))


class _Present:
    """Rows that hold a value, group by group; a group without any has NaN. Values are those that ``take`` returns."""

    def __init__(self, rows: NDArray[np.intp], bounds: NDArray[np.intp], *, everywhere: bool) -> None:
        self.rows = rows
        self._everywhere = everywhere
        self.n = np.diff(bounds)
        self._some = np.flatnonzero(self.n)
        self._first = bounds[self._some]
        self._last = bounds[self._some + 1] - 1

    def take(self, values: NDArray[Any]) -> NDArray[Any]:
        return values if self._everywhere else values[self.rows]

    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        return self._spread(np.add.reduceat(values, self._first))

    def least(self, values: NDArray[Any]) -> NDArray[Any]:
        return self._spread(np.minimum.reduceat(values, self._first))

    def greatest(self, values: NDArray[Any]) -> NDArray[Any]:
        return self._spread(np.maximum.reduceat(values, self._first))

    def last(self, values: NDArray[Any]) -> NDArray[Any]:
        return self._spread(values[self._last])

    def last_of_all(self, values: NDArray[Any]) -> NDArray[Any]:
        """values : of every row, whether it is present or not"""
        return self._spread(values[self.rows[self._last]])

    def _spread(self, found: NDArray[Any]) -> NDArray[Any]:
        if len(self._some) == len(self.n):
            return found
        everywhere = np.full(len(self.n), np.nan, dtype=found.dtype)
        everywhere[self._some] = found
        return everywhere


def _hours(
    sent: Sent,
    columns: Mapping[str, NDArray[np.float64]],
    counting: NDArray[np.intp],
    signals: Catalogue,
    wanted: Collection[str] | None,
) -> OfCars:
    if not len(counting):
        nothing = np.zeros(0, dtype=np.int64)
        return OfCars(nothing, Rollups(nothing, nothing, nothing, {}))
    ts = sent.ts_ms[counting]
    regime = np.where(columns["at_rest"][counting] == 1, _REST, _DRIVE)
    if "is_charging" in columns:
        regime = np.where(columns["is_charging"][counting] == 1, _CHARGE, regime)
    groups = _Groups(sent.car[counting], ts // _HOUR_MS, sent.received_ms[counting] // _DAY_MS, regime)
    rows, at_ms = counting[groups.order], ts[groups.order].astype(np.float64)
    found: dict[str, NDArray[Any]] = {"n": groups.sizes}
    for signal in signals.rolled_up:
        if signal.column in columns and (wanted is None or signal.column in wanted):
            values = columns[signal.column][rows]
            found |= _of_signal(signal, _rounded(values) if signal.type == "real" else values, groups, at_ms)
    if wanted is None:
        found |= _under_conditions(sent, columns, rows, groups, signals)
    car, hour, received_on, regime = groups.keys
    return OfCars(car, Rollups(hour * _HOUR_MS, received_on, regime, found))


def _under_conditions(
    sent: Sent,
    columns: Mapping[str, NDArray[np.float64]],
    rows: NDArray[np.intp],
    groups: _Groups,
    signals: Catalogue,
) -> dict[str, NDArray[Any]]:
    _, cranking = _said(sent, signals.by_column["lv_system_state"].path, ("START",))
    found = _where("lv_battery_v", "crank", columns, rows, cranking[rows], groups, ("n", "min"))
    if "air_temp_c" in columns:
        air_c = _rounded(columns["air_temp_c"][rows])
        for band, (lowest, highest) in INSULATION_BANDS.items():
            within = (air_c >= lowest) & (air_c < highest)
            found |= _where("insulation_kohm", band, columns, rows, within, groups, ("n", "sum", "min"))
    return found


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a column of single precision makes of them; sums are of doubles."""
    return values.astype(np.float32).astype(np.float64)


def _of_signal(
    signal: Signal, values: NDArray[Any], groups: _Groups, at_ms: NDArray[np.float64]
) -> dict[str, NDArray[Any]]:
    present = groups.of(~np.isnan(values))
    if not len(present.rows):
        return {}
    values, name = present.take(values), signal.column
    found = {
        f"{name}__n": present.n,
        f"{name}__sum": present.sum(values),
        f"{name}__sumsq": present.sum(values * values),
    }
    if signal.type == "boolean":
        return found
    return {
        **found,
        f"{name}__min": present.least(values),
        f"{name}__max": present.greatest(values),
        f"{name}__last": present.last(values),
        f"{name}__last_at": present.last_of_all(at_ms),
    }


def _where(
    name: str,
    when: str,
    columns: Mapping[str, NDArray[np.float64]],
    rows: NDArray[np.intp],
    condition: NDArray[np.bool_],
    groups: _Groups,
    kinds: Sequence[str],
) -> dict[str, NDArray[Any]]:
    """Return what the rollups hold once more of a signal in single precision: of those readings alone."""
    if name not in columns:
        return {}
    values = _rounded(columns[name][rows])
    present = groups.of(condition & ~np.isnan(values))
    if not len(present.rows):
        return {}
    values = present.take(values)
    made = {"n": present.n, "sum": present.sum(values), "min": present.least(values)}
    return {f"{name}__{when}_{kind}": made[kind] for kind in kinds}


def _days(of: OfCars) -> OfCars:
    hours = of.rollups
    if not len(hours):
        return of
    groups = _Groups(of.car, hours.bucket_ms // _DAY_MS, hours.received_on, hours.regime)
    found = {}
    # Columns of one signal, and most signals, have values in the same hours.
    known: dict[bytes, _Present] = {}
    for name, values in hours.columns.items():
        values = values[groups.order]
        mask = ~np.isnan(values)
        key = mask.tobytes()
        if key not in known:
            known[key] = groups.of(mask)
        found[name] = _OVER_HOURS[name.rpartition("_")[2]](known[key], known[key].take(values))
    car, day, received_on, regime = groups.keys
    return OfCars(car, Rollups(day * _DAY_MS, received_on, regime, found))


# How a day's value follows from its hours', by the end of the column's name. Hours are in the order of time.
_OVER_HOURS: dict[str, Callable[[_Present, NDArray[Any]], NDArray[Any]]] = {
    "n": _Present.sum,
    "sum": _Present.sum,
    "sumsq": _Present.sum,
    "min": _Present.least,
    "max": _Present.greatest,
    "last": _Present.last,
    "at": _Present.last,
}
