"""docs/backup.md as it stands there: pg_dump, pg_restore, and everything is there and goes on."""

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from forewarn.embedded.binaries import programs
from ingest.store.migrate import migrate
from tests.conftest import created, missing
from tests.integration.store.readings import COLUMNS, START, fleet
from tests.integration.store.test_columnstore import compress
from tests.integration.store.test_rollups import check_against_readings

_TABLES = ("vehicle", "vehicle_reading", "cell_reading", "vehicle_event", "rollup_minute", "rollup_hour", "rollup_day")


def client_programs(dsn: str) -> Path:
    """Return the folder of the server's own pg_dump and pg_restore: newer ones write what it cannot read."""
    with psycopg.connect(dsn) as conn:
        major = conn.info.server_version // 10_000
    on_path = shutil.which("pg_dump")
    places = [Path(f"/usr/lib/postgresql/{major}/bin"), programs(None), *([Path(on_path).parent] if on_path else [])]
    for place in places:
        if (place / "pg_dump").exists():
            said = subprocess.run([place / "pg_dump", "--version"], capture_output=True, text=True, check=True).stdout
            if f" {major}." in said:
                return place
    missing(f"there is no pg_dump of PostgreSQL {major}")
    raise AssertionError


def steps(heading: str) -> list[str]:
    """Return the SQL that docs/backup.md has the operator run, the lines that begin with psql."""
    text = (Path(__file__).resolve().parents[3] / "docs" / "backup.md").read_text(encoding="utf-8")
    part = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    return [line.split('"')[-2] for line in part.splitlines() if " -c " in line]


@pytest.fixture
def database_for_restore(server_dsn):
    """DSN of a database that "createdb" has just made."""
    with created(server_dsn, "restored") as name:
        yield conninfo.make_conninfo(server_dsn, dbname=name)


def test_a_dump_restores_everything_and_the_store_goes_on(shared_store, database_for_restore, tmp_path):
    store = shared_store
    store.migrate()
    store.enrol("LFWA0000000000001")
    readings = fleet(seed=51)
    store.insert("vehicle_reading", COLUMNS, readings)
    store.insert("cell_reading", [*COLUMNS[:4], "cell_v"], [(*row[:4], [3.5, 3.6]) for row in readings[:50]])
    store.note_changed(readings)
    store.refresh()
    if store.is_timescale:
        assert compress(store, "vehicle_reading") == 3
    before = {table: contents(store, table) for table in _TABLES}

    tools, dump = client_programs(store.dsn), tmp_path / "forewarn.dump"
    subprocess.run([tools / "pg_dump", "--format=custom", f"--file={dump}", store.dsn], check=True)
    restored = type(store)(database_for_restore, store.settings, wasm=False)
    *before_it, after_it = steps("Restore with TimescaleDB")
    if store.is_timescale:
        run_sql(restored.dsn, before_it)
    subprocess.run(
        [tools / "pg_restore", "--no-owner", "--exit-on-error", f"--dbname={restored.dsn}", dump], check=True
    )
    if store.is_timescale:
        run_sql(restored.dsn, [after_it])
    migrate(restored.dsn, store.settings)

    assert {table: contents(restored, table) for table in _TABLES} == before
    late = [(START + timedelta(hours=4, seconds=1), 1, 77, START + timedelta(days=5), *readings[0][4:])]
    assert restored.insert("vehicle_reading", COLUMNS, late) == 1
    assert restored.insert("vehicle_reading", COLUMNS, readings[:5]) == 0
    restored.note_changed(late)
    restored.refresh()
    check_against_readings(restored, [*readings, *late])
    if store.is_timescale:
        query = (
            "SELECT proc_name, count(*) FROM timescaledb_information.jobs WHERE job_id >= 1000 GROUP BY 1 ORDER BY 1"
        )
        assert restored.ask(query) == store.ask(query)


def contents(store, table: str) -> list[str]:
    return sorted(text for (text,) in store.ask(f"SELECT r::text FROM telemetry.{table} AS r"))


def run_sql(dsn: str, statements: list[str]) -> None:
    for statement in statements:
        # A session each, as psql -c has.
        with psycopg.connect(conninfo.make_conninfo(dsn), autocommit=True) as conn:
            conn.execute(statement)  # type: ignore[call-overload]
