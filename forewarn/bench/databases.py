"""Databases that a benchmark makes for itself, on the server that the settings name or on one of its own."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from psycopg import conninfo, sql

from config.settings import Settings
from forewarn.databases import drop_database
from forewarn.embedded.postgres import start_cluster
from ingest.store.connection import connect


@contextmanager
def server(settings: Settings) -> Iterator[str]:
    """Yield the DSN of the server that the settings name; without one, of a PostgreSQL in a temporary folder."""
    if settings.database.dsn is not None:
        yield settings.database.dsn
        return
    with TemporaryDirectory(prefix="forewarn-bench-") as folder:
        Path(folder).chmod(0o755)
        cluster = start_cluster(Path(folder) / "postgres", run_as=settings.embedded.run_as)
        try:
            yield cluster.dsn
        finally:
            cluster.stop(remove=True)


@contextmanager
def own_database(dsn: str) -> Iterator[str]:
    """Make an empty database on a server and yield its DSN; it is dropped afterwards."""
    name = f"forewarn_bench_{secrets.token_hex(4)}"
    with connect(dsn, role="admin", autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield conninfo.make_conninfo(dsn, dbname=name)
    finally:
        with connect(dsn, role="admin", autocommit=True) as conn:
            drop_database(conn, name)
