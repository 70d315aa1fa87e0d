"""Tables of rollups that were given without their readings: the same on either engine, and no refresh touches them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from psycopg import sql

from config import sql as sql_files
from ingest.store.timeseries.engine import Connection
from ingest.store.timeseries.rollups import Level, RollupColumn
from ingest.store.timeseries.views import GIVEN_LEVELS, columns_of, given_name


def lay_out_given(conn: Connection, level: Level, wanted: Sequence[RollupColumn]) -> bool:
    """Give a level's table the columns it lacks; say whether it lacked any. A level without a table lacks none."""
    if level not in GIVEN_LEVELS:
        return False
    name = given_name(level)
    present = columns_of(conn, name)
    if not present:
        # A schema from before there were such tables.
        return False
    added = [
        sql.SQL("ADD COLUMN {} {}").format(sql.Identifier(column.name), sql.SQL(column.type))
        for column in wanted
        if column.name not in present
    ]
    if added:
        conn.execute(sql.SQL("ALTER TABLE {} {}").format(_table(level), sql.SQL(", ").join(added)))
    return bool(added)


def erase_given(conn: Connection, vehicle_ids: Sequence[int]) -> None:
    """Delete what cars were given, and what was copied of their rollups, in the caller's transaction."""
    cars = (list(vehicle_ids),)
    for level in GIVEN_LEVELS:
        conn.execute(sql.SQL("DELETE FROM {} WHERE vehicle_id = ANY (%s)").format(_table(level)), cars)
    conn.execute("DELETE FROM telemetry.day_sums WHERE vehicle_id = ANY (%s)", cars)


def expire_given(conn: Connection, relation: str, before: datetime) -> int:
    """Delete the whole days before then of a rollup, cars of recordings spared; return how many rows.

    It is not noted as expired: no refresh makes these of what is left of their readings.
    """
    level = next((level for level in GIVEN_LEVELS if relation == f"rollup_{level}"), None)
    if level is None:
        return 0
    until = before.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    statement = sql.SQL(sql_files.load("ingest.store", "delete_spared"))
    return conn.execute(
        statement.format(table=_table(level), at=sql.Identifier("bucket")), {"since": None, "until": until}
    ).rowcount


def _table(level: Level) -> sql.Composed:
    return sql.SQL("telemetry.{}").format(sql.Identifier(given_name(level)))
