"""Telephone numbers in full: shown to whoever needs one, and on record with who saw it, when and for which case."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import psycopg

from alerts.access.audit import actor_of, record
from alerts.access.roles import Caller, Role
from config import sql

MOST_REASON = 200
REVEALED = "phone revealed"


def needs_reason(caller: Caller) -> bool:
    """Tell whether somebody must say why. To an agent the case is the reason; a supervisor does not call."""
    return caller.role is not Role.AGENT


def phones_of(conn: psycopg.Connection[Any], case_ids: Iterable[int]) -> dict[int, str]:
    """Return the telephone numbers (E.164) of owners who may be called, by open case; whoever asks records it."""
    return dict(conn.execute(sql.load(__package__, "phones_of_cases"), {"case_ids": list(case_ids)}).fetchall())


def reveal_phone(
    conn: psycopg.Connection[Any], case_id: int, *, caller: Caller, reason: str | None, now: datetime
) -> str | None:
    """Return the owner's telephone number and record that it was shown, role "alerts".

    Returns : E.164; None, with nothing recorded, when there is none or the owner may not be called: the case was
              closed, consent to care withdrawn, or the owner asked to be left alone
    """
    # Written before it is shown: what cannot be recorded is not seen.
    with conn.transaction():
        phone = phones_of(conn, [case_id]).get(case_id)
        if phone is None:
            return None
        record(conn, actor_of(caller), REVEALED, now=now, case_id=case_id, reason=reason)
    return phone
