"""Drift: have the cars, the scores or the truth moved away from what the champion learnt?"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import psycopg
from psycopg.rows import kwargs_row
from psycopg.types.json import Jsonb

from config import sql
from ingest.store import events
from models.dataset import read_vehicles
from models.days import start_of_day
from models.features import Feature
from models.feedback import calibration_between, precision_between
from models.labels import record_lamp_labels
from models.registry import LoadedModel
from models.runs import Clock, recorded_run, utc_now
from models.scoring import CHUNK_VEHICLES, cars_of, load_champions, rows_of_day, rows_to_score
from models.stability import Distribution, count_bins, stability_index, worst_by_chance
from models.workers import Here

DriftKind = Literal["input", "score", "calibration", "precision"]

# What came true is looked at over four weeks: fewer hold too few lamps, more would hide what is new.
TRUTH_D = 28
# 99 % of a normal distribution: daily figures would otherwise cry wolf every three weeks.
_Z = 2.58


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one version.

    kind    : "input" and "score": PSI; "calibration": how far what was said lies from what came true, on average;
              "precision": share of flagged cars that came true
    subject : name of the feature of an input, "" otherwise
    worst   : a value above it is drift; None: not judged
    n       : cars the value is of
    """

    fault_mode: str
    model_version: str
    kind: DriftKind
    subject: str
    value: float
    worst: float | None
    n: int
    detail: dict[str, Any]

    @property
    def drifted(self) -> bool:
        return self.worst is not None and self.value > self.worst


class Measured(Drift, frozen=True, kw_only=True):
    """A stored figure, with its run."""

    run_id: int
    as_of: datetime


class DriftResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a measurement did."""

    run_id: int
    as_of: datetime
    figures: int
    drifted: int

    def __str__(self) -> str:
        return f"{self.drifted} of {self.figures} figures drifted as of {self.as_of:%Y-%m-%d}"


def measure(
    conn: psycopg.Connection[Any],
    *,
    as_of: datetime,
    data_dir: Path,
    clock: Clock = utc_now,
    chunk_vehicles: int = CHUNK_VEHICLES,
) -> DriftResult:
    """Measure the champions against their training and against what came true, and store the figures.

    conn   : role "models", outside a transaction; it is committed
    as_of  : its UTC day begins the future
    Raises : NoModel, ModelFileUntrusted, ModelOutdated
    """
    as_of = start_of_day(as_of)
    with recorded_run(conn, "drift", clock=clock) as run:
        # What cannot score has no drift; whoever scores says so.
        models = load_champions(conn, data_dir, {})
        record_lamp_labels(conn, events.lamps(conn, received_before=as_of))
        found = [
            *_of_inputs(conn, models, as_of=as_of, chunk_vehicles=chunk_vehicles),
            *_of_scores(conn, models, as_of=as_of),
            *_of_truth(conn, as_of=as_of),
        ]
        with conn.cursor() as cursor:
            cursor.executemany(
                sql.load("models", "store_drift"),
                [
                    msgspec.structs.asdict(one) | {"detail": Jsonb(one.detail), "run_id": run.run_id, "as_of": as_of}
                    for one in found
                ],
            )
        result = DriftResult(
            run_id=run.run_id, as_of=as_of, figures=len(found), drifted=sum(one.drifted for one in found)
        )
        run.detail.update(msgspec.to_builtins(result))
    return result


def newest(conn: psycopg.Connection[Any], *, before: datetime | None = None) -> list[Measured]:
    """Return the figures of the last finished measurement, worst first within each kind; begun before ``before``."""
    with conn.cursor(row_factory=kwargs_row(_measured)) as cursor:
        return cursor.execute(sql.load("models", "newest_drift"), {"before": before}).fetchall()


def _measured(**row: Any) -> Measured:
    return msgspec.convert(row, Measured)


def by_signal(figures: Sequence[Measured]) -> list[Measured]:
    """Keep of the inputs of each version the worst feature of every signal, and everything else."""
    kept: dict[tuple[str, ...], Measured] = {}
    for one in figures:
        key = (one.fault_mode, one.model_version, one.kind, one.subject.partition(".")[0])
        other = kept.get(key)
        if other is None or _badness(one) > _badness(other):
            kept[key] = one
    return list(kept.values())


def _badness(one: Drift) -> float:
    return one.value / one.worst if one.worst else one.value


def _of_inputs(
    conn: psycopg.Connection[Any], models: Sequence[LoadedModel], *, as_of: datetime, chunk_vehicles: int
) -> list[Drift]:
    """Compare the features of every car that would be scored on a day with those of the training."""
    known = [model for model in models if model.meta.reference is not None]
    counts: dict[tuple[str, str], Any] = {}
    vehicles, lamps = read_vehicles(conn), events.lamps(conn, received_before=as_of)
    features: list[Feature] = [feature for model in known for feature in model.features]
    chunks = (
        rows_of_day(Here(conn), features, vehicles, as_of=as_of, chunk_vehicles=chunk_vehicles) if known else iter(())
    )
    for chunk, peers in chunks:
        cars = cars_of(chunk, peers, features, vehicles, lamps)
        for model in known:
            rows = rows_to_score(model, cars)
            for name, then in _inputs(model).items():
                counted = count_bins(then.edges, rows[name].to_numpy(dtype=np.float64))
                key = (model.meta.mode, name)
                counts[key] = counts[key] + counted if key in counts else counted
    found = []
    for model in known:
        for name, then in _inputs(model).items():
            own = counts.get((model.meta.mode, name))
            if own is not None and own.sum():
                missing = {"missing": float(own[-1] / own.sum()), "missing_in_training": then.shares[-1]}
                found.append(_stability(model, "input", name, then, own, missing))
    return found


def _inputs(model: LoadedModel) -> dict[str, Distribution]:
    assert model.meta.reference is not None
    return model.meta.reference.inputs


def _of_scores(conn: psycopg.Connection[Any], models: Sequence[LoadedModel], *, as_of: datetime) -> list[Drift]:
    """Compare what the champions said last with what models that had not seen the car said in training."""
    found = []
    for model in models:
        if model.meta.reference is None:
            continue
        values = {"fault_mode": model.meta.mode, "model_version": model.meta.version, "as_of": as_of}
        scores = [score for (score,) in conn.execute(sql.load("models", "newest_scores"), values)]
        if scores:
            then = model.meta.reference.scores
            found.append(_stability(model, "score", "", then, count_bins(then.edges, np.array(scores)), {}))
    return found


def _stability(
    model: LoadedModel, kind: DriftKind, subject: str, then: Distribution, counts: Any, detail: dict[str, Any]
) -> Drift:
    cars = int(counts.sum())
    return Drift(
        fault_mode=model.meta.mode,
        model_version=model.meta.version,
        kind=kind,
        subject=subject,
        value=stability_index(then, counts),
        worst=worst_by_chance(then, cars),
        n=cars,
        detail=detail,
    )


def _of_truth(conn: psycopg.Connection[Any], *, as_of: datetime) -> list[Drift]:
    """Compare what every version said of the last weeks with what came true."""
    since = as_of - timedelta(days=TRUTH_D)
    calibrations = [
        Drift(
            fault_mode=one.fault_mode,
            model_version=one.model_version,
            kind="calibration",
            subject="",
            value=abs(one.predicted - one.observed),
            # Days of one car come true together: cars are what is counted.
            worst=_Z * float(np.sqrt(max(one.predicted * (1 - one.predicted), 0.0) / one.cars)),
            n=one.cars,
            detail={"predicted": one.predicted, "observed": one.observed, "brier": one.brier, "predictions": one.n},
        )
        for one in calibration_between(conn, since=since, until=as_of)
    ]
    precisions = [
        Drift(
            fault_mode=one.fault_mode,
            model_version=one.model_version,
            kind="precision",
            subject="",
            value=one.precision,
            worst=None,
            n=one.known,
            detail={"low": one.low, "high": one.high, "lead_time_d": one.lead_time_d, "held_out": one.held_out},
        )
        for one in precision_between(conn, since=since, until=as_of)
        if one.precision is not None
    ]
    return [*calibrations, *precisions]
