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
        there = conn.execute(
            "SELECT installed_version IS NOT NULL FROM pg_available_extensions WHERE name = 'timescaledb'"
        ).fetchone()
        if settings.timescaledb != "off" and there is not None and not there[0]:
            try:
                conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            except psycopg.Error as error:
                if settings.timescaledb == "required":
                    raise StoreUnfit(_advice(error)) from error
    with connect(dsn, role="admin", autocommit=True) as conn:
        engine = engine_of(conn)
        if settings.timescaledb == "required" and engine.advice is not None:
            raise StoreUnfit(
                "the server has no TimescaleDB, which store.timescaledb requires: install it, or set it to auto"
            )


def _advice(error: psycopg.Error) -> str:
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
