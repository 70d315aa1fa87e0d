"""Recordings, read by the readers that replay them, as traces."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from forewarn.realism.sessions import Session
from forewarn.realism.trace import BATTERY, Trace, trace_of
from forewarn.replay import Recording, read

_ENERGY = "Energy.Active.Import.Register"
_CELLS, _PROBES = f"{BATTERY}.CellVoltage.CellVoltages", f"{BATTERY}.Temperature.Probes"
ELECTRIC = {car: f"ev-bms-faults/{car}_processed.zip" for car in ("car1", "car2", "car3")}
PETROL = "carobd/carobd_trips.tar.xz"
DIESEL = "kit-obd2"
SESSIONS = "epfl-dcfc/Session_data.xlsx"
# Diagnostic plugs are asked for one signal after the other, two rows a second: a table is made of every whole second.
ENGINE_STEP_S = 1.0


def electric_trace(data: Path, car: str) -> Trace | None:
    """Return the recording of an electric car, None when it is not there."""
    path = data / ELECTRIC[car]
    return _trace(car, read(path, as_format="ev-bms")) if path.is_file() else None


def petrol_trips(data: Path) -> list[Trace]:
    """Return the trips of the petrol car; none when the recording is not there."""
    path = data / PETROL
    if not path.is_file():
        return []
    with tarfile.open(path) as archive:
        names = sorted(Path(member.name).stem for member in archive if member.name.endswith(".csv"))
    return [_every_second(name, read(path, as_format="carobd", trip=name)) for name in names]


def diesel_trips(data: Path) -> list[Trace]:
    """Return the trips of the diesel car; none when the recording is not there."""
    return [
        _every_second(path.name.split(".")[0], read(path, as_format="kit-obd2"))
        for path in sorted((data / DIESEL).glob("*.csv*"))
    ]


def charging_sessions(data: Path) -> list[Session]:
    """Return the fast-charging sessions; none when the recording is not there."""
    path = data / SESSIONS
    if not path.is_file():
        return []
    arrived: dict[str, tuple[float, float]] = {}
    sessions = []
    for message in read(path, as_format="epfl").messages:
        content = msgspec.json.decode(message.payload)
        (sample,) = content["samples"]
        signals: dict[str, Any] = sample["signals"]
        if _ENERGY not in signals:
            arrived[content["session_id"]] = (sample["ts"] / 1000, signals["SoC"])
            continue
        begins_s, soc_start = arrived[content["session_id"]]
        minutes = (sample["ts"] / 1000 - begins_s) / 60
        sessions.append(Session(minutes, soc_start, signals["SoC"], signals[_ENERGY]))
    return sessions


def _every_second(name: str, recording: Recording) -> Trace:
    """Return a trip, every signal at every second as it was last known."""
    frame = pd.DataFrame(row for row, _ in _samples(recording)).groupby("ts_s").last()
    seconds = np.arange(np.ceil(frame.index[0]), frame.index[-1] + 1e-3, ENGINE_STEP_S)
    known = frame.ffill().reindex(seconds, method="ffill").reset_index(names="ts_s")
    return trace_of(name, known, np.zeros((len(known), 0), dtype=np.float32), step_s=ENGINE_STEP_S)


def _trace(name: str, recording: Recording) -> Trace:
    rows, cells = [], []
    for row, of_cells in _samples(recording):
        rows.append(row)
        cells.append(of_cells)
    width = max(map(len, cells), default=0)
    matrix = np.array([row if len(row) == width else [np.nan] * width for row in cells], dtype=np.float32)
    return trace_of(name, pd.DataFrame(rows), matrix.reshape(len(rows), width))


def _samples(recording: Recording) -> Iterator[tuple[dict[str, float], list[float]]]:
    for message in recording.messages:
        for sample in msgspec.json.decode(message.payload)["samples"]:
            signals: dict[str, Any] = sample["signals"]
            cells: list[float] = signals.pop(_CELLS, [])
            signals.pop(_PROBES, None)
            yield {"ts_s": sample["ts"] / 1000, **signals}, cells
