"""A whole fleet scored day by day, as the schedule would, by the models and by what they have to beat."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

from forewarn.fleet_frames import CarsFrames
from models.dataset import Stored
from models.decision import warnings_of
from models.features import Feature
from models.fleet_scores import Judge, base_rows, probabilities
from models.lamp_time_figures import SAID_COLUMNS
from models.peers import own_features, peers_of, with_peers
from models.protocol import WARNING_COLUMNS
from models.remaining import Remaining, predict_remaining


@dataclass(frozen=True)
class Contender:
    """Something that names cars: by fault mode what answers like a model, and from which answer on a car is flagged.

    lamp_times : by fault mode what says in how many days the lamp comes on; baselines say nothing
    """

    name: str
    models: Mapping[str, Judge]
    thresholds: Mapping[str, float]
    lamp_times: Mapping[str, Remaining] = field(default_factory=dict)

    @property
    def features(self) -> tuple[Feature, ...]:
        return tuple(feature for model in self.models.values() for feature in model.features)


@dataclass(frozen=True)
class Part:
    """What has to be kept of some cars: as ``CarsFrames``, with rows of features in the place of daily sums."""

    rows: pd.DataFrame
    frames: CarsFrames


@dataclass(frozen=True)
class FleetRows:
    """A fleet ready to be scored.

    rows   : as of ``models.fleet_scores.base_rows``, of all cars
    stored : lamps and vehicles; the aggregates are empty
    faults : TRUTH_COLUMNS of ``models.protocol``: what was really wrong, of those who know it
    """

    rows: pd.DataFrame
    stored: Stored
    vins: dict[int, str]
    faults: pd.DataFrame
    readings: int


@dataclass(frozen=True)
class Scored:
    """What a contender said.

    warnings : as of ``models.decision.warnings_of``
    days     : what was said with them: WARNING_COLUMNS and SAID_COLUMNS, of the warnings that days were said with
    """

    probabilities: pd.DataFrame
    warnings: pd.DataFrame
    days: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*WARNING_COLUMNS, *SAID_COLUMNS]))


def features_behind(contenders: Iterable[Contender]) -> tuple[Feature, ...]:
    """Return what has to be worked out car by car for several contenders, each once."""
    return own_features(feature for contender in contenders for feature in contender.features)


def part_of(features: Sequence[Feature], days: Sequence[datetime], frames: CarsFrames) -> Part:
    """Work out the features of some cars for every day of scoring; what they were made of is dropped."""
    rows = base_rows(frames.stored, features, days=days)
    stored = Stored(frames.stored.aggregates.iloc[:0], frames.stored.lamps, frames.stored.vehicles)
    return Part(rows, CarsFrames(stored, frames.vins, frames.truth, frames.readings))


def fleet_of(parts: Sequence[Part]) -> FleetRows:
    """Put the parts of a fleet together."""
    stored = [part.frames.stored for part in parts]
    vins = {car: vin for part in parts for car, vin in part.frames.vins.items()}
    faults = pd.concat([part.frames.truth.faults for part in parts], ignore_index=True)
    return FleetRows(
        rows=pd.concat([part.rows for part in parts]),
        stored=Stored(
            stored[0].aggregates,
            pd.concat([one.lamps for one in stored], ignore_index=True),
            pd.concat([one.vehicles for one in stored], ignore_index=True),
        ),
        vins=vins,
        faults=with_vehicle_ids(faults, vins),
        readings=sum(part.frames.readings for part in parts),
    )


def with_vehicle_ids(faults: pd.DataFrame, vins: Mapping[int, str]) -> pd.DataFrame:
    """Return what was wrong with cars that are known, with their vehicle_id in the place of the vin."""
    ids = {vin: vehicle_id for vehicle_id, vin in vins.items()}
    known = faults[faults["vin"].isin(ids)]
    return known.assign(vehicle_id=known["vin"].map(ids)).drop(columns="vin").reset_index(drop=True)


def score_fleet(contender: Contender, fleet: FleetRows) -> Scored:
    """Return what a contender says of every car on every day, and whom it names."""
    stored = fleet.stored
    found = probabilities(contender.models, fleet.rows, lamps=stored.lamps, vehicles=stored.vehicles)
    warnings = warnings_of(found, contender.thresholds)
    return Scored(found, warnings, days_said(contender, warnings, fleet))


def days_said(contender: Contender, warnings: pd.DataFrame, fleet: FleetRows) -> pd.DataFrame:
    """Return in how many days the lamp comes on, of every warning on the day it was made.

    warnings : as of ``models.decision.warnings_of``, of the rows of ``fleet``
    Returns  : DataFrame (n_warnings, 8): WARNING_COLUMNS and SAID_COLUMNS, of modes of which something says it
    """
    said: list[pd.DataFrame] = []
    for mode, model in contender.lamp_times.items():
        own = warnings[warnings["fault_mode"] == mode]
        if own.empty:
            continue
        at = pd.MultiIndex.from_arrays(
            [own["first_flagged_at"].dt.tz_localize(None), own["vehicle_id"]], names=["as_of", "vehicle_id"]
        )
        features, vehicles = contender.models[mode].features, fleet.stored.vehicles
        of_the_days = fleet.rows[fleet.rows.index.get_level_values("as_of").isin(at.unique("as_of"))]
        usual = peers_of(of_the_days, vehicles, features)
        days = predict_remaining(model, with_peers(of_the_days.loc[at], vehicles, features, usual))
        days = days.assign(cap_d=model.cap_d, coverage=model.coverage)
        said.append(pd.concat([own.reset_index(drop=True), days.reset_index(drop=True)], axis=1))
    columns = [*WARNING_COLUMNS, *SAID_COLUMNS]
    return pd.concat(said, ignore_index=True)[columns] if said else pd.DataFrame(columns=columns)


def car_days(scored: Scored) -> float:
    """Return on how many days cars were scored for something, added up."""
    return float(scored.probabilities.notna().any(axis=1).sum())
