"""Connections, one database role per process."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

import psycopg
from psycopg import conninfo, sql
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from config.errors import UserMistake
from ingest.store.timeseries.engine import SESSION_SETTINGS

Role = Literal["ingest", "models", "alerts", "schedule", "admin"]


class DatabaseUnreachable(UserMistake):
    """The database does not answer or does not let us in."""


class DatabaseAway(DatabaseUnreachable):
    """The database does not answer: it may be back in a moment."""


# What a server says of a user whom it will not let in a moment later either.
_USER_REFUSED = tuple(
    map(
        re.compile,
        (
            r'role ".*" does not exist',
            r'role ".*" is not permitted to log in',
            r'permission denied for database ".*"',
            r"no pg_hba\.conf entry",
        ),
    )
)
# A link that is gone without a word is noticed in half a minute, not in the two hours that systems take by default.
_KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
# The rows of a writer that is gone without a word are free after that long; a live one is never idle inside a batch.
_IDLE_IN_TRANSACTION = "15s"


def connect(
    dsn: str, *, role: Role, autocommit: bool = False, connect_timeout_s: int = 10
) -> psycopg.Connection[TupleRow]:
    """Open a connection that has the rights of ``role`` and no more; "admin" keeps those of the login role.

    Raises : DatabaseUnreachable, with what to do
    """
    try:
        connection = psycopg.connect(
            dsn,
            autocommit=autocommit,
            connect_timeout=connect_timeout_s,
            application_name=f"forewarn {role}",
            **_KEEPALIVE,
        )
        _configure(role)(connection)
    except psycopg.OperationalError as error:
        advice = _advice(dsn, error)
        raise (DatabaseAway if "cannot be reached" in advice else DatabaseUnreachable)(advice) from error
    except psycopg.errors.UndefinedObject as error:
        raise DatabaseUnreachable(
            f"{_place(dsn)} has no role forewarn_{role}: bring it to this version with 'forewarn migrate'"
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseUnreachable(
            f"the database user of {_place(dsn)} may not act as forewarn_{role}: grant it that role"
        ) from error
    return connection


def open_pool(
    dsn: str,
    *,
    role: Role,
    max_size: int = 8,
    timeout_s: float = 30.0,
    patient: bool = False,
    session: Mapping[str, str] = MappingProxyType({}),
) -> ConnectionPool[psycopg.Connection[TupleRow]]:
    """Open a pool of connections that have the rights of ``role``.

    timeout_s : longest wait for one of them
    patient   : a database that is away is no reason to end: whoever asks for a connection is told
    session   : settings of PostgreSQL that its connections have
    Raises    : DatabaseUnreachable, when the first connection cannot be made
    """
    if not patient:
        connect(dsn, role=role).close()
    return ConnectionPool(
        dsn,
        min_size=1,
        max_size=max_size,
        timeout=timeout_s,
        configure=_configure(role, session),
        kwargs={"application_name": f"forewarn {role}"},
        open=True,
    )


def _configure(
    role: Role, session: Mapping[str, str] = MappingProxyType({})
) -> Callable[[psycopg.Connection[Any]], None]:
    def configure(connection: psycopg.Connection[Any]) -> None:
        connection.execute("SET TIME ZONE 'UTC'")
        for name, value in {**SESSION_SETTINGS, **session}.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        if role == "ingest":
            connection.execute(
                "SELECT set_config('idle_in_transaction_session_timeout', %s, false)", (_IDLE_IN_TRANSACTION,)
            )
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
    if any(refusal.search(cause) for refusal in _USER_REFUSED):
        said = cause.rpartition("FATAL: ")[2].strip()
        return f"{_place(dsn)} refuses the user: {said}: correct database.dsn, or have an administrator let it in"
    if "does not exist" in cause and "database" in cause:
        return f"{_place(dsn)} does not exist: create it, then run 'forewarn migrate'"
    return f"{_place(dsn)} cannot be reached ({cause}): start it or correct database.dsn"
