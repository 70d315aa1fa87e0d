"""The owner of a database, who is no superuser: migrates with what an administrator granted, and is told what lacks."""

import secrets
from collections.abc import Iterator
from importlib.resources import files

import psycopg
import pytest
from psycopg import conninfo, sql

from config.errors import UserMistake
from config.settings import StoreSettings
from ingest.store.connection import connect
from ingest.store.migrate import migrate
from ingest.store.version import check_version
from tests.integration.store.test_migrate import everything

ROLES = ("forewarn_ingest", "forewarn_models", "forewarn_alerts", "forewarn_schedule")


@pytest.fixture
def owned(server_dsn: str, empty_database: str) -> Iterator[str]:
    """DSN of an empty database by its owner, who has no right beside; the roles are there from another database."""
    migrate(server_dsn_of(server_dsn, empty_database), StoreSettings(timescaledb="off"))
    owner, name = f"test_owner_{secrets.token_hex(6)}", f"test_owned_{secrets.token_hex(6)}"
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'owner'").format(sql.Identifier(owner)))
        conn.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(owner)))
        conn.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner)))
    try:
        yield conninfo.make_conninfo(server_dsn, dbname=name, user=owner, password="owner")
    finally:
        with psycopg.connect(server_dsn, autocommit=True) as conn:
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(owner)))


def server_dsn_of(server_dsn: str, database: str) -> str:
    return conninfo.make_conninfo(server_dsn, dbname=str(conninfo.conninfo_to_dict(database)["dbname"]))


def test_what_the_owner_lacks_is_what_an_administrator_is_told_to_run(owned, server_dsn):
    before = everything(owned)
    with pytest.raises(UserMistake, match="have an administrator run: GRANT forewarn_ingest TO") as refused:
        migrate(owned)
    assert everything(owned) == before
    advice = str(refused.value).split("run: ")[1]
    assert advice.count("GRANT") == len(ROLES)
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute(advice)  # type: ignore[call-overload]
    migrate(owned)
    migrate(owned)
    for role in ("ingest", "models", "alerts", "schedule"):
        with connect(owned, role=role) as conn:
            check_version(conn)


def test_an_owner_without_createrole_migrates_with_roles_granted_beforehand(owned, server_dsn):
    owner = str(conninfo.conninfo_to_dict(owned)["user"])
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        for role in ROLES:
            conn.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(owner)))
    migrate(owned)
    with connect(owned, role="admin") as conn:
        check_version(conn)


def test_roles_that_are_missing_are_in_the_advice(owned, server_dsn):
    script = files("ingest.store.migrations").joinpath("sql", "0001_telemetry.sql").read_text(encoding="utf-8")
    block = script[script.index("DO $$") : script.index("-- What a car is")]
    owner = str(conninfo.conninfo_to_dict(owned)["user"])
    with psycopg.connect(server_dsn_of(server_dsn, owned)) as conn:
        # Roles are the server's: away for this transaction alone.
        conn.execute("ALTER ROLE forewarn_alerts RENAME TO forewarn_alerts_away")
        conn.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(owner)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
            conn.execute(block)  # type: ignore[call-overload]
        conn.rollback()
    assert f"CREATE ROLE forewarn_alerts NOLOGIN; GRANT forewarn_alerts TO {owner};" in str(
        refused.value.diag.message_hint
    )
