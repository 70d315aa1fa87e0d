"""A fleet as Parquet files, in the layout of docs/fleet-files.md: what was sent, who sent it, and the truth apart."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from config.errors import UserMistake
from config.signals import Signal, catalogue
from forewarn.simulator.charging import Traffic, Visit
from forewarn.simulator.charging.frames import write_parquet
from forewarn.simulator.fleet import (
    Blocks,
    FleetPlan,
    SimulatedVehicle,
    draw_cars,
    each_task,
    observed,
    vehicles_frame,
)
from forewarn.simulator.messages import LampEvent, lamp_events
from forewarn.simulator.piles import traffic_of
from forewarn.simulator.readings import TEXTS, Readings
from forewarn.simulator.truth import Truth, truth_of

MANIFEST = "fleet.json"
TRUTH = "truth"
_BATTERY = "Vehicle.Powertrain.TractionBattery"
CELLS, PROBES = f"{_BATTERY}.CellVoltage.CellVoltages", f"{_BATTERY}.Temperature.Probes"
_EVENTS = pa.schema(
    [
        ("vin", pa.string()),
        ("ts", pa.int64()),
        ("received_ts", pa.int64()),
        ("kind", pa.string()),
        ("code", pa.string()),
        ("state", pa.string()),
        ("level", pa.int8()),
    ]
)
# Cars whose days share a file: larger ones take memory, smaller ones make many files.
_TASK_CAR_DAYS = 3000
_MS_PER_DAY = 86_400_000


@dataclass(frozen=True)
class Written:
    """What a fleet is made of: cars, readings, events, a checksum of all that its cars sent and of the truth, and what
    happened at stations."""

    vehicles: int
    readings: int
    events: int
    checksum: str
    traffic: Traffic | None = None

    @property
    def summary(self) -> dict[str, int | str]:
        """What it came to, for people and programs."""
        figures = ("vehicles", "readings", "events", "checksum")
        return {name: getattr(self, name) for name in figures}


def telemetry_schema() -> pa.Schema:
    """Return the columns of the files of telemetry: four keys, then every signal of the catalogue by its path."""
    types = {
        "real": pa.float64(),
        "double": pa.float64(),
        "position": pa.float64(),
        "integer": pa.int32(),
        "boolean": pa.bool_(),
        "text": pa.dictionary(pa.int8(), pa.string()),
        "real[]": pa.list_(pa.float32()),
    }
    signals = [(signal.path, types[signal.type]) for signal in sent_signals()]
    keys = [("vin", pa.dictionary(pa.int32(), pa.string())), *((n, pa.int64()) for n in ("ts", "seq", "received_ts"))]
    return pa.schema([*keys, *signals])


def write_fleet(
    plan: FleetPlan,
    directory: Path,
    *,
    stations: int = 0,
    truth: Path | None = None,
    processes: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Written:
    """Simulate a fleet and write it to ``directory``, which is made.

    stations : charging stations where its cars and others charge; their side of it is written too
    truth    : where what was really wrong goes; None is the folder TRUTH in ``directory``
    Raises   : UserMistake, when the folder holds something already
    """
    apart = truth or directory / TRUTH
    if truth is None:
        prepare(directory)
        prepare_truth(apart)
    else:
        # Nothing is made of a fleet whose truth has no place.
        prepare_truth(apart)
        prepare(directory)
    draws = draw_cars(plan)
    vehicles_frame([draw.enrolment for draw in draws]).to_parquet(directory / "vehicles.parquet", index=False)
    parts: list[_Part] = []
    done = 0
    for part in each_task(plan, partial(_write_task, directory), processes=processes, car_days=_TASK_CAR_DAYS):
        parts.append(part)
        done += len(part.checksums)
        if on_progress is not None:
            on_progress(done)
    write_truth(apart, [part.truth for part in parts])
    traffic = None
    if stations:
        traffic = traffic_of(plan, [visit for part in parts for visit in part.visits], stations=stations)
        write_parquet(traffic, directory, cars=False, truth_folder=apart)
    checksums = {number: checksum for part in parts for number, checksum in part.checksums.items()}
    written = Written(
        vehicles=len(draws),
        readings=sum(part.readings for part in parts),
        events=sum(part.events for part in parts),
        checksum=combined(checksums),
        traffic=traffic,
    )
    manifest = {
        "start": plan.start.isoformat(),
        "end": plan.end.astimezone(UTC).isoformat(),
        "seed": plan.seed,
        "days": plan.days,
        "faulty_share": plan.faulty_share,
        **written.summary,
    }
    (directory / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    return written


def prepare(directory: Path) -> None:
    """Make an empty folder. Raises : UserMistake, when it is not empty or cannot be made."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise UserMistake(f"{directory} is not empty: name a new folder, or remove what is in it")
    except OSError as error:
        raise UserMistake(f"{directory} cannot be made ({error.strerror}): name another folder") from error


def checksum_of(vehicle: SimulatedVehicle) -> str:
    """Return a checksum of all that one car sent and of its truth."""
    digest = hashlib.blake2b(digest_size=16)
    readings = vehicle.readings
    arrays: list[NDArray[Any]] = [readings.ts_ms, readings.seq, readings.received_ms, readings.message]
    arrays += [readings.columns[path] for path in sorted(readings.columns)]
    for array in (*arrays, readings.cell_mv, readings.probe_c, readings.cell_row):
        digest.update(np.ascontiguousarray(array).data)
    digest.update(repr((vehicle.enrolment.vin, vehicle.lamps, vehicle.plan, vehicle.oddity)).encode())
    return digest.hexdigest()


def combined(checksums: dict[int, str]) -> str:
    """Return one checksum of those of all cars, by their number."""
    listed = "".join(checksums[number] for number in sorted(checksums))
    return hashlib.blake2b(listed.encode(), digest_size=16).hexdigest()


def prepare_truth(directory: Path) -> None:
    """Make the folder for the truth, or close it to everybody else. Raises : UserMistake, when that cannot be done"""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        (directory / "truth.parquet").touch(mode=0o600)
    except OSError as error:
        raise UserMistake(f"{directory} cannot hold the truth ({error.strerror}): name another folder") from error


def write_truth(directory: Path, truths: list[Truth]) -> None:
    """Write the truth of a fleet's parts into the folder that ``prepare_truth`` made."""
    for name, frames in zip(Truth._fields, zip(*truths, strict=True), strict=True):
        filled = [frame for frame in frames if len(frame)] or [frames[0]]
        joined = pd.concat(filled).sort_values("vin", kind="stable")
        file = directory / f"{'truth' if name == 'faults' else name}.parquet"
        joined.to_parquet(file, index=False)
        file.chmod(0o600)


@dataclass(frozen=True)
class _Part:
    readings: int
    events: int
    checksums: dict[int, str]
    truth: Truth
    visits: list[Visit]


def _write_task(directory: Path, plan: FleetPlan, blocks: Blocks) -> _Part:
    cars: dict[int, SimulatedVehicle] = {}
    for block, numbers in blocks:
        cars |= observed(plan, block, numbers)
    name = f"part-{min(cars):06d}.parquet"
    schema = telemetry_schema()
    vehicles = list(cars.values())
    by_day: dict[int, list[pa.RecordBatch]] = {}
    for vehicle in vehicles:
        for day, rows in _days(vehicle.readings.received_ms):
            by_day.setdefault(day, []).append(_batch(schema, vehicle.enrolment.vin, vehicle.readings, rows))
    for day, batches in by_day.items():
        table = pa.Table.from_batches(batches, schema).unify_dictionaries()
        # In the order of receipt, as a log would have it.
        table = table.sort_by([("received_ts", "ascending"), ("seq", "ascending")])
        pq.write_table(table, _folder(directory, "telemetry", day) / name, compression="zstd")
    events = [
        event
        for vehicle in vehicles
        for event in lamp_events(vehicle.enrolment.vin, vehicle.lamps, plan.start, plan.end)
    ]
    for day in sorted({event.received_ms // _MS_PER_DAY for event in events}):
        of_day = [event for event in events if event.received_ms // _MS_PER_DAY == day]
        pq.write_table(_event_table(of_day), _folder(directory, "events", day) / name, compression="zstd")
    return _Part(
        readings=sum(len(vehicle.readings.ts_ms) for vehicle in vehicles),
        events=len(events),
        checksums={number: checksum_of(vehicle) for number, vehicle in cars.items()},
        truth=truth_of(vehicles, plan.start, plan.days),
        visits=[visit for vehicle in vehicles for visit in vehicle.visits],
    )


def _folder(directory: Path, kind: str, day: int) -> Path:
    folder = directory / kind / f"day={date(1970, 1, 1) + timedelta(days=day)}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _days(received_ms: NDArray[np.int64]) -> Iterator[tuple[int, slice]]:
    """Yield the days (since 1970) on which something was received, and its rows, which are in that order."""
    if not len(received_ms):
        return
    day = received_ms // _MS_PER_DAY
    starts = np.flatnonzero(np.diff(day, prepend=-1))
    for first, last in zip(starts.tolist(), [*starts[1:].tolist(), len(day)], strict=True):
        yield int(day[first]), slice(first, last)


def sent_signals() -> list[Signal]:
    """Return the signals that cars send, in the order of their columns."""
    return [signal for signal in catalogue().signals if not signal.derived]


def _batch(schema: pa.Schema, vin: str, readings: Readings, rows: slice) -> pa.RecordBatch:
    count = rows.stop - rows.start
    columns: list[pa.Array] = [
        pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, dtype=np.int32)), [vin]),
        pa.array(readings.ts_ms[rows]),
        pa.array(readings.seq[rows]),
        pa.array(readings.received_ms[rows]),
    ]
    for field in list(schema)[len(columns) :]:
        if field.name in (CELLS, PROBES):
            values = readings.cell_mv / np.float32(1000) if field.name == CELLS else readings.probe_c
            columns.append(_lists(values, readings.cell_row[rows]))
        elif field.name in readings.columns:
            columns.append(_column(field, readings.columns[field.name][rows]))
        else:
            columns.append(pa.nulls(count, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _column(field: pa.Field, values: NDArray[np.float64]) -> pa.Array:
    missing = np.isnan(values)
    if field.name in TEXTS:
        indices = pa.array(np.where(missing, 0, values).astype(np.int8), mask=missing)
        return pa.DictionaryArray.from_arrays(indices, list(TEXTS[field.name]))
    if pa.types.is_floating(field.type):
        return pa.array(values, mask=missing)
    kind = bool if pa.types.is_boolean(field.type) else np.int32
    return pa.array(np.where(missing, 0, values).astype(kind), mask=missing)


def _lists(values: NDArray[Any], row: NDArray[np.int64]) -> pa.Array:
    """Return for each row the list ``values[row]``, null where row is -1."""
    present = row >= 0
    taken = values[row[present]].astype(np.float32)
    lengths = np.where(present, values.shape[1] if values.ndim == 2 else 0, 0)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(taken.ravel()), mask=pa.array(~present))


def _event_table(events: list[LampEvent]) -> pa.Table:
    rows = [
        {
            "vin": event.vin,
            "ts": event.ts_ms,
            "received_ts": event.received_ms,
            "kind": "lamp",
            "code": event.code,
            "state": event.state,
            "level": event.level,
        }
        for event in events
    ]
    return pa.Table.from_pylist(rows, schema=_EVENTS)
