"""Fleets to be scored: simulated ones, and any in files. Read or made some cars at a time, kept as rows of features."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from config.errors import UserMistake
from config.faults import fault_modes
from forewarn.evaluation.scored import FleetRows, fleet_of, part_of, with_vehicle_ids
from forewarn.fleet_folder import BadFleet, Found, each_cars, open_folder, sum_up
from forewarn.fleet_folder.layout import read_table
from forewarn.fleet_frames import simulated
from forewarn.simulator.files import MANIFEST, TRUTH
from forewarn.simulator.fleet import FleetPlan
from models.dataset import scoring_days
from models.days import midnight
from models.features import Feature, columns_of
from models.protocol import TRUTH_COLUMNS

# Told how many cars, or days of files, are done.
Progress = Callable[[int], None]

# A set's fleet ends in another season than the next one's.
_ENDS = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Given:
    """A fleet from files, with what was found in them."""

    rows: FleetRows
    found: Found
    until: datetime


def set_plans(*, sets: int, vehicles: int, days: int, faulty_share: float, first_seed: int) -> list[FleetPlan]:
    """Return the simulated fleets of an evaluation: other seeds and other seasons."""
    return [
        FleetPlan(vehicles, days, first_seed + number, _ENDS[number % len(_ENDS)], faulty_share)
        for number in range(sets)
    ]


def simulated_rows(
    plan: FleetPlan, features: Sequence[Feature], *, processes: int | None, on_progress: Progress
) -> FleetRows:
    """Simulate a fleet and work out what it is scored by, for every day on which the schedule would have."""
    days = scoring_days(midnight(plan.start), plan.end)
    parts = []
    done = 0
    for part in simulated(plan, columns_of(features), partial(part_of, features, days), processes=processes):
        parts.append(part)
        done += len(part.frames.vins)
        on_progress(done)
    return fleet_of(parts)


def rows_of_folder(
    directory: Path,
    features: Sequence[Feature],
    *,
    scratch: Path,
    processes: int | None,
    on_days: Progress,
    on_cars: Progress,
) -> Given:
    """Read a fleet from files and work out what it is scored by. Its truth stays closed.

    scratch : a folder on whose disk some 5 KB for each car and day are free
    Raises  : BadFleet
    """
    folder = open_folder(directory)
    with TemporaryDirectory(prefix="fleet-", dir=scratch) as sums:
        found = sum_up(folder, columns_of(features), scratch=Path(sums), processes=processes, on_progress=on_days)
        days = scoring_days(midnight(found.days[0]) - np.timedelta64(1, "D"), found.days[-1])
        parts = []
        done = 0
        for part in each_cars(found, partial(part_of, features, days), processes=processes):
            parts.append(part)
            done += len(part.frames.vins)
            on_cars(done)
    fleet = fleet_of(parts)
    if fleet.rows.empty:
        raise BadFleet(
            f"{directory} has no day on which a car can be scored: each ts lies after its received_ts or long before it"
        )
    return Given(fleet, found, _end_of(directory, found.days[0], found.days[-1]))


def _end_of(directory: Path, first: datetime, last: datetime) -> datetime:
    """Return when the fleet ended: as its maker says, if that is within its days, else with its last day."""
    try:
        end = datetime.fromisoformat(json.loads((directory / MANIFEST).read_text())["end"])
    except (OSError, ValueError, KeyError, TypeError):
        return last
    return end if end.tzinfo is not None and first <= end <= last else last


def truth_of_folder(directory: Path, vins: dict[int, str]) -> pd.DataFrame | None:
    """Return what was really wrong, as of TRUTH_COLUMNS; None where nobody says.

    Raises : UserMistake, when the file is not as docs/fleet-files.md says
    """
    file = directory / TRUTH / "truth.parquet"
    if not file.is_file():
        return None
    table = read_table(file).to_pandas()
    missing = [name for name in ("vin", *TRUTH_COLUMNS[1:]) if name not in table]
    if missing:
        raise UserMistake(f"{file} has no column {missing[0]}: docs/fleet-files.md says what it holds")
    if len(table) and not table["vin"].isin(vins.values()).any():
        raise UserMistake(f"{file} is about none of the fleet's cars: its vins are to be those of vehicles.parquet")
    # A car that nothing was wrong with may be there too.
    table = table[table["fault_mode"].notna()].reset_index(drop=True)
    table["fault_mode"] = table["fault_mode"].astype(str)
    unknown = set(table["fault_mode"]) - set(fault_modes())
    if unknown:
        raise UserMistake(f"{file}: there is no fault mode {sorted(unknown)[0]}; there are {', '.join(fault_modes())}")
    if table["vin"].duplicated().any():
        twice = table.loc[table["vin"].duplicated(), "vin"].iloc[0]
        raise UserMistake(f"{file} has {twice} twice: a car has one fault at most")
    for name in ("onset_at", "lamp_on_at"):
        try:
            if pd.api.types.is_numeric_dtype(table[name]):
                table[name] = pd.to_datetime(table[name], utc=True, unit="ms")
            else:
                table[name] = pd.to_datetime(table[name], utc=True, format="ISO8601")
        except (ValueError, TypeError) as error:
            raise UserMistake(f"{file}: {name} holds no times ({error}): write timestamps in UTC") from error
    for name in ("has_precursor", "gradual"):
        table[name] = table[name].astype(bool)
    return with_vehicle_ids(table, vins)
