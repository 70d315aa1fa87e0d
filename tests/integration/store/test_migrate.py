"""Migrations: two at once, and every mistake in one line with exit code 2 and nothing changed."""

import threading

import psycopg
import pytest
from psycopg import conninfo, sql

from config.settings import StoreSettings
from forewarn import cli
from forewarn.embedded.ports import free_port
from ingest.store.migrate import migrate
from ingest.store.timeseries import detect
from ingest.store.version import check_version
from tests.conftest import has_timescaledb


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command against a database; return its exit code and what it said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOREWARN_DATA_DIR", str(tmp_path))

    def run_command(dsn, *arguments, **settings):
        monkeypatch.setenv("FOREWARN_DATABASE__DSN", dsn)
        for name, value in settings.items():
            monkeypatch.setenv(f"FOREWARN_STORE__{name.upper()}", value)
        code = cli.run(list(arguments))
        return code, capsys.readouterr().err

    return run_command


def everything(dsn: str) -> list[tuple[object, ...]]:
    """Return all that a migration could change: relations, columns, rights, the revision."""
    with psycopg.connect(dsn) as conn:
        return conn.execute(
            "SELECT c.oid, c.relname, c.relkind::text, c.relacl::text, a.attname, a.atttypid FROM pg_class AS c"
            " LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0"
            " WHERE c.relnamespace::regnamespace::text NOT LIKE 'pg_%' ORDER BY 1, 5"
        ).fetchall()


def test_two_processes_at_once(shared_store):
    failures = []

    def migrate_it() -> None:
        try:
            shared_store.migrate()
        except Exception as error:  # noqa: BLE001 -- whatever it is, the test shows it
            failures.append(error)

    threads = [threading.Thread(target=migrate_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with psycopg.connect(shared_store.dsn) as conn:
        check_version(conn)


def one_line(said: str) -> str:
    line = said.strip()
    assert "\n" not in line
    assert line.startswith("forewarn: ")
    return line


def test_an_unreachable_server(run):
    code, said = run(f"postgresql://forewarn:secret@127.0.0.1:{free_port()}/forewarn", "migrate")
    assert code == 2
    assert "cannot be reached" in one_line(said)
    assert "start it or correct database.dsn" in said
    assert "secret" not in said


def test_a_wrong_password(run, server_dsn):
    parts = conninfo.conninfo_to_dict(server_dsn)
    if "password" not in parts:
        # The server given trusts everybody.
        pytest.skip("FOREWARN_TEST_DSN names a server without passwords")
    code, said = run(conninfo.make_conninfo(server_dsn, password="wrong-one"), "migrate")
    assert (code, "refuses the user or password: correct database.dsn" in one_line(said)) == (2, True)
    assert "wrong-one" not in said


def test_a_database_that_is_not_there(run, server_dsn):
    code, said = run(conninfo.make_conninfo(server_dsn, dbname="nowhere"), "migrate")
    assert (code, "create it, then run 'forewarn migrate'" in one_line(said)) == (2, True)


def test_timescaledb_required_and_missing(run, empty_database, server_dsn):
    if has_timescaledb(server_dsn):
        # Here the mistake cannot be made; on PostgreSQL alone it can.
        pytest.skip("the server has TimescaleDB")
    before = everything(empty_database)
    code, said = run(empty_database, "migrate", timescaledb="required")
    assert code == 2
    assert "no TimescaleDB, which store.timescaledb requires: install it" in one_line(said)
    assert everything(empty_database) == before


def test_a_server_that_is_too_old(run, empty_database, monkeypatch):
    monkeypatch.setattr(detect, "_LEAST_POSTGRES", 990000)
    before = everything(empty_database)
    code, said = run(empty_database, "migrate")
    assert (code, "is too old: Forewarn needs 15 or newer" in one_line(said)) == (2, True)
    assert everything(empty_database) == before


def test_timescaledb_that_is_too_old(timescale, monkeypatch):
    monkeypatch.setattr(detect, "_LEAST_TIMESCALE", (99, 0))
    before = everything(timescale.dsn)
    with pytest.raises(detect.StoreUnfit, match=r"^TimescaleDB 2\.\S+ is too old: install .*UPDATE$"):
        timescale.migrate()
    assert everything(timescale.dsn) == before


def test_a_database_of_a_newer_forewarn(run, database):
    with psycopg.connect(database) as conn:
        conn.execute("UPDATE public.schema_version SET version_num = '9999_future'")
    before = everything(database)
    for command in (["migrate"], ["status"], ["train"]):
        code, said = run(database, *command)
        if command != ["status"]:
            assert code == 2
            assert "newer" in one_line(said)
            assert "upgrade this installation" in said
    assert everything(database) == before


def test_a_role_without_rights(run, empty_database, server_dsn):
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute("DROP ROLE IF EXISTS forewarn_test_guest")
        conn.execute("CREATE ROLE forewarn_test_guest LOGIN PASSWORD 'guest'")
    guest = conninfo.make_conninfo(empty_database, user="forewarn_test_guest", password="guest")
    try:
        before = everything(empty_database)
        code, said = run(guest, "migrate")
        assert code == 2
        assert "lacks a right (permission denied" in one_line(said)
        assert "migrate as the owner of the database" in said
        assert everything(empty_database) == before
        migrate(empty_database, StoreSettings())
        code, said = run(guest, "ingest", "dead-letters", "list")
        assert (code, "has no right to Forewarn's tables: grant it the roles forewarn_" in one_line(said)) == (2, True)
    finally:
        with psycopg.connect(server_dsn, autocommit=True) as conn:
            conn.execute(sql.SQL("DROP ROLE forewarn_test_guest"))


def test_without_timescaledb_it_says_so_once_and_in_status(run, empty_database, server_dsn, capsys):
    code, said = run(empty_database, "migrate", timescaledb="off")
    assert code == 0
    assert said.count("without TimescaleDB: readings stay uncompressed") == 1
    cli.run(["status"])
    shown = capsys.readouterr().out
    assert "without TimescaleDB, schema up to date" in shown
    assert shown.count("readings stay uncompressed") == 1
