"""What nobody is called about for a while: with an end, a reason and a name."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from config import sql

Connection = psycopg.Connection[Any]


class Silence(NamedTuple):
    """fault_mode : None is everything about the car. Times are UTC."""

    vehicle_id: int
    fault_mode: str | None
    begins_at: datetime
    ends_at: datetime
    reason: str
    made_by: str


def silence(
    conn: Connection,
    vehicle_id: int,
    *,
    fault_mode: str | None = None,
    ends_at: datetime,
    reason: str,
    by: str,
    now: datetime,
) -> None:
    """Call about a car, or one fault of it, no more until a time, role "alerts"."""
    values = {"vehicle_id": vehicle_id, "fault_mode": fault_mode, "begins_at": now, "ends_at": ends_at}
    conn.execute(sql.load(__package__, "insert_silence"), {**values, "reason": reason, "made_by": by})


def silences_of(conn: Connection, vehicle_ids: Iterable[int], *, now: datetime) -> Sequence[Silence]:
    """Return what is silent now of some cars."""
    with conn.cursor(row_factory=class_row(Silence)) as cursor:
        values = {"vehicle_ids": list(vehicle_ids), "now": now}
        return cursor.execute(sql.load(__package__, "silences_of_vehicles"), values).fetchall()
