"""What the schedule calls."""

from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from alerts.dealers import all_dealers
from alerts.evidence import Observed, observe_vehicle
from alerts.triage import Counts, FlaggedPrediction, apply_predictions
from config import sql
from config.faults import FaultMode, fault_modes
from config.i18n import translator
from models import tables


class TriageResult(msgspec.Struct, frozen=True):
    """What a triage did: its run, the counts, and the same in one sentence."""

    run_id: int
    counts: Counts
    message: str


def triage(conn: psycopg.Connection[Any], *, now: datetime, language: str = "en") -> TriageResult:
    """Open and refresh cases from the newest predictions of every model. Running it again changes nothing.

    conn : role "alerts", outside a transaction; committed batch by batch
    now  : UTC
    """

    def observe(prediction: FlaggedPrediction, mode: FaultMode, usual: float | None) -> Observed | None:
        return observe_vehicle(conn, prediction.vehicle_id, mode.chart, as_of=prediction.as_of, usual=usual)

    with conn.transaction():
        row = conn.execute(sql.load(__package__, "start_run"), {"started_at": now}).fetchone()
        assert row is not None
        dealers = all_dealers(conn)
        flagged = tables.flagged_predictions(conn)
        predictions = _called_for(conn, flagged)
    run_id = int(row[0])
    try:
        counts = apply_predictions(
            conn, predictions, fault_modes=fault_modes(), dealers=dealers, observe=observe, now=now
        )
        counts += Counts(held_out=len(flagged) - len(predictions))
    except BaseException:
        _finish(conn, run_id, "failed", Counts())
        raise
    _finish(conn, run_id, "done", counts)
    return TriageResult(run_id, counts, _message(counts, language))


def _called_for(conn: psycopg.Connection[Any], flagged: list[tables.Prediction]) -> list[tables.Prediction]:
    """Leave out what is held out, unless an open case is about it already: an agent is to see it as it stands."""
    held = [prediction.vehicle_id for prediction in flagged if prediction.held_out]
    known = set(conn.execute(sql.load(__package__, "open_leads"), {"vehicle_ids": held}).fetchall()) if held else set()
    return [one for one in flagged if not one.held_out or (one.vehicle_id, one.fault_mode) in known]


def _finish(conn: psycopg.Connection[Any], run_id: int, outcome: str, counts: Counts) -> None:
    values = {"run_id": run_id, "outcome": outcome, "detail": Jsonb(msgspec.to_builtins(counts))}
    with conn.transaction():
        conn.execute(sql.load(__package__, "finish_run"), values)


def _message(counts: Counts, language: str) -> str:
    return translator(language)(
        "%(flagged)s cars flagged: %(opened)s cases opened, %(leads_refreshed)s leads refreshed, %(offers)s offers"
        " made; %(without_dealer)s without a dealer, %(not_callable)s not to be called",
        **msgspec.to_builtins(counts),
    )
