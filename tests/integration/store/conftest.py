"""The two engines of the store, each with an empty database for every test.

"plain" is PostgreSQL alone, "timescale" TimescaleDB: that of the server FOREWARN_TEST_DSN names when it has it, else
the one in WebAssembly, which has one session and no COPY.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from config.settings import StoreSettings
from config.signals import Catalogue, catalogue
from ingest.store.connection import connect
from ingest.store.enrolment import Enrolment, enrol
from ingest.store.migrate import migrate
from ingest.store.timeseries.detect import engine_of
from ingest.store.timeseries.engine import Engine
from tests import wasm
from tests.conftest import has_timescaledb, missing, name_engine

Made = Callable[[str], "Store"]


@dataclass(frozen=True)
class Store:
    """An engine's database. ``wasm`` is the one session in WebAssembly: close each connection before the next."""

    dsn: str
    settings: StoreSettings
    wasm: bool

    @property
    def is_timescale(self) -> bool:
        return self.settings.timescaledb == "required"

    def migrate(self, signals: Catalogue | None = None, **settings: Any) -> None:
        migrate(self.dsn, self.settings.model_copy(update=settings), signals=signals)

    @contextmanager
    def opened(self) -> Iterator[tuple[psycopg.Connection[Any], Engine]]:
        with connect(self.dsn, role="admin", autocommit=True) as conn:
            yield conn, engine_of(conn)

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.opened() as (conn, _):
            cursor = conn.execute(query, values or None)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def enrol(self, *vins: str, **fields: Any) -> dict[str, int]:
        values: dict[str, Any] = {
            "model": "Dawn",
            "powertrain": "bev",
            "owner_name": "王芳",
            "phone": "+8613800138000",
            **fields,
        }
        with connect(self.dsn, role="admin") as conn:
            cars = [Enrolment(vin=vin, **values) for vin in vins]
            return enrol(conn, cars, chosen_at=datetime(2026, 1, 1, tzinfo=UTC))

    def insert(self, table: str, columns: list[str], rows: list[tuple[Any, ...]]) -> int:
        """Insert rows whose first column is ``ts``, making partitions; return how many were new."""
        days = sorted({row[0].astimezone(UTC).date() for row in rows})
        marks = ", ".join(["%s"] * len(columns))
        statement = f"INSERT INTO telemetry.{table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING"
        new = 0
        with connect(self.dsn, role="admin") as conn, conn.cursor() as cursor:
            cursor.execute("SELECT telemetry.ensure_partition(%s, day) FROM unnest(%s::date[]) AS day", (table, days))
            for row in rows:
                cursor.execute(statement, row)  # type: ignore[arg-type]
                new += cursor.rowcount
        return new

    def refresh(self, signals: Catalogue | None = None, **options: Any) -> int:
        with self.opened() as (conn, engine):
            return engine.refresh(conn, signals or catalogue(), **{"minutes_from": None, **options})

    def note_changed(self, rows: list[tuple[Any, ...]]) -> None:
        """Put the days of readings (ts, vehicle_id, …) on the list that the refresh works off."""
        days = {(row[1], row[0].astimezone(UTC).date()) for row in rows}
        with self.opened() as (conn, _), conn.cursor() as cursor:
            cursor.executemany("INSERT INTO telemetry.stale_day (vehicle_id, day) VALUES (%s, %s)", sorted(days))


@pytest.fixture(scope="session")
def _wasm_dsn() -> Iterator[str]:
    reason = wasm.why_not()
    if reason is not None:
        missing(reason)
    with wasm.served() as dsn:
        yield dsn


@pytest.fixture
def made(request: pytest.FixtureRequest) -> Made:
    """Make the empty store of an engine by its name; each once a test."""

    def make(name: str) -> Store:
        dsn, in_wasm = _database(request, name)
        # A chunk a day, so that a few days make several.
        settings = StoreSettings(timescaledb="required" if name == "timescale" else "off", chunk_days=1)
        name_engine(request.config, dsn, wasm=in_wasm, timescale=name == "timescale")
        return Store(dsn, settings, in_wasm)

    return make


def _database(request: pytest.FixtureRequest, name: str) -> tuple[str, bool]:
    if name == "timescale" and not has_timescaledb(request.getfixturevalue("server_dsn")):
        dsn: str = request.getfixturevalue("_wasm_dsn")
        wasm.empty(dsn)
        return dsn, True
    fixture = "empty_database" if name == "timescale" else "other_empty_database"
    given: str = request.getfixturevalue(fixture)
    return given, False


@pytest.fixture(params=["plain", "timescale"])
def empty_store(request: pytest.FixtureRequest, made: Made) -> Store:
    """Either engine's database, without a schema."""
    return made(request.param)


@pytest.fixture
def store(empty_store: Store) -> Store:
    """Either engine's database at this version's schema."""
    empty_store.migrate()
    return empty_store


# The one session in WebAssembly has nobody to wait for; "make test-timescale" runs these on TimescaleDB too.
_WITH_SESSIONS = ["plain", "timescale"] if "FOREWARN_TEST_DSN" in os.environ else ["plain"]


@pytest.fixture(params=_WITH_SESSIONS)
def shared_store(request: pytest.FixtureRequest, made: Made) -> Store:
    """An engine's database, without a schema, that several connections can use at once."""
    return made(request.param)


@pytest.fixture
def timescale(made: Made) -> Store:
    """TimescaleDB's database at this version's schema."""
    store = made("timescale")
    store.migrate()
    return store
