"""Enrols cars: what they are, whose they are, and what their owners agreed to."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec
import psycopg

from config import sql
from config.signals import Powertrain

Purpose = Literal["care", "marketing", "safety"]


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """One car with its owner. Coordinates are WGS-84 degrees; the phone number is in E.164 form."""

    vin: str
    model: str
    powertrain: Powertrain
    chemistry: Literal["NMC", "LFP"] | None = None
    cells: int | None = None
    city: str | None = None
    brand: str = "Forewarn Motors"
    owner_name: str
    language: Literal["zh_CN", "en"] = "zh_CN"
    time_zone: str = "Asia/Shanghai"
    phone: str
    home_latitude: float | None = None
    home_longitude: float | None = None
    purposes: frozenset[Purpose] = frozenset({"care", "marketing", "safety"})
    policy_version: str = "1"
    replayed: bool = False


def enrol(
    conn: psycopg.Connection[tuple[object, ...]], enrolments: Iterable[Enrolment], *, chosen_at: datetime
) -> dict[str, int]:
    """Enrol cars that are not enrolled yet and record their owners' consent; return the vehicle_id of every VIN.

    chosen_at : when the owners chose (UTC); a second enrolment changes nothing
    """
    statement = sql.load("ingest.store", "enrol_vehicle")
    ids: dict[str, int] = {}
    with conn.transaction(), conn.cursor() as cursor:
        for car in enrolments:
            values = {**msgspec.structs.asdict(car), "purposes": sorted(car.purposes), "chosen_at": chosen_at}
            row = cursor.execute(statement, values).fetchone()
            assert row is not None
            ids[car.vin] = int(str(row[0]))
    return ids
