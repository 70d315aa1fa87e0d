"""The end of a case: once, with an outcome, by somebody."""

from datetime import datetime
from typing import Any

import psycopg

from alerts.work.appointments import call_off
from alerts.work.clocks import meet_clocks
from alerts.work.entries import note
from config import sql

Connection = psycopg.Connection[Any]


def close_case(conn: Connection, case_id: int, *, outcome: str, by: str, now: datetime) -> bool:
    """Close a case in the caller's transaction; return whether it was open until now.

    outcome : as ``alerts.wording`` has words for
    """
    values = {"case_id": case_id, "outcome": outcome, "by": by, "now": now}
    if conn.execute(sql.load(__package__, "close_case"), values).rowcount != 1:
        return False
    conn.execute(sql.load(__package__, "let_go_of_case"), values)
    # Nobody comes any more about a closed case.
    call_off(conn, case_id, now=now)
    meet_clocks(conn, case_id, ["answer", "complaint", "close"], now=now)
    note(conn, case_id, "closed", actor=by, now=now, detail={"outcome": outcome})
    return True
