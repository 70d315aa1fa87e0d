"""Datasets: which car on which day, its features, and whether its lamp came on."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
from models.labels import lamp_labels, lamps_of, without_unfounded
from models.peers import own_features, with_peers
from models.workers import Here, Workers

# Neighbouring days of one car say nearly the same; every third is enough and a third of the work.
STEP_D = 3
# Before a week of readings most features are empty.
LEAST_HISTORY_D = 7
# A year holds every season once.
TRAINING_D = 365
# A year of so many cars is some 1 GB of features; what is read of the store at once, some 100 MB.
MOST_VEHICLES, CHUNK_VEHICLES = 2000, 100


FINDINGS = ("vehicle_id", "fault_mode", "found_at", "confirmed", "since")


def no_findings() -> pd.DataFrame:
    """Return what is known where no workshop said anything."""
    nothing = pd.DataFrame(columns=list(FINDINGS))
    instants = {name: pd.to_datetime(nothing[name], utc=True) for name in ("found_at", "since")}
    return nothing.assign(**instants, confirmed=nothing["confirmed"].astype(bool))


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
class KnownFleet:
    """What was known at ``until`` of a fleet, car by car and day by day: every fault mode learns from it.

    rows       : DataFrame (n_days * n_vehicles at most, n_own_features) float32 indexed by as_of and vehicle_id: what
                 is worked out car by car (``models.peers.own_features``) of the features of all modes
    lamps      : as of ``ingest.store.events.lamps``
    vehicles   : as in ``Stored``
    first_day  : of the first reading
    last_heard : Series of UTC days by vehicle_id: the last with readings
    weight     : Series by vehicle_id: how many cars of the fleet that will be scored each stands for; None is one each
    findings   : DataFrame of FINDINGS: what workshops found, when, and since when the fault had been there (NaT: the
                 mode's horizon). A lamp with nothing behind it is no example of a fault, nor is a car whose fault was
                 found without a lamp one of a healthy car
    """

    rows: pd.DataFrame
    lamps: pd.DataFrame
    vehicles: pd.DataFrame
    first_day: np.datetime64
    last_heard: pd.Series
    until: datetime
    weight: "pd.Series[float] | None" = None
    findings: pd.DataFrame = field(default_factory=no_findings)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows to learn one fault mode from.

    features   : DataFrame (n_rows, n_features) float64, NaN means not seen
    came_on    : (n_rows,) bool: the lamp came on within the horizon
    vehicle_id : (n_rows,) int64: rows of one car must stay on one side of every split
    as_of      : (n_rows,) datetime64[D]
    learnt     : (n_rows,) bool: those to learn from; the others are to decide thresholds by, as they will be scored
    weight     : (n_rows,) float64: how many cars of the fleet that will be scored each row's car stands for
    episodes   : DataFrame as of ``models.labels.lamps_of``: when the lamps of these cars came on
    spared     : vehicles the fault was found in though no lamp came on
    """

    features: pd.DataFrame
    came_on: NDArray[np.bool_]
    vehicle_id: NDArray[np.int64]
    as_of: NDArray[np.datetime64]
    learnt: NDArray[np.bool_]
    weight: NDArray[np.float64]
    episodes: pd.DataFrame
    spared: frozenset[int] = frozenset()

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
    """Read what had been received before ``as_of`` about the last ``days`` days of every car, to look at."""
    aggregates = readings.daily_aggregates(
        conn,
        columns_of(own_features(features)),
        since=days_before(as_of, days),
        until=as_of,
        received_before=as_of,
    )
    return Stored(aggregates, events.lamps(conn, received_before=as_of), read_vehicles(conn))


def base_rows(stored: Stored, features: Sequence[Feature], *, days: Sequence[datetime]) -> pd.DataFrame:
    """Return what is worked out car by car for every day of scoring.

    features : of all modes together; those that compare with peers bring what is compared
    days     : midnights; what had been received before each counts
    Returns  : DataFrame (n_days * n_vehicles at most, n_own_features) float32 indexed by as_of and vehicle_id
    """
    return feature_rows_of_days(stored.aggregates, own_features(features), days=days).astype(np.float32)


def scoring_days(first_day: np.datetime64, until: datetime) -> list[datetime]:
    """Return the midnights a fleet could have been scored at, from a week after its first reading on."""
    seen_d = int((midnight(until) - first_day).astype(int))
    return [days_before(until, step) for step in range(max(seen_d - LEAST_HISTORY_D, 0), -1, -1)]


def known_fleet(
    stored: Stored, features: Sequence[Feature], *, until: datetime, weight: "pd.Series[float] | None" = None
) -> KnownFleet:
    """Return what was known at ``until`` of cars whose readings fit into memory; features are of all modes together."""
    first_day = midnight(until) if stored.aggregates.empty else day_numbers(stored.aggregates["day"]).min()
    return KnownFleet(
        rows=base_rows(stored, features, days=scoring_days(first_day, until)),
        lamps=stored.lamps,
        vehicles=stored.vehicles,
        first_day=first_day,
        last_heard=stored.aggregates.groupby("vehicle_id")["day"].max(),
        until=until,
        weight=weight,
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """What of a fleet is read of all its cars alike. features : those worked out car by car"""

    features: tuple[Feature, ...]
    lamps: pd.DataFrame
    weight: "pd.Series[float]"
    as_of: datetime


def read_known_fleet(
    conn: psycopg.Connection[Any],
    features: Sequence[Feature],
    *,
    as_of: datetime,
    seed: int,
    most_vehicles: int = MOST_VEHICLES,
    chunk_vehicles: int = CHUNK_VEHICLES,
    workers: Workers | None = None,
) -> KnownFleet:
    """Read what had been received before ``as_of``, some cars at a time: of a large fleet a sample.

    seed    : of the sample. Cars with a lamp are the fewer and say the more: up to half of the sample are such cars,
              and every car's weight says how many of its kind it stands for
    workers : read and work out the cars' features; None is this process
    """
    vehicles, lamps = read_vehicles(conn), events.lamps(conn, received_before=as_of)
    weight = _sample(vehicles["vehicle_id"], lamps["vehicle_id"].unique(), most=most_vehicles, seed=seed)
    chosen = vehicles[vehicles["vehicle_id"].isin(weight.index)]
    findings = frame(conn, sql.load("models", "findings"), {"known_before": as_of})
    chunks = [chosen.iloc[start : start + chunk_vehicles] for start in range(0, max(len(chosen), 1), chunk_vehicles)]
    shared = _Known(own_features(features), lamps, weight, as_of)
    parts = list((workers or Here(conn)).each(_read_cars, chunks, shared=shared))
    return replace(
        joined_fleet(parts),
        findings=findings.assign(since=pd.to_datetime(pd.Series(pd.NaT, index=findings.index), utc=True)),
    )


def _read_cars(conn: psycopg.Connection[Any], known: _Known, vehicles: pd.DataFrame) -> KnownFleet:
    ids = vehicles["vehicle_id"].tolist()
    aggregates = readings.daily_aggregates(
        conn,
        columns_of(known.features),
        since=days_before(known.as_of, TRAINING_D),
        until=known.as_of,
        received_before=known.as_of,
        vehicle_ids=ids,
    )
    stored = Stored(aggregates, known.lamps[known.lamps["vehicle_id"].isin(ids)], vehicles)
    weight = known.weight[known.weight.index.isin(ids)]
    return known_fleet(stored, known.features, until=known.as_of, weight=weight)


def fleet_about(mode: FaultMode, features: Sequence[Feature], fleet: KnownFleet) -> KnownFleet:
    """Return what one mode needs of a fleet; all peers of its cars are in it, for they are of the same model."""
    able = fleet.vehicles.loc[fleet.vehicles["powertrain"].isin(mode.on), "vehicle_id"]
    columns = [feature.name for feature in own_features(features)]
    return replace(fleet, rows=fleet.rows.loc[fleet.rows.index.isin(able, level="vehicle_id"), columns])


def _sample(vehicle_ids: "pd.Series[int]", with_lamps: NDArray[Any], *, most: int, seed: int) -> "pd.Series[float]":
    """Return how many cars each chosen car stands for, by vehicle_id."""
    random = np.random.default_rng(seed)
    all_ids = vehicle_ids.to_numpy(dtype=np.int64)
    lit = np.intersect1d(all_ids, with_lamps.astype(np.int64))
    calm = np.setdiff1d(all_ids, lit)
    calm_count = min(len(calm), max(most - len(lit), most // 2))
    weights: dict[int, float] = {}
    for kind, count in ((calm, calm_count), (lit, min(len(lit), most - calm_count))):
        some = np.sort(random.permutation(kind)[:count])
        weights |= dict.fromkeys(some.tolist(), len(kind) / max(count, 1))
    return pd.Series(weights, dtype=np.float64).sort_index()


def joined_fleet(parts: Sequence[KnownFleet]) -> KnownFleet:
    """Return one fleet of parts that hold different cars of it; every part knows the lamps and vehicles of its own."""
    first = parts[0]
    return KnownFleet(
        # In the order of days, as a fleet that is worked out at once.
        rows=pd.concat([part.rows for part in parts]).sort_index(kind="stable"),
        lamps=_stacked([part.lamps for part in parts]),
        vehicles=_stacked([part.vehicles for part in parts]),
        first_day=min(part.first_day for part in parts),
        last_heard=pd.concat([part.last_heard for part in parts]),
        until=first.until,
        weight=None if first.weight is None else pd.concat([p.weight for p in parts if p.weight is not None]),
        findings=_stacked([part.findings for part in parts]),
    )


def training_days(mode: FaultMode, first_day: np.datetime64, *, until: datetime) -> list[datetime]:
    """Return the days, newest first, from which a car's history is long enough and its horizon has passed.

    Raises : NotEnoughData, when there is none
    """
    newest = days_before(until, mode.horizon_d)
    seen_d = int((midnight(until) - first_day).astype(int))
    spare_d = seen_d - mode.horizon_d - LEAST_HISTORY_D
    if spare_d < 0:
        raise NotEnoughData(
            f"{mode.key}: {LEAST_HISTORY_D + mode.horizon_d} days of readings are needed and {seen_d} are stored; "
            "ingest older readings or wait"
        )
    return [newest - timedelta(days=step) for step in range(spare_d + 1)]


def training_rows(mode: FaultMode, features: Sequence[Feature], fleet: KnownFleet) -> Dataset:
    """Return what can be learnt about one fault mode: one row per car and day, of which every third is to learn from.

    A row's features see only what had been received before its day. Its label is what became known by ``fleet.until``.
    Raises : NotEnoughData
    """
    episodes = without_unfounded(mode, lamps_of(mode, fleet.lamps), fleet.findings)
    found = fleet.findings[fleet.findings["confirmed"].astype(bool) & (fleet.findings["fault_mode"] == mode.key)]
    days = training_days(mode, fleet.first_day, until=fleet.until)
    able = fleet.vehicles.loc[fleet.vehicles["powertrain"].isin(mode.on), "vehicle_id"]
    # Peers first: what is usual on a day is what all cars of it show, whatever becomes of them.
    rows = with_peers(fleet.rows[fleet.rows.index.isin(able, level="vehicle_id")], fleet.vehicles, features)
    day_of_row = rows.index.get_level_values("as_of").to_numpy(dtype="datetime64[D]")
    vehicle_of_row = rows.index.get_level_values("vehicle_id")
    came_on = np.full(len(rows), np.nan)
    learnt = np.zeros(len(rows), dtype=bool)
    for step, as_of in enumerate(days):
        today = np.flatnonzero(day_of_row == midnight(as_of))
        heard = fleet.last_heard.reindex(vehicle_of_row[today])
        came_on[today] = lamp_labels(mode, episodes, heard, as_of=as_of, until=fleet.until).to_numpy()
        learnt[today] = step % STEP_D == 0
    came_on[(came_on == 0) & _ill(mode, found, vehicle_of_row.to_numpy(), day_of_row)] = np.nan
    known = ~np.isnan(came_on)
    vehicle_id = vehicle_of_row[known].to_numpy(dtype=np.int64)
    weight: NDArray[np.float64] = np.ones(len(vehicle_id))
    if fleet.weight is not None:
        weight = np.asarray(fleet.weight.reindex(vehicle_id), dtype=np.float64)
    return Dataset(
        features=rows[known].reset_index(drop=True),
        came_on=came_on[known] == 1,
        vehicle_id=vehicle_id,
        as_of=day_of_row[known],
        learnt=learnt[known],
        weight=weight,
        episodes=episodes[episodes["vehicle_id"].isin(able)],
        spared=frozenset(found["vehicle_id"].tolist()),
    )


def _ill(
    mode: FaultMode, found: pd.DataFrame, vehicle_id: NDArray[np.int64], as_of: NDArray[np.datetime64]
) -> NDArray[np.bool_]:
    """Say in which rows the fault was there by what a workshop found later. Nobody can call those cars healthy."""
    ill = np.zeros(len(vehicle_id), dtype=bool)
    since = found["since"].fillna(found["found_at"] - pd.Timedelta(days=mode.horizon_d))
    order = np.argsort(vehicle_id, kind="stable")
    owner = vehicle_id[order]
    for vehicle, first, last in zip(
        found["vehicle_id"], day_numbers(since), day_numbers(found["found_at"]), strict=True
    ):
        own = order[np.searchsorted(owner, vehicle) : np.searchsorted(owner, vehicle, side="right")]
        ill[own] |= (as_of[own] >= first) & (as_of[own] <= last)
    return ill


def joined_datasets(parts: Sequence[Dataset]) -> Dataset:
    """Return the rows of several fleets, in which no two cars share a vehicle_id, as one."""
    if len(parts) == 1:
        return parts[0]
    return Dataset(
        features=pd.concat([part.features for part in parts], ignore_index=True),
        came_on=np.concatenate([part.came_on for part in parts]),
        vehicle_id=np.concatenate([part.vehicle_id for part in parts]),
        as_of=np.concatenate([part.as_of for part in parts]),
        learnt=np.concatenate([part.learnt for part in parts]),
        weight=np.concatenate([part.weight for part in parts]),
        episodes=_stacked([part.episodes for part in parts]),
        spared=frozenset().union(*(part.spared for part in parts)),
    )


def _stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return all rows; frames without any have columns of no certain type and are left out."""
    some = [frame for frame in frames if not frame.empty]
    return pd.concat(some, ignore_index=True) if some else frames[0]
