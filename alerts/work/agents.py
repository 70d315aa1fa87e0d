"""Who takes calls: languages, skills, and the case in hand."""

from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from alerts.access.roles import Caller
from config import sql

Connection = psycopg.Connection[Any]


class NotAnAgent(Exception):
    """Only a person with an account works on cases."""


class Agent(NamedTuple):
    """A person who works on cases.

    skills  : capabilities, as config/faults.toml names them, that the person talks about; None: all
    contact : the case of a call that has no disposition yet
    """

    account_id: int
    name: str
    languages: list[str]
    skills: list[str] | None
    contact: int | None


def agent_of(conn: Connection, caller: Caller) -> Agent:
    """Return who a signed-in person is on the work list, role "alerts". Raises : NotAnAgent"""
    if caller.account_id is None:
        raise NotAnAgent(NotAnAgent.__doc__)
    with conn.cursor(row_factory=class_row(Agent)) as cursor:
        found = cursor.execute(sql.load(__package__, "agent"), {"account_id": caller.account_id}).fetchone()
    if found is None:
        raise NotAnAgent(NotAnAgent.__doc__)
    return found


class AtWork(NamedTuple):
    """What a supervisor sees of an agent: cases in hand, brought to an end since a time, call without an outcome."""

    account_id: int
    name: str
    claimed: int
    contacts: int
    unfinished_since: datetime | None


def agents_at_work(conn: Connection, *, since: datetime, now: datetime) -> list[AtWork]:
    """Return the agents, by name. since : from when on contacts are counted"""
    with conn.cursor(row_factory=class_row(AtWork)) as cursor:
        return cursor.execute(sql.load(__package__, "agents_at_work"), {"since": since, "now": now}).fetchall()
