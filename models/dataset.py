"""Datasets: which car on which day, its features, and whether its lamp came on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import psycopg
from numpy.typing import NDArray

from config import sql
from config.errors import UserMistake
from config.faults import FaultMode
from ingest.store import events, readings
from ingest.store.frames import frame
from models.days import day_numbers, days_before, midnight
from models.features import Feature, columns_of, feature_rows_of_days
from models.labels import lamp_labels, lamps_of

# Neighbouring days of one car say nearly the same; every third is enough and a third of the work.
STEP_D = 3
# Before a week of readings most features are empty.
LEAST_HISTORY_D = 7
# A year holds every season once.
TRAINING_D = 365


class NotEnoughData(UserMistake):
    """Too little is stored to learn from, or to score."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store knew at one instant. ``aggregates`` and ``lamps`` are as ``ingest.store`` returns them.

    vehicles : DataFrame (n_vehicles, 3): vehicle_id, powertrain, model
    """

    aggregates: pd.DataFrame
    lamps: pd.DataFrame
    vehicles: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows to learn one fault mode from.

    features   : DataFrame (n_rows, n_features) float64, NaN means not seen
    came_on    : (n_rows,) bool: the lamp came on within the horizon
    vehicle_id : (n_rows,) int64: rows of one car must stay on one side of every split
    as_of      : (n_rows,) datetime64[D]
    """

    features: pd.DataFrame
    came_on: NDArray[np.bool_]
    vehicle_id: NDArray[np.int64]
    as_of: NDArray[np.datetime64]

    @property
    def vehicles(self) -> int:
        return len(np.unique(self.vehicle_id))

    @property
    def failing_vehicles(self) -> int:
        return len(np.unique(self.vehicle_id[self.came_on]))


def read_vehicles(conn: psycopg.Connection[Any]) -> pd.DataFrame:
    """Return every car: DataFrame (n_vehicles, 3) vehicle_id, powertrain, model."""
    return frame(conn, sql.load("models", "vehicles"))


def read_stored(
    conn: psycopg.Connection[Any], features: Sequence[Feature], *, as_of: datetime, days: int = TRAINING_D
) -> Stored:
    """Read what had been received before ``as_of`` about the last ``days`` days of every car."""
    aggregates = readings.daily_aggregates(
        conn,
        columns_of(features),
        since=days_before(as_of, days),
        until=as_of,
        received_before=as_of,
    )
    return Stored(aggregates, events.lamps(conn, received_before=as_of), read_vehicles(conn))


def training_days(mode: FaultMode, aggregates: pd.DataFrame, *, until: datetime) -> list[datetime]:
    """Return the days, newest first, from which a car's history is long enough and its horizon has passed.

    Raises : NotEnoughData, when there is none
    """
    newest = days_before(until, mode.horizon_d)
    first = midnight(until) if aggregates.empty else day_numbers(aggregates["day"]).min()
    seen_d = int((midnight(until) - first).astype(int))
    spare_d = seen_d - mode.horizon_d - LEAST_HISTORY_D
    if spare_d < 0:
        raise NotEnoughData(
            f"{mode.key}: {LEAST_HISTORY_D + mode.horizon_d} days of readings are needed and {seen_d} are stored; "
            "ingest older readings or wait"
        )
    return [newest - timedelta(days=step) for step in range(0, spare_d + 1, STEP_D)]


def training_rows(mode: FaultMode, features: Sequence[Feature], stored: Stored, *, until: datetime) -> Dataset:
    """Return what can be learnt about one fault mode from what was known at ``until``: one row per car and third day.

    A row's features see only what had been received before its day. Its label is what became known by ``until``.
    Raises : NotEnoughData
    """
    able = stored.vehicles.loc[stored.vehicles["powertrain"].isin(mode.on), "vehicle_id"]
    aggregates = stored.aggregates[stored.aggregates["vehicle_id"].isin(able)]
    episodes = lamps_of(mode, stored.lamps)
    last_heard = aggregates.groupby("vehicle_id")["day"].max()
    days = training_days(mode, aggregates, until=until)
    rows = feature_rows_of_days(aggregates, features, days=days)
    day_of_row = rows.index.get_level_values("as_of").to_numpy(dtype="datetime64[D]")
    vehicle_of_row = rows.index.get_level_values("vehicle_id")
    came_on = np.full(len(rows), np.nan)
    for as_of in days:
        today = day_of_row == midnight(as_of)
        heard = last_heard.reindex(vehicle_of_row[today])
        came_on[today] = lamp_labels(mode, episodes, heard, as_of=as_of, until=until).to_numpy()
    known = ~np.isnan(came_on)
    return Dataset(
        features=rows[known].reset_index(drop=True),
        came_on=came_on[known] == 1,
        vehicle_id=vehicle_of_row[known].to_numpy(dtype=np.int64),
        as_of=day_of_row[known],
    )
