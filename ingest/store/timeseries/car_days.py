"""Makes the rollups of single days of single cars anew, and of nobody else."""

from collections.abc import Iterable, Sequence
from datetime import date

from psycopg import sql

from ingest.store.timeseries.engine import Connection
from ingest.store.timeseries.rollups import KEYS, Level, RollupColumn, hours_query, readings_query

# Days of cars that are rolled up in one transaction.
AT_ONCE = 2000
_AMONG_READINGS = sql.SQL(
    "JOIN rolled_day AS rolled ON reading.vehicle_id = rolled.vehicle_id"
    " AND reading.ts >= rolled.day::timestamp AT TIME ZONE 'UTC'"
    " AND reading.ts < (rolled.day + 1)::timestamp AT TIME ZONE 'UTC'"
)
_AMONG_HOURS = sql.SQL(
    "JOIN rolled_day AS rolled ON hours.vehicle_id = rolled.vehicle_id"
    " AND hours.bucket >= rolled.day::timestamp AT TIME ZONE 'UTC'"
    " AND hours.bucket < (rolled.day + 1)::timestamp AT TIME ZONE 'UTC'"
)


def make_list(conn: Connection, days: Iterable[tuple[int, date]] = ()) -> None:
    """Make ``rolled_day``, the list that ``roll_up`` works off, for this transaction, with days of cars."""
    conn.execute(
        "CREATE TEMP TABLE IF NOT EXISTS rolled_day (vehicle_id bigint, day date, PRIMARY KEY (vehicle_id, day))"
        " ON COMMIT DELETE ROWS"
    )
    cars, dates = [], []
    for vehicle_id, day in days:
        cars.append(vehicle_id)
        dates.append(day)
    conn.execute("INSERT INTO rolled_day SELECT * FROM unnest(%s::bigint[], %s::date[])", (cars, dates))


def roll_up(
    conn: Connection, level: Level, columns: Sequence[RollupColumn], *, rows: sql.Composable, hours: sql.Composable
) -> None:
    """Make one level of the listed days anew, in the caller's transaction.

    rows  : the table that holds the level's rows with these columns
    hours : the relation that days are made of, already up to date
    """
    bucket: sql.Composable
    if level == "day":
        bucket = sql.SQL("date_bin('1 day', hours.bucket, '2000-01-03 UTC')")
        query = hours_query(columns, bucket=bucket, hours=hours, among=_AMONG_HOURS)
    else:
        bucket = sql.SQL("date_bin({}, reading.ts, '2000-01-03 UTC')").format(sql.Literal(f"1 {level}"))
        query = readings_query(columns, bucket=bucket, among=_AMONG_READINGS)
    conn.execute(
        sql.SQL(
            "DELETE FROM {rows} AS hours USING rolled_day AS rolled WHERE hours.vehicle_id = rolled.vehicle_id"
            " AND hours.bucket >= rolled.day::timestamp AT TIME ZONE 'UTC'"
            " AND hours.bucket < (rolled.day + 1)::timestamp AT TIME ZONE 'UTC'"
        ).format(rows=rows)
    )
    names = sql.SQL(", ").join(map(sql.Identifier, [*KEYS, *(column.name for column in columns)]))
    conn.execute(sql.SQL("INSERT INTO {} ({}) {}").format(rows, names, query))
