"""Makes TimescaleDB part of a database whose server has it."""

from collections.abc import Callable

import psycopg

from config.settings import StoreSettings
from ingest.store.connection import connect
from ingest.store.timeseries.detect import NO_TIMESCALE, StoreUnfit, engine_of, installed_version, is_fit


def offer_extension(dsn: str, settings: StoreSettings, *, rehearse: Callable[[], None]) -> None:
    """Create the extension in a database without it, as the settings have it. It comes before the migration's own
    transaction: a session that has touched the database already cannot load it.

    rehearse : raises whatever the migration would; called before anything is changed
    Raises   : DatabaseUnreachable; StoreUnfit, when it is required and cannot be had, or the server is too old
    """
    if not _is_to_be_created(dsn, settings):
        return
    rehearse()
    with connect(dsn, role="admin", autocommit=True) as conn:
        try:
            conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        except psycopg.Error as error:
            # Another process may have made it in the same moment, which is as good: what counts is what is there.
            refused = error
        else:
            return
    with connect(dsn, role="admin", autocommit=True) as conn:
        if settings.timescaledb == "required" and installed_version(conn) is None:
            raise StoreUnfit(_advice(refused)) from refused


def _is_to_be_created(dsn: str, settings: StoreSettings) -> bool:
    with connect(dsn, role="admin", autocommit=True) as conn:
        engine_of(conn)
        installed = installed_version(conn)
        if settings.timescaledb == "off" or installed is not None:
            return False
        row = conn.execute("SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'").fetchone()
        if row is None:
            if settings.timescaledb == "required":
                raise StoreUnfit(NO_TIMESCALE)
            return False
        return is_fit(conn, str(row[0]), settings.timescaledb)


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
