"""Stored predictions, as the stages after the models read them. Imports nothing heavy."""

import math
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import Any, NotRequired, TypedDict

import msgspec
import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from config import sql
from config.decision import CERTAIN, decision_policy, weights_of

_NO_DAYS = (None, None, None)


class Reason(TypedDict):
    """One signal that drove a score, as ``prediction.prediction.reasons`` keeps it.

    feature : name of the feature of that signal that drove it most, e.g. "lv_battery_v.rest.trend.7d"
    signal  : column of the reading
    regime  : "rest", "drive" or "charge"
    kind    : "level", "lowest", …: one of those of ``models.features.Feature``
    window_d: days the feature looks at
    value   : the feature's value in ``unit``; None when the car never sent it
    unit    : the signal's unit, per day for a trend ("V/d"); "" for a signal without one
    usual   : median of the feature over cars whose lamp stayed off, in ``unit``
    effect  : what the whole signal added to the score, in log-odds; negative speaks against the fault
    usual_low, usual_high : between them most cars like it stood on the same day; missing where such cars are few
    since   : day (ISO 8601) from which on the car has stood outside of that; missing where it stands inside
    """

    feature: str
    signal: str
    regime: str
    kind: str
    window_d: int
    value: float | None
    unit: str
    usual: float | None
    effect: float
    usual_low: NotRequired[float]
    usual_high: NotRequired[float]
    since: NotRequired[str]


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """Probability that one car's lamp comes on within the horizon. ``scored_at`` and ``as_of`` are UTC.

    held_out : nobody is to be called for it, so that it can be measured how long before the lamp it came
    days_to_lamp, days_to_lamp_low, days_to_lamp_high : when the lamp comes on, given that it will, and between which
               days most likely; None where the model does not know
    """

    prediction_id: int
    run_id: int
    vehicle_id: int
    fault_mode: str
    scored_at: datetime
    as_of: datetime
    probability: float
    threshold: float
    model_version: str
    reasons: list[Reason]
    held_out: bool = False
    days_to_lamp: float | None = None
    days_to_lamp_low: float | None = None
    days_to_lamp_high: float | None = None


class NewPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """A prediction about to be stored; the run gives the rest. to_lamp : days, low, high, as in ``Prediction``"""

    vehicle_id: int
    fault_mode: str
    probability: float
    threshold: float
    model_version: str
    reasons: list[Reason]
    to_lamp: tuple[float, float, float] | None = None


def flagged_predictions(conn: psycopg.Connection[Any], *, since_run: int | None = None) -> list[Prediction]:
    """Return predictions at or above their threshold, as ``config/decision.toml`` has it, the most probable first.

    The last scorings of the car by the same model together are at or above it too, as of ``models.decision``; a car and
    fault that a workshop found nothing of lately is left out.

    since_run : only of scoring runs after this one, the newest of each car and fault mode; None: those of the last
                finished scoring run
    """
    with conn.cursor(row_factory=class_row(Prediction)) as cursor:
        policy = decision_policy()
        values = {
            "since_run": since_run,
            "weights": weights_of(policy.half_life),
            "least": 1 / (1 + math.exp(CERTAIN)),
            "quiet_d": policy.quiet_after_false_alarm_d,
        }
        return cursor.execute(sql.load("models", "flagged_predictions"), values).fetchall()


def store_predictions(
    conn: psycopg.Connection[Any],
    predictions: Iterable[NewPrediction],
    *,
    run_id: int,
    scored_at: datetime,
    as_of: datetime,
) -> int:
    """Write predictions, a statement for each model; the same car, mode, day and model again replaces what was there.

    predictions : those of one model after the other
    Returns     : how many were written
    """
    written = 0
    for (mode, version, threshold), own in groupby(predictions, key=_model_of):
        rows = list(own)
        told = [row for row in rows if row.reasons or row.to_lamp]
        to_lamp = [row.to_lamp or _NO_DAYS for row in told]
        values = {
            "run_id": run_id,
            "scored_at": scored_at,
            "as_of": as_of,
            "fault_mode": mode,
            "model_version": version,
            "threshold": threshold,
            "vehicle_ids": [row.vehicle_id for row in rows],
            "probabilities": [row.probability for row in rows],
            "told": [row.vehicle_id for row in told],
            "reasons": [Jsonb(row.reasons) for row in told],
            "days": [days for days, _, _ in to_lamp],
            "low": [low for _, low, _ in to_lamp],
            "high": [high for _, _, high in to_lamp],
        }
        written += conn.execute(sql.load("models", "store_predictions"), values).rowcount
    return written


def _model_of(row: NewPrediction) -> tuple[str, str, float]:
    return row.fault_mode, row.model_version, row.threshold
