"""Scoring: the champion of every fault mode on every car it is about, a bounded number of cars at a time."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import psycopg

from config.faults import FaultMode, fault_modes
from ingest.store import events, readings
from models.dataset import NotEnoughData, read_vehicles
from models.days import days_before, start_of_day
from models.explain import explain
from models.features import Feature, columns_of, feature_rows, reach_of
from models.labels import lamps_of, quiet_vehicles
from models.registry import LoadedModel, NoModel, champions, load_model
from models.runs import Clock, recorded_run, utc_now
from models.tables import NewPrediction, store_predictions
from models.training import Progress, probability_of

# Cars read, scored and stored together: enough to make a query worth it, few enough for some 100 MB.
CHUNK_VEHICLES = 2000


class ScoreResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a scoring did. ``vehicles`` had readings; ``scored`` and ``flagged`` are predictions by fault mode."""

    run_id: int
    as_of: datetime
    vehicles: int
    scored: dict[str, int]
    flagged: dict[str, int]

    def __str__(self) -> str:
        by_mode = ", ".join(f"{mode}: {self.flagged[mode]} of {scored} flagged" for mode, scored in self.scored.items())
        return f"{self.vehicles} cars scored as of {self.as_of:%Y-%m-%d} ({by_mode})"


def score(
    conn: psycopg.Connection[Any],
    *,
    as_of: datetime,
    data_dir: Path,
    progress: Progress | None = None,
    clock: Clock = utc_now,
    chunk_vehicles: int = CHUNK_VEHICLES,
) -> ScoreResult:
    """Score every car from what had been received before ``as_of`` and store a prediction each; flagged ones say why.

    conn    : role "models", outside a transaction; it is committed
    as_of   : its UTC day begins the future. The running day is left out, as it was in training
    Raises  : NoModel, ModelFileUntrusted, ModelOutdated; NotEnoughData, when no car has a reading within reach
    """
    as_of = start_of_day(as_of)
    with recorded_run(conn, "score", clock=clock) as run:
        models = load_champions(data_dir)
        vehicles = read_vehicles(conn)
        lamps = events.lamps(conn, received_before=as_of)
        result = ScoreResult(
            run_id=run.run_id,
            as_of=as_of,
            vehicles=0,
            scored={model.meta.mode: 0 for model in models},
            flagged={model.meta.mode: 0 for model in models},
        )
        for start in range(0, len(vehicles), chunk_vehicles):
            if progress is not None:
                progress("score", start, len(vehicles))
            chunk = vehicles.iloc[start : start + chunk_vehicles]
            aggregates = _read(conn, models, chunk, as_of=as_of)
            predictions: list[NewPrediction] = []
            for model in models:
                mode = fault_modes()[model.meta.mode]
                rows = rows_to_score(mode, model.features, aggregates, chunk, lamps, as_of=as_of)
                predictions.extend(predict(model, rows))
            store_predictions(conn, predictions, run_id=run.run_id, scored_at=run.started_at, as_of=as_of)
            result = _add(result, int(aggregates["vehicle_id"].nunique()), predictions)
        if result.vehicles == 0:
            raise NotEnoughData(
                f"no car has a reading of the weeks before {as_of:%Y-%m-%d} that was received by then: "
                "ingest readings or choose another day"
            )
        run.detail.update(msgspec.to_builtins(result), models={m.meta.mode: m.meta.version for m in models})
        if progress is not None:
            progress("score", len(vehicles), len(vehicles))
    return result


def load_champions(data_dir: Path) -> list[LoadedModel]:
    """Load the model that scores for each predicted fault mode.

    Raises : NoModel, when there is none at all; ModelFileUntrusted; ModelOutdated
    """
    predicted = {mode.key for mode in fault_modes().values() if mode.predicted}
    metas = [meta for meta in champions(data_dir) if meta.mode in predicted]
    if not metas:
        raise NoModel("no model has been trained yet: run 'forewarn train'")
    return [load_model(data_dir, meta.mode, meta.version) for meta in metas]


def rows_to_score(
    mode: FaultMode,
    features: Sequence[Feature],
    aggregates: pd.DataFrame,
    vehicles: pd.DataFrame,
    lamps: pd.DataFrame,
    *,
    as_of: datetime,
) -> pd.DataFrame:
    """Return the features of the cars that can have the fault and whose lamp is not on already: as ``feature_rows``."""
    able = vehicles.loc[vehicles["powertrain"].isin(mode.on), "vehicle_id"]
    rows = feature_rows(aggregates[aggregates["vehicle_id"].isin(able)], features, as_of=as_of)
    # Without a single feature there is nothing to judge by, and a model would still answer.
    rows = rows[rows.notna().any(axis=1)]
    return rows[quiet_vehicles(lamps_of(mode, lamps), rows.index, as_of=as_of)]


def predict(model: LoadedModel, rows: pd.DataFrame) -> Iterator[NewPrediction]:
    """Score rows with one model; those at or above its threshold carry their reasons."""
    if rows.empty:
        return
    # To the precision of the table, which compares the two again.
    probability = probability_of(model.estimator, model.features, rows).astype(np.float32)
    threshold = np.float32(model.meta.threshold)
    flagged = probability >= threshold
    reasons = iter(explain(model, rows[flagged]))
    for vehicle_id, chance, is_flagged in zip(rows.index.tolist(), probability.tolist(), flagged.tolist(), strict=True):
        yield NewPrediction(
            vehicle_id=vehicle_id,
            fault_mode=model.meta.mode,
            probability=chance,
            threshold=float(threshold),
            model_version=model.meta.version,
            reasons=next(reasons) if is_flagged else [],
        )


def _read(
    conn: psycopg.Connection[Any], models: Sequence[LoadedModel], chunk: pd.DataFrame, *, as_of: datetime
) -> pd.DataFrame:
    features = [feature for model in models for feature in model.features]
    return readings.daily_aggregates(
        conn,
        columns_of(features),
        since=days_before(as_of, reach_of(features)),
        until=as_of,
        received_before=as_of,
        vehicle_ids=chunk["vehicle_id"].tolist(),
    )


def _add(result: ScoreResult, vehicles: int, predictions: Sequence[NewPrediction]) -> ScoreResult:
    scored, flagged = dict(result.scored), dict(result.flagged)
    for prediction in predictions:
        scored[prediction.fault_mode] += 1
        flagged[prediction.fault_mode] += prediction.probability >= prediction.threshold
    return msgspec.structs.replace(result, vehicles=result.vehicles + vehicles, scored=scored, flagged=flagged)
