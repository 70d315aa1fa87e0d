"""What workshops found: it becomes the label that the next model learns from, and quiets or ends the case at once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec
import psycopg

from alerts.work.closing import close_case
from alerts.work.entries import note
from alerts.work.silences import silence
from alerts.work.surveys import ask
from config import sql
from config.decision import decision_policy
from config.faults import fault_modes
from config.service import service

Connection = psycopg.Connection[Any]
MOST_NOTE = 2000
_REPEATED = "this request was made before, about another case: use a new request id"


class FindingRefused(ValueError):
    """This finding cannot be written down; the text says what to correct."""


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a workshop tells.

    result      : "confirmed" is what the case is about, "other" another fault, "nothing" no fault at all
    fault_mode  : what was found, by its key; with "confirmed" it may be left out when the case is about one fault
    parts       : that were replaced, by name or number
    odometer_km : of the car
    request_id  : the dealer's own; the same again is the same finding
    """

    result: Literal["confirmed", "other", "nothing"]
    fault_mode: str | None = None
    parts: tuple[str, ...] = ()
    odometer_km: float | None = None
    note: str = ""
    request_id: str | None = None


class Recorded(NamedTuple):
    """again : the same report had been made before. survey : token of the question to the owner, if made now"""

    finding_id: int
    again: bool
    survey: str | None = None


def report_finding(
    conn: Connection, case_id: int, report: Report, *, dealer_id: str, by: str, now: datetime
) -> Recorded:
    """Write down what a workshop found about a case that has a visit, coupon or offer there.

    It becomes labels: the fault that was found, confirmed; and what the models had said and was not found, not
    confirmed, which keeps that car and fault quiet at once (``models.tables.flagged_predictions``).
    conn   : role "alerts", outside a transaction
    Raises : FindingRefused
    """
    with conn.transaction():
        row = conn.execute(sql.load(__package__, "case_at_dealer"), {"case_id": case_id, "dealer_id": dealer_id})
        found = row.fetchone()
        if found is None:
            raise FindingRefused("this workshop has no visit of this case")
        if report.request_id is not None:
            values = {"dealer_id": dealer_id, "request_id": report.request_id}
            before = conn.execute(sql.load(__package__, "finding_by_request"), values).fetchone()
            if before is not None:
                if before[1] != case_id:
                    raise FindingRefused(_REPEATED)
                return Recorded(before[0], again=True)
        vehicle_id, is_open, spoken_of, predicted = found
        mode = _mode_found(report, spoken_of)
        finding_id = _insert(conn, case_id, report, mode, dealer_id=dealer_id, by=by, now=now)
        _label(conn, vehicle_id, mode, predicted, now=now)
        conn.execute(
            sql.load(__package__, "insert_visit"),
            {"vehicle_id": vehicle_id, "now": now, "odometer_km": report.odometer_km, "dealer_id": dealer_id},
        )
        conn.execute(sql.load(__package__, "arrive_at_case"), {"case_id": case_id, "dealer_id": dealer_id, "now": now})
        detail = {"result": report.result, "fault_mode": mode, "parts": list(report.parts), "dealer": dealer_id}
        note(conn, case_id, "finding", actor=by, now=now, text=report.note, detail=detail)
        if mode is None:
            # Everything the case was about: what the models say of it again soon is no news to anybody.
            quiet_until = now + timedelta(days=decision_policy().quiet_after_false_alarm_d)
            why = "the workshop found nothing"
            for each in predicted:
                silence(conn, vehicle_id, fault_mode=each, ends_at=quiet_until, reason=why, by=by, now=now)
        token = ask(conn, case_id, dealer_id=dealer_id, now=now)
        if is_open:
            outcome = {"confirmed": "repaired", "other": "other_found", "nothing": "nothing_found"}[report.result]
            close_case(conn, case_id, outcome=outcome, by=by, now=now)
    return Recorded(finding_id, again=False, survey=token)


def _mode_found(report: Report, spoken_of: Sequence[str]) -> str | None:
    """Return the fault mode that was found, None for none."""
    if len(report.note) > MOST_NOTE:
        raise FindingRefused(f"at most {MOST_NOTE} characters")
    if report.odometer_km is not None and not 0 <= report.odometer_km < 5_000_000:
        raise FindingRefused("odometer_km is no mileage: correct it")
    if report.result == "nothing":
        if report.fault_mode is not None:
            raise FindingRefused("nothing was found, so there is no fault_mode: leave it out")
        return None
    mode = report.fault_mode
    if mode is None and report.result == "confirmed" and len(spoken_of) == 1:
        mode = spoken_of[0]
    if mode is None:
        raise FindingRefused("say which fault was found: give fault_mode")
    if mode not in fault_modes():
        raise FindingRefused(f"{mode!r} is no fault mode: use one of {', '.join(fault_modes())}")
    if report.result == "confirmed" and mode not in spoken_of:
        raise FindingRefused(f"the case is not about {mode}: report it as other")
    if report.result == "other" and mode in spoken_of:
        raise FindingRefused(f"the case is about {mode}: report it as confirmed")
    return mode


def _insert(
    conn: Connection, case_id: int, report: Report, mode: str | None, *, dealer_id: str, by: str, now: datetime
) -> int:
    values = {
        "case_id": case_id,
        "dealer_id": dealer_id,
        "result": report.result,
        "fault_mode": mode,
        "parts": list(report.parts),
        "odometer_km": report.odometer_km,
        "note": report.note,
        "now": now,
        "by": by,
        "request_id": report.request_id,
    }
    try:
        row = conn.execute(sql.load(__package__, "insert_finding"), values).fetchone()
    except psycopg.errors.UniqueViolation as error:
        # Two at once about two cases lock two rows: neither saw the other's request.
        raise FindingRefused(_REPEATED) from error
    assert row is not None
    return int(row[0])


def _label(conn: Connection, vehicle_id: int, found: str | None, predicted: Sequence[str], *, now: datetime) -> None:
    # What the found fault brings about by itself was no false alarm.
    explained = service().explains.get(found, ()) if found else ()
    said = {mode: False for mode in predicted if mode != found and mode not in explained}
    if found is not None:
        said[found] = True
    for mode, confirmed in said.items():
        values = {"vehicle_id": vehicle_id, "fault_mode": mode, "now": now, "confirmed": confirmed}
        conn.execute(sql.load(__package__, "insert_label"), values)
