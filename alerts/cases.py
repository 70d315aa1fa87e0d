"""The one open matter about one car, kept one by the database under any concurrency."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
from psycopg.rows import kwargs_row
from psycopg.types.json import Jsonb

from alerts.priority import Lead, Priority
from config import sql
from config.service import service

Connection = psycopg.Connection[Any]
# A case may be closed between the moment we see it and the moment we lock it; the next round opens a new one.
_ROUNDS = 3
# Whoever opens cases holds it until the transaction ends: a round that comes back for a car holds later ones already,
# and two that do so at once would wait for each other in a circle.
_OPENING_LOCK = 7_033_267


class NewLead(msgspec.Struct, frozen=True, kw_only=True):
    """A reason to call that a signal gave. ``seen_at`` is UTC; ``reasons`` is what care.lead keeps as JSON."""

    vehicle_id: int
    source: str
    fault_mode: str | None
    severity: int
    seen_at: datetime
    probability: float | None = None
    prediction_id: int | None = None
    model_version: str | None = None
    reasons: Sequence[Mapping[str, Any]] = ()


class Opened(msgspec.Struct, frozen=True):
    """The open case of every vehicle asked for, which of them are new, and which were closed until now."""

    case_of: Mapping[int, int]
    new: frozenset[int]
    reopened: frozenset[int] = frozenset()


class StoredLeads(msgspec.Struct, frozen=True):
    """How many leads were new and how many were seen again."""

    added: int
    refreshed: int


def news_of(conn: Connection, leads: Sequence[NewLead]) -> list[NewLead]:
    """Return the leads that are news: what was seen before a repair is none, nor what models say soon after it.

    The order is kept.
    """
    rows = conn.execute(sql.load(__package__, "is_news"), {**_columns(leads), "settle_d": service().settle_d})
    return [lead for lead, (is_news,) in zip(leads, rows, strict=True) if is_news]


def open_and_lock(conn: Connection, leads: Iterable[NewLead], *, now: datetime) -> Opened:
    """Return one open case for the car of every lead, opened where there was none, locked until the transaction ends.

    What comes back soon after its repair is the same matter: its case is opened again, with all that was done about it,
    and what it was about besides is settled. Another fault is another case.

    Two callers at once get the same case: the second waits until the first's transaction has ended, and the partial
    unique index keeps it so whoever else writes.
    """
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (_OPENING_LOCK,))
    leads = list(leads)
    missing = sorted({lead.vehicle_id for lead in leads})
    case_of: dict[int, int] = {}
    new: set[int] = set()
    reopened: set[int] = set()
    closed_after = now - timedelta(days=service().reopen_d)
    for _ in range(_ROUNDS):
        values = {"vehicle_ids": missing, "opened_at": now}
        back = {**_columns([lead for lead in leads if lead.vehicle_id not in case_of]), "closed_after": closed_after}
        reopened.update(case for (case,) in conn.execute(sql.load(__package__, "reopen_cases"), back))
        new.update(case for (case,) in conn.execute(sql.load(__package__, "open_cases"), values))
        case_of.update(conn.execute(sql.load(__package__, "lock_open_cases"), values).fetchall())
        missing = [vehicle for vehicle in missing if vehicle not in case_of]
        if not missing:
            break
    found = set(case_of.values())
    return Opened(case_of, frozenset(new & found), frozenset(reopened & found))


def _columns(leads: Sequence[NewLead]) -> dict[str, Sequence[Any]]:
    """Return what tells leads apart, and when they were seen, as arrays of the same order."""
    return {
        "vehicle_ids": [lead.vehicle_id for lead in leads],
        "sources": [lead.source for lead in leads],
        "fault_modes": [lead.fault_mode for lead in leads],
        "seen_at": [lead.seen_at for lead in leads],
    }


def mark_explained(conn: Connection, case_ids: Iterable[int]) -> None:
    """Say of every lead of cases whether another one of the same case explains it, as config/service.toml has it."""
    explains = [(by, of) for by, some in service().explains.items() for of in some]
    values = {"case_ids": list(case_ids), "by": [by for by, _ in explains], "of": [of for _, of in explains]}
    conn.execute(sql.load(__package__, "mark_explained"), values)


def store_leads(conn: Connection, leads: Iterable[NewLead], case_of: Mapping[int, int]) -> StoredLeads:
    """Write leads into the cases of their vehicles; one that is there already is refreshed, unless it was seen later.

    Only what signals say is written: what a person wrote about the case lives in other tables.
    """
    rows = [
        {**msgspec.structs.asdict(lead), "seen_at": lead.seen_at.isoformat(), "case_id": case_of[lead.vehicle_id]}
        for lead in leads
        if lead.vehicle_id in case_of
    ]
    outcome = [added for (added,) in conn.execute(sql.load(__package__, "upsert_leads"), {"leads": Jsonb(rows)})]
    return StoredLeads(added=sum(outcome), refreshed=len(outcome) - sum(outcome))


def leads_of(conn: Connection, case_ids: Iterable[int], *, horizon_d: Mapping[str, int]) -> dict[int, list[Lead]]:
    """Return the leads of cases, ready to be ranked.

    horizon_d : days ahead that each fault mode's model looks; a fault mode that is not in it counts as 0, now
    """

    def row(case_id: int, **columns: Any) -> tuple[int, Lead]:
        return case_id, Lead(horizon_d=horizon_d.get(columns["fault_mode"] or "", 0), **columns)

    found: dict[int, list[Lead]] = {}
    with conn.cursor(row_factory=kwargs_row(row)) as cursor:
        for case_id, lead in cursor.execute(sql.load(__package__, "leads_of_cases"), {"case_ids": list(case_ids)}):
            found.setdefault(case_id, []).append(lead)
    return found


def store_priorities(conn: Connection, priorities: Mapping[int, Priority], *, now: datetime) -> None:
    """Write where cases stand, with the parts that add up to it."""
    with conn.cursor() as cursor:
        cursor.executemany(
            sql.load(__package__, "upsert_priority"),
            [
                {
                    "case_id": case_id,
                    "priority": priority.points,
                    "why": Jsonb(msgspec.to_builtins({"lead_id": priority.lead_id, "parts": priority.parts})),
                    "updated_at": now,
                }
                for case_id, priority in priorities.items()
            ],
        )
