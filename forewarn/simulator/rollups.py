"""What the store would make of one car's readings: hourly and daily rollups, worked out without a database."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.settings import IngestSettings
from config.signals import Catalogue, Signal, catalogue
from forewarn.simulator.readings import STATES, Readings
from ingest.cells import CELL_COLUMNS, cell_statistics
from ingest.rest import OFF_STATES, at_rest
from ingest.store.given import Rollups
from ingest.store.readings import REGIMES
from ingest.store.timeseries.rollups import INSULATION_BANDS

_HOUR_MS = 3_600_000
_DAY_MS = 86_400_000
# So many packs' voltages at once stay in the processor's cache.
_PACKS = 1000
_REST, _DRIVE, _CHARGE = (REGIMES.index(name) for name in ("rest", "drive", "charge"))


def roll_up(
    readings: Readings, *, signals: Catalogue | None = None, clock_ahead_s: int | None = None
) -> tuple[Rollups, Rollups]:
    """Return the hourly and the daily rollups of one car, as ingest and SQL make them of the same readings.

    Of readings with one (ts, seq) the first received counts, values out of their signal's range do not, nor do readings
    whose clock is ahead of their receipt. Sums may differ in the last digits: they are added up in another order.

    readings      : in any order
    signals       : None is config/signals.toml
    clock_ahead_s : as ``ingest.clock_ahead_s``; None is its default
    """
    signals = signals or catalogue()
    if clock_ahead_s is None:
        clock_ahead_s = IngestSettings().clock_ahead_s
    columns = _stored(readings, signals)
    hours = _hours(readings, columns, _counting(readings, clock_ahead_s * 1000), signals)
    return hours, _days(hours)


def _counting(readings: Readings, clock_ahead_ms: int) -> NDArray[np.intp]:
    """Return the positions of readings that count, in the order of (ts, seq)."""
    ts, seq, received = readings.ts_ms, readings.seq, readings.received_ms
    later = np.diff(ts)
    if (later > 0).all():
        rows = np.arange(len(ts))
    else:
        # Stable, so that of two received at once the one that stands first counts.
        order = np.lexsort((received, seq, ts))
        rows = order[np.r_[True, (np.diff(ts[order]) != 0) | (np.diff(seq[order]) != 0)]]
    # After the duplicates: what is sent again of a reading whose clock was ahead is a duplicate of that.
    return rows[ts[rows] <= received[rows] + clock_ahead_ms]


def _stored(readings: Readings, signals: Catalogue) -> dict[str, NDArray[np.float64]]:
    """Return the columns as ingest stores them, apart from single precision, with those that it derives."""
    columns = {}
    for path, values in readings.columns.items():
        signal = signals.by_path.get(path)
        if signal is not None and signal.type in ("real", "double", "integer", "boolean"):
            columns[signal.column] = _within_range(signal, values)
    unknown = np.full(len(readings.ts_ms), np.nan)
    _derive_cells(readings, columns, unknown)
    state = _state(readings, signals)
    columns["at_rest"] = at_rest(
        known_state=state >= 0,
        off=np.isin(state, [STATES.index(name) for name in OFF_STATES if name in STATES]),
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


def _derive_cells(readings: Readings, columns: dict[str, NDArray[np.float64]], unknown: NDArray[np.float64]) -> None:
    rows = np.flatnonzero(readings.cell_row >= 0)
    if not len(rows) or not readings.cell_mv.shape[1]:
        return
    packs = readings.cell_mv
    blocks = [cell_statistics(packs[begin : begin + _PACKS] / 1000) for begin in range(0, len(packs), _PACKS)]
    derived = np.concatenate(blocks)[readings.cell_row[rows]]
    for number, name in enumerate(CELL_COLUMNS):
        said = columns.get(name, unknown)
        present = said[rows]
        # What the car says itself of its lowest and highest cell stands.
        ours = np.isnan(present)
        if ours.any():
            filled = said.copy()
            filled[rows[ours]] = derived[ours, number]
            columns[name] = filled


def _state(readings: Readings, signals: Catalogue) -> NDArray[np.int64]:
    """Return the state of the 12 V system as an index into STATES, -1 where it was not sent."""
    sent = readings.columns.get(signals.by_column["lv_system_state"].path)
    if sent is None:
        return np.full(len(readings.ts_ms), -1)
    return np.where(np.isnan(sent), -1, sent).astype(np.int64)


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
    readings: Readings, columns: Mapping[str, NDArray[np.float64]], counting: NDArray[np.intp], signals: Catalogue
) -> Rollups:
    if not len(counting):
        nothing = np.zeros(0, dtype=np.int64)
        return Rollups(nothing, nothing, nothing, {})
    ts = readings.ts_ms[counting]
    regime = np.where(columns["at_rest"][counting] == 1, _REST, _DRIVE)
    if "is_charging" in columns:
        regime = np.where(columns["is_charging"][counting] == 1, _CHARGE, regime)
    groups = _Groups(ts // _HOUR_MS, readings.received_ms[counting] // _DAY_MS, regime)
    rows, at_ms = counting[groups.order], ts[groups.order].astype(np.float64)
    found: dict[str, NDArray[Any]] = {"n": groups.sizes}
    for signal in signals.rolled_up:
        if signal.column in columns:
            values = columns[signal.column][rows]
            found |= _of_signal(signal, _rounded(values) if signal.type == "real" else values, groups, at_ms)
    cranking = _state(readings, signals)[rows] == STATES.index("START")
    found |= _where("lv_battery_v", "crank", columns, rows, cranking, groups, ("n", "min"))
    if "air_temp_c" in columns:
        air_c = _rounded(columns["air_temp_c"][rows])
        for band, (lowest, highest) in INSULATION_BANDS.items():
            within = (air_c >= lowest) & (air_c < highest)
            found |= _where("insulation_kohm", band, columns, rows, within, groups, ("n", "sum", "min"))
    hour, received_on, regime = groups.keys
    return Rollups(hour * _HOUR_MS, received_on, regime, found)


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


def _days(hours: Rollups) -> Rollups:
    if not len(hours):
        return hours
    groups = _Groups(hours.bucket_ms // _DAY_MS, hours.received_on, hours.regime)
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
    day, received_on, regime = groups.keys
    return Rollups(day * _DAY_MS, received_on, regime, found)


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
