"""Open cases as a call needs them, masked: nothing past this module sees a full name, telephone number or VIN."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg import sql as compose
from psycopg.rows import dict_row

from alerts.masking import mask_name, mask_phone, mask_vin
from alerts.offers import FAULT_CAMPAIGN
from alerts.priority import Part
from alerts.reasons import Why, parse
from config import sql
from config.faults import FaultMode, fault_modes

Connection = psycopg.Connection[Any]


class LeadDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One reason to call, with all it can say for itself. ``as_of`` is where a prediction's knowledge ends.

    days_to_lamp, days_to_lamp_low, days_to_lamp_high : from ``as_of`` until the lamp comes on, and between which two
                    numbers that most likely lies; None where the model does not know
    explained_by  : fault mode of another lead of the case that brings this one about
    settled_at    : when its case was closed as repaired, since when no signal has given it again
    """

    lead_id: int
    source: str
    fault_mode: str | None
    severity: int
    probability: float | None
    why: Why
    first_seen_at: datetime
    last_seen_at: datetime
    model_version: str | None
    as_of: datetime | None
    days_to_lamp: float | None = None
    days_to_lamp_low: float | None = None
    days_to_lamp_high: float | None = None
    explained_by: str | None = None
    settled_at: datetime | None = None

    @property
    def known_until(self) -> datetime:
        """Return the end of the readings this lead speaks of: long past for a recording that was scored today."""
        return self.as_of or self.last_seen_at

    @property
    def mode(self) -> FaultMode | None:
        return fault_modes().get(self.fault_mode or "")


class DealerOffer(msgspec.Struct, frozen=True, kw_only=True):
    """Where the owner is invited to and how far that is, as the crow flies."""

    dealer_id: str
    name_zh: str
    name_en: str
    phone: str
    capabilities: tuple[str, ...]
    distance_km: float
    campaign: str

    def name(self, language: str) -> str:
        return self.name_zh if language.startswith("zh") else self.name_en


class CouponOffer(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner is offered."""

    code: str
    percent_off: int | None
    valid_until: datetime
    redeemed_at: datetime | None
    yuan_off: int | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One open case. Times are UTC; ``priority`` is 0 to 100 and the sum of its parts.

    tie        : the owner's grade, A to C, which decides between equal priorities and nothing else
    claimed_by : who works on it now
    not_before : it rests until then; call_back: since the owner asked for that
    clock      : what was promised next, by ``due_at``
    """

    case_id: int
    vehicle_id: int
    opened_at: datetime
    priority: int
    parts: tuple[Part, ...]
    lead: LeadDetail
    model: str
    powertrain: str
    chemistry: str | None
    cells: int | None
    city: str | None
    vin_masked: str
    owner_masked: str
    owner_language: str
    time_zone: str
    phone_masked: str | None
    offer: DealerOffer | None
    coupon: CouponOffer | None
    tie: str = "B"
    claimed_by: str | None = None
    not_before: datetime | None = None
    call_back: bool = False
    clock: str | None = None
    due_at: datetime | None = None


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls are wanted: of one fault mode, city, severity or source; None is any.

    after : those that come after a call in list order: its priority, tie and case
    """

    fault_mode: str | None = None
    city: str | None = None
    severity: int | None = None
    source: str | None = None
    after: tuple[int, str, int] | None = None


# Where a page of the list ends, as addresses have it.
MARK = r"^\d{1,3}-[ABC]-\d{1,18}$"


def mark_of(call: Call) -> str:
    """Return where the list goes on after a call."""
    return f"{call.priority}-{call.tie}-{call.case_id}"


def read_mark(text: str) -> tuple[int, str, int]:
    """Return ``Filter.after`` of a text that ``MARK`` matches."""
    priority, tie, case_id = text.split("-")
    return int(priority), tie, int(case_id)


class Count(msgspec.Struct, frozen=True):
    """Open cases of one fault mode, severity and city, and how many of them have a dealer."""

    fault_mode: str | None
    severity: int
    city: str | None
    cases: int
    with_dealer: int


def open_calls(
    conn: Connection, *, wanted: Filter | None = None, limit: int = 50, now: datetime | None = None
) -> Sequence[Call]:
    """Return the open cases whose owner may be called, most urgent first, role "alerts".

    now : by which a claim is over; None is the time
    """
    wanted = wanted or Filter()
    conditions: list[LiteralString] = ["true"]
    if wanted.fault_mode is not None:
        conditions.append("lead.fault_mode = %(fault_mode)s")
    if wanted.city is not None:
        conditions.append("car.city = %(city)s")
    if wanted.severity is not None:
        conditions.append("lead.severity = %(severity)s")
    if wanted.source is not None:
        conditions.append("lead.source = %(source)s")
    if wanted.after is not None:
        conditions.append(
            "standing.priority <= %(after_priority)s AND (standing.priority < %(after_priority)s"
            " OR (standing.tie, care.case.case_id) > (%(after_tie)s, %(after_case)s))"
        )
    after_priority, after_tie, after_case = wanted.after or (0, "", 0)
    values = {
        "fault_mode": wanted.fault_mode,
        "city": wanted.city,
        "severity": wanted.severity,
        "source": wanted.source,
        "after_priority": after_priority,
        "after_tie": after_tie,
        "after_case": after_case,
        "limit": limit,
        "now": now or datetime.now(UTC),
    }
    return _calls(conn, " AND ".join(conditions), values)


def find_call(conn: Connection, case_id: int, *, now: datetime | None = None) -> Call | None:
    """Return one open case whose owner may be called, or None. now : as in ``open_calls``"""
    values = {"case_id": case_id, "limit": 1, "now": now or datetime.now(UTC)}
    found = _calls(conn, "care.case.case_id = %(case_id)s", values)
    return found[0] if found else None


def other_leads(conn: Connection, call: Call) -> Sequence[LeadDetail]:
    """Return what else is known about the car of a call."""
    with conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(sql.load(__package__, "other_leads"), {"case_id": call.case_id, "lead_id": call.lead.lead_id})
        return [_lead(row) for row in cursor]


def count_calls(conn: Connection) -> Sequence[Count]:
    """Return how many open cases there are by fault mode, severity and city."""
    rows = conn.execute(sql.load(__package__, "open_case_counts")).fetchall()
    return [Count(*row) for row in rows]


def _calls(conn: Connection, condition: LiteralString, values: dict[str, Any]) -> list[Call]:
    query = compose.SQL(sql.load(__package__, "calls")).format(condition=compose.SQL(condition))
    with conn.cursor(row_factory=dict_row) as cursor:
        return [_call(row) for row in cursor.execute(query, {**values, "campaign": FAULT_CAMPAIGN})]


def _lead(row: dict[str, Any]) -> LeadDetail:
    fields = {name: row[name] for name in LeadDetail.__struct_fields__ if name != "why"}
    return LeadDetail(why=parse(row["reasons"]), **fields)


def _call(row: dict[str, Any]) -> Call:
    offer = coupon = None
    if row["dealer_id"] is not None:
        offer = DealerOffer(
            dealer_id=row["dealer_id"],
            name_zh=row["dealer_name_zh"],
            name_en=row["dealer_name_en"],
            phone=row["dealer_phone"],
            capabilities=tuple(row["dealer_capabilities"]),
            distance_km=row["distance_km"],
            campaign=row["campaign"],
        )
    if row["coupon_code"] is not None:
        coupon = CouponOffer(
            code=row["coupon_code"],
            percent_off=row["coupon_percent_off"],
            valid_until=row["coupon_valid_until"],
            redeemed_at=row["coupon_redeemed_at"],
            yuan_off=row["coupon_yuan_off"],
        )
    return Call(
        case_id=row["case_id"],
        vehicle_id=row["vehicle_id"],
        opened_at=row["opened_at"],
        priority=row["priority"],
        parts=msgspec.convert(row["why"]["parts"], tuple[Part, ...]),
        lead=_lead(row),
        model=row["model"],
        powertrain=row["powertrain"],
        chemistry=row["chemistry"],
        cells=row["cells"],
        city=row["city"],
        vin_masked=mask_vin(row["vin"]),
        owner_masked=mask_name(row["owner_name"]),
        owner_language=row["owner_language"],
        time_zone=row["time_zone"],
        phone_masked=mask_phone(row["phone"]) if row["phone"] else None,
        offer=offer,
        coupon=coupon,
        tie=row["tie"],
        claimed_by=row["claimed_by"],
        not_before=row["not_before"],
        call_back=bool(row["call_back"]),
        clock=row["clock"],
        due_at=row["due_at"],
    )
