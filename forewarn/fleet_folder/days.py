"""What was received on one day: which readings count, and what they come to."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from config.signals import Signal, catalogue
from forewarn.fleet_folder.columns import PER_VOLT, Floats, Ints, epoch_ms, numbers, packs, vehicle_ids, words
from forewarn.fleet_folder.layout import DAY_MS, BadFleet, broken, naming, received_on_day
from forewarn.simulator.files import CELLS
from forewarn.simulator.rollups import OfCars, Packs, Sent, roll_up_cars
from ingest.cells import CELL_COLUMNS

Prints = NDArray[np.uint64]
Flags = NDArray[np.bool_]

# How long what has been received is remembered, to know what is received again: 8 bytes a reading.
LOOK_BACK_D = 7
# Readings that are worked on at once: some 150 MB with all their signals.
ROWS_AT_ONCE = 200_000
KEYS = ("vin", "ts", "seq", "received_ts")
# What says in which regime a reading was made, and what others are derived from.
_REGIME = ("speed_kmh", "is_charging", "pack_a", "engine_rpm", "lv_system_state")
_DERIVED_OF = {"coolant_low": "coolant_level"}
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)


@dataclass
class Seen:
    """What was found in the files, for people to know.

    readings  : that were received, of cars that are known
    repeated  : of those, were there before
    timeless  : carry no time, and are left out
    columns   : with a value in some row, of those that no signal has
    signals   : paths with a value in some row
    strangers : vins of cars that vehicles.parquet does not have
    """

    readings: int = 0
    repeated: int = 0
    timeless: int = 0
    columns: set[str] = field(default_factory=set)
    signals: set[str] = field(default_factory=set)
    strangers: set[str] = field(default_factory=set)

    def add(self, other: "Seen") -> None:
        for name in ("readings", "repeated", "timeless"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.columns |= other.columns
        self.signals |= other.signals
        self.strangers |= other.strangers


class Memory:
    """Which readings were received in the days before, by fingerprints: two of a billion readings may share one."""

    def __init__(self) -> None:
        self._days: dict[int, Prints] = {}
        self._ahead: dict[int, Prints] = {}

    def repeats(self, keys: "Keys") -> Flags:
        """Say of a day's readings which were received on one of the days before: (n,)."""
        # What carries a time of the day it came on was not there before, unless a clock was ahead.
        late = np.flatnonzero(keys.ts_ms < keys.day * DAY_MS)
        found = np.zeros(len(keys.ts_ms), dtype=bool)
        for known in self._days.values():
            found[late] |= _among(known, keys.prints[late])
        for known in self._ahead.values():
            found |= _among(known, keys.prints)
        return found

    def learn(self, keys: "Keys") -> None:
        """Remember a day's readings and forget those of long ago."""
        self._days[keys.day] = np.sort(keys.prints)
        self._ahead[keys.day] = np.sort(keys.prints[keys.ts_ms >= (keys.day + 1) * DAY_MS])
        for kept in (self._days, self._ahead):
            for day in [day for day in kept if day <= keys.day - LOOK_BACK_D]:
                del kept[day]


def _among(known: Prints, asked: Prints) -> Flags:
    """known : sorted"""
    if not len(known):
        return np.zeros(len(asked), dtype=bool)
    same: Flags = known[np.minimum(np.searchsorted(known, asked), len(known) - 1)] == asked
    return same


@dataclass(frozen=True)
class Keys:
    """Who sent the readings of one day and when, of all its files in order; arrays are (n,).

    vehicle_id : 0 where the car is not known
    told       : whether the reading carries a time
    ends       : by file, the number of readings up to its end
    """

    day: int
    vehicle_id: Ints
    ts_ms: Ints
    seq: Ints
    received_ms: Ints
    told: Flags
    ends: dict[Path, int]
    strangers: set[str]

    @property
    def prints(self) -> Prints:
        """What tells a reading from others: of its car, time and number."""
        parts = [key.astype(np.uint64) for key in (self.vehicle_id, self.ts_ms, self.seq)]
        with np.errstate(over="ignore"):
            mixed: Prints = (parts[0] * _MIX[0]) ^ (parts[1] * _MIX[1])
            mixed ^= mixed >> np.uint64(29)
            mixed = mixed * _MIX[2] + parts[2] * _MIX[1]
            mixed ^= mixed >> np.uint64(32)
            mixed *= _MIX[0]
        return mixed

    def first_received(self) -> Flags:
        """Say which readings count: of those of one car, time and number the first received on the day."""
        counts = self.told & (self.vehicle_id > 0)
        prints = self.prints
        # Stable, so that of two received at once the one that stands first counts.
        order = np.lexsort((self.received_ms, prints))
        order = order[counts[order]]
        first = np.zeros(len(counts), dtype=bool)
        first[order[np.r_[True, prints[order][1:] != prints[order][:-1]]] if len(order) else order] = True
        return first


def read_keys(day: int, files: Collection[Path], vins: pd.Index) -> Keys:
    """Read who sent what was received on a day, and when. Raises : BadFleet"""
    columns: list[list[NDArray[np.generic]]] = []
    ends: dict[Path, int] = {}
    strangers: set[str] = set()
    count = 0
    for file in files:
        with _opened(file) as parquet:
            if not parquet.metadata.num_rows:
                # A day without readings, whose columns may be of any type.
                ends[file] = count
                continue
            names = parquet.schema_arrow.names
            for name in ("vin", "ts"):
                if name not in names:
                    raise BadFleet(f"{file} has no column {name}: docs/fleet-files.md says what it holds")
            table = parquet.read(columns=[name for name in KEYS if name in names], use_threads=False)
        with naming(file):
            cars, unknown = vehicle_ids(table["vin"], vins)
            ts, told = epoch_ms(table["ts"], "ts")
            seq = numbers(table["seq"], "seq") if "seq" in names else np.zeros(len(table))
            received = received_on_day(table, ts, told, day)
        columns.append([cars, ts, np.nan_to_num(seq).astype(np.int64), received, told])
        strangers |= unknown
        count += len(table)
        ends[file] = count
    nothing = np.zeros(0, dtype=np.int64)
    joined = [np.concatenate(parts) for parts in zip(*columns, strict=True)] or [nothing] * 5
    return Keys(day, joined[0], joined[1], joined[2], joined[3], joined[4].astype(bool), ends, strangers)


def roll_up_day(keys: Keys, memory: Memory, columns: Collection[str], seen: Seen) -> Iterator[OfCars]:
    """Yield daily rollups of what was received on a day, some readings at a time, and learn what that was.

    A car whose readings are in several of them has several rows of one day, which have to be added up.

    columns : of the reading, to be rolled up
    Raises  : BadFleet
    """
    first = keys.first_received()
    known = keys.told & (keys.vehicle_id > 0)
    counts = first & ~memory.repeats(keys)
    memory.learn(keys)
    seen.readings += int(known.sum())
    seen.repeated += int(known.sum() - counts.sum())
    seen.timeless += int((~keys.told).sum())
    seen.strangers |= keys.strangers
    waiting: list[Sent] = []
    for sent in _parts(keys, counts, columns, seen):
        waiting.append(sent)
        if sum(map(len, waiting)) >= ROWS_AT_ONCE:
            yield roll_up_cars(_joined(waiting), columns=columns)[1]
            waiting = []
    if waiting:
        yield roll_up_cars(_joined(waiting), columns=columns)[1]


def _parts(keys: Keys, counts: Flags, columns: Collection[str], seen: Seen) -> Iterator[Sent]:
    begin = 0
    for file, end in keys.ends.items():
        with _opened(file) as parquet:
            schema = parquet.schema_arrow
            seen.columns |= set(schema.names) - _known_names()
            wanted = [signal for signal in wanted_signals(columns) if signal.path in schema.names]
            at = begin
            for batch in parquet.iter_batches(
                ROWS_AT_ONCE, columns=[signal.path for signal in wanted], use_threads=False
            ):
                rows = slice(at, at + batch.num_rows)
                at += batch.num_rows
                with naming(file):
                    yield _sent(keys, rows, counts[rows], batch, wanted, seen)
        begin = end


def _sent(
    keys: Keys,
    rows: slice,
    counts: Flags,
    batch: pa.RecordBatch,
    wanted: Collection[Signal],
    seen: Seen,
) -> Sent:
    columns: dict[str, Floats] = {}
    cells: list[Packs] = []
    # Where a reading that counts stands among those.
    place = np.cumsum(counts) - 1
    for signal in wanted:
        column = pa.chunked_array([batch.column(signal.path)])
        if column.null_count == len(column):
            continue
        seen.signals.add(signal.path)
        if signal.path == CELLS:
            for of_size, volts in packs(column, signal.path):
                kept = np.flatnonzero(counts[of_size])
                cells.append(Packs(place[of_size[kept]], kept, volts, PER_VOLT))
        else:
            values = words(column, signal) if signal.type == "text" else numbers(column, signal.path)
            columns[signal.path] = values[counts]
    own = {name: getattr(keys, name)[rows][counts] for name in ("vehicle_id", "ts_ms", "seq", "received_ms")}
    return Sent(own["vehicle_id"], own["ts_ms"], own["seq"], own["received_ms"], columns, cells)


def _joined(parts: Collection[Sent]) -> Sent:
    if len(parts) == 1:
        return next(iter(parts))
    sizes = [len(part) for part in parts]
    paths = dict.fromkeys(path for part in parts for path in part.columns)
    columns = {path: np.concatenate([_column(part.columns, path, len(part)) for part in parts]) for path in paths}
    keys = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in ("car", "ts_ms", "seq", "received_ms")
    }
    begins = np.cumsum([0, *sizes[:-1]])
    by_size: dict[int, list[tuple[int, Packs]]] = {}
    for begin, part in zip(begins.tolist(), parts, strict=True):
        for alike in part.packs:
            by_size.setdefault(alike.cells.shape[1], []).append((begin, alike))
    cells = []
    for some in by_size.values():
        rows = np.concatenate([alike.rows + begin for begin, alike in some])
        before = np.cumsum([0, *(len(alike.cells) for _, alike in some[:-1])])
        which = np.concatenate([alike.which + offset for (_, alike), offset in zip(some, before, strict=True)])
        cells.append(Packs(rows, which, np.concatenate([alike.cells for _, alike in some]), PER_VOLT))
    return Sent(keys["car"], keys["ts_ms"], keys["seq"], keys["received_ms"], columns, cells)


def _column(columns: Mapping[str, Floats], path: str, count: int) -> Floats:
    values = columns.get(path)
    return np.full(count, np.nan) if values is None else values


def wanted_signals(columns: Collection[str]) -> list[Signal]:
    """Return the signals that have to be read for some columns of the reading, in the order of the catalogue."""
    needed = {*columns, *_REGIME, *(_DERIVED_OF[column] for column in columns if column in _DERIVED_OF)}
    signals = catalogue()
    if any(column in CELL_COLUMNS for column in columns):
        needed.add(signals.by_path[CELLS].column)
    return [signal for signal in signals.signals if signal.column in needed and not signal.derived]


def _known_names() -> set[str]:
    return {*KEYS, *(signal.path for signal in catalogue().signals if not signal.derived)}


@contextmanager
def _opened(file: Path) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; what goes wrong with it names it. Raises : BadFleet"""
    try:
        with pq.ParquetFile(file) as parquet:
            yield parquet
    except (pa.ArrowException, OSError) as error:
        raise BadFleet(broken(file, error)) from error
