"""Models, and what they have to beat, trained on simulated fleets without a database."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

import msgspec
import numpy as np
import pandas as pd
import structlog

from config.faults import fault_modes
from forewarn.fleet_frames import CarsFrames, simulated
from forewarn.simulator.fleet import DEFAULT_FAULTY_SHARE, FleetPlan
from models.baselines import Forest, Rule, features_asked, fit_baselines
from models.dataset import (
    KnownFleet,
    NotEnoughData,
    Stored,
    joined_datasets,
    joined_fleet,
    known_fleet,
    training_rows,
)
from models.decision import usual_rule
from models.features import Feature, columns_of
from models.fleet_scores import ModeModel
from models.peers import own_features
from models.training import fit_mode
from models.watched import features_of

# Told what is being done, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]

# Many more cars break than do on the road: a model learns from those, and weights say how few they are.
FAULTY_SHARE = 0.35
# Every season ends one of them.
_ENDS = tuple(datetime(2025, month, 1, tzinfo=UTC) for month in (1, 7, 4, 10))
FIRST_SEED = 9001
# No two cars of several fleets share a vehicle_id.
_CARS_OF_A_FLEET = 1_000_000

_log = structlog.get_logger(__name__)


class TrainingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Which fleets are learnt from: so many, each of ``vehicles`` cars that live ``days``."""

    vehicles: int = 1000
    days: int = 180
    fleets: int = 4

    @property
    def seeds(self) -> frozenset[int]:
        return frozenset(range(FIRST_SEED, FIRST_SEED + self.fleets))

    @property
    def plans(self) -> list[FleetPlan]:
        return [
            FleetPlan(self.vehicles, self.days, FIRST_SEED + number, _ENDS[number % len(_ENDS)], FAULTY_SHARE)
            for number in range(self.fleets)
        ]


@dataclass(frozen=True)
class Trained:
    """What simulated fleets taught.

    models    : by fault mode
    baselines : by name and fault mode
    about     : what it was taught by, for people
    """

    models: dict[str, ModeModel]
    baselines: dict[str, dict[str, Rule | Forest]]
    about: dict[str, str]


def train_on_simulated(
    plan: TrainingPlan, *, processes: int | None = None, seed: int = 0, progress: Progress | None = None
) -> Trained:
    """Simulate fleets and learn every fault mode from them.

    Raises : NotEnoughData, when no mode can be learnt
    """
    tell: Progress = progress or (lambda what, done, total: None)
    modes = list(fault_modes().values())
    features = features_asked(modes)
    fleets = [
        simulated_fleet(one, features, number=number, processes=processes, progress=tell)
        for number, one in enumerate(plan.plans)
    ]
    models: dict[str, ModeModel] = {}
    problems = []
    for done, mode in enumerate(modes):
        tell("Learning the fault modes", done, len(modes))
        try:
            dataset = joined_datasets([training_rows(mode, features_of(mode), fleet) for fleet in fleets])
            models[mode.key] = fit_mode(mode, features_of(mode), dataset, seed=seed).model
        except NotEnoughData as error:
            _log.warning("fault mode not trained", mode=mode.key, reason=str(error))
            problems.append(str(error))
    if not models:
        raise NotEnoughData(
            "no model could be trained: give the simulated fleets more cars with --train-vehicles. "
            + ". ".join(problems)
        )
    tell("Choosing what they have to beat", 0, 1)
    learnt = [mode for mode in modes if mode.key in models]
    baselines = fit_baselines(fleets, learnt, rule=usual_rule(), seed=seed)
    tell("Choosing what they have to beat", 1, 1)
    lamps = sum(int((fleet.lamps["state"] == "on").sum()) for fleet in fleets)
    about = {
        "trained on": (
            f"{plan.fleets} simulated fleets of {plan.vehicles:,} cars over {plan.days} days, seeds "
            f"{min(plan.seeds)} to {max(plan.seeds)}, {FAULTY_SHARE:.0%} of the cars faulty, weighed as "
            f"{DEFAULT_FAULTY_SHARE:.0%}; {lamps:,} lamps came on"
        ),
        "fault modes": ", ".join(models),
        "not learnt": ". ".join(problems) or "none",
        "learner": "gradient-boosted trees, monotone where physics says so, calibrated out of fold by car",
        "libraries": ", ".join(f"{name} {version(name)}" for name in ("scikit-learn", "numpy", "pandas")),
    }
    return Trained(models, baselines, about)


def simulated_fleet(
    plan: FleetPlan,
    features: Sequence[Feature],
    *,
    number: int,
    processes: int | None = None,
    progress: Progress | None = None,
) -> KnownFleet:
    """Simulate a fleet to learn from; what a workshop would have found by its end is known.

    number : of the fleet among others, which keeps vehicle_ids apart
    """
    tell: Progress = progress or (lambda what, done, total: None)
    what = f"Simulating fleet {number + 1} to learn from"
    parts, done = [], 0
    work = partial(_known, plan, tuple(features), number * _CARS_OF_A_FLEET)
    for part in simulated(plan, columns_of(own_features(features)), work, processes=processes):
        parts.append(part)
        done += len(part.vehicles)
        tell(what, done, plan.vehicles)
    weights = pd.concat([part.weight for part in parts if part.weight is not None])
    return replace(joined_fleet(parts), weight=weights)


def _known(plan: FleetPlan, features: tuple[Feature, ...], offset: int, frames: CarsFrames) -> KnownFleet:
    ids = {vin: vehicle_id + offset for vehicle_id, vin in frames.vins.items()}
    stored = Stored(*(_moved(table, offset) for table in _tables(frames.stored)))
    faults = frames.truth.faults
    faulty = {ids[vin] for vin in faults["vin"]}
    # Of cars that will be scored so many more are healthy than of those that are learnt from.
    as_scored = DEFAULT_FAULTY_SHARE / plan.faulty_share, (1 - DEFAULT_FAULTY_SHARE) / (1 - plan.faulty_share)
    weight = {vehicle: as_scored[0] if vehicle in faulty else as_scored[1] for vehicle in ids.values()}
    known = known_fleet(stored, features, until=plan.end, weight=pd.Series(weight, dtype=np.float64))
    dark = faults[~(faults["lamp_on_at"] < plan.end)]
    spared = {
        mode: frozenset(ids[vin] for vin in dark.loc[dark["fault_mode"] == mode, "vin"]) for mode in fault_modes()
    }
    return replace(known, spared=spared)


def _tables(stored: Stored) -> Iterator[pd.DataFrame]:
    yield from (stored.aggregates, stored.lamps, stored.vehicles)


def _moved(table: pd.DataFrame, offset: int) -> pd.DataFrame:
    return table.assign(vehicle_id=table["vehicle_id"] + offset)
