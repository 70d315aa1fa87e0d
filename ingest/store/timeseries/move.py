"""What guards the move of a database from PostgreSQL alone to TimescaleDB: nothing that stands in its way is found
too late, and no reading is left behind."""

import psycopg
import structlog
from psycopg import sql

from config import sql as sql_files
from config.errors import UserMistake
from ingest.store.timeseries.engine import READING_TABLES, READINGS_LOCK, Connection
from ingest.store.timeseries.rollups import LEVELS
from ingest.store.timeseries.views import parts_of

_log = structlog.get_logger(__name__)


class MoveBlocked(UserMistake):
    """Something of the user's depends on a table that has to be made anew."""


def hold_readings(conn: Connection) -> None:
    """Keep writers of readings out until the transaction ends; wait for those that are at it."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (READINGS_LOCK,))


def check_movable(conn: Connection) -> None:
    """Refuse a move that could not be made; leaves everything as it is.

    Raises : MoveBlocked
    """
    relations = [("TABLE", table) for table in READING_TABLES]
    for level in LEVELS:
        relations = [("VIEW", f"rollup_{level}"), *(("TABLE", part) for part in parts_of(conn, level)), *relations]
    try:
        # PostgreSQL knows best what depends on what.
        with conn.transaction(force_rollback=True):
            for kind, name in relations:
                conn.execute(
                    sql.SQL("DROP {} IF EXISTS telemetry.{}").format(
                        sql.SQL("VIEW" if kind == "VIEW" else "TABLE"), sql.Identifier(name)
                    )
                )
    except psycopg.errors.DependentObjectsStillExist as error:
        raise MoveBlocked(
            f"the move to TimescaleDB makes tables anew ({error.diag.message_detail}): drop what depends on them, run"
            " 'forewarn migrate' and create it again, or set store.timescaledb to off"
        ) from error


def sweep_roots(conn: Connection, *, moved: bool) -> int:
    """Find readings again that a writer without READINGS_LOCK wrote past the chunks while the tables were moved.

    conn    : not autocommit, the owner's or a superuser's, who alone can reach them; the tables are hypertables
    moved   : they have just been, so that such a writer may still be at it
    Returns : how many were found
    """
    may = conn.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (True,)
    swept = 0
    for table in READING_TABLES:
        name = sql.SQL("telemetry.{}").format(sql.Identifier(table))
        size, live = conn.execute(
            "SELECT pg_relation_size(root), pg_stat_get_live_tuples(root) FROM (SELECT %s::regclass) AS t (root)",
            (f"telemetry.{table}",),
        ).fetchone() or (0, 0)
        if not may and live:
            _log.warning("readings lie beside a hypertable: have a superuser run 'forewarn migrate' once", table=table)
        if may and (moved or size):
            hold_readings(conn)
            conn.execute(sql.SQL("LOCK TABLE ONLY {} IN SHARE ROW EXCLUSIVE MODE").format(name))
            swept += _sweep_root(conn, table, name)
    return swept


def _sweep_root(conn: Connection, table: str, name: sql.Composed) -> int:
    # Otherwise newer versions show nothing of a root table, ONLY or not, and older ones let nobody delete from it.
    conn.execute("SET LOCAL timescaledb.restoring = on")
    conn.execute(sql.SQL(sql_files.load("ingest.store", "sweep_root")).format(table=name))
    conn.execute("SET LOCAL timescaledb.restoring = off")
    found = conn.execute(sql.SQL("INSERT INTO {} SELECT * FROM astray ON CONFLICT DO NOTHING").format(name)).rowcount
    if table == "vehicle_reading":
        conn.execute(
            "INSERT INTO telemetry.changed_day (vehicle_id, day)"
            " SELECT DISTINCT vehicle_id, (ts AT TIME ZONE 'UTC')::date FROM astray"
        )
    conn.execute("DROP TABLE astray")
    return found
