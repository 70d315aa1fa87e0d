"""Visits that were agreed: one booked for a case, a place in the dealer's book for each, none given twice."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from alerts.nearest_dealers import PICK_UP_KM
from alerts.slots import give_back_place, take_place
from alerts.work.entries import note
from alerts.work.tasks import add_task
from config import sql
from config.service import service

Connection = psycopg.Connection[Any]
# Whoever fetches a car needs some time to get there.
_TOW_WITHIN = timedelta(hours=1)
_PICK_UP_BEFORE = timedelta(hours=1)


class Way(StrEnum):
    """How the car gets to the workshop."""

    DRIVE = "drive"
    PICK_UP = "pick_up"
    TOW = "tow"


class CannotBook(Exception):
    """This appointment cannot be made; the text says why."""


class NoAppointment(Exception):
    """There is no such appointment, or it is over."""


class Appointment(NamedTuple):
    """A visit. Times are UTC; ``time_zone`` is the dealer's."""

    appointment_id: int
    case_id: int
    dealer_id: str
    slot_id: int | None
    starts_at: datetime
    way: str
    state: str
    dealer_name_zh: str
    dealer_name_en: str
    dealer_phone: str
    time_zone: str

    def dealer_name(self, language: str) -> str:
        return self.dealer_name_zh if language.startswith("zh") else self.dealer_name_en


def book(
    conn: Connection,
    case_id: int,
    *,
    dealer_id: str,
    slot_id: int | None = None,
    starts_at: datetime | None = None,
    way: Way = Way.DRIVE,
    distance_km: float | None = None,
    by: str,
    now: datetime,
) -> int:
    """Book a visit of an open case; one that was booked before is moved. Return its number.

    slot_id     : of the dealer's book; for a dealer that keeps none here, ``starts_at`` as agreed by telephone
    distance_km : from the car to the dealer, for a pick-up; None when nobody knows, and then it is not free
    conn        : role "alerts", outside a transaction
    Raises      : CannotBook; SlotFull, when somebody else took the last place
    """
    with conn.transaction():
        if conn.execute(sql.load(__package__, "lock_open_case"), {"case_id": case_id}).fetchone() is None:
            raise CannotBook("the case is closed")
        kept, starts_at = _time_of(conn, dealer_id, slot_id, starts_at, now=now)
        if way is Way.PICK_UP and (distance_km is None or distance_km > PICK_UP_KM):
            raise CannotBook(f"pick-up is within {PICK_UP_KM:.0f} km: have the car towed, or driven")
        call_off(conn, case_id, now=now)
        if kept is not None:
            take_place(conn, kept, case_id, now=now)
        values = {
            "case_id": case_id,
            "dealer_id": dealer_id,
            "slot_id": kept,
            "starts_at": starts_at,
            "way": way.value,
            "now": now,
            "by": by,
        }
        row = conn.execute(sql.load(__package__, "insert_appointment"), values).fetchone()
        assert row is not None
        number, vehicle_id = row
        detail = {"dealer": dealer_id, "starts_at": starts_at.isoformat(), "way": way.value}
        note(conn, case_id, "appointment booked", actor=by, now=now, detail=detail)
        if way is not Way.DRIVE:
            due_at = now + _TOW_WITHIN if way is Way.TOW else max(starts_at - _PICK_UP_BEFORE, now)
            kind: Any = way.value
            source = _task_source(way.value, number)
            add_task(conn, kind, case_id=case_id, vehicle_id=vehicle_id, due_at=due_at, now=now, source=source)
    return int(number)


def cancel(conn: Connection, case_id: int, *, by: str, now: datetime) -> None:
    """Cancel the visit of a case, and free its place. Raises : NoAppointment"""
    with conn.transaction():
        if not call_off(conn, case_id, now=now):
            raise NoAppointment(NoAppointment.__doc__)
        note(conn, case_id, "appointment cancelled", actor=by, now=now)


def arrived(conn: Connection, appointment_id: int, *, dealer_id: str, by: str, now: datetime) -> None:
    """Note that the owner came. Raises : NoAppointment, also for one of another dealer"""
    with conn.transaction():
        values = {"appointment_id": appointment_id, "dealer_id": dealer_id, "now": now}
        row = conn.execute(sql.load(__package__, "arrive"), values).fetchone()
        if row is None:
            raise NoAppointment(NoAppointment.__doc__)
        note(conn, row[0], "arrived", actor=by, now=now)


def no_shows(conn: Connection, *, now: datetime) -> int:
    """End the visits whose time is past and nobody came; their cases are on the list again. Return how many."""
    values = {"before": now - timedelta(hours=service().no_show_h), "now": now}
    with conn.transaction():
        rows = conn.execute(sql.load(__package__, "no_shows"), values).fetchall()
        for (case_id,) in rows:
            note(conn, case_id, "no show", actor="Forewarn", now=now)
    return len(rows)


def appointment_of(conn: Connection, case_id: int) -> Appointment | None:
    """Return the newest visit of a case that was not cancelled."""
    with conn.cursor(row_factory=class_row(Appointment)) as cursor:
        return cursor.execute(sql.load(__package__, "appointment_of_case"), {"case_id": case_id}).fetchone()


def visits_at(conn: Connection, dealer_id: str, *, since: datetime, until: datetime) -> Sequence[dict[str, Any]]:
    """Return the visits of a dealer's days, as its page shows them."""
    from psycopg.rows import dict_row

    with conn.cursor(row_factory=dict_row) as cursor:
        values = {"dealer_id": dealer_id, "since": since, "until": until}
        return cursor.execute(sql.load(__package__, "visits_at_dealer"), values).fetchall()


def _time_of(
    conn: Connection, dealer_id: str, slot_id: int | None, starts_at: datetime | None, *, now: datetime
) -> tuple[int | None, datetime]:
    if slot_id is not None:
        values = {"dealer_id": dealer_id, "slot_id": slot_id}
        row = conn.execute(sql.load(__package__, "slot_of_dealer"), values).fetchone()
        if row is None:
            raise CannotBook("this dealer has no such time: choose another")
        starts_at = row[0]
    elif starts_at is None:
        raise CannotBook("choose a time")
    elif conn.execute(sql.load(__package__, "dealer_without_book"), {"dealer_id": dealer_id}).fetchone() is None:
        raise CannotBook("this dealer's book is kept here: choose one of its times")
    if starts_at <= now:
        raise CannotBook("this time is past: choose another")
    return slot_id, starts_at


def call_off(conn: Connection, case_id: int, *, now: datetime) -> bool:
    """Cancel the booked visit of a case in the caller's transaction, free its place; return whether there was one."""
    values = {"case_id": case_id, "now": now}
    row = conn.execute(sql.load(__package__, "end_appointment"), values).fetchone()
    if row is None:
        return False
    slot_id, number, way = row
    if slot_id is not None:
        give_back_place(conn, slot_id, case_id)
    # Nobody sends a truck for a visit that was moved or cancelled.
    conn.execute(sql.load(__package__, "drop_task"), {"source": _task_source(way, number), "now": now})
    return True


def _task_source(way: str, appointment_id: int) -> str:
    return f"{way} of appointment {appointment_id}"
