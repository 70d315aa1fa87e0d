"""Which files a fleet is made of, which cars it has, and what its lamps did."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from config.errors import UserMistake
from forewarn.fleet_folder.columns import Unreadable, epoch_ms, numbers, texts, vehicle_ids

DAY_MS = 86_400_000
_POWERTRAINS = ("bev", "phev", "ice")


class BadFleet(UserMistake):
    """A folder holds no fleet in the layout of docs/fleet-files.md, or a part of it cannot be read."""


@dataclass(frozen=True)
class FleetFolder:
    """A fleet in files.

    vehicles  : DataFrame (n_vehicles, 4): vehicle_id (1, 2, …, by vin), vin, powertrain, model
    telemetry : files by the day (since 1970) on which what is in them was received, in order
    events    : likewise
    """

    directory: Path
    vehicles: pd.DataFrame
    telemetry: dict[int, tuple[Path, ...]]
    events: dict[int, tuple[Path, ...]]

    @property
    def vins(self) -> "pd.Index[str]":
        """The vins in the order of the vehicle_ids, which begin at 1."""
        vins: pd.Index[str] = pd.Index(self.vehicles["vin"].tolist(), dtype=object)
        return vins


def open_folder(directory: Path) -> FleetFolder:
    """Look at what is in a folder, without reading what its cars sent.

    Raises : BadFleet
    """
    if not directory.is_dir():
        raise BadFleet(f"there is no folder {directory}: name one that holds a fleet (docs/fleet-files.md)")
    cars = directory / "vehicles.parquet"
    if not cars.exists():
        raise BadFleet(f"{directory} is no fleet: it has no vehicles.parquet (docs/fleet-files.md)")
    vehicles = _vehicles(cars)
    telemetry = _files(directory / "telemetry")
    if not telemetry:
        raise BadFleet(
            f"{directory} has no telemetry: its files go into folders telemetry/day=YYYY-MM-DD (docs/fleet-files.md)"
        )
    return FleetFolder(directory, vehicles, telemetry, _files(directory / "events"))


def _vehicles(file: Path) -> pd.DataFrame:
    table = read_table(file)
    for name in ("vin", "powertrain"):
        if name not in table.column_names:
            raise BadFleet(f"{file} has no column {name}: docs/fleet-files.md says what it holds")
    with naming(file):
        vins, powertrains = texts(table["vin"], "vin"), texts(table["powertrain"], "powertrain")
        models = texts(table["model"], "model") if "model" in table.column_names else [None] * len(vins)
    if None in vins:
        raise BadFleet(f"{file} has a car without a vin: give it one or leave the car out")
    frame = pd.DataFrame(
        {
            "vin": vins,
            "powertrain": [None if powertrain is None else powertrain.lower() for powertrain in powertrains],
            # Cars whose model nobody tells are one model.
            "model": [model or "" for model in models],
        }
    ).sort_values("vin", ignore_index=True)
    twice = frame.loc[frame["vin"].duplicated(), "vin"]
    if len(twice):
        raise BadFleet(f"{file} has {twice.iloc[0]} twice: leave each car in once")
    odd = frame[~frame["powertrain"].isin(_POWERTRAINS)]
    if len(odd):
        said, vin = odd["powertrain"].iloc[0], odd["vin"].iloc[0]
        raise BadFleet(f"{file}: the powertrain of {vin} is {said}: write {', '.join(_POWERTRAINS)}")
    if frame.empty:
        raise BadFleet(f"{file} has no cars: a fleet has one at least")
    frame.insert(0, "vehicle_id", np.arange(1, len(frame) + 1, dtype=np.int64))
    return frame


def _files(kind: Path) -> dict[int, tuple[Path, ...]]:
    found: dict[int, tuple[Path, ...]] = {}
    for folder in sorted(kind.glob("day=*")):
        try:
            day = date.fromisoformat(folder.name.removeprefix("day="))
        except ValueError as error:
            raise BadFleet(f"{folder} is no day: name it as day=2026-03-01") from error
        # Whoever writes many files at once leaves notes of their own beside them, which begin like this.
        files = [file for file in folder.rglob("*.parquet") if file.is_file() and file.name[0] not in "._"]
        if files:
            found[(day - date(1970, 1, 1)).days] = tuple(sorted(files))
    return dict(sorted(found.items()))


def lamps_of_folder(folder: FleetFolder) -> tuple[pd.DataFrame, set[str]]:
    """Return lamps as ``ingest.store.events.lamps`` would read them, and the vins of events whose car nobody knows.

    Raises : BadFleet
    """
    frames: list[pd.DataFrame] = []
    strangers: set[str] = set()
    for day, file in _each(folder.events):
        table = read_table(file)
        if not len(table):
            continue
        missing = {"vin", "ts", "code", "state"} - set(table.column_names)
        if missing:
            raise BadFleet(f"{file} has no column {sorted(missing)[0]}: docs/fleet-files.md says what it holds")
        with naming(file):
            cars, unknown = vehicle_ids(table["vin"], folder.vins)
            frames.append(_events(table, cars, day))
        strangers |= unknown
    names = ["vehicle_id", "ts", "received_at", "code", "state", "level"]
    lamps = pd.concat(frames, ignore_index=True) if frames else _events_frame([[]] * len(names))
    return lamps.sort_values(["ts", "vehicle_id", "code"], kind="stable", ignore_index=True), strangers


def _each(files: dict[int, tuple[Path, ...]]) -> Iterator[tuple[int, Path]]:
    for day, of_day in files.items():
        for file in of_day:
            yield day, file


def _events(table: pa.Table, cars: NDArray[np.int64], day: int) -> pd.DataFrame:
    ts, told = epoch_ms(table["ts"], "ts")
    received = received_on_day(table, ts, told, day)
    kinds = texts(table["kind"], "kind") if "kind" in table.column_names else ["lamp"] * len(table)
    levels = numbers(table["level"], "level") if "level" in table.column_names else np.zeros(len(table))
    frame = _events_frame(
        [cars, ts, received, texts(table["code"], "code"), _states(table), np.nan_to_num(levels).astype(np.int64)]
    )
    known = told & (cars > 0) & np.array([kind == "lamp" for kind in kinds], dtype=bool)
    kept: pd.DataFrame = frame.loc[
        known & frame["code"].notna().to_numpy() & frame["state"].isin(("on", "off")).to_numpy()
    ]
    return kept


def _states(table: pa.Table) -> list[str | None]:
    column = table["state"]
    if pa.types.is_boolean(column.type):
        return [None if on is None else "on" if on else "off" for on in column.to_pylist()]
    return [None if state is None else state.lower() for state in texts(column, "state")]


def _events_frame(columns: list[object]) -> pd.DataFrame:
    cars, ts, received, codes, states, levels = columns
    return pd.DataFrame(
        {
            "vehicle_id": np.asarray(cars, dtype=np.int64),
            "ts": pd.to_datetime(np.asarray(ts, dtype=np.int64), unit="ms", utc=True),
            "received_at": pd.to_datetime(np.asarray(received, dtype=np.int64), unit="ms", utc=True),
            "code": np.asarray(codes, dtype=object),
            "state": np.asarray(states, dtype=object),
            "level": np.asarray(levels, dtype=np.int64),
        }
    )


def received_on_day(table: pa.Table, ts_ms: NDArray[np.int64], told: NDArray[np.bool_], day: int) -> NDArray[np.int64]:
    """Return when rows were received (epoch ms): as they say, else when they were made, but on the folder's day.

    ts_ms, told : (n,) what they carry, and which carry a time at all
    """
    # What is filed under a day was not known the day before, whatever time it carries.
    received = np.clip(np.where(told, ts_ms, day * DAY_MS), day * DAY_MS, (day + 1) * DAY_MS - 1)
    if "received_ts" in table.column_names:
        said, known = epoch_ms(table["received_ts"], "received_ts")
        received = np.where(known, said, received)
    return received


def read_table(file: Path) -> pa.Table:
    """Read a file of a fleet. Raises : BadFleet, when it cannot be read"""
    try:
        return pq.read_table(file, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise BadFleet(broken(file, error)) from error


def broken(file: Path, error: BaseException) -> str:
    """Return what to tell of a file that cannot be read."""
    reason = " ".join(str(error).split())[:120]
    return f"{file} cannot be read as Parquet ({reason}): write it again or remove it"


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Name the file in what is said of one of its columns. Raises : BadFleet"""
    try:
        yield
    except Unreadable as error:
        raise BadFleet(f"{file}: {error}") from error
