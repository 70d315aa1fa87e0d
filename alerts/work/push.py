"""What happens to cases, pushed to a CRM or dialler: signed, in order, again until it was taken, nothing twice unknown.

Source: Standard Webhooks 1.0.0. The message's id is the entry's, so whoever gets one again knows it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import psycopg
import structlog

from alerts.call_list import row
from alerts.calls import find_call
from alerts.charging.partners.webhooks import headers_for
from config import sql

Connection = psycopg.Connection[Any]
# What is written by a transaction that has not ended yet has a smaller number than one that has: it is waited for.
_SETTLED_AFTER = timedelta(seconds=30)
_AT_ONCE = 500
_TIMEOUT_S = 10.0

Post = Callable[[str, bytes, dict[str, str]], int]

_log = structlog.get_logger(__name__)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What a CRM gets: what happened, when, and the case as the list has it; people are masked.

    case : a line of the call list (``alerts.call_list.CallRow``); None once the case is closed
    """

    type: str
    timestamp: str
    case_id: int
    detail: dict[str, Any]
    case: dict[str, Any] | None


def push_entries(
    conn: Connection, *, url: str, secret: bytes, language: str, now: datetime, post: Post | None = None
) -> int:
    """Push what has happened since the last time, in order; return how many were taken.

    One that is not taken stops the rest: the next time begins with it. Of two who push at once one does nothing.
    conn : role "alerts", outside a transaction
    """
    send = post or _post
    with conn.transaction():
        cursor = conn.execute(sql.load(__package__, "lock_push")).fetchone()
        if cursor is None:
            return 0
        values = {"after": cursor[0], "before": now - _SETTLED_AFTER, "limit": _AT_ONCE}
        taken, newest = 0, cursor[0]
        for entry_id, case_id, at, kind, detail in conn.execute(sql.load(__package__, "entries_to_push"), values):
            call = find_call(conn, case_id, now=now)
            event = Event(
                type=f"case.{kind.replace(' ', '_')}",
                timestamp=at.isoformat(),
                case_id=case_id,
                detail=detail,
                case=msgspec.to_builtins(row(call, language)) if call is not None else None,
            )
            body = msgspec.json.encode(event)
            headers = headers_for([secret], message_id=f"entry-{entry_id}", timestamp=int(now.timestamp()), body=body)
            status = send(url, body, {"content-type": "application/json", **headers})
            if not 200 <= status < 300:
                _log.warning("what happened to a case was not taken", case=case_id, status=status)
                break
            taken, newest = taken + 1, entry_id
        conn.execute(sql.load(__package__, "move_push"), {"entry_id": newest})
    return taken


def _post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """Return the status of an answer, 0 for none."""
    try:
        return httpx.post(url, content=body, headers=headers, timeout=_TIMEOUT_S, follow_redirects=False).status_code
    except httpx.HTTPError:
        return 0
