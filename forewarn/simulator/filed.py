"""A fleet read back from its Parquet files: what every car sent, day by day, and the messages that makes."""

import heapq
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from config.errors import UserMistake
from forewarn.message import Message
from forewarn.simulator.charging import Traffic
from forewarn.simulator.files import CELLS, PROBES, sent_signals
from forewarn.simulator.messages import LampEvent, in_order
from forewarn.simulator.piles import pile_messages
from forewarn.simulator.readings import TEXTS, Readings


def days_of(directory: Path) -> list[str]:
    """Return the days of which a fleet has something, in order.

    Raises : UserMistake, when the folder is no fleet
    """
    if not (directory / "vehicles.parquet").is_file():
        raise UserMistake(f"{directory} is no fleet: it has no vehicles.parquet (docs/fleet-files.md)")
    return sorted(
        {
            folder.name.removeprefix("day=")
            for kind in ("telemetry", "events")
            for folder in (directory / kind).glob("day=*")
        }
    )


def read_day(directory: Path, day: str) -> tuple[list[tuple[str, Readings]], list[LampEvent]]:
    """Return what every car sent that is filed under a day, and its lamp events."""
    cars: list[tuple[str, Readings]] = []
    for file in sorted((directory / "telemetry" / f"day={day}").glob("*.parquet")):
        frame = pq.read_table(file)
        cars += _by_car(frame)
    events: list[LampEvent] = []
    for file in sorted((directory / "events" / f"day={day}").glob("*.parquet")):
        for row in pq.read_table(file).to_pylist():
            if row["kind"] == "lamp":
                received = row.get("received_ts") or row["ts"]
                events.append(LampEvent(row["vin"], row["ts"], received, row["code"], row["state"], row["level"]))
    return cars, events


def published(directory: Path, traffic: Traffic | None = None) -> Iterator[Message]:
    """Yield the messages of a fleet in files, and of the stations beside it, earliest received first."""
    fleet = (message for day in days_of(directory) for message in in_order(*read_day(directory, day)))
    if traffic is None:
        return fleet
    return heapq.merge(fleet, pile_messages(traffic), key=lambda message: message.received_ms)


def _by_car(table: pa.Table) -> Iterator[tuple[str, Readings]]:
    vins = table["vin"].cast(pa.string()).to_numpy(zero_copy_only=False)
    order = np.lexsort((table["received_ts"].to_numpy(), vins))
    table, vins = table.take(order), vins[order]
    edges = np.flatnonzero(vins[1:] != vins[:-1]) + 1
    for first, last in pairwise([0, *edges.tolist(), len(vins)]):
        if last > first:
            yield str(vins[first]), _readings(table.slice(first, last - first))


def _readings(table: pa.Table) -> Readings:
    received = table["received_ts"].to_numpy()
    columns: dict[str, NDArray[np.float64]] = {}
    for signal in sent_signals():
        if signal.type == "real[]" or signal.path not in table.column_names:
            continue
        column = table[signal.path]
        if column.null_count == len(column):
            continue
        if signal.path in TEXTS:
            texts = {text: float(number) for number, text in enumerate(TEXTS[signal.path])}
            columns[signal.path] = np.array([texts.get(text, np.nan) for text in column.to_pylist()])
        else:
            columns[signal.path] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    cells, cell_row = _matrix(table, CELLS, 1000)
    probes, _ = _matrix(table, PROBES, 1)
    return Readings(
        ts_ms=table["ts"].to_numpy(),
        seq=table["seq"].to_numpy(),
        received_ms=received,
        message=np.cumsum(np.diff(received, prepend=-1) != 0) - 1,
        columns=columns,
        cell_mv=cells,
        probe_c=probes,
        cell_row=cell_row,
    )


def _matrix(table: pa.Table, path: str, factor: int) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    column = table[path].combine_chunks()
    present = column.is_valid().to_numpy(zero_copy_only=False)
    row = np.where(present, np.cumsum(present) - 1, -1)
    flat = column.drop_null().flatten().to_numpy(zero_copy_only=False)
    count = int(present.sum())
    matrix = flat.reshape(count, -1) if count else np.zeros((0, 0))
    return np.rint(matrix * factor).astype(np.int16), row
