"""Connections, one database role per process."""

from collections.abc import Callable
from typing import Any, Literal

import psycopg
from psycopg import conninfo, sql
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from config.errors import UserMistake

Role = Literal["ingest", "models", "alerts", "schedule", "admin"]


class DatabaseUnreachable(UserMistake):
    """The database does not answer or does not let us in."""


def connect(
    dsn: str, *, role: Role, autocommit: bool = False, connect_timeout_s: int = 10
) -> psycopg.Connection[TupleRow]:
    """Open a connection that has the rights of ``role`` and no more; "admin" keeps those of the login role.

    Raises : DatabaseUnreachable, with what to do
    """
    try:
        connection = psycopg.connect(
            dsn, autocommit=autocommit, connect_timeout=connect_timeout_s, application_name=f"forewarn {role}"
        )
        _configure(role)(connection)
    except psycopg.OperationalError as error:
        raise DatabaseUnreachable(_advice(dsn, error)) from error
    except psycopg.errors.UndefinedObject as error:
        raise DatabaseUnreachable(
            f"{_place(dsn)} has no role forewarn_{role}: bring it to this version with 'forewarn migrate'"
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseUnreachable(
            f"the database user of {_place(dsn)} may not act as forewarn_{role}: grant it that role"
        ) from error
    return connection


def open_pool(dsn: str, *, role: Role, max_size: int = 8) -> ConnectionPool[psycopg.Connection[TupleRow]]:
    """Open a pool of connections that have the rights of ``role``.

    Raises : DatabaseUnreachable, when the first connection cannot be made
    """
    connect(dsn, role=role).close()
    return ConnectionPool(
        dsn,
        min_size=1,
        max_size=max_size,
        configure=_configure(role),
        kwargs={"application_name": f"forewarn {role}"},
        open=True,
    )


def _configure(role: Role) -> Callable[[psycopg.Connection[Any]], None]:
    def configure(connection: psycopg.Connection[Any]) -> None:
        connection.execute("SET TIME ZONE 'UTC'")
        if role != "admin":
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(f"forewarn_{role}")))
        if not connection.autocommit:
            connection.commit()

    return configure


def _place(dsn: str) -> str:
    parts = conninfo.conninfo_to_dict(dsn)
    return f"database {parts.get('dbname', '')!r} at {parts.get('host', 'localhost')}:{parts.get('port', 5432)}"


def _advice(dsn: str, error: psycopg.OperationalError) -> str:
    # libpq reports failures before the session exists by text alone.
    cause = " ".join(str(error).split())
    if "password authentication failed" in cause or "no password supplied" in cause:
        return f"{_place(dsn)} refuses the user or password: correct database.dsn"
    if "does not exist" in cause and "database" in cause:
        return f"{_place(dsn)} does not exist: create it, then run 'forewarn migrate'"
    return f"{_place(dsn)} cannot be reached ({cause}): start it or correct database.dsn"
