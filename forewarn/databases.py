"""Databases that Forewarn makes for itself and takes away again: of the demo, of benchmarks, of its own tests."""

import time
from typing import Any

import psycopg
from psycopg import sql

_AUTOVACUUM_LEAVES_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.2


def drop_database(conn: psycopg.Connection[Any], name: str) -> None:
    """Drop a database, if there is one, with whoever is in it.

    Autovacuum may be in it, and only a superuser may end that: it is waited for.

    conn   : with autocommit, of the database's owner, in another database
    Raises : psycopg.errors.InsufficientPrivilege, when somebody stays in it whom this user may not send away
    """
    deadline = time.monotonic() + _AUTOVACUUM_LEAVES_WITHIN_S
    while True:
        try:
            conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            return
        except psycopg.errors.InsufficientPrivilege:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_EVERY_S)
