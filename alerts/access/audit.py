"""The record of who did what: added to, never changed."""

import getpass
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.types.json import Jsonb

from alerts.access.roles import Caller
from config import sql


class Actor(NamedTuple):
    """Who did it: kind is account, key or command."""

    kind: str
    name: str


def actor_of(caller: Caller) -> Actor:
    """Return a caller as the record names it."""
    return Actor(caller.kind, caller.name)


def system_user() -> Actor:
    """Return who runs this command, as far as the system knows."""
    try:
        return Actor("command", getpass.getuser())
    except (KeyError, OSError, ImportError):
        # A container may run as a number without a name.
        return Actor("command", "unknown")


def record(
    conn: psycopg.Connection[Any],
    actor: Actor,
    action: str,
    *,
    now: datetime,
    case_id: int | None = None,
    reason: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write an event, role "alerts", in the transaction of what it tells of.

    reason : in the person's own words, where one is asked for
    """
    values = {
        "at": now,
        "actor_kind": actor.kind,
        "actor": actor.name,
        "action": action,
        "case_id": case_id,
        "reason": reason,
        "detail": Jsonb(dict(detail or {})),
    }
    conn.execute(sql.load(__package__, "insert_event"), values)


def record_cases(
    conn: psycopg.Connection[Any],
    actor: Actor,
    action: str,
    *,
    now: datetime,
    case_ids: Iterable[int],
    reason: str | None = None,
) -> None:
    """Write an event of each of several cases, all by one statement; otherwise as ``record``."""
    values = {
        "at": now,
        "actor_kind": actor.kind,
        "actor": actor.name,
        "action": action,
        "case_ids": list(case_ids),
        "reason": reason,
    }
    conn.execute(sql.load(__package__, "insert_events_of_cases"), values)
