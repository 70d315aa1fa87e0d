"""The safety desk's board: what is open, and what a person does with it."""

import uuid
from datetime import datetime
from typing import Any, Literal

import msgspec
import psycopg
from psycopg.rows import dict_row

from config import sql

Connection = psycopg.Connection[Any]

MOST_CASES = 100


class NotOpen(Exception):
    """It is closed or done already, or there is no such thing."""


class SeenLine(msgspec.Struct, frozen=True):
    """One sighting on the board."""

    source: str
    channel: str
    code: str
    kind: str
    severity: int
    state: str
    remark: str | None
    measures: dict[str, Any]
    at: datetime


class StopLine(msgspec.Struct, frozen=True):
    """One request to stop on the board."""

    action_id: uuid.UUID
    target: str
    state: str
    policy: str
    decided_by: str
    attempts: int
    detail: str
    at: datetime
    decided_at: datetime


class ToldLine(msgspec.Struct, frozen=True):
    """One message to a person on the board."""

    recipient: str
    channel: str
    accepted: bool
    detail: str
    at: datetime
    receipt_at: datetime | None
    receipt_by: str | None


class TaskLine(msgspec.Struct, frozen=True):
    """One task on the board."""

    task_id: uuid.UUID
    kind: str
    due_at: datetime
    detail: str
    done_at: datetime | None
    done_by: str | None
    result: str | None


class BoardCase(msgspec.Struct, frozen=True, kw_only=True):
    """One open case with everything that is known of it; None is not known.

    reports : how many sightings it is made of, of which ``sightings`` are the newest
    is_on   : whether one of its dangers is on, as far as their sources say
    """

    case_id: uuid.UUID
    kind: str
    severity: Literal[1, 2, 3]
    opened_at: datetime
    last_seen_at: datetime
    operator: str | None
    station: str | None
    connector: str | None
    session_id: str | None
    model: str | None
    chemistry: str | None
    vin: str | None
    owner_name: str | None
    owner_language: str | None
    phone: str | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    sightings: list[SeenLine]
    reports: int
    is_on: bool
    actions: list[StopLine]
    deliveries: list[ToldLine]
    tasks: list[TaskLine]

    @property
    def is_loud(self) -> bool:
        """Whether somebody has to take it now."""
        return self.acknowledged_at is None and self.severity < 3

    @property
    def received_at(self) -> datetime | None:
        """When the owner confirmed, None where nobody did."""
        return min((one.receipt_at for one in self.deliveries if one.receipt_at is not None), default=None)


def board(conn: Connection, *, case_id: uuid.UUID | None = None, limit: int = MOST_CASES) -> list[BoardCase]:
    """Return the open cases, what nobody has taken first; or the one of that number."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_sql("board"), {"case_id": case_id, "limit": limit}).fetchall()
    return [msgspec.convert(row, BoardCase) for row in rows]


def acknowledge(conn: Connection, case_id: uuid.UUID, *, by: str) -> None:
    """Say who has the case in hand.

    Raises : NotOpen, when somebody else has
    """
    _one(conn, "acknowledge_case", {"case_id": case_id, "by": by})


def close(conn: Connection, case_id: uuid.UUID, *, by: str, outcome: str) -> None:
    """Close the case. Raises : NotOpen"""
    _one(conn, "close_case", {"case_id": case_id, "by": by, "outcome": outcome})


def finish_task(conn: Connection, task_id: uuid.UUID, *, by: str, result: str) -> None:
    """Say that a task is done; "reached" of a call to the owner is the owner's receipt. Raises : NotOpen"""
    _one(conn, "finish_task", {"task_id": task_id, "by": by, "result": result})


def decide_stop(conn: Connection, action_id: uuid.UUID, *, by: str, stop: bool) -> None:
    """Say whether a stop that waits for a person leaves. Raises : NotOpen, when it has been decided"""
    _one(conn, "decide_stop", {"action_id": action_id, "by": by, "stop": stop})


def confirm_receipt(conn: Connection, delivery_id: uuid.UUID) -> None:
    """Take an owner's receipt; a second one changes nothing. Raises : NotOpen, when there is no such message"""
    _one(conn, "confirm_receipt", {"delivery_id": delivery_id})


def told_in(conn: Connection, delivery_id: uuid.UUID) -> dict[str, Any]:
    """Return kind, operator, station, language and receipt_at of a message. Raises : NotOpen"""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_sql("told_in_delivery"), {"delivery_id": delivery_id}).fetchone()
    if row is None:
        raise NotOpen
    return row


def _one(conn: Connection, name: str, values: dict[str, Any]) -> None:
    if conn.execute(_sql(name), values).fetchone() is None:
        raise NotOpen


def _sql(name: str) -> Any:
    return sql.load("alerts.charging", name)
