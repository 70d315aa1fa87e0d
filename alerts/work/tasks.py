"""What a person has to do until a time: tows, pick-ups, power deliveries, the help button, unhappy owners."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg.rows import class_row

from alerts.work.entries import note
from config import sql

Connection = psycopg.Connection[Any]
Kind = Literal["tow", "pick_up", "power", "help", "low_survey", "wrong_number", "no_receipt"]
# Somebody pressed the button in the car: whoever is there calls at once.
HELP_WITHIN = timedelta(minutes=5)


class NoSuchTask(Exception):
    """There is no such task, or somebody has done it."""


class Task(NamedTuple):
    """Times are UTC. ``city`` and ``model`` are the car's."""

    task_id: int
    kind: str
    case_id: int | None
    vehicle_id: int | None
    dealer_id: str | None
    text: str
    made_at: datetime
    due_at: datetime
    model: str | None
    city: str | None


def add_task(
    conn: Connection,
    kind: Kind,
    *,
    due_at: datetime,
    now: datetime,
    case_id: int | None = None,
    vehicle_id: int | None = None,
    dealer_id: str | None = None,
    text: str = "",
    source: str | None = None,
) -> int | None:
    """Add a task, role "alerts"; return its number, None when there is one of the same ``source`` already."""
    values = {
        "kind": kind,
        "case_id": case_id,
        "vehicle_id": vehicle_id,
        "dealer_id": dealer_id,
        "text": text,
        "now": now,
        "due_at": due_at,
        "source": source,
    }
    row = conn.execute(sql.load(__package__, "insert_task"), values).fetchone()
    if row is not None and case_id is not None:
        note(conn, case_id, "task", actor="Forewarn", now=now, text=text, detail={"task": kind})
    return None if row is None else int(row[0])


def open_tasks(conn: Connection, *, dealer_id: str | None = None, limit: int = 200) -> Sequence[Task]:
    """Return the tasks that wait, the one due first at the top. dealer_id : those of one dealer's manager"""
    with conn.cursor(row_factory=class_row(Task)) as cursor:
        values = {"dealer_id": dealer_id, "limit": limit}
        return cursor.execute(sql.load(__package__, "open_tasks"), values).fetchall()


def finish_task(
    conn: Connection, task_id: int, *, by: str, result: str, now: datetime, dealer_id: str | None = None
) -> None:
    """Write down that a task is done. dealer_id : one of this dealer's only. Raises : NoSuchTask"""
    values = {"task_id": task_id, "by": by, "result": result, "now": now, "dealer_id": dealer_id}
    with conn.transaction():
        row = conn.execute(sql.load(__package__, "finish_task"), values).fetchone()
        if row is None:
            raise NoSuchTask(NoSuchTask.__doc__)
        if row[0] is not None:
            note(conn, row[0], "task done", actor=by, now=now, text=result, detail={"task": row[1]})


def tasks_of_buttons(conn: Connection, *, since: datetime, now: datetime) -> int:
    """Make a task of every press of a car's help button that was received since a time; return how many are new."""
    values = {"since": since, "now": now, "within": HELP_WITHIN}
    return conn.execute(sql.load(__package__, "tasks_of_buttons"), values).rowcount


def finish_charged(conn: Connection, *, soc: float, now: datetime) -> int:
    """Close power deliveries to cars whose battery is charged so far, in per cent; return how many."""
    return conn.execute(sql.load(__package__, "finish_charged"), {"soc": soc, "now": now}).rowcount
