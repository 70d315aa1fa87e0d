"""Promises with a time: when they are due, by business hours of the call centre and not by the clock on the wall."""

import calendar
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
import psycopg

from alerts.opening_hours import Hours, next_opening, open_intervals, parse_hours
from config import sql
from config.service import service

Connection = psycopg.Connection[Any]
Kind = Literal["answer", "complaint", "close"]
# Longer closed in a row than that, and nobody can promise anything.
_MOST_AHEAD = timedelta(days=60)
_LOOK_AHEAD = timedelta(days=7)


class Desk(msgspec.Struct, frozen=True):
    """When a call centre works. zone : IANA name; country : ISO 3166, whose public holidays count"""

    hours: Hours
    zone: str
    country: str


@cache
def our_desk() -> Desk:
    """Return the call centre of config/service.toml."""
    rules = service()
    return Desk(parse_hours(rules.hours), rules.time_zone, rules.country)


def due_at(since: datetime, work: timedelta, desk: Desk) -> datetime:
    """Return when so much working time has passed since an instant, UTC.

    work   : above 0
    Raises : ValueError, when the desk does not work that long within two months
    """
    left = work
    begins = since
    while begins < since + _MOST_AHEAD:
        ends = begins + _LOOK_AHEAD
        for interval in open_intervals(desk.hours, begins, ends, zone=desk.zone, country=desk.country):
            length = interval.ends_at - interval.starts_at
            if left <= length:
                return interval.starts_at + left
            left -= length
        begins = ends
    raise ValueError("the desk is closed for two months: correct hours in config/service.toml")


def worked(since: datetime, until: datetime, desk: Desk) -> timedelta:
    """Return how much working time lies between two instants; none when the second is not later."""
    if until <= since:
        return timedelta(0)
    found = open_intervals(desk.hours, since, until, zone=desk.zone, country=desk.country)
    return sum((interval.ends_at - interval.starts_at for interval in found), timedelta(0))


def month_later(since: datetime, months: int, desk: Desk) -> datetime:
    """Return the same day and time so many calendar months later, or the next moment at which the desk works.

    A day that a month has not is its last: a month from 31 January ends on 28 or 29 February.
    """
    local = since.astimezone(ZoneInfo(desk.zone))
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    then = local.replace(year=year, month=month + 1, day=day).astimezone(since.tzinfo)
    return next_opening(desk.hours, then, zone=desk.zone, country=desk.country) or then


def promise(kind: Kind, since: datetime, *, desk: Desk | None = None) -> datetime:
    """Return until when something that began at an instant is to be done."""
    rules, desk = service(), desk or our_desk()
    match kind:
        case "answer":
            return due_at(since, timedelta(hours=rules.answer_h), desk)
        case "complaint":
            return due_at(since, timedelta(hours=rules.complaint_h), desk)
        case "close":
            return month_later(since, rules.close_months, desk)


def start_clocks(conn: Connection, cases: Iterable[int], kind: Kind, *, now: datetime) -> None:
    """Start a clock of cases; one that runs already goes on."""
    values = {"case_ids": list(cases), "kind": kind, "now": now, "due_at": promise(kind, now)}
    conn.execute(sql.load(__package__, "start_clocks"), values)


def meet_clocks(conn: Connection, case_id: int, kinds: Iterable[Kind], *, now: datetime) -> None:
    """Stop clocks of a case: what they promised is done."""
    values: Mapping[str, Any] = {"case_id": case_id, "kinds": list(kinds), "now": now}
    conn.execute(sql.load(__package__, "meet_clocks"), values)
