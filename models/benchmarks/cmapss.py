"""NASA's C-MAPSS turbofans: run to failure, one snapshot a flight, read as cars whose flights are days.

Source: A. Saxena, K. Goebel, D. Simon, N. Eklund, "Damage propagation modeling for aircraft engine run-to-failure
simulation", PHM08, Denver 2008.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from config.errors import UserMistake

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SETS = ("FD001", "FD002", "FD003", "FD004")
SETTINGS = ("setting_1", "setting_2", "setting_3")
SENSORS = tuple(f"sensor_{number}" for number in range(1, 22))
_COLUMNS = ("unit", "cycle", *SETTINGS, *SENSORS)
# Any day will do; cycle 1 is measured on it.
_FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)


class CmapssMissing(UserMistake):
    """A file of C-MAPSS is not where it was looked for."""


class CmapssUnreadable(UserMistake):
    """A file of C-MAPSS does not hold what it should."""


class UnknownSet(UserMistake):
    """C-MAPSS has no such set."""


@dataclass(frozen=True, slots=True)
class Recordings:
    """One set of C-MAPSS.

    train, test : DataFrame (n_cycles, 26): unit, cycle (1, 2, … of each unit), three settings, 21 sensors. Units of
                  train are recorded until they fail, those of test until some cycle before
    truth       : (n_test_units,) cycles that were left after the last one of test, by unit; None where it is not there
    """

    name: str
    train: pd.DataFrame
    test: pd.DataFrame
    truth: Ints | None


def read_set(name: str, *, data: Path) -> Recordings:
    """Read a set from a folder that holds the files, as .txt or .txt.gz, or holds them in a folder "cmapss".

    Raises : UnknownSet, CmapssMissing, CmapssUnreadable
    """
    train = read_training(name, data=data)
    folder = _folder(data)
    test = _read_cycles(_find(folder, f"test_{name}.txt"))
    return Recordings(name, train, test, _read_truth(folder, name, units=test["unit"].nunique()))


def read_training(name: str, *, data: Path) -> pd.DataFrame:
    """Read the training units of a set and nothing of its test: as ``Recordings.train``.

    Raises : UnknownSet, CmapssMissing, CmapssUnreadable
    """
    if name not in SETS:
        raise UnknownSet(f"C-MAPSS has no set {name}: choose {', '.join(SETS[:-1])} or {SETS[-1]}")
    return _read_cycles(_find(_folder(data), f"train_{name}.txt"))


def aggregates_of(cycles: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return cycles as daily aggregates: a unit is a car, a cycle a day of driving with one reading, on time.

    cycles  : DataFrame with unit, cycle and ``columns``
    Returns : DataFrame (n_cycles, 5 + 5 * n_columns) as of ``ingest.store.readings.daily_aggregates``
    """
    day = pd.Series(_FIRST_DAY + pd.to_timedelta(cycles["cycle"].to_numpy() - 1, unit="D"))
    frame = {
        "vehicle_id": cycles["unit"].to_numpy(dtype=np.int64),
        "day": day,
        "received_on": day,
        "regime": "drive",
        "n": 1.0,
    }
    for column in columns:
        value = cycles[column].to_numpy(dtype=np.float64)
        frame[f"{column}__n"] = 1.0
        frame[f"{column}__sumsq"] = value**2
        for statistic in ("sum", "min", "max"):
            frame[f"{column}__{statistic}"] = value
    return pd.DataFrame(frame)


def day_after(cycle: int) -> datetime:
    """Return the day at which a unit has flown so many cycles."""
    return _FIRST_DAY + timedelta(days=cycle)


def cycle_before(days: "NDArray[np.datetime64]") -> Ints:
    """Return how many cycles were flown before each day; the inverse of ``day_after``."""
    return (days.astype("datetime64[D]") - np.datetime64(_FIRST_DAY.date(), "D")).astype(np.int64)


def _folder(data: Path) -> Path:
    return data / "cmapss" if (data / "cmapss").is_dir() else data


def _find(folder: Path, name: str) -> Path:
    for file in (folder / f"{name}.gz", folder / name):
        if file.is_file():
            return file
    raise CmapssMissing(f"there is no {name}.gz in {folder}: name the folder of the C-MAPSS files with --data")


def _read_cycles(file: Path) -> pd.DataFrame:
    table = _read_numbers(file)
    if table.shape[1] != len(_COLUMNS):
        raise CmapssUnreadable(f"{file} has {table.shape[1]} columns and C-MAPSS {len(_COLUMNS)}: get the file again")
    table.columns = pd.Index(_COLUMNS)
    if table.isna().any(axis=None):
        raise CmapssUnreadable(f"{file} has lines that end early: get the file again")
    if not _whole(table[["unit", "cycle"]]):
        raise CmapssUnreadable(f"{file} has units or cycles that are no whole numbers: get the file again")
    table = table.astype({"unit": np.int64, "cycle": np.int64}).sort_values(["unit", "cycle"], ignore_index=True)
    if not (table["cycle"] == table.groupby("unit").cumcount() + 1).all():
        raise CmapssUnreadable(f"{file} leaves cycles of a unit out: get the file again")
    return table


def _read_truth(folder: Path, name: str, *, units: int) -> Ints | None:
    try:
        file = _find(folder, f"RUL_{name}.txt")
    except CmapssMissing:
        return None
    table = _read_numbers(file)
    if table.shape != (units, 1):
        raise CmapssUnreadable(f"{file} has {table.shape[0]} lines and the test set {units} units: get the file again")
    if not _whole(table):
        raise CmapssUnreadable(f"{file} has cycles left that are no whole numbers: get the file again")
    return table[0].to_numpy(dtype=np.int64)


def _whole(numbers: pd.DataFrame) -> bool:
    """Say whether all are whole numbers, none below 0."""
    values = numbers.to_numpy(dtype=np.float64)
    return bool((np.isfinite(values) & (values >= 0) & (values == np.floor(values))).all())


def _read_numbers(file: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(file, sep=r"\s+", header=None, dtype=np.float64)
    except (ValueError, EOFError, OSError, zlib.error) as error:
        raise CmapssUnreadable(f"{file} is no table of numbers ({error}): get the file again") from error
