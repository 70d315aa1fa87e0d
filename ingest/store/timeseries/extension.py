"""Makes TimescaleDB part of a database whose server has it."""

import psycopg

from config.settings import StoreSettings
from ingest.store.connection import connect
from ingest.store.timeseries.detect import StoreUnfit, engine_of


def offer_extension(dsn: str, settings: StoreSettings) -> None:
    """Create the extension in a database without it, as the settings have it. It comes before the migration's own
    transaction: a session that has touched the database already cannot load it.

    Raises : DatabaseUnreachable; StoreUnfit, when it is required and cannot be had, or the server is too old
    """
    with connect(dsn, role="admin", autocommit=True) as conn:
        # Before anything is changed: a server that is too old stays as it is.
        engine_of(conn)
        there = conn.execute(
            "SELECT installed_version IS NOT NULL FROM pg_available_extensions WHERE name = 'timescaledb'"
        ).fetchone()
        refused: psycopg.Error | None = None
        if settings.timescaledb != "off" and there is not None and not there[0]:
            try:
                conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            except psycopg.Error as error:
                # Another process may have made it in the same moment, which is as good: what counts is what is there.
                refused = error
    with connect(dsn, role="admin", autocommit=True) as conn:
        if settings.timescaledb == "required" and engine_of(conn).advice is not None:
            raise StoreUnfit(_advice(refused)) from refused


def _advice(error: psycopg.Error | None) -> str:
    if error is None:
        return "the server has no TimescaleDB, which store.timescaledb requires: install it, or set it to auto"
    cause = " ".join(str(error).split())
    if "preload" in cause:
        return (
            "TimescaleDB is installed but not loaded: add it to shared_preload_libraries in postgresql.conf and"
            " restart the server"
        )
    return (
        f"TimescaleDB cannot be made part of the database ({cause}):"
        " have its administrator run CREATE EXTENSION timescaledb"
    )
