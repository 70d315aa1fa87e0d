"""The owner of a database, who is no superuser: migrates with what an administrator granted, and is told what lacks."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

import psycopg
import pytest
from psycopg import conninfo, sql

from config.errors import UserMistake
from config.settings import StoreSettings
from ingest.store.connection import DatabaseAway, DatabaseUnreachable, connect
from ingest.store.migrate import migrate
from ingest.store.version import check_version
from tests.conftest import created
from tests.integration.store.test_migrate import everything, one_line, run  # noqa: F401

ROLES = ("forewarn_ingest", "forewarn_models", "forewarn_alerts", "forewarn_schedule")


@contextmanager
def login(server_dsn: str, *roles: str) -> Iterator[str]:
    """Name of a login, password "owner", that has these roles and no other right."""
    name = f"test_owner_{secrets.token_hex(6)}"
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'owner'").format(sql.Identifier(name)))
        conn.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(name)))
        for role in roles:
            conn.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(name)))
    try:
        yield name
    finally:
        with psycopg.connect(server_dsn, autocommit=True) as conn:
            conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@contextmanager
def owned_by(server_dsn: str, owner: str) -> Iterator[str]:
    """DSN, as its owner, of an empty database."""
    with created(server_dsn, "owned") as name:
        with psycopg.connect(server_dsn, autocommit=True) as conn:
            conn.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(name), sql.Identifier(owner)))
        yield conninfo.make_conninfo(server_dsn, dbname=name, user=owner, password="owner")


@pytest.fixture
def roles_there(empty_database: str) -> None:
    """The roles, from another database of the server."""
    migrate(empty_database, StoreSettings(timescaledb="off"))


@pytest.fixture
def owned(server_dsn: str, roles_there: None) -> Iterator[str]:
    """DSN of an empty database by its owner, who has no right beside."""
    with login(server_dsn) as owner, owned_by(server_dsn, owner) as dsn:
        yield dsn


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


@pytest.fixture
def guest(server_dsn: str, plain_database: str) -> Iterator[str]:
    """DSN of a migrated database by a login that may act for every process, and owns nothing."""
    with login(server_dsn, *ROLES) as name:
        yield conninfo.make_conninfo(plain_database, user=name, password="owner")


@pytest.mark.parametrize(
    ("command", "lacking"),
    [
        (["train"], "use the login that owns the database"),
        (["score"], "use the login that owns the database"),
        (["bench", "storage", "--cars", "2", "--days", "3"], "ALTER ROLE … CREATEDB"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_login_that_is_not_the_owner_is_told_what_it_lacks(run, guest, command, lacking):  # noqa: F811
    code, said = run(guest, *command, timescaledb="off")
    line = said.strip().splitlines()[-1]
    assert "Traceback" not in said
    assert (code, line.startswith("forewarn: the database user lacks a right (")) == (2, True)
    assert lacking in line


def test_a_login_that_is_not_the_owner_looks_and_lists(run, guest):  # noqa: F811
    assert run(guest, "ingest", "dead-letters", "list") == (0, "")
    assert run(guest, "alerts", "list")[0] == 0


def test_status_needs_every_role(run, guest, server_dsn):  # noqa: F811
    # The broker is down here.
    assert run(guest, "status")[0] == 1
    name = sql.Identifier(str(conninfo.conninfo_to_dict(guest)["user"]))
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("REVOKE forewarn_alerts, forewarn_models FROM {}").format(name))
    code, said = run(guest, "status")
    assert (code, "lacks a right (permission denied for" in one_line(said)) == (2, True)


def test_a_login_that_may_not_connect(run, guest, server_dsn):  # noqa: F811
    name = sql.Identifier(str(conninfo.conninfo_to_dict(guest)["dbname"]))
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(name))
    with pytest.raises(DatabaseUnreachable, match="refuses the user: permission denied for database") as refused:
        connect(guest, role="ingest")
    assert not isinstance(refused.value, DatabaseAway)
    code, said = run(guest, "train")
    assert (code, "refuses the user" in one_line(said)) == (2, True)
    # It reports a part that is down.
    assert run(guest, "status")[0] == 1


def test_an_unknown_user_is_refused_and_not_waited_for(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise psycopg.OperationalError(
            'connection failed: connection to server at "127.0.0.1" failed: FATAL:  role "who" does not exist'
        )

    monkeypatch.setattr("ingest.store.connection.psycopg.connect", refuse)
    with pytest.raises(DatabaseUnreachable, match='refuses the user: role "who" does not exist: correct') as refused:
        connect("host=127.0.0.1 user=who dbname=forewarn", role="ingest")
    assert not isinstance(refused.value, DatabaseAway)


def test_timescaledb_required_is_asked_for_by_every_command(run, plain_database):  # noqa: F811
    code, said = run(plain_database, "alerts", "list", timescaledb="required")
    assert (code, "store.timescaledb requires: run 'forewarn migrate'" in one_line(said)) == (2, True)
