"""Servers and data that tests share. Every server listens on a free port of 127.0.0.1 and ends with the session."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from psycopg import conninfo, sql

from forewarn.databases import drop_database

# How fast a machine makes examples up says nothing of the code.
# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("forewarn", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("forewarn")

ROOT = Path(__file__).resolve().parent.parent


def missing(reason: str) -> None:
    """Skip with the reason at a user's home; in CI a test that cannot run is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"in CI this test must run: {reason}")
    pytest.skip(reason)


_engines = pytest.StashKey[set[str]]()


def name_engine(config: pytest.Config, dsn: str, *, wasm: bool, timescale: bool) -> None:
    """Have the run's last lines name this engine of the store, with its version."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        server = (conn.info.parameter_status("server_version") or "").split(" ")[0]
        query = "SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'"
        row = conn.execute(query).fetchone() if timescale else None
    name = f"TimescaleDB {row[0]} on PostgreSQL {server}" if row else f"PostgreSQL {server} without TimescaleDB"
    config.stash.setdefault(_engines, set()).add(f"{name} (WebAssembly)" if wasm else name)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Pass the engines that one of several processes used on to the one that prints."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["engines"] = sorted(session.config.stash.get(_engines, set()))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    engines = getattr(node, "workeroutput", {}).get("engines", [])
    node.config.stash.setdefault(_engines, set()).update(engines)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for name in sorted(config.stash.get(_engines, set())):
        terminalreporter.write_line(f"store tests ran on {name}")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real recordings, which lie beside the checkout of those who have them."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        missing(f"the real recordings are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def server_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of this session; FOREWARN_TEST_DSN names another one."""
    given = os.environ.get("FOREWARN_TEST_DSN")
    if given:
        yield given
        return
    from forewarn.embedded.postgres import start_cluster

    cluster = start_cluster(tmp_path_factory.mktemp("postgres"), run_as=None)
    try:
        yield cluster.dsn
    finally:
        cluster.stop(remove=True)


def has_timescaledb(server_dsn: str) -> bool:
    """Say whether the server can make TimescaleDB part of a database."""
    with psycopg.connect(server_dsn) as conn:
        query = "SELECT FROM pg_available_extensions WHERE name = 'timescaledb'"
        return conn.execute(query).fetchone() is not None


def _drop(server_dsn: str, name: str) -> None:
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        drop_database(conn, name)


@contextmanager
def created(server_dsn: str, prefix: str, *, template: str | None = None) -> Iterator[str]:
    """Name of a database that exists for as long as it is used."""
    name = f"{prefix}_{secrets.token_hex(6)}"
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    if template is not None:
        statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute(statement)
    try:
        yield name
    finally:
        _drop(server_dsn, name)


@pytest.fixture
def empty_database(server_dsn: str) -> Iterator[str]:
    """DSN of a database of this test alone, without a schema."""
    with created(server_dsn, "test") as name:
        yield conninfo.make_conninfo(server_dsn, dbname=name)


@pytest.fixture
def plain_database(empty_database: str) -> str:
    """DSN of a migrated database of this test alone that is without TimescaleDB whatever the server has."""
    from config.settings import StoreSettings
    from ingest.store.migrate import migrate

    migrate(empty_database, StoreSettings(timescaledb="off"))
    return empty_database


@pytest.fixture
def other_empty_database(server_dsn: str) -> Iterator[str]:
    """DSN of a second database of this test alone, without a schema."""
    with created(server_dsn, "test") as name:
        yield conninfo.make_conninfo(server_dsn, dbname=name)


@pytest.fixture(scope="session")
def _template(server_dsn: str) -> Iterator[str | None]:
    from ingest.store.migrate import migrate

    if has_timescaledb(server_dsn):
        # Its workers sit in every database that has it, and one that is in use cannot be copied.
        yield None
        return
    with created(server_dsn, "template") as name:
        migrate(conninfo.make_conninfo(server_dsn, dbname=name))
        yield name


@pytest.fixture
def database(server_dsn: str, _template: str | None) -> Iterator[str]:
    """DSN of a migrated database of this test alone; copied from a template, which is faster than migrating."""
    from ingest.store.migrate import migrate

    with created(server_dsn, "test", template=_template) as name:
        dsn = conninfo.make_conninfo(server_dsn, dbname=name)
        if _template is None:
            migrate(dsn)
        yield dsn


@pytest.fixture
def broker_port(tmp_path: Path) -> Iterator[int]:
    """Port of an embedded MQTT broker of this test alone."""
    from forewarn.embedded.broker import start_broker

    broker = start_broker(tmp_path / "broker")
    try:
        yield broker.port
    finally:
        broker.stop()


def enrol_cars(dsn: str, *vins: str, **fields: object) -> dict[str, int]:
    """Enrol cars with these VINs in a migrated database; keyword arguments go to ``Enrolment``."""
    from datetime import UTC, datetime

    from ingest.store.connection import connect
    from ingest.store.enrolment import Enrolment, enrol

    values: dict[str, object] = {
        "model": "Dawn",
        "powertrain": "bev",
        "chemistry": "NMC",
        "cells": 96,
        "city": "Shanghai",
        "owner_name": "王芳",
        "phone": "+8613800138000",
        "home_latitude": 31.2304,
        "home_longitude": 121.4737,
        **fields,
    }
    with connect(dsn, role="admin") as conn:
        cars = [Enrolment(vin=vin, **values) for vin in vins]
        return enrol(conn, cars, chosen_at=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def enrolled(database: str) -> Callable[..., dict[str, int]]:
    """Enrol cars with these VINs; keyword arguments go to ``Enrolment``."""
    return partial(enrol_cars, database)
