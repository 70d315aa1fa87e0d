"""Challengers in the shadow: they score beside the champions, nobody is called for it, and the two can be compared."""

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import psycopg
import structlog
from numpy.typing import NDArray
from psycopg.rows import class_row

from config import sql
from config.errors import UserMistake
from config.faults import fault_modes
from models.promotion import challengers
from models.registry import LoadedModel, TrainedModel, load_model

_log = structlog.get_logger(__name__)


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """What two models said of the same cars on the same days; None where there is nothing to tell it by.

    pairs          : cars and days that both scored; ``cars`` and ``days`` of those
    mean_a, mean_b : probability
    difference     : mean of the absolute differences
    flagged_both, flagged_a, flagged_b : pairs flagged by both, by A alone, by B alone
    known          : pairs whose horizon has passed
    observed       : share of those that came true
    brier_a, brier_b : of those; lower is better
    """

    pairs: int
    cars: int
    days: int
    first: datetime | None
    last: datetime | None
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    flagged_both: int
    flagged_a: int
    flagged_b: int
    known: int
    observed: float | None
    brier_a: float | None
    brier_b: float | None


def load_challengers(conn: psycopg.Connection[Any], data_dir: Path) -> list[LoadedModel]:
    """Load the challenger of each fault mode that has one; one that cannot be loaded is logged, not scored.

    A challenger must never stand in the way of a champion.
    """
    loaded = []
    for meta in challengers(conn, data_dir):
        if meta.mode not in fault_modes():
            continue
        try:
            loaded.append(load_model(data_dir, meta.mode, meta.version))
        except UserMistake as error:
            _log.warning("challenger not scored", mode=meta.mode, version=meta.version, reason=str(error))
    return loaded


def store_shadow(
    conn: psycopg.Connection[Any],
    model: TrainedModel,
    vehicles: pd.Index,
    probability: NDArray[np.float64],
    *,
    run_id: int,
    scored_at: datetime,
    as_of: datetime,
) -> None:
    """Store what a challenger said.

    vehicles, probability : (n_rows,): vehicle_id, and the probability of its lamp within the horizon
    """
    values = {
        "run_id": run_id,
        "scored_at": scored_at,
        "as_of": as_of,
        "fault_mode": model.mode,
        "model_version": model.version,
        "threshold": model.threshold,
        "vehicle_ids": vehicles.tolist(),
        "probabilities": probability.tolist(),
    }
    conn.execute(sql.load("models", "store_shadow"), values)


def compare_stored(conn: psycopg.Connection[Any], mode: str, a: str, b: str, *, now: datetime) -> Beside:
    """Compare what two versions of a fault mode said, each as a champion or in the shadow.

    now : what is known ends here
    """
    values = {"fault_mode": mode, "a": a, "b": b, "now": now, "horizon_d": fault_modes()[mode].horizon_d}
    with conn.cursor(row_factory=class_row(Beside)) as cursor:
        beside = cursor.execute(sql.load("models", "beside"), values).fetchone()
    assert beside is not None
    return beside
