"""Scoring: the champion of every fault mode on every car it is about, a bounded number of cars at a time."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import psycopg
import structlog
from numpy.typing import NDArray

from config.faults import fault_modes
from ingest.store import day_sums, events
from models.dataset import NotEnoughData, read_vehicles
from models.days import days_before, start_of_day
from models.explain import explain
from models.features import Feature, columns_of, feature_rows_of_days, reach_of
from models.fleet_scores import ModeModel, scored_rows
from models.holdout import hold_out
from models.normal import with_normal
from models.peers import Peers, own_features, peers_of, with_peers
from models.promotion import adopt_pointers, decided, load_champion
from models.registry import LoadedModel, ModelFileUntrusted, ModelOutdated, NoModel, TrainedModel
from models.remaining import predict_remaining
from models.runs import Clock, recorded_run, utc_now
from models.shadow import load_challengers, store_shadow
from models.tables import NewPrediction, store_predictions
from models.training import Progress
from models.workers import Here, Workers

# Cars read, scored and stored together, about: half as many again are no faster. With the models a process has some
# 0.9 GB then.
CHUNK_VEHICLES = 1000
# Of a larger fleet what is usual is taken from so many cars: the median of hundreds of peers no longer moves.
PEER_VEHICLES = 20_000

_log = structlog.get_logger(__name__)


class ScoreResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a scoring did. ``vehicles`` had readings; ``scored`` and ``flagged`` are predictions by fault mode.

    held_out : of the flagged ones, by fault mode, those nobody is called for
    shadow   : version of the challenger that scored beside the champion, by fault mode
    unusable : why nothing was scored for a fault mode whose champion cannot be loaded, by fault mode
    """

    run_id: int
    as_of: datetime
    vehicles: int
    scored: dict[str, int]
    flagged: dict[str, int]
    held_out: dict[str, int] = {}
    shadow: dict[str, str] = {}
    unusable: dict[str, str] = {}

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
    holdout_share: float = 0.0,
    workers: Workers | None = None,
) -> ScoreResult:
    """Score every car from what had been received before ``as_of`` and store a prediction each; flagged ones say why.

    Challengers score in the shadow: what they say is stored where nobody is called for it.

    conn    : role "models", outside a transaction; it is committed
    as_of   : its UTC day begins the future. The running day is left out, as it was in training
    holdout_share : share of flagged cars that nobody is called for, as of ``models.holdout.hold_out``
    workers : read the cars and score them; None is this process
    Raises  : NoModel; ModelFileUntrusted, ModelOutdated, when so no champion can be loaded; NotEnoughData, when no car
              has a reading within reach
    """
    as_of = start_of_day(as_of)
    with recorded_run(conn, "score", clock=clock) as run:
        unusable: dict[str, str] = {}
        models = load_champions(conn, data_dir, unusable)
        shadows = load_challengers(conn, data_dir)
        vehicles = read_vehicles(conn)
        lamps = events.lamps(conn, received_before=as_of)
        result = ScoreResult(
            run_id=run.run_id,
            as_of=as_of,
            vehicles=0,
            scored={model.meta.mode: 0 for model in models},
            flagged={model.meta.mode: 0 for model in models},
            shadow={model.meta.mode: model.meta.version for model in shadows},
            unusable=unusable,
        )
        workers = workers or Here(conn)
        features = [feature for model in [*models, *shadows] for feature in model.features]
        known = rows_of_day(workers, features, vehicles, as_of=as_of, chunk_vehicles=chunk_vehicles)
        for said in workers.each(_say, known, shared=_Asked(models, shadows, vehicles, lamps, as_of)):
            store_predictions(conn, said.predictions, run_id=run.run_id, scored_at=run.started_at, as_of=as_of)
            for meta, ids, probability in said.shadows:
                store_shadow(conn, meta, ids, probability, run_id=run.run_id, scored_at=run.started_at, as_of=as_of)
            result = _add(result, said.vehicles, said.predictions)
            if progress is not None:
                progress("score", result.vehicles, len(vehicles))
        if result.vehicles == 0:
            raise NotEnoughData(
                f"no car has a reading of the weeks before {as_of:%Y-%m-%d} that was received by then: "
                "ingest readings or choose another day"
            )
        held_out = hold_out(conn, run_id=run.run_id, as_of=as_of, share=holdout_share)
        result = msgspec.structs.replace(result, held_out=held_out)
        run.detail.update(msgspec.to_builtins(result), models={m.meta.mode: m.meta.version for m in models})
        if progress is not None:
            progress("score", len(vehicles), len(vehicles))
    return result


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who is asked about every chunk of cars, and what is known of all cars."""

    models: Sequence[LoadedModel]
    shadows: Sequence[LoadedModel]
    vehicles: pd.DataFrame
    lamps: pd.DataFrame
    as_of: datetime


@dataclass(frozen=True, slots=True)
class _Said:
    """What models say of a chunk of so many cars. shadows : by challenger vehicle_id and probability"""

    vehicles: int
    predictions: list[NewPrediction]
    shadows: list[tuple[TrainedModel, pd.Index, NDArray[np.float64]]]


def _say(conn: psycopg.Connection[Any], asked: _Asked, known: tuple[pd.DataFrame, Peers]) -> _Said:
    rows, peers = known
    features = [feature for model in (*asked.models, *asked.shadows) for feature in model.features]
    cars = cars_of(rows, peers, features, asked.vehicles, asked.lamps)
    tables = {model.meta.mode: rows_to_score(model, cars) for model in asked.models}
    predictions = [one for model in asked.models for one in predict(model, tables[model.meta.mode])]
    shadowed = [(model, rows_to_score(model, cars)) for model in asked.shadows]
    return _Said(
        len(rows),
        with_normal(conn, predictions, tables, cars.vehicles, as_of=asked.as_of),
        [(model.meta, table.index, mode_model(model).probability(table)) for model, table in shadowed if len(table)],
    )


def explain_vehicle(
    conn: psycopg.Connection[Any], vehicle_id: int, *, as_of: datetime, data_dir: Path, modes: Collection[str] = ()
) -> list[NewPrediction]:
    """Return what every champion says of one car, flagged or not, with reasons; nothing is stored.

    conn   : role "models"
    as_of  : its UTC day begins the future
    modes  : fault modes; none is all
    Raises : NoModel, ModelFileUntrusted, ModelOutdated; NotEnoughData, when there is nothing to score the car by
    """
    as_of = start_of_day(as_of)
    models = load_champions(conn, data_dir, modes=modes)
    vehicles = read_vehicles(conn)
    lamps = events.lamps(conn, received_before=as_of)
    features = [feature for model in models for feature in model.features]
    for rows, peers in rows_of_day(Here(conn), features, vehicles, as_of=as_of):
        if vehicle_id not in rows.index.get_level_values("vehicle_id"):
            continue
        cars = cars_of(rows, peers, features, vehicles, lamps)
        tables = {model.meta.mode: rows_to_score(model, cars) for model in models}
        own = {mode: table[table.index == vehicle_id] for mode, table in tables.items()}
        said = [one for model in models for one in predict(model, own[model.meta.mode], explain_all=True)]
        calm = {model.meta.mode: _not_flagged(model, tables[model.meta.mode], but=vehicle_id) for model in models}
        if said:
            return with_normal(conn, said, calm, cars.vehicles, as_of=as_of)
    raise NotEnoughData(
        f"car {vehicle_id} is not scored as of {as_of:%Y-%m-%d}: it sent nothing in the weeks before, its lamp is or"
        " was lit lately, or no model is about it"
    )


def _not_flagged(model: LoadedModel, rows: pd.DataFrame, *, but: int) -> pd.DataFrame:
    if rows.empty:
        return rows
    return rows[(mode_model(model).probability(rows) < model.meta.threshold) | (rows.index == but)]


def load_champions(
    conn: psycopg.Connection[Any],
    data_dir: Path,
    unusable: dict[str, str] | None = None,
    *,
    modes: Collection[str] = (),
) -> list[LoadedModel]:
    """Load the model that scores for each fault mode; one of a mode that left the catalogue scores no more.

    unusable : takes down, by fault mode, why a champion cannot be loaded while others can; None lets none be missing
    modes    : fault modes; none is all
    Raises   : NoModel, when there is none at all; ModelFileUntrusted; ModelOutdated
    """
    adopt_pointers(conn, data_dir)
    wanted = modes or fault_modes()
    scoring = {mode: champion for mode, champion in decided(conn).items() if mode in fault_modes() and mode in wanted}
    if not scoring:
        what = f"model of {', '.join(sorted(modes))}" if modes else "model"
        raise NoModel(f"no {what} has been trained yet: run 'forewarn train'")
    loaded: list[LoadedModel] = []
    problems: dict[str, ModelFileUntrusted | ModelOutdated] = {}
    for mode, champion in sorted(scoring.items()):
        try:
            loaded.append(load_champion(data_dir, mode, champion))
        except (ModelFileUntrusted, ModelOutdated) as error:
            problems[mode] = error
    if problems and (unusable is None or not loaded):
        raise next(iter(problems.values()))
    if unusable is not None:
        for mode, problem in problems.items():
            _log.error("champion cannot be used", mode=mode, reason=str(problem))
            unusable[mode] = str(problem)
    return loaded


@dataclass(frozen=True, slots=True)
class Cars:
    """Some cars at one midnight.

    table           : DataFrame (n_cars, n_features) float32 indexed by as_of and vehicle_id, with peers
    vehicles, lamps : as of ``read_vehicles`` and ``ingest.store.events.lamps``, of these cars
    """

    table: pd.DataFrame
    vehicles: pd.DataFrame
    lamps: pd.DataFrame


def cars_of(
    rows: pd.DataFrame, peers: Peers, features: Sequence[Feature], vehicles: pd.DataFrame, lamps: pd.DataFrame
) -> Cars:
    """Return what models are asked about.

    rows, peers     : as ``rows_of_day`` yields them
    features        : of all models together
    vehicles, lamps : of these cars and any others, which are left out here, once for all models
    """
    ids = rows.index.get_level_values("vehicle_id")
    own = vehicles[vehicles["vehicle_id"].isin(ids)]
    once = tuple({feature.name: feature for feature in features}.values())
    return Cars(with_peers(rows, own, once, peers), own, lamps[lamps["vehicle_id"].isin(ids)])


def rows_to_score(model: LoadedModel, cars: Cars) -> pd.DataFrame:
    """Return the features of the cars that can have the fault and whose lamp is not on already, by vehicle_id."""
    table = cars.table[[feature.name for feature in model.features]]
    return table[scored_rows(fault_modes()[model.meta.mode], table, cars.lamps, cars.vehicles)].droplevel("as_of")


def predict(model: LoadedModel, rows: pd.DataFrame, *, explain_all: bool = False) -> Iterator[NewPrediction]:
    """Score rows with one model; those at or above its threshold, or all, say why and when."""
    if rows.empty:
        return
    # To the precision of the table, which compares the two again.
    probability = mode_model(model).probability(rows).astype(np.float32)
    threshold = np.float32(model.meta.threshold)
    flagged = (probability >= threshold) | explain_all
    reasons = iter(explain(model, rows[flagged]))
    days = iter(_days_to_lamp(model, rows[flagged]))
    for vehicle_id, chance, is_flagged in zip(rows.index.tolist(), probability.tolist(), flagged.tolist(), strict=True):
        yield NewPrediction(
            vehicle_id=vehicle_id,
            fault_mode=model.meta.mode,
            probability=chance,
            threshold=float(threshold),
            model_version=model.meta.version,
            reasons=next(reasons) if is_flagged else [],
            to_lamp=next(days) if is_flagged else None,
        )


def _days_to_lamp(model: LoadedModel, rows: pd.DataFrame) -> list[tuple[float, float, float] | None]:
    if rows.empty or model.lamp_time is None:
        return [None] * len(rows)
    found = predict_remaining(model.lamp_time, rows)
    return list(zip(found["days"].tolist(), found["low"].tolist(), found["high"].tolist(), strict=True))


def mode_model(model: LoadedModel) -> ModeModel:
    """Return what scores with a loaded model."""
    return ModeModel(model.estimator, model.features, model.calibration, model.meta.threshold)


def rows_of_day(
    workers: Workers,
    features: Sequence[Feature],
    vehicles: pd.DataFrame,
    *,
    as_of: datetime,
    chunk_vehicles: int = CHUNK_VEHICLES,
) -> Iterator[tuple[pd.DataFrame, Peers]]:
    """Yield what is known of every car at the midnight ``as_of``, some cars at a time, with what is usual that day.

    features : of all models together
    vehicles : all cars, as of ``models.dataset.read_vehicles``
    Yields   : DataFrame (n_vehicles, n_own_features) float32 indexed by as_of and vehicle_id, of cars with readings
    """
    own = own_features(features)
    day = _Day(own, columns_of(own), days_before(as_of, reach_of(own)), as_of)
    workers.prepare(lambda conn: day_sums.bring_up_to_date(conn, day.columns, since=day.since.date()))
    waiting: list[pd.DataFrame] = []
    peers: Peers | None = None
    # Which come first is drawn anew each day, for peers.
    chunks = day_sums.shares(vehicles["vehicle_id"].to_numpy(dtype=np.int64), chunk_vehicles, seed=as_of.toordinal())
    for number, known in enumerate(workers.each(_rows, chunks, shared=day), start=1):
        waiting.append(known)
        if peers is None and sum(map(len, waiting)) < PEER_VEHICLES and number < len(chunks):
            continue
        # What is usual is known now, from these cars or from all.
        peers = peers or peers_of(pd.concat(waiting), vehicles, features)
        for rows in waiting:
            yield rows, peers
        waiting.clear()


@dataclass(frozen=True, slots=True)
class _Day:
    """What is read of every car. since : the first day that its features look at"""

    own: tuple[Feature, ...]
    columns: list[str]
    since: datetime
    as_of: datetime


def _rows(conn: psycopg.Connection[Any], day: _Day, share: day_sums.Share) -> pd.DataFrame:
    """Return DataFrame (n_vehicles, n_own_features) float32 indexed by as_of and vehicle_id."""
    today = day.as_of.date()
    sums = day_sums.read_share(conn, share, day.columns, since=day.since.date(), until=today, received_before=today)
    return feature_rows_of_days(sums, day.own, days=[day.as_of]).astype(np.float32)


def _add(result: ScoreResult, vehicles: int, predictions: Sequence[NewPrediction]) -> ScoreResult:
    scored, flagged = dict(result.scored), dict(result.flagged)
    for prediction in predictions:
        scored[prediction.fault_mode] += 1
        flagged[prediction.fault_mode] += prediction.probability >= prediction.threshold
    return msgspec.structs.replace(result, vehicles=result.vehicles + vehicles, scored=scored, flagged=flagged)
