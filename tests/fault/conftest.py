"""A database server that may be killed, a broker that loses nothing, and a line of figures for every fault."""

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from forewarn.embedded.ports import free_ports
from ingest.store.migrate import migrate
from tests.fault.ledger import Ledger, read_ledger
from tests.fault.load import Batch, vin_of
from tests.fault.scene import Workers
from tests.fault.server import Server
from tests.mosquitto import Mosquitto, mosquitto

MOST_MIB = 300
# What a broker needs in order to lose nothing of a consumer that is away: no limit but the disk, and a file.
LOSSLESS = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
max_queued_messages 0
max_queued_bytes 0
max_inflight_messages 0
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("postgres"))
    yield running
    running.start()
    running.stop()


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """DSN of a migrated database of this test alone, in a server that the test may kill."""
    name = f"fault_{secrets.token_hex(6)}"
    with psycopg.connect(server.dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    dsn = conninfo.make_conninfo(server.dsn, dbname=name)
    migrate(dsn)
    yield dsn
    server.start()


@pytest.fixture
def fleet(enrolled: Callable[..., dict[str, int]]) -> dict[str, int]:
    """The cars of ``tests.fault.load``, enrolled."""
    return enrolled(*(vin_of(car) for car in range(100)))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "broker"
    folder.mkdir()
    (port,) = free_ports(1)
    with mosquitto(folder, LOSSLESS.format(port=port, folder=folder), ports=[port]) as running:
        yield running


@pytest.fixture
def conclude(request: pytest.FixtureRequest, database: str) -> Callable[..., Ledger]:
    """Check a load against the database, and print one line with its figures."""
    began = time.monotonic()

    def check_and_print(fault: str, sent: list[Batch], workers: Workers, **figures: object) -> Ledger:
        ledger = read_ledger(database, sent)
        peak_mib = workers.peak_mib
        more = "".join(f", {name.replace('_', ' ')} {value}" for name, value in figures.items())
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            seconds = time.monotonic() - began
            print(f"\n{fault}: {ledger}, peak {peak_mib:.0f} MiB{more}, {seconds:.1f} s", flush=True)  # noqa: T201
        ledger.check()
        assert peak_mib <= MOST_MIB
        return ledger

    return check_and_print
