"""A fleet in files, some cars at a time, as the models see it.

Files hold days, models want cars. So every day is summed up first, several days at once in processes of their own, into
a file that has the cars in order; then each process takes its cars out of all of these. No more of the fleet is in
memory than a part of one day, and later some cars of all days.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from config.signals import catalogue
from forewarn.fleet_folder.days import LOOK_BACK_D, Memory, Seen, read_keys, roll_up_day, wanted_signals
from forewarn.fleet_folder.layout import BadFleet, FleetFolder, lamps_of_folder
from forewarn.fleet_frames import TASK_CAR_DAYS, CarsFrames, daily_frame
from forewarn.in_processes import each_in_order
from forewarn.simulator.rollups import OfCars
from forewarn.simulator.truth import no_truth
from ingest.store.given import Rollups
from models.dataset import Stored

# Days that one process sums up: the week before each is read once more for what is received again.
DAYS_AT_ONCE = 30
_KEYS = ("vehicle_id", "bucket_ms", "received_on", "regime")
_MERGE = {"n": np.add, "sum": np.add, "sumsq": np.add, "min": np.fmin, "max": np.fmax}
_STATISTICS = ("n", "sum", "sumsq", "min", "max")

T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """A fleet that has been summed up by day.

    columns  : of the reading, that were summed up
    files    : of sums, one for each day
    cars     : first vehicle_id of each part of the fleet that is worked on at once, and one behind the last
    days     : the instants at which the schedule would have scored: after each day on which something was received
    unknown  : columns of the files that no signal has
    missing  : signals of the catalogue, that cars like these could send, which no car sent
    """

    folder: FleetFolder
    columns: tuple[str, ...]
    files: tuple[Path, ...]
    cars: tuple[int, ...]
    days: tuple[datetime, ...]
    lamps: pd.DataFrame
    seen: Seen
    unknown: tuple[str, ...]
    missing: tuple[str, ...]


def sum_up(
    folder: FleetFolder,
    columns: Sequence[str],
    *,
    scratch: Path,
    processes: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Found:
    """Sum up what every car sent on every day.

    columns     : of the reading, that are wanted
    scratch     : a folder for the sums, some 5 KB for each car and day
    on_progress : told how many days are done
    Raises      : BadFleet, when a file cannot be read or holds something else than docs/fleet-files.md says
    """
    known = list(folder.telemetry)
    first, last = known[0], known[-1]
    cars = _parts(len(folder.vehicles), days=last - first + 1)
    ranges = [tuple(some) for some in _batched(known, DAYS_AT_ONCE)]
    work = partial(_sum_up_days, folder, tuple(columns), cars, scratch)
    seen, files, done = Seen(), [], 0
    for found, made in each_in_order(work, ranges, processes=processes):
        seen.add(found)
        files += made
        done += len(made)
        if on_progress is not None:
            on_progress(done)
    if not seen.readings:
        raise BadFleet(f"{folder.directory} has no reading of a car that is in its vehicles.parquet: look at the vins")
    lamps, strangers = lamps_of_folder(folder)
    seen.strangers |= strangers
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return Found(
        folder=folder,
        columns=tuple(columns),
        files=tuple(files),
        cars=cars,
        days=tuple(epoch + timedelta(days=day) for day in range(first + 1, last + 2)),
        lamps=lamps,
        seen=seen,
        unknown=tuple(sorted(seen.columns)),
        missing=_missing(folder, columns, seen),
    )


def each_cars(found: Found, work: Callable[[CarsFrames], T], *, processes: int | None = None) -> Iterator[T]:
    """Yield what ``work`` makes of a fleet, some cars at a time, in the order of their vins.

    work : a function of a module, which is called in a process of its own
    """
    yield from each_in_order(partial(_of_part, found, work), range(len(found.cars) - 1), processes=processes)


def _parts(vehicles: int, *, days: int) -> tuple[int, ...]:
    # A small fleet is still divided among the processes.
    size = max(1, min(TASK_CAR_DAYS // days, -(-vehicles // 4)))
    return (*range(1, vehicles + 1, size), vehicles + 1)


def _batched(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]


def _sum_up_days(
    folder: FleetFolder, columns: tuple[str, ...], cars: tuple[int, ...], scratch: Path, days: tuple[int, ...]
) -> tuple[Seen, list[Path]]:
    memory, seen = Memory(), Seen()
    for day in range(days[0] - LOOK_BACK_D, days[0]):
        if day in folder.telemetry:
            memory.learn(read_keys(day, folder.telemetry[day], folder.vins))
    made = []
    for day in days:
        keys = read_keys(day, folder.telemetry[day], folder.vins)
        parts = list(roll_up_day(keys, memory, frozenset(columns), seen))
        made.append(scratch / f"{day}.arrow")
        _write(made[-1], _together([_table(part, columns) for part in parts], columns), cars)
    return seen, made


def _schema(columns: Sequence[str]) -> pa.Schema:
    types = dict(zip(_KEYS, (pa.int64(), pa.int64(), pa.int64(), pa.int8()), strict=True))
    return pa.schema([*types.items(), ("n", pa.float64()), *((name, pa.float64()) for name in _statistics(columns))])


def _statistics(columns: Sequence[str]) -> list[str]:
    boolean = {signal.column for signal in catalogue().signals if signal.type == "boolean"}
    return [
        f"{column}__{statistic}"
        for column in columns
        for statistic in _STATISTICS
        if column not in boolean or statistic not in ("min", "max")
    ]


def _table(of: OfCars, columns: Sequence[str]) -> pa.Table:
    count = len(of.car)
    unknown = np.full(count, np.nan)
    arrays: list[Any] = [of.car, of.rollups.bucket_ms, of.rollups.received_on, of.rollups.regime.astype(np.int8)]
    arrays += [of.rollups.columns.get(name, unknown).astype(np.float64) for name in ("n", *_statistics(columns))]
    return pa.Table.from_arrays([pa.array(values) for values in arrays], schema=_schema(columns))


def _together(tables: Sequence[pa.Table], columns: Sequence[str]) -> pa.Table:
    """Return rows in the order of their keys, those of one key added up."""
    if not tables:
        return _schema(columns).empty_table()
    table = pa.concat_tables(tables).combine_chunks()
    if not len(table):
        return table
    keys = [table[name].to_numpy() for name in _KEYS]
    order = np.lexsort(keys[::-1])
    begins = np.r_[True, np.any([np.diff(key[order]) != 0 for key in keys], axis=0)]
    table = table.take(pa.array(order))
    if begins.all():
        return table
    starts = np.flatnonzero(begins)
    arrays = [pa.array(key[order][starts]) for key in keys]
    for name in table.column_names[len(_KEYS) :]:
        merge = _MERGE[name.rpartition("_")[2]]
        values = table[name].to_numpy()
        missing = np.isnan(values)
        # A sum of nothing and something is something, of nothing alone nothing.
        added = merge.reduceat(np.where(missing, 0.0, values) if merge is np.add else values, starts)
        arrays.append(pa.array(np.where(np.logical_and.reduceat(missing, starts), np.nan, added)))
    return pa.Table.from_arrays(arrays, schema=table.schema)


def _write(file: Path, table: pa.Table, cars: Sequence[int]) -> None:
    edges = np.searchsorted(table["vehicle_id"].to_numpy(), cars)
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema, options=options) as writer:
        for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            # One batch for each part of the fleet, also when it is empty: they are found by number.
            rows = table.slice(begin, end - begin).combine_chunks().to_batches()
            writer.write_batch(rows[0] if rows else pa.RecordBatch.from_pylist([], schema=table.schema))


def _of_part(found: Found, work: Callable[[CarsFrames], T], part: int) -> T:
    batches = []
    for file in found.files:
        with pa.memory_map(str(file)) as source, pa.ipc.open_file(source) as reader:
            batches.append(reader.get_batch(part))
    table = _together([pa.Table.from_batches(batches)], found.columns)
    cars = range(found.cars[part], found.cars[part + 1])
    of_part = found.folder.vehicles[found.folder.vehicles["vehicle_id"].isin(cars)].reset_index(drop=True)
    stored = Stored(
        aggregates=_aggregates(table, found.columns),
        lamps=found.lamps[found.lamps["vehicle_id"].isin(cars)].reset_index(drop=True),
        vehicles=of_part[["vehicle_id", "powertrain", "model"]],
    )
    vins = dict(zip(of_part["vehicle_id"].tolist(), of_part["vin"].tolist(), strict=True))
    return work(CarsFrames(stored, vins, no_truth(), int(stored.aggregates["n"].sum())))


def _aggregates(table: pa.Table, columns: Sequence[str]) -> pd.DataFrame:
    arrays: dict[str, NDArray[Any]] = {name: table[name].to_numpy() for name in table.column_names}
    keys = {name: arrays.pop(name) for name in _KEYS}
    arrays["n"] = arrays["n"].astype(np.int64)
    rollups = Rollups(keys["bucket_ms"], keys["received_on"], keys["regime"].astype(np.int64), arrays)
    return daily_frame(keys["vehicle_id"], rollups, columns)


def _missing(folder: FleetFolder, columns: Sequence[str], seen: Seen) -> tuple[str, ...]:
    there = set(folder.vehicles["powertrain"])
    wanted = [signal for signal in wanted_signals(columns) if there & set(signal.on)]
    return tuple(signal.path for signal in wanted if signal.path not in seen.signals)
