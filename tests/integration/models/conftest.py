"""A stored fleet whose 12 V batteries fail, and one run of training on it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from ingest.store.connection import connect
from tests.rollups import roll_up

START = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 48
END = START + timedelta(days=DAYS)
# The first cars lose voltage until their lamp comes on; the lamps of the last of those are still to come at END.
FAILING, WAITING, CARS = 9, 3, 24

_COLUMNS = "ts, vehicle_id, seq, received_at, at_rest, is_charging, lv_battery_v, air_temp_c, lv_battery_a"


def vin(number: int) -> str:
    return f"LFWAT0000000{number:05d}"


def write_readings(dsn: str, rows: list[tuple[Any, ...]]) -> None:
    """rows: ts, vehicle_id, seq, received_at, at_rest, is_charging, lv_battery_v, air_temp_c, lv_battery_a"""
    with psycopg.connect(dsn) as conn:
        for day in {row[0].astimezone(UTC).date() for row in rows}:
            conn.execute("SELECT telemetry.ensure_partition('vehicle_reading', %s)", [day])
        with conn.cursor().copy(f"COPY telemetry.vehicle_reading ({_COLUMNS}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    roll_up(dsn)


@pytest.fixture
def fleet(database: str, enrolled: Callable[..., dict[str, int]]) -> dict[str, int]:
    """CARS petrol cars with DAYS days of readings, four a day; returns vehicle_id by VIN."""
    ids = enrolled(*(vin(number) for number in range(CARS)), powertrain="ice", chemistry=None, cells=None)
    random = np.random.default_rng(1)
    rows, lamps = [], []
    for number in range(CARS):
        vehicle = ids[vin(number)]
        lamp = None
        if number < FAILING - WAITING:
            lamp = 24 + 3 * number
        elif number < FAILING:
            lamp = DAYS + 1 + number - (FAILING - WAITING)
        for day in range(DAYS):
            sag = 0.0 if lamp is None else 0.05 * max(0, 18 - (lamp - day))
            for hour, at_rest in ((3, True), (8, False), (13, True), (18, False)):
                ts = START + timedelta(days=day, hours=hour)
                volts = (12.6 if at_rest else 14.1) - sag + random.normal(0, 0.02)
                rows.append((ts, vehicle, 0, ts, at_rest, None, volts, 15 + random.normal(0, 3), random.normal(0, 1)))
        if lamp is not None and lamp < DAYS:
            lamps.append((vehicle, START + timedelta(days=lamp, hours=7)))
    write_readings(database, rows)
    with psycopg.connect(database) as conn, conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO telemetry.vehicle_event (vehicle_id, ts, received_at, kind, code, state, level)"
            " VALUES (%s, %s, %s, 'lamp', 'lv_battery', 'on', 2)",
            [(vehicle, at, at) for vehicle, at in lamps],
        )
    return ids


@pytest.fixture
def models_conn(database: str) -> Iterator[psycopg.Connection[Any]]:
    conn = connect(database, role="models")
    try:
        yield conn
    finally:
        conn.close()


@pytest.fixture
def trained(models_conn: psycopg.Connection[Any], fleet: dict[str, int], tmp_path: Path) -> Path:
    """Folder that holds the models trained on the fleet."""
    from models.training import train

    train(models_conn, as_of=END, data_dir=tmp_path)
    return tmp_path
