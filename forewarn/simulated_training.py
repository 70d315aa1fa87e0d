"""Models trained on simulated fleets without a database, kept so that the same code need not learn them twice."""

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import structlog

from config.faults import FaultMode, fault_modes
from forewarn.fleet_frames import CarsFrames, simulated
from forewarn.kept_baselines import Baselines, keep_baselines, kept_baselines
from forewarn.simulator.fleet import DEFAULT_FAULTY_SHARE, FleetPlan
from models.baselines import features_asked, fit_baselines
from models.dataset import (
    KnownFleet,
    NotEnoughData,
    Stored,
    fleet_about,
    joined_fleet,
    known_fleet,
    no_findings,
)
from models.decision import usual_rule
from models.features import Feature, columns_of
from models.fleet_scores import ModeModel
from models.peers import own_features
from models.registry import TrainedModel, load_model, save_model
from models.remaining import Remaining
from models.scoring import mode_model
from models.training import Fitted, learn_mode
from models.watched import features_of

# Told what is being done, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]

# So far apart that no two cars of different fleets share a number.
_FLEET_IDS = 1_000_000
_VERSIONS = "versions.json"
_ROOT = Path(__file__).resolve().parent.parent
# What a model learnt here depends on.
_CODE = (
    *("config/decision.toml", "config/faults.toml", "config/quantities.toml", "config/signals.toml"),
    *("forewarn/fleet_frames.py", "forewarn/kept_baselines.py", "forewarn/simulated_training.py"),
    *("forewarn/simulator/*.py", "ingest/cells.py", "ingest/coolant.py", "ingest/rest.py", "models/*.py"),
)

_log = structlog.get_logger(__name__)


def _plan(seed: int, end: datetime) -> FleetPlan:
    return FleetPlan(vehicles=1000, days=180, seed=seed, end=end, faulty_share=0.35)


# Half a year each, that end in every season; a third of the cars are to break, for failures are what there is to learn.
# Whoever judges the models must not simulate with these seeds.
TRAINING_PLANS = (
    _plan(901, datetime(2026, 1, 1, tzinfo=UTC)),
    _plan(902, datetime(2026, 7, 1, tzinfo=UTC)),
    _plan(903, datetime(2026, 4, 1, tzinfo=UTC)),
    _plan(904, datetime(2025, 10, 1, tzinfo=UTC)),
)


@dataclass(frozen=True)
class SimulatedModels:
    """The model of every fault mode, what is known about each, and what they have to beat where that was asked for.

    lamp_times : of the modes of which enough lamps came on
    """

    models: Mapping[str, ModeModel]
    lamp_times: Mapping[str, Remaining]
    metas: Mapping[str, TrainedModel]
    baselines: Baselines

    @property
    def thresholds(self) -> dict[str, float]:
        return {mode: model.threshold for mode, model in self.models.items()}


def simulated_models(
    data_dir: Path,
    *,
    plans: tuple[FleetPlan, ...] = TRAINING_PLANS,
    seed: int = 0,
    with_baselines: bool = False,
    processes: int | None = None,
    progress: Progress | None = None,
) -> SimulatedModels:
    """Return models of all fault modes learnt from simulated fleets; with the same code they are learnt once.

    data_dir  : models are kept below it, under a name that says code and plans
    with_baselines : choose on the same fleets what the models have to beat
    processes : None is one for each processor
    Raises    : NotEnoughData, when the fleets are too small to learn anything from
    """
    folder = data_dir / "simulated-training" / fingerprint(plans, seed)
    kept, baselines = kept_versions(folder), kept_baselines(folder)
    if not kept or (with_baselines and baselines is None):
        modes = list(fault_modes().values())
        features = list(features_asked(modes))
        fleets = []
        for number, plan in enumerate(plans):
            fleets.append(training_fleet(plan, features, number=number, processes=processes, progress=progress))
        if not kept:
            trained = train_on(fleets, seed=seed, processes=processes, progress=progress)
            for fitted, meta in trained:
                save_model(fitted.estimator, meta, data_dir=folder, lamp_time=fitted.lamp_time)
            kept = keep_versions([meta for _, meta in trained], folder)
        if with_baselines:
            learnt = [mode for mode in modes if mode.key in kept]
            baselines = fit_baselines(fleets, learnt, rule=usual_rule(), seed=seed)
            keep_baselines(baselines, folder)
    loaded = {mode: load_model(folder, mode, version) for mode, version in kept.items()}
    return SimulatedModels(
        models={mode: mode_model(model) for mode, model in loaded.items()},
        lamp_times={mode: model.lamp_time for mode, model in loaded.items() if model.lamp_time is not None},
        metas={mode: model.meta for mode, model in loaded.items()},
        baselines=baselines or {},
    )


def kept_versions(folder: Path) -> dict[str, str]:
    """Return the version of each fault mode's model that was kept; none when nothing was kept whole."""
    try:
        return msgspec.json.decode((folder / _VERSIONS).read_bytes(), type=dict[str, str])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def keep_versions(metas: list[TrainedModel], folder: Path) -> dict[str, str]:
    """Name the versions that belong together, all at once: what was interrupted is not taken for what is known."""
    versions = {meta.mode: meta.version for meta in metas}
    draft = folder / f".{_VERSIONS}.draft"
    draft.write_bytes(msgspec.json.encode(versions))
    draft.replace(folder / _VERSIONS)
    return versions


def fingerprint(plans: tuple[FleetPlan, ...], seed: int) -> str:
    """Return a name that another code, plan or seed does not have."""
    digest = hashlib.sha256(repr((plans, seed)).encode())
    for pattern in _CODE:
        for file in sorted(_ROOT.glob(pattern)):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def training_fleet(
    plan: FleetPlan,
    features: list[Feature],
    *,
    number: int = 0,
    processes: int | None = None,
    progress: Progress | None = None,
) -> KnownFleet:
    """Simulate a fleet and return what was known of it at its end. number : its cars' ids begin at so many millions"""
    parts: list[KnownFleet] = []
    work = partial(_known, features, plan, number)
    for part in simulated(plan, columns_of(own_features(features)), work, processes=processes):
        parts.append(part)
        if progress is not None:
            progress(f"simulate fleet {number + 1}", sum(len(p.vehicles) for p in parts), plan.vehicles)
    return joined_fleet(parts)


def _known(features: list[Feature], plan: FleetPlan, number: int, cars: CarsFrames) -> KnownFleet:
    shift = number * _FLEET_IDS

    def moved(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(vehicle_id=frame["vehicle_id"] + shift)

    stored = Stored(*(moved(f) for f in (cars.stored.aggregates, cars.stored.lamps, cars.stored.vehicles)))
    ids = {vin: vehicle_id + shift for vehicle_id, vin in cars.vins.items()}
    faulty = cars.truth.faults["vin"].map(ids)
    # The fleet that will be scored has far fewer cars that break.
    breaks = stored.vehicles["vehicle_id"].isin(faulty).to_numpy()
    ill = DEFAULT_FAULTY_SHARE / max(plan.faulty_share, 1e-9)
    well = (1 - DEFAULT_FAULTY_SHARE) / max(1 - plan.faulty_share, 1e-9)
    weight = pd.Series(np.where(breaks, ill, well), index=stored.vehicles["vehicle_id"].to_numpy())
    return replace(
        known_fleet(stored, features, until=plan.end, weight=weight), findings=_findings(cars, ids, plan.end)
    )


def _findings(cars: CarsFrames, ids: Mapping[str, int], until: datetime) -> pd.DataFrame:
    """Return what a workshop would say of every car: faults and since when, and lamps that have nothing behind them."""
    mode_of = {lamp: mode.key for mode in fault_modes().values() for lamp in mode.lamps}
    said = cars.truth.findings
    repaired = said[said["finding"] == "confirmed"].groupby("vin")["found_at"].min()
    faults = cars.truth.faults
    ill = pd.DataFrame(
        {
            "vehicle_id": faults["vin"].map(ids),
            "fault_mode": faults["fault_mode"],
            "found_at": pd.to_datetime(faults["vin"].map(repaired.to_dict()), utc=True).fillna(pd.Timestamp(until)),
            "confirmed": True,
            "since": faults["onset_at"],
        }
    )
    vain = said[said["finding"] == "not_confirmed"]
    well = pd.DataFrame(
        {
            "vehicle_id": vain["vin"].map(ids),
            "fault_mode": vain["code"].map(mode_of),
            "found_at": vain["found_at"],
            "confirmed": False,
            "since": vain["found_at"],
        }
    )
    some = [frame for frame in (ill, well) if not frame.empty]
    return pd.concat(some, ignore_index=True) if some else no_findings()


def train_on(
    fleets: list[KnownFleet], *, seed: int = 0, processes: int | None = None, progress: Progress | None = None
) -> list[tuple[Fitted, TrainedModel]]:
    """Learn every fault mode from fleets in which no two cars share a vehicle_id, a few modes at a time.

    Raises : NotEnoughData, when none could be learnt
    """
    modes = list(fault_modes().values())
    trained: list[tuple[Fitted, TrainedModel]] = []
    problems: list[str] = []
    # Trees are grown in one thread each: two modes side by side are faster than two threads on one.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting = [
            (mode, pool.submit(_trained, mode, [fleet_about(mode, features_of(mode), f) for f in fleets], seed))
            for mode in modes
        ]
        for done, (mode, future) in enumerate(waiting, start=1):
            try:
                trained.append(future.result())
            except NotEnoughData as error:
                _log.warning("fault mode not trained", mode=mode.key, reason=str(error))
                problems.append(str(error))
            if progress is not None:
                progress("train", done, len(modes))
    if not trained:
        raise NotEnoughData("no model could be trained. " + ". ".join(problems))
    return trained


def _trained(mode: FaultMode, fleets: list[KnownFleet], seed: int) -> tuple[Fitted, TrainedModel]:
    until = max(fleet.until for fleet in fleets)
    return learn_mode(mode, fleets, as_of=until, trained_at=until, seed=seed)
