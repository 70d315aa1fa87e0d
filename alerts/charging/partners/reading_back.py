"""What a partner may read: the charging state of the car on its own pile, while the car itself says that it charges."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from alerts.charging.partners.partner import Partner
from alerts.charging.partners.refusals import NotCharging
from config import sql

Connection = psycopg.Connection[Any]

# The car's own word counts for so long.
AGREES_WITHIN = timedelta(seconds=60)


class CarState(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a car: no more than a charger needs, and nothing that says whose it is.

    as_of : of the oldest value in it. Values in the units of their names, current positive while charging; null where
            the car did not say it within the last minute
    """

    session_id: str
    operator: str
    station: str | None
    connector: str | None
    as_of: datetime
    soc_pct: float | None = None
    pack_v: float | None = None
    pack_a: float | None = None
    cell_min_v: float | None = None
    cell_max_v: float | None = None
    battery_min_c: float | None = None
    battery_max_c: float | None = None
    insulation_kohm: float | None = None


def read_car(conn: Connection, partner: Partner, session_id: str, *, now: datetime) -> CarState:
    """Return the state of the car of one of the partner's sessions, role "alerts".

    Raises : NotCharging. It says the same of a session that is unknown, another's, over, or of a car that does not
             agree: which of them it is would tell something about a car
    """
    refusal = NotCharging("no session of this id is going on whose car itself says that it has been charging since")
    with conn.cursor(row_factory=dict_row) as cursor:
        wanted = {"operators": list(partner.operators), "session_id": session_id}
        session = cursor.execute(sql.load(__package__, "session_to_read"), wanted).fetchone()
        if session is None or session["vehicle_id"] is None or session["state"] != "charging":
            raise refusal
        if session["proof"] is None:
            values = {**session, "now": now}
            if cursor.execute(sql.load(__package__, "prove_session"), values).fetchone() is None:
                raise refusal
        values = {"vehicle_id": session["vehicle_id"], "now": now, "within": AGREES_WITHIN}
        said = {row["name"]: row for row in cursor.execute(sql.load(__package__, "car_now"), values)}
    if "is_charging" not in said or said["is_charging"]["value"] != 1:
        raise refusal
    shown = {name: row["value"] for name, row in said.items() if name != "is_charging"}
    return CarState(
        session_id=session["session_id"],
        operator=session["operator"],
        station=session["station"],
        connector=session["connector"],
        as_of=min(row["ts"] for row in said.values()),
        **shown,
    )
