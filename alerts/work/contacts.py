"""Attempts to reach an owner, and what came of each: nobody goes on to the next case without writing it down."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
import psycopg
from psycopg.rows import class_row

from alerts.access.audit import Actor, record
from alerts.work.agents import Agent
from alerts.work.claims import CallUnfinished, NotYours, claim
from alerts.work.clocks import meet_clocks, start_clocks
from alerts.work.closing import close_case
from alerts.work.entries import note
from alerts.work.silences import silence
from alerts.work.tasks import add_task
from alerts.work.windows import after_pause, may_call, next_window
from config import sql
from config.service import service

Connection = psycopg.Connection[Any]
MOST_NOTE = 2000
# Nobody answers less often than that after a while; the pause grows no further.
_LONGEST_PAUSE = timedelta(days=3)
_CALL_BACK_WITHIN = timedelta(days=60)


class Disposition(StrEnum):
    """What came of an attempt."""

    APPOINTMENT = "appointment"
    CALL_BACK = "call_back"
    NO_ANSWER = "no_answer"
    THINKS_ABOUT_IT = "thinks_about_it"
    DECLINED = "declined"
    ALREADY_REPAIRED = "already_repaired"
    WRONG_NUMBER = "wrong_number"
    DO_NOT_CALL = "do_not_call"
    COMPLAINT = "complaint"


# After these a complaint is as open as before.
_UNANSWERED = frozenset({Disposition.NO_ANSWER, Disposition.WRONG_NUMBER, Disposition.COMPLAINT})


class MayNotCall(Exception):
    """This owner may not be called now."""

    def __init__(self, why: str, until: datetime | None = None) -> None:
        super().__init__(why)
        self.why, self.until = why, until


class OutcomeMissing(ValueError):
    """What came of the call cannot be written down like this; the text says what is missing."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent writes down. call_back_at : UTC, for a call-back and no other"""

    disposition: Disposition
    note: str = ""
    call_back_at: datetime | None = None


class _Owner(NamedTuple):
    owner_id: int
    time_zone: str
    attempts: int


def begin_contact(conn: Connection, case_id: int, agent: Agent, *, now: datetime) -> int:
    """Begin to call the owner of a case that the agent has in hand; return the attempt, the same when it runs already.

    conn   : role "alerts", outside a transaction
    Raises : NotYours, CallUnfinished; MayNotCall, outside the owner's window or called often enough lately, or when the
             owner does not want to be called
    """
    if agent.contact is not None and agent.contact != case_id:
        raise CallUnfinished(agent.contact)
    with conn.transaction():
        claim(conn, case_id, agent, now=now)
        row = conn.execute(sql.load(__package__, "unfinished_contact"), {"account_id": agent.account_id}).fetchone()
        if row is not None:
            # Another page of the same agent may have begun a call since ``agent`` was read.
            if row[1] != case_id:
                raise CallUnfinished(int(row[1]))
            return int(row[0])
        conn.execute(sql.load(__package__, "lock_owner"), {"case_id": case_id})
        owner = _owner(conn, case_id, now=now)
        if owner is None:
            raise MayNotCall("consent withdrawn or do not call")
        if not may_call(owner.time_zone, now):
            raise MayNotCall("outside the calling window", next_window(owner.time_zone, now))
        if owner.attempts >= service().contacts:
            raise MayNotCall("called often enough lately")
        values = {"case_id": case_id, "owner_id": owner.owner_id, "account_id": agent.account_id, "now": now}
        row = conn.execute(sql.load(__package__, "begin_contact"), values).fetchone()
        assert row is not None
        # The promise is to call, not to be answered.
        meet_clocks(conn, case_id, ["answer"], now=now)
        note(conn, case_id, "call began", actor=agent.name, now=now)
    return int(row[0])


def finish_contact(conn: Connection, case_id: int, agent: Agent, outcome: Outcome, *, now: datetime) -> None:
    """Write down what came of the agent's call about a case, and do what follows from it.

    conn   : role "alerts", outside a transaction
    Raises : OutcomeMissing, with what to add; NotYours, when no call of the agent's about this case waits for it
    """
    _check(outcome, now=now)
    with conn.transaction():
        values = {
            "account_id": agent.account_id,
            "case_id": case_id,
            "now": now,
            "disposition": outcome.disposition.value,
            "note": outcome.note.strip(),
            "call_back_at": outcome.call_back_at,
        }
        if conn.execute(sql.load(__package__, "finish_contact"), values).rowcount != 1:
            raise NotYours(NotYours.__doc__)
        detail = {"disposition": outcome.disposition.value}
        if outcome.call_back_at is not None:
            detail["call_back_at"] = outcome.call_back_at.isoformat()
        note(conn, case_id, "call ended", actor=agent.name, now=now, text=outcome.note.strip(), detail=detail)
        _follow(conn, case_id, agent, outcome, now=now)


def _check(outcome: Outcome, *, now: datetime) -> None:
    at = outcome.call_back_at
    if outcome.disposition is Disposition.CALL_BACK:
        if at is None:
            raise OutcomeMissing("say when the owner wants to be called back")
        if not now < at <= now + _CALL_BACK_WITHIN:
            raise OutcomeMissing("a call-back lies ahead, within two months")
    elif at is not None:
        raise OutcomeMissing("only a call-back has a time")
    if outcome.disposition in (Disposition.DECLINED, Disposition.COMPLAINT) and not outcome.note.strip():
        raise OutcomeMissing("write down what the owner said")
    if len(outcome.note) > MOST_NOTE:
        raise OutcomeMissing(f"at most {MOST_NOTE} characters")


def _follow(conn: Connection, case_id: int, agent: Agent, outcome: Outcome, *, now: datetime) -> None:
    rules = service()
    row = conn.execute(sql.load(__package__, "case_and_owner"), {"case_id": case_id}).fetchone()
    if row is None:
        raise NotYours(NotYours.__doc__)
    vehicle_id, owner_id, zone, unanswered, starts_at, is_open = row
    if outcome.disposition not in _UNANSWERED:
        meet_clocks(conn, case_id, ["complaint"], now=now)
    if not is_open and outcome.disposition is not Disposition.DO_NOT_CALL:
        # It ended during the call: what was said is kept, and nothing more is to be done about it.
        return
    match outcome.disposition:
        case Disposition.APPOINTMENT:
            if starts_at is None:
                raise OutcomeMissing("book the appointment first")
            _wait(conn, case_id, agent, until=starts_at + timedelta(hours=rules.no_show_h))
        case Disposition.CALL_BACK:
            assert outcome.call_back_at is not None
            _wait(conn, case_id, agent, until=outcome.call_back_at, call_back=True)
        case Disposition.THINKS_ABOUT_IT:
            _wait(conn, case_id, agent, until=after_pause(zone, now, timedelta(days=1)))
        case Disposition.NO_ANSWER:
            if unanswered + 1 >= rules.most_unanswered:
                close_case(conn, case_id, outcome="not_reached", by=agent.name, now=now)
                return
            pause = min(timedelta(hours=rules.again_after_h * 2**unanswered), _LONGEST_PAUSE)
            _wait(conn, case_id, agent, until=after_pause(zone, now, pause), unanswered=unanswered + 1)
        case Disposition.DECLINED | Disposition.ALREADY_REPAIRED:
            declined = outcome.disposition is Disposition.DECLINED
            quiet_d = rules.declined_quiet_d if declined else rules.repaired_quiet_d
            silence(
                conn,
                vehicle_id,
                ends_at=now + timedelta(days=quiet_d),
                reason="the owner declined" if declined else "the owner had it repaired",
                by=agent.name,
                now=now,
            )
            close_case(conn, case_id, outcome=outcome.disposition.value, by=agent.name, now=now)
        case Disposition.WRONG_NUMBER:
            due_at = now + timedelta(days=1)
            add_task(conn, "wrong_number", case_id=case_id, vehicle_id=vehicle_id, due_at=due_at, now=now)
            _wait(conn, case_id, agent, until=due_at)
        case Disposition.DO_NOT_CALL:
            values: Mapping[str, Any] = {"owner_id": owner_id}
            conn.execute(sql.load(__package__, "set_do_not_call"), values)
            record(conn, Actor("account", agent.name), "do not call set", now=now, case_id=case_id)
            close_case(conn, case_id, outcome="do_not_call", by=agent.name, now=now)
        case Disposition.COMPLAINT:
            start_clocks(conn, [case_id], "complaint", now=now)
            start_clocks(conn, [case_id], "close", now=now)
            _wait(conn, case_id, agent, until=now)


def _wait(
    conn: Connection, case_id: int, agent: Agent, *, until: datetime, call_back: bool = False, unanswered: int = 0
) -> None:
    """Take a case off the list until a time, and out of the agent's hands; whoever else has it by now keeps it."""
    values = {"case_id": case_id, "not_before": until, "call_back": call_back, "unanswered": unanswered}
    conn.execute(sql.load(__package__, "wait_with_case"), {**values, "account_id": agent.account_id})


def _owner(conn: Connection, case_id: int, *, now: datetime) -> _Owner | None:
    with conn.cursor(row_factory=class_row(_Owner)) as cursor:
        values = {"case_id": case_id, "since": now - timedelta(days=service().contacts_d)}
        return cursor.execute(sql.load(__package__, "owner_to_call"), values).fetchone()
