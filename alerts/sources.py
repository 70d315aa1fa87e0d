"""Leads that no model gives: lamps that came on, notices of charging, and what is due by distance or time."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg.rows import dict_row

from alerts.cases import NewLead
from alerts.dealers import all_dealers
from alerts.triage import Counts, apply_leads
from alerts.work.closing import close_case
from config import sql
from config.faults import fault_modes, fault_of_lamp
from config.service import service

Connection = psycopg.Connection[Any]
# A lamp that has been on for longer is known to its owner, and to the workshop or to nobody.
_LAMP_SINCE = timedelta(days=7)


class Gathered(msgspec.Struct, frozen=True):
    """What was found by source, and what came of it. calm : cases closed since their signals fell silent"""

    found: Mapping[str, int]
    counts: Counts
    calm: int


def gather(conn: Connection, *, now: datetime) -> Gathered:
    """Bring every lead that is not a prediction into its case, and close what has calmed down.

    conn : role "alerts", outside a transaction. Running it again changes nothing
    """
    leads: dict[int, list[NewLead]] = {}
    found: dict[str, int] = {}
    for source in (_lamps, _anomalies, _due):
        for lead in source(conn, now=now):
            leads.setdefault(lead.vehicle_id, []).append(lead)
            found[lead.source] = found.get(lead.source, 0) + 1
    counts = apply_leads(conn, leads, leads.__getitem__, fault_modes=fault_modes(), dealers=all_dealers(conn), now=now)
    return Gathered(found, counts, _close_calm(conn, now=now))


def _lamps(conn: Connection, *, now: datetime) -> Iterator[NewLead]:
    """Yield the lamps that are on and came on lately."""
    for row in _rows(conn, "lamps_on", {"since": now - _LAMP_SINCE}):
        mode = fault_of_lamp(row["code"])
        if mode is not None:
            yield NewLead(
                vehicle_id=row["vehicle_id"],
                source="lamp",
                fault_mode=mode.key,
                severity=mode.severity,
                seen_at=row["seen_at"],
            )


def _anomalies(conn: Connection, *, now: datetime) -> Iterator[NewLead]:
    """Yield dangers of charging that are mere notices: those that endanger somebody have their own desk."""
    for row in _rows(conn, "charging_notices", {"since": now - _LAMP_SINCE}):
        yield NewLead(
            vehicle_id=row["vehicle_id"], source="anomaly", fault_mode=None, severity=3, seen_at=row["seen_at"]
        )


def _due(conn: Connection, *, now: datetime) -> Iterator[NewLead]:
    """Yield what is due by distance or time since a car was last looked after; of one car the first of three alone.

    Nobody is in danger of it: of cars that have no case yet no more are told than the day's budget leaves.
    """
    rules = service()
    values = {
        "now": now,
        "room": _room(conn, now=now),
        "service_km": rules.service_km - rules.service_ahead_km,
        "serviced_before": now - timedelta(days=rules.service_d - rules.service_ahead_d),
        "dormant_before": now - timedelta(days=rules.dormant_d),
        "loyal_before": now - timedelta(days=rules.loyalty_d),
    }
    for row in _rows(conn, "due_cars", values):
        yield NewLead(vehicle_id=row["vehicle_id"], source=row["source"], fault_mode=None, severity=3, seen_at=now)


def _room(conn: Connection, *, now: datetime) -> int | None:
    """Return how many cases more all agents can bring to an end in a day; None, when nobody calls from here."""
    row = conn.execute(sql.load(__package__, "agents_and_ready"), {"now": now}).fetchone()
    assert row is not None
    agents, ready = row
    return max(agents * service().agent_cases_a_day - ready, 0) if agents else None


def _close_calm(conn: Connection, *, now: datetime) -> int:
    """Close cases that no signal confirmed for long and about which nobody has called; return how many."""
    values = {"before": now - timedelta(days=service().calm_d)}
    with conn.transaction():
        calm = [case_id for (case_id,) in conn.execute(sql.load(__package__, "calm_cases"), values)]
        return sum(close_case(conn, case_id, outcome="calm", by="Forewarn", now=now) for case_id in calm)


def _rows(conn: Connection, query: LiteralString, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql.load(__package__, query), values).fetchall()
