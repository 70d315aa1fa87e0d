"""Which engine a database has, which one it is to have, and whether Forewarn can work on it."""

from typing import Literal

import structlog

from config.errors import UserMistake
from config.settings import StoreSettings
from ingest.store.timeseries.engine import Connection, Engine
from ingest.store.timeseries.plain import Plain
from ingest.store.timeseries.timescale import Timescale

# Older ones lack the columnstore's names or late rows in it.
_LEAST_POSTGRES = 150000
_LEAST_TIMESCALE = (2, 23)

_log = structlog.get_logger(__name__)

Wanted = Literal["auto", "required", "off"]


class StoreUnfit(UserMistake):
    """The database server is not one that Forewarn can work on."""


def engine_of(conn: Connection) -> Engine:
    """Return the engine that this database's tables are made for, whatever extensions it has beside.

    Raises : StoreUnfit, when the server is too old, or the extension is that keeps the tables or lacks what is needed
    """
    if conn.info.server_version < _LEAST_POSTGRES:
        raise StoreUnfit(
            f"PostgreSQL {conn.info.parameter_status('server_version')} is too old: Forewarn needs 15 or newer"
        )
    version = installed_version(conn)
    if version is None or not _has_hypertables(conn):
        return Plain(_server(conn))
    reason = why_unfit(conn, version)
    if reason is not None:
        raise StoreUnfit(reason)
    return Timescale(f"TimescaleDB {version} on {_server(conn)}")


def engine_for(conn: Connection, settings: StoreSettings) -> Engine:
    """Return the engine that a migration lays out: that of the tables, or TimescaleDB when they are to move to it.

    Raises : StoreUnfit, as ``engine_of``, and when TimescaleDB is required and cannot be had
    """
    present = engine_of(conn)
    if present.advice is None or settings.timescaledb == "off":
        return present
    version = installed_version(conn)
    if version is None:
        if settings.timescaledb == "required":
            raise StoreUnfit(NO_TIMESCALE)
        return present
    if not is_fit(conn, version, settings.timescaledb):
        return present
    return Timescale(f"TimescaleDB {version} on {_server(conn)}")


def is_fit(conn: Connection, version: str, wanted: Wanted) -> bool:
    """Say whether that version of TimescaleDB will do; when it is only welcome, the log has why not.

    Raises : StoreUnfit, when it is required
    """
    reason = why_unfit(conn, version)
    if reason is not None and wanted == "required":
        raise StoreUnfit(reason)
    if reason is not None:
        _log.warning("TimescaleDB is not used", reason=reason)
    return reason is None


def check_required(conn: Connection, settings: StoreSettings) -> None:
    """Refuse to work on PostgreSQL alone where TimescaleDB is required.

    Raises : StoreUnfit
    """
    if settings.timescaledb == "required" and engine_of(conn).advice is not None:
        raise StoreUnfit(
            "the database is without TimescaleDB, which store.timescaledb requires: run 'forewarn migrate' on a server"
            " that has it, or set it to auto"
        )


def installed_version(conn: Connection) -> str | None:
    """Return the version of TimescaleDB that is part of this database."""
    row = conn.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    return None if row is None else str(row[0])


def why_unfit(conn: Connection, version: str) -> str | None:
    """Say why Forewarn cannot work on that version of TimescaleDB as the server has it set up."""
    if tuple(int(part) for part in version.split("-")[0].split(".")[:2]) < _LEAST_TIMESCALE:
        return f"TimescaleDB {version} is too old: install 2.23 or newer, then run ALTER EXTENSION timescaledb UPDATE"
    row = conn.execute("SELECT current_setting('timescaledb.license', true)").fetchone()
    if row is not None and row[0] == "apache":
        return (
            "TimescaleDB runs under its Apache license, without columnstore and continuous aggregates:"
            " set timescaledb.license = 'timescale' in postgresql.conf"
        )
    return None


NO_TIMESCALE = "the server has no TimescaleDB, which store.timescaledb requires: install it, or set it to auto"


def _has_hypertables(conn: Connection) -> bool:
    return (
        conn.execute(
            "SELECT FROM timescaledb_information.hypertables"
            " WHERE hypertable_schema = 'telemetry' AND hypertable_name = 'vehicle_reading'"
        ).fetchone()
        is not None
    )


def _server(conn: Connection) -> str:
    return f"PostgreSQL {(conn.info.parameter_status('server_version') or '').split(' ')[0]}"
