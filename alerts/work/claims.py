"""Who works on which case: taken for a while by one person, never by two."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg import sql as compose

from alerts.work.agents import Agent
from alerts.work.entries import note
from alerts.work.windows import callable_zones
from config import sql
from config.faults import fault_modes
from config.service import service

Connection = psycopg.Connection[Any]
# Somebody else may take the case that we saw free; as often in a row as that it is no chance.
_ATTEMPTS = 50
# What a case waits for, and which one is taken first: the call-back that has waited longest, else the most urgent case.
_CALL_BACKS = (
    compose.SQL("work.call_back AND work.not_before <= %(now)s"),
    compose.SQL("work.not_before, care.case.case_id"),
)
_READY = (
    compose.SQL("(work.not_before IS NULL OR work.not_before <= %(now)s)"),
    compose.SQL("standing.priority DESC, standing.tie, care.case.case_id"),
)


class NotYours(Exception):
    """Somebody else works on this case, or it is no longer open."""


class CallUnfinished(Exception):
    """The last call has no outcome yet: write it down before the next."""

    def __init__(self, case_id: int) -> None:
        super().__init__(CallUnfinished.__doc__)
        self.case_id = case_id


class Claim(NamedTuple):
    """Whose a case is, and until when; both None when it is nobody's."""

    account_id: int | None
    name: str | None
    until: datetime | None


def claim_next(conn: Connection, agent: Agent, *, now: datetime) -> int | None:
    """Take the most urgent case that the agent may call about now; return it, None when there is none.

    Call-backs whose time has come go first. Left out are cases somebody else works on, those before their time, owners
    outside their calling window, of another language, who were called often enough lately or are not to be called, and
    faults that the agent does not talk about.

    conn   : role "alerts", outside a transaction
    Raises : CallUnfinished
    """
    if agent.contact is not None:
        raise CallUnfinished(agent.contact)
    rules = service()
    zones = [zone for (zone,) in conn.execute(sql.load(__package__, "owner_zones"))]
    values = {
        "account_id": agent.account_id,
        "now": now,
        "until": now + timedelta(minutes=rules.lease_min),
        "zones": callable_zones(zones, now),
        "languages": agent.languages,
        "modes": _modes_of(agent),
        "contacts": rules.contacts,
        "since": now - timedelta(days=rules.contacts_d),
    }
    for waits, order in (_CALL_BACKS, _READY):
        query = compose.SQL(sql.load(__package__, "claim_next")).format(waits=waits, order=order)
        for _ in range(_ATTEMPTS):
            with conn.transaction():
                # A button that was pressed twice takes no second case, nor do two pages of one agent at once.
                conn.execute(sql.load(__package__, "lock_agent"), {"account_id": agent.account_id})
                if mine := claimed_by(conn, agent, now=now):
                    return mine[0]
                row = conn.execute(query, values).fetchone()
                if row is None:
                    break
                case_id, taken = row
                if taken:
                    note(conn, case_id, "claimed", actor=agent.name, now=now)
                    return int(case_id)
    return None


def claim(conn: Connection, case_id: int, agent: Agent, *, now: datetime) -> None:
    """Take one case, or keep it for longer. Raises : NotYours, CallUnfinished"""
    if agent.contact is not None and agent.contact != case_id:
        raise CallUnfinished(agent.contact)
    values = {
        "case_id": case_id,
        "account_id": agent.account_id,
        "now": now,
        "until": now + timedelta(minutes=service().lease_min),
    }
    with conn.transaction():
        row = conn.execute(sql.load(__package__, "claim_case"), values).fetchone()
        if row is None:
            raise NotYours(NotYours.__doc__)
        if row[0]:
            note(conn, case_id, "claimed", actor=agent.name, now=now)


def release(conn: Connection, case_id: int, agent: Agent, *, now: datetime) -> None:
    """Give a case back to the list. Raises : NotYours, CallUnfinished"""
    if agent.contact == case_id:
        raise CallUnfinished(case_id)
    values = {"case_id": case_id, "account_id": agent.account_id, "now": now}
    with conn.transaction():
        if conn.execute(sql.load(__package__, "release_case"), values).rowcount != 1:
            raise NotYours(NotYours.__doc__)
        note(conn, case_id, "released", actor=agent.name, now=now)


def hand_over(conn: Connection, case_id: int, *, to: str, by: str, why: str, now: datetime) -> None:
    """Give a case to another agent, whoever has it now; a call without an outcome stays its caller's to finish.

    to     : name of an account that may take calls
    Raises : NotYours, when the case is not open or there is no such agent
    """
    values = {"case_id": case_id, "to": to, "until": now + timedelta(minutes=service().lease_min)}
    with conn.transaction():
        if conn.execute(sql.load(__package__, "hand_over_case"), values).rowcount != 1:
            raise NotYours(NotYours.__doc__)
        note(conn, case_id, "handed over", actor=by, now=now, text=why, detail={"to": to})


def claim_of(conn: Connection, case_id: int, *, now: datetime) -> Claim:
    """Return who works on a case."""
    row = conn.execute(sql.load(__package__, "claim_of_case"), {"case_id": case_id, "now": now}).fetchone()
    return Claim(None, None, None) if row is None else Claim(*row)


def vehicle_of(conn: Connection, case_id: int) -> int:
    """Return the car of an open case. Raises : NotYours, when there is none"""
    row = conn.execute(sql.load(__package__, "vehicle_of_case"), {"case_id": case_id}).fetchone()
    if row is None:
        raise NotYours(NotYours.__doc__)
    return int(row[0])


def claimed_by(conn: Connection, agent: Agent, *, now: datetime) -> Sequence[int]:
    """Return the open cases that an agent has in hand."""
    values = {"account_id": agent.account_id, "now": now}
    return [case_id for (case_id,) in conn.execute(sql.load(__package__, "claimed_cases"), values)]


def _modes_of(agent: Agent) -> list[str] | None:
    """Return the fault modes an agent talks about; None is all."""
    if agent.skills is None:
        return None
    return [mode.key for mode in fault_modes().values() if mode.capability in agent.skills]
