"""A server for partners on a free port, with a desk that only writes down what it is handed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from config.settings import DatabaseSettings, PartnerSettings, Settings
from forewarn.embedded.ports import free_port
from ingest.store.migrate import migrate
from tests.conftest import created
from tests.partners import RecordingDesk, World, running


@pytest.fixture(scope="module")
def _database_of_module(server_dsn: str) -> Iterator[str]:
    with created(server_dsn, "partners") as name:
        dsn = conninfo.make_conninfo(server_dsn, dbname=name)
        migrate(dsn)
        yield dsn


@pytest.fixture
def database(_database_of_module: str) -> str:
    """DSN of a migrated database in which nobody is known yet; one a module, to make one a test would take minutes."""
    with psycopg.connect(_database_of_module, autocommit=True) as conn:
        conn.execute(
            "TRUNCATE safety.partner, safety.partner_message, telemetry.charging_session, safety.safety_case CASCADE"
        )
        conn.execute("TRUNCATE telemetry.vehicle, telemetry.vehicle_state, telemetry.safety_reading CASCADE")
        conn.execute("TRUNCATE telemetry.vehicle_reading")
    return _database_of_module


@pytest.fixture
def world_of(database: str, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Start a server with these partner settings."""
    with ExitStack() as stack:

        def start(desk: Any = None, **partners: Any) -> World:
            settings = Settings(
                data_dir=tmp_path,
                database=DatabaseSettings(dsn=database),
                # A refresh in the middle of a test would only make it less clear.
                partners=PartnerSettings(**{"port": free_port(), "refresh_s": 60.0, **partners}),
            )
            return stack.enter_context(running(settings, desk or RecordingDesk()))

        yield start


@pytest.fixture
def world(world_of: Callable[..., World]) -> World:
    return world_of()
