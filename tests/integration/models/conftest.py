"""A stored fleet whose 12 V batteries fail, and one run of training on it."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psycopg
import pytest
from psycopg import conninfo

from ingest.store.connection import connect
from tests.conftest import created, enrol_cars
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


class TrainedStore(NamedTuple):
    """A database with the fleet and its training, made once for all tests that begin with it."""

    name: str
    ids: dict[str, int]
    folder: Path


def store_fleet(dsn: str) -> dict[str, int]:
    """Store CARS petrol cars with DAYS days of readings, four a day; return vehicle_id by VIN."""
    ids = enrol_cars(dsn, *(vin(number) for number in range(CARS)), powertrain="ice", chemistry=None, cells=None)
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
    write_readings(dsn, rows)
    with psycopg.connect(dsn) as conn, conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO telemetry.vehicle_event (vehicle_id, ts, received_at, kind, code, state, level)"
            " VALUES (%s, %s, %s, 'lamp', 'lv_battery', 'on', 2)",
            [(vehicle, at, at) for vehicle, at in lamps],
        )
    return ids


def train_on(dsn: str, folder: Path) -> None:
    from models.training import train

    with connect(dsn, role="models") as conn:
        train(conn, as_of=END, data_dir=folder)


@pytest.fixture(scope="session")
def _trained_store(
    server_dsn: str, _template: str | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrainedStore | None]:
    if _template is None:
        # A database with TimescaleDB cannot be copied.
        yield None
        return
    with created(server_dsn, "trained", template=_template) as name:
        dsn, folder = conninfo.make_conninfo(server_dsn, dbname=name), tmp_path_factory.mktemp("trained")
        ids = store_fleet(dsn)
        train_on(dsn, folder)
        yield TrainedStore(name, ids, folder)


@pytest.fixture
def _trained_of_test(request: pytest.FixtureRequest) -> TrainedStore | None:
    """The store that this test's database is a copy of; None when it begins with an empty one."""
    if "trained" not in request.fixturenames:
        return None
    store: TrainedStore | None = request.getfixturevalue("_trained_store")
    return store


@pytest.fixture
def database(server_dsn: str, _template: str | None, _trained_of_test: TrainedStore | None) -> Iterator[str]:
    """DSN of a migrated database of this test alone; with ``trained`` it holds the fleet and its training."""
    from ingest.store.migrate import migrate

    template = _trained_of_test.name if _trained_of_test else _template
    with created(server_dsn, "test", template=template) as name:
        dsn = conninfo.make_conninfo(server_dsn, dbname=name)
        if template is None:
            migrate(dsn)
        yield dsn


@pytest.fixture
def fleet(database: str, _trained_of_test: TrainedStore | None) -> dict[str, int]:
    """CARS petrol cars with DAYS days of readings, four a day; returns vehicle_id by VIN."""
    return _trained_of_test.ids if _trained_of_test else store_fleet(database)


@pytest.fixture(scope="session")
def _mlflow_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of an MLflow store without a model: making its tables takes longer than most tests."""
    from models.tracking import mirror

    folder = tmp_path_factory.mktemp("mlflow")
    mirror([], aliases={}, data_dir=folder)
    return folder / "mlflow" / "mlflow.db"


@pytest.fixture
def with_mlflow(_mlflow_store: Path, tmp_path: Path) -> None:
    """Have the store of MLflow lie in the test's folder already, as after the first use."""
    (tmp_path / "mlflow").mkdir()
    shutil.copy(_mlflow_store, tmp_path / "mlflow")


@pytest.fixture
def models_conn(database: str) -> Iterator[psycopg.Connection[Any]]:
    conn = connect(database, role="models")
    try:
        yield conn
    finally:
        conn.close()


@pytest.fixture
def trained(database: str, fleet: dict[str, int], _trained_of_test: TrainedStore | None, tmp_path: Path) -> Path:
    """Folder that holds the models trained on the fleet."""
    if _trained_of_test:
        shutil.copytree(_trained_of_test.folder, tmp_path, dirs_exist_ok=True)
    else:
        train_on(database, tmp_path)
    return tmp_path
