"""PostgreSQL alone: range partitions by day, and rollups that are tables."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from psycopg import sql

from config import sql as sql_files
from config.settings import StoreSettings
from config.signals import Catalogue
from ingest.store.timeseries.engine import READING_TABLES, Connection
from ingest.store.timeseries.rollups import (
    KEY_TYPES,
    KEYS,
    LEVELS,
    Level,
    RollupColumn,
    hours_query,
    readings_query,
    rollup_columns,
)
from ingest.store.timeseries.stale import only_refresh
from ingest.store.timeseries.views import columns_of, part_name, show

# Days of cars that are rolled up in one transaction.
_AT_ONCE = 2000
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


class Plain:
    """An ``Engine`` without TimescaleDB."""

    def __init__(self, server: str) -> None:
        self._server = server

    @property
    def name(self) -> str:
        return f"{self._server} without TimescaleDB"

    @property
    def advice(self) -> str | None:
        return (
            "readings stay uncompressed (TimescaleDB keeps them in about a quarter of the space) and every day of a car"
            " that changes is rolled up whole: right for a trial, not for a fleet"
        )

    def lay_out(self, conn: Connection, signals: Catalogue, settings: StoreSettings) -> None:
        wanted = rollup_columns(signals)
        for level in LEVELS:
            name = part_name(level, 1)
            present = columns_of(conn, name)
            if not present:
                conn.execute(_create(name))
                present = list(KEYS)
            missing = [column for column in wanted if column.name not in present]
            if missing:
                added = [
                    sql.SQL("ADD COLUMN {} {}").format(sql.Identifier(column.name), sql.SQL(column.type))
                    for column in missing
                ]
                conn.execute(
                    sql.SQL("ALTER TABLE telemetry.{} {}").format(sql.Identifier(name), sql.SQL(", ").join(added))
                )
                show(conn, level, {name: columns_of(conn, name)})

    def make_days(self, conn: Connection, first: date, last: date) -> None:
        conn.execute(
            "SELECT telemetry.ensure_partition(parent, day::date) FROM unnest(%s::text[]) AS parent,"
            " generate_series(%s::date, %s::date, interval '1 day') AS day",
            (list(READING_TABLES), first, last),
        )

    def refresh(self, conn: Connection, signals: Catalogue, *, keep_from: date | None) -> int:
        columns = rollup_columns(signals)
        done = 0
        with only_refresh(conn):
            while True:
                with conn.transaction():
                    conn.execute(
                        "CREATE TEMP TABLE IF NOT EXISTS rolled_day (vehicle_id bigint, day date,"
                        " PRIMARY KEY (vehicle_id, day)) ON COMMIT DELETE ROWS"
                    )
                    taken = conn.execute(
                        sql_files.load("ingest.store", "take_stale_days"), {"limit": _AT_ONCE}
                    ).fetchone()
                    if taken is None or not taken[0]:
                        break
                    if keep_from is not None:
                        conn.execute(sql_files.load("ingest.store", "forget_expired_days"), {"keep_from": keep_from})
                    conn.execute("ANALYZE rolled_day")
                    for level in LEVELS:
                        self._roll(conn, level, columns)
                    row = conn.execute("SELECT count(*) FROM rolled_day").fetchone()
                    done += int(row[0]) if row else 0
        return done

    def _roll(self, conn: Connection, level: Level, columns: Sequence[RollupColumn]) -> None:
        table = sql.SQL("telemetry.{}").format(sql.Identifier(part_name(level, 1)))
        bucket: sql.Composable
        if level == "day":
            bucket = sql.SQL("date_bin('1 day', hours.bucket, '2000-01-03 UTC')")
            hours = sql.SQL("telemetry.{}").format(sql.Identifier(part_name("hour", 1)))
            query = hours_query(columns, bucket=bucket, hours=hours, among=_AMONG_HOURS)
        else:
            bucket = sql.SQL("date_bin({}, reading.ts, '2000-01-03 UTC')").format(sql.Literal(f"1 {level}"))
            query = readings_query(columns, bucket=bucket, among=_AMONG_READINGS)
        conn.execute(
            sql.SQL(
                "DELETE FROM {table} AS hours USING rolled_day AS rolled WHERE hours.vehicle_id = rolled.vehicle_id"
                " AND hours.bucket >= rolled.day::timestamp AT TIME ZONE 'UTC'"
                " AND hours.bucket < (rolled.day + 1)::timestamp AT TIME ZONE 'UTC'"
            ).format(table=table)
        )
        names = sql.SQL(", ").join(map(sql.Identifier, [*KEYS, *(column.name for column in columns)]))
        conn.execute(sql.SQL("INSERT INTO {} ({}) {}").format(table, names, query))

    def expire(self, conn: Connection, table: str, before: datetime) -> int:
        if table not in READING_TABLES:
            name = sql.Identifier(f"{table}_1")
            return conn.execute(
                sql.SQL(sql_files.load("ingest.store", "delete_spared")).format(
                    table=sql.SQL("telemetry.{}").format(name), at=sql.Identifier("bucket")
                ),
                {"since": None, "until": before},
            ).rowcount
        done = 0
        for partition, day in self._partitions(conn, table):
            since = datetime(day.year, day.month, day.day, tzinfo=UTC)
            if since + timedelta(days=1) > before:
                continue
            child = sql.SQL("telemetry.{}").format(sql.Identifier(partition))
            spared = table != "charging_reading" and _any_replayed(conn, child)
            with conn.transaction():
                if spared:
                    statement = sql.SQL(sql_files.load("ingest.store", "delete_spared"))
                    done += (
                        conn.execute(
                            statement.format(table=child, at=sql.Identifier("ts")), {"since": None, "until": before}
                        ).rowcount
                        > 0
                    )
                else:
                    conn.execute(sql.SQL("DROP TABLE {}").format(child))
                    done += 1
        return done

    def compress(self, conn: Connection, table: str) -> bool:
        return False

    def size_bytes(self, conn: Connection, table: str) -> int:
        row = conn.execute(
            "SELECT coalesce(sum(pg_total_relation_size(relid)), 0)::bigint FROM pg_partition_tree(%s::regclass)",
            (f"telemetry.{table}",),
        ).fetchone()
        return int(row[0]) if row else 0

    def erase(self, conn: Connection, vehicle_ids: Sequence[int]) -> int:
        erased = 0
        for table in ("vehicle_reading", "cell_reading", *(part_name(level, 1) for level in LEVELS)):
            statement = sql.SQL("DELETE FROM telemetry.{} WHERE vehicle_id = ANY (%s)").format(sql.Identifier(table))
            count = conn.execute(statement, (list(vehicle_ids),)).rowcount
            erased += count if table == "vehicle_reading" else 0
        return erased

    def _partitions(self, conn: Connection, table: str) -> list[tuple[str, date]]:
        rows = conn.execute(
            "SELECT child.relname, to_date(right(child.relname, 8), 'YYYYMMDD') FROM pg_inherits"
            " JOIN pg_class AS child ON child.oid = inhrelid"
            " WHERE inhparent = ('telemetry.' || %s)::regclass ORDER BY 2",
            (table,),
        )
        return [(str(name), day) for name, day in rows]


def _any_replayed(conn: Connection, child: sql.Composed) -> bool:
    row = conn.execute(
        sql.SQL(
            "SELECT EXISTS (SELECT FROM telemetry.vehicle AS v WHERE v.replayed"
            " AND EXISTS (SELECT FROM {} AS r WHERE r.vehicle_id = v.vehicle_id))"
        ).format(child)
    ).fetchone()
    return row is not None and bool(row[0])


def _create(name: str) -> sql.Composed:
    keys = [
        sql.SQL("{} {} NOT NULL").format(sql.Identifier(key), sql.SQL(type_))
        for key, type_ in zip(KEYS, KEY_TYPES, strict=True)
    ]
    return sql.SQL("CREATE TABLE telemetry.{} ({}, PRIMARY KEY ({}))").format(
        sql.Identifier(name), sql.SQL(", ").join(keys), sql.SQL(", ").join(map(sql.Identifier, KEYS))
    )
