"""Which engine a database has, and whether Forewarn can work on it."""

from config.errors import UserMistake
from ingest.store.timeseries.engine import Connection, Engine
from ingest.store.timeseries.plain import Plain
from ingest.store.timeseries.timescale import Timescale

# Older ones lack the columnstore's names or late rows in it.
_LEAST_POSTGRES = 150000
_LEAST_TIMESCALE = (2, 23)


class StoreUnfit(UserMistake):
    """The database server is not one that Forewarn can work on."""


def engine_of(conn: Connection) -> Engine:
    """Return the engine of this database.

    Raises : StoreUnfit, when server or extension is too old or lacks what is needed
    """
    if conn.info.server_version < _LEAST_POSTGRES:
        raise StoreUnfit(
            f"PostgreSQL {conn.info.parameter_status('server_version')} is too old: Forewarn needs 15 or newer"
        )
    row = conn.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    if row is None:
        return Plain(_server(conn))
    version = str(row[0])
    if tuple(int(part) for part in version.split("-")[0].split(".")[:2]) < _LEAST_TIMESCALE:
        raise StoreUnfit(
            f"TimescaleDB {version} is too old: install 2.23 or newer, then run ALTER EXTENSION timescaledb UPDATE"
        )
    row = conn.execute("SELECT current_setting('timescaledb.license', true)").fetchone()
    if row is not None and row[0] == "apache":
        raise StoreUnfit(
            "TimescaleDB runs under its Apache license, without columnstore and continuous aggregates:"
            " set timescaledb.license = 'timescale' in postgresql.conf"
        )
    return Timescale(f"TimescaleDB {version} on {_server(conn)}")


def _server(conn: Connection) -> str:
    return f"PostgreSQL {(conn.info.parameter_status('server_version') or '').split(' ')[0]}"
