"""Training: one gradient-boosting model per fault mode, judged on cars it has not seen."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import psycopg
import structlog
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from config.decision import decision_policy
from config.faults import FaultMode, fault_modes
from ingest.store import events
from models.calibration import Calibration, fit_calibration
from models.dataset import (
    Dataset,
    KnownFleet,
    NotEnoughData,
    fleet_about,
    joined_datasets,
    read_known_fleet,
    training_rows,
)
from models.days import start_of_day
from models.decision import usual_rule
from models.evaluation import metrics_of
from models.features import Feature, as_table
from models.fleet_scores import ModeModel
from models.labels import record_lamp_labels
from models.lamp_time import fit_lamp_time
from models.promotion import adopt_pointers, decided_digests, decisions, record_first
from models.provenance import code_version
from models.reference import reference_of
from models.registry import TrainedModel, save_model
from models.remaining import Remaining, TooFewUnits
from models.runs import Clock, recorded_run, utc_now
from models.thresholds import choose_threshold, scored_grid
from models.watched import features_of
from models.workers import Here, Workers

# Told what is being done, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]

FOLDS = 5
# Fewer cars on either side than this cannot be split into cars to learn from and cars to judge by.
LEAST_VEHICLES = 3
# Of the settings tried out of fold on four simulated fleets these cost least (``models.thresholds``) for the two modes
# with the most failures; twice as many trees of the same kind cost 4 % less and take twice as long to score.
PARAMETERS: dict[str, Any] = {
    "learning_rate": 0.05,
    "max_iter": 200,
    "max_leaf_nodes": 6,
    "min_samples_leaf": 15,
    "l2_regularization": 5.0,
    "max_features": 0.5,
    "early_stopping": False,
}
# With fewer rows than this a second thread waits longer than it works; on busy cores ten times longer (measured).
THREADED_ROWS = 10_000_000

_log = structlog.get_logger(__name__)


class Fitted(msgspec.Struct, frozen=True):
    """A model with what it is worth.

    features    : what the estimator takes, in order; features that no car had are left out
    calibration : makes a probability of what the estimator says
    score       : (n_rows,) out of fold: what a model said that had not seen the row's car, not yet calibrated
    usual       : median of each feature over rows whose lamp stayed off
    lamp_time   : in how many days the lamp comes on; None when too few did to say so
    """

    estimator: HistGradientBoostingClassifier
    features: tuple[Feature, ...]
    calibration: Calibration
    score: NDArray[np.float64]
    threshold: float
    metrics: dict[str, float]
    usual: dict[str, float]
    lamp_time: Remaining | None = None

    @property
    def model(self) -> ModeModel:
        return ModeModel(self.estimator, self.features, self.calibration, self.threshold)


def train(
    conn: psycopg.Connection[Any],
    *,
    as_of: datetime,
    data_dir: Path,
    progress: Progress | None = None,
    seed: int = 0,
    clock: Clock = utc_now,
    workers: Workers | None = None,
) -> list[TrainedModel]:
    """Train every fault mode from what had been received before ``as_of``.

    The first model of a fault mode is its champion; a later one is a challenger until somebody promotes it.

    conn    : role "models", outside a transaction; it is committed
    as_of   : its UTC day begins the future
    workers : read the cars and learn the modes; None is this process
    Returns : the models that could be trained; a mode with too few failures or cars is passed over and logged
    Raises  : NotEnoughData, when that is so of every mode
    """
    as_of = start_of_day(as_of)
    modes = list(fault_modes().values())
    tell: Progress = progress or (lambda what, done, total: None)
    steps = len(modes) + 1
    trained: list[TrainedModel] = []
    problems: list[str] = []
    with recorded_run(conn, "train", clock=clock) as run:
        tell("read", 0, steps)
        workers = workers or Here(conn)
        asked = [f for mode in modes for f in features_of(mode)]
        fleet = read_known_fleet(conn, asked, as_of=as_of, seed=seed, workers=workers)
        record_lamp_labels(conn, events.lamps(conn, received_before=as_of))
        lessons = ((mode, fleet_about(mode, features_of(mode), fleet)) for mode in modes)
        known = decided_digests(decisions(conn))
        learnt = workers.each(_learn, lessons, shared=(as_of, run.started_at, seed))
        for step, (mode, one) in enumerate(zip(modes, learnt, strict=True), start=1):
            tell(mode.key, step, steps)
            if isinstance(one, str):
                _log.warning("fault mode not trained", mode=mode.key, reason=one)
                problems.append(one)
                continue
            fitted, meta = one
            trained.append(
                save_model(
                    fitted.estimator,
                    meta,
                    data_dir=data_dir,
                    lamp_time=fitted.lamp_time,
                    digest=known.get((meta.mode, meta.version)),
                )
            )
        if not trained:
            raise NotEnoughData("no model could be trained. " + ". ".join(problems))
        adopt_pointers(conn, data_dir, clock=clock)
        first = [model.mode for model in trained if record_first(conn, model, data_dir=data_dir, at=run.started_at)]
        run.detail.update(
            as_of=as_of.isoformat(),
            models=[{"mode": model.mode, "version": model.version, "metrics": model.metrics} for model in trained],
            first=first,
            not_trained=problems,
        )
        tell("done", steps, steps)
    return trained


def _learn(
    conn: psycopg.Connection[Any], told: tuple[datetime, datetime, int], lesson: tuple[FaultMode, KnownFleet]
) -> tuple[Fitted, TrainedModel] | str:
    """Return the model of one mode with what is known about it, or why there is none."""
    (as_of, trained_at, seed), (mode, fleet) = told, lesson
    try:
        return learn_mode(mode, [fleet], as_of=as_of, trained_at=trained_at, seed=seed)
    except NotEnoughData as error:
        return str(error)


def learn_mode(
    mode: FaultMode, fleets: Sequence[KnownFleet], *, as_of: datetime, trained_at: datetime, seed: int
) -> tuple[Fitted, TrainedModel]:
    """Return the model of one mode, learnt from fleets in which no two cars share an id, and what is known of it.

    Raises : NotEnoughData
    """
    features = features_of(mode)
    dataset = joined_datasets([training_rows(mode, features, fleet) for fleet in fleets])
    fitted = fit_mode(mode, features, dataset, seed=seed)
    return fitted, describe(mode, dataset, fitted, as_of=as_of, trained_at=trained_at, seed=seed)


def fit_mode(mode: FaultMode, features: Sequence[Feature], dataset: Dataset, *, seed: int) -> Fitted:
    """Fit the model of one fault mode, with metrics and threshold from cars held out.

    Raises : NotEnoughData, when too few cars failed or too few did not
    """
    _check_enough(mode, features, dataset)
    policy = decision_policy()
    score = out_of_fold(features, dataset, seed=seed)
    calibration = fit_calibration(score, dataset.came_on, dataset.weight)
    probability = calibration(score)
    index = pd.MultiIndex.from_arrays([dataset.as_of, dataset.vehicle_id], names=["as_of", "vehicle_id"])
    outcome = choose_threshold(
        scored_grid(
            pd.Series(probability, index=index),
            dataset.episodes,
            weight=pd.Series(dataset.weight, index=dataset.vehicle_id).groupby(level=0).first(),
            spared=dataset.spared,
        ),
        horizon_d=mode.horizon_d,
        rule=usual_rule(),
        policy=policy,
        missed_cost=policy.cost_of_missing(mode.severity),
        # What owners bear is shared by all faults they may be called for.
        most_false=policy.needless_per_1000_car_months / len(fault_modes()),
    )
    # To the precision of the table that keeps it, so that a flag here is a flag there.
    threshold = float(np.float32(outcome.threshold))
    metrics = metrics_of(dataset.came_on, probability, dataset.vehicle_id, threshold=threshold)
    metrics |= {
        "lamps_caught": outcome.caught,
        "lamps_missed": outcome.missed,
        "needless_per_1000_car_months": outcome.false_per_1000_car_months,
    }
    used = seen_features(features, dataset.features[dataset.learnt])
    healthy = dataset.features.loc[~dataset.came_on & dataset.learnt, [feature.name for feature in used]].median()
    return Fitted(
        estimator=_fit(used, dataset, dataset.learnt, seed=seed),
        features=used,
        calibration=calibration,
        score=score,
        threshold=threshold,
        metrics=metrics,
        usual={str(name): float(value) for name, value in healthy.dropna().items()},
        lamp_time=_lamp_time(mode, used, dataset, seed=seed),
    )


def _lamp_time(mode: FaultMode, features: Sequence[Feature], dataset: Dataset, *, seed: int) -> Remaining | None:
    try:
        return fit_lamp_time(mode, features, dataset, seed=seed)
    except TooFewUnits as error:
        _log.info("no time to lamp", mode=mode.key, reason=str(error))
        return None


def out_of_fold(features: Sequence[Feature], dataset: Dataset, *, seed: int) -> NDArray[np.float64]:
    """Return what a model that had not seen the row's car says of each row: (n_rows,), not yet calibrated."""
    cars, owner = np.unique(dataset.vehicle_id, return_inverse=True)
    failing = np.isin(cars, dataset.vehicle_id[dataset.came_on])
    folds = min(FOLDS, int(failing.sum()), int((~failing).sum()))
    probability = np.full(len(dataset.came_on), np.nan)
    # Cars are split, not rows, and the failing ones evenly: every fold has some to learn from and some to judge by.
    for _, held_out in StratifiedKFold(folds, shuffle=True, random_state=seed).split(cars, failing):
        test = np.isin(owner, held_out)
        learnt = dataset.learnt & ~test
        used = seen_features(features, dataset.features[learnt])
        estimator = _fit(used, dataset, learnt, seed=seed)
        probability[test] = probability_of(estimator, used, dataset.features[test])
    return probability


def probability_of(
    estimator: HistGradientBoostingClassifier, features: Sequence[Feature], rows: pd.DataFrame
) -> NDArray[np.float64]:
    """Return what the estimator says, which calibration makes a probability of: (n_rows,)."""
    table = rows[[feature.name for feature in features]]
    return np.asarray(estimator.predict_proba(table)[:, 1], dtype=np.float64)


def seen_features(features: Sequence[Feature], rows: pd.DataFrame) -> tuple[Feature, ...]:
    """Return the features that at least one row has: scikit-learn cannot bin a column without a value."""
    return tuple(feature for feature in features if rows[feature.name].notna().any())


def _fit(
    features: Sequence[Feature], dataset: Dataset, learnt: NDArray[np.bool_], *, seed: int
) -> HistGradientBoostingClassifier:
    rows = dataset.features.loc[learnt, [feature.name for feature in features]]
    monotone = {feature.name: feature.monotone for feature in features if feature.monotone}
    estimator = HistGradientBoostingClassifier(**PARAMETERS, monotonic_cst=monotone, random_state=seed)
    # Halfway, in log odds, between cars as they were drawn, of which many break, and cars as they are: a healthy one
    # that looks odd then counts for more, and the few that break are still enough to learn from.
    weight = np.sqrt(dataset.weight[learnt])
    with threadpool_limits(limits=1 if len(rows) < THREADED_ROWS else None):
        return estimator.fit(rows, dataset.came_on[learnt].astype(np.int8), sample_weight=weight / weight.mean())


def _check_enough(mode: FaultMode, features: Sequence[Feature], dataset: Dataset) -> None:
    # A lamp that came on soon after a car's first readings may leave no row to learn from.
    failing = len(np.unique(dataset.vehicle_id[dataset.came_on & dataset.learnt]))
    healthy = dataset.vehicles - dataset.failing_vehicles
    if not seen_features(features, dataset.features):
        raise NotEnoughData(f"{mode.key}: no car sends the signals it is seen by; ingest cars that do")
    if failing < LEAST_VEHICLES:
        raise NotEnoughData(
            f"{mode.key}: {LEAST_VEHICLES} cars whose lamp came on are needed and {failing} are stored; "
            "ingest more history or more cars"
        )
    if healthy < LEAST_VEHICLES:
        raise NotEnoughData(
            f"{mode.key}: {LEAST_VEHICLES} cars whose lamp stayed off are needed and {healthy} are stored; "
            "ingest more history or more cars"
        )


def describe(
    mode: FaultMode, dataset: Dataset, fitted: Fitted, *, as_of: datetime, trained_at: datetime, seed: int
) -> TrainedModel:
    """Return what is to be known about a fitted model; the same data makes the same version."""
    parameters = {**PARAMETERS, "random_state": seed, "calibration": msgspec.to_builtins(fitted.calibration)}
    versions = {library: version(library) for library in ("scikit-learn", "numpy", "pandas", "skops")}
    table = as_table(fitted.features)
    return TrainedModel(
        mode=mode.key,
        version=f"{as_of:%Y%m%d}-{_fingerprint(dataset, table, parameters, versions, fitted.threshold)}",
        as_of=as_of,
        trained_at=trained_at,
        features=table,
        threshold=fitted.threshold,
        metrics=fitted.metrics,
        usual=fitted.usual,
        rows=len(dataset.came_on),
        vehicles=dataset.vehicles,
        failing_vehicles=dataset.failing_vehicles,
        parameters=parameters,
        versions=versions,
        code=code_version(),
        reference=reference_of(dataset, fitted.features, fitted.calibration(fitted.score)),
    )


def _fingerprint(dataset: Dataset, *settings: object) -> str:
    """The same data, features, parameters and libraries make the same model, and the same name."""
    digest = hashlib.sha256(msgspec.json.encode(settings))
    rows = (dataset.came_on, dataset.vehicle_id, dataset.as_of.astype(np.int64), dataset.weight)
    for values in (dataset.features.to_numpy(), *rows):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:12]
