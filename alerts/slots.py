"""When dealers can take cars in: slots cut from their opening hours, and places in them that nobody gets twice."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import class_row

from alerts.dealer_hours import read_stored_hours
from alerts.opening_hours import Hours, Interval, open_intervals
from config import sql

Connection = psycopg.Connection[Any]
# One car is taken in, its owner spoken to, and the next may come.
SLOT = timedelta(hours=1)
# Somebody else may take the place that we saw free; each time there is one place less, so this ends.
_ATTEMPTS = 200
# Slots in one statement.
_BATCH = 20_000


class SlotFull(Exception):
    """This appointment is taken: choose another."""


class FreeSlot(NamedTuple):
    """A slot that has room. Times are UTC, ``day`` is the dealer's."""

    slot_id: int
    day: date
    starts_at: datetime
    ends_at: datetime
    free: int


class _Dealer(NamedTuple):
    dealer_id: str
    hours: str
    places: int
    time_zone: str
    country: str


def cut_slots(hours: Hours, day: date, *, zone: str, country: str, length: timedelta = SLOT) -> Sequence[Interval]:
    """Return the slots of a dealer's day, UTC: each is within a shift, what is left at a shift's end is none.

    A slot belongs to the day on which it begins, so that days never share one.
    """
    local = ZoneInfo(zone)
    begins = datetime.combine(day, time(), tzinfo=local).astimezone(UTC)
    ends = datetime.combine(day + timedelta(days=1), time(), tzinfo=local).astimezone(UTC)
    slots = []
    # What is open through midnight is cut anew there: the same whether one day is asked for or many.
    for interval in open_intervals(hours, begins, ends, zone=zone, country=country):
        starts_at = interval.starts_at
        while starts_at + length <= interval.ends_at:
            slots.append(Interval(starts_at, starts_at + length))
            starts_at += length
    return slots


def make_slots(conn: Connection, *, now: datetime, days: int) -> int:
    """Make the slots of the days to come for every dealer whose book is kept here; return how many are new.

    conn : role "alerts"
    What is there already stays as it is: somebody may have closed it, or sold all of it.
    """
    with conn.cursor(row_factory=class_row(_Dealer)) as cursor:
        dealers = cursor.execute(sql.load(__package__, "dealers_with_book")).fetchall()
    rows = []
    for dealer in dealers:
        hours = read_stored_hours(dealer.dealer_id, dealer.hours, zone=dealer.time_zone, country=dealer.country)
        if hours is None:
            continue
        today = now.astimezone(ZoneInfo(dealer.time_zone)).date()
        for day in (today + timedelta(days=ahead) for ahead in range(days)):
            rows += [
                (dealer.dealer_id, day, slot.starts_at, slot.ends_at, dealer.places)
                for slot in cut_slots(hours, day, zone=dealer.time_zone, country=dealer.country)
            ]
    made = 0
    for start in range(0, len(rows), _BATCH):
        dealer_ids, slot_days, starts, ends, capacities = zip(*rows[start : start + _BATCH], strict=True)
        values = {
            "dealer_ids": list(dealer_ids),
            "days": list(slot_days),
            "starts": list(starts),
            "ends": list(ends),
            "capacities": list(capacities),
        }
        with conn.transaction():
            made += conn.execute(sql.load(__package__, "insert_slots"), values).rowcount
    return made


def free_slots(
    conn: Connection, dealer_id: str, *, since: datetime, until: datetime, limit: int = 100
) -> Sequence[FreeSlot]:
    """Return the slots of a dealer that begin in [since, until) and have room, earliest first."""
    with conn.cursor(row_factory=class_row(FreeSlot)) as cursor:
        values = {"dealer_id": dealer_id, "since": since, "until": until, "limit": limit}
        return cursor.execute(sql.load(__package__, "free_slots"), values).fetchall()


def take_place(conn: Connection, slot_id: int, case_id: int, *, now: datetime) -> int:
    """Take a place in a slot for a case and return its number; a case that has one there keeps it.

    conn   : role "alerts"; the place is free again when its transaction is undone
    Raises : SlotFull, also for a slot that is no more; whoever asks at the same moment, no place is given twice
    """
    values = {"slot_id": slot_id, "case_id": case_id, "now": now}
    for _ in range(_ATTEMPTS):
        held = conn.execute(sql.load(__package__, "place_of_case"), values).fetchone()
        if held:
            return int(held[0])
        taken = conn.execute(sql.load(__package__, "take_place"), values).fetchone()
        if taken:
            return int(taken[0])
        room = conn.execute(sql.load(__package__, "slot_has_room"), values).fetchone()
        if room is None or not room[0]:
            break
    raise SlotFull(SlotFull.__doc__)


def give_back_place(conn: Connection, slot_id: int, case_id: int) -> bool:
    """Free the place of a case in a slot; return whether it had one."""
    values = {"slot_id": slot_id, "case_id": case_id}
    return conn.execute(sql.load(__package__, "give_back_place"), values).rowcount == 1
