"""PostgreSQL alone: range partitions by day, and rollups that are tables."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import psycopg
import structlog
from psycopg import sql

from config import sql as sql_files
from config.settings import StoreSettings
from config.signals import Catalogue
from ingest.store.timeseries.car_days import AT_ONCE, make_list, roll_up
from ingest.store.timeseries.engine import LOCK_TIMEOUT, READING_TABLES, Connection
from ingest.store.timeseries.expired import first_days, note_expired
from ingest.store.timeseries.given import erase_given, expire_given, lay_out_given
from ingest.store.timeseries.rollups import KEY_TYPES, KEYS, LEVELS, Level, RollupColumn, rollup_columns
from ingest.store.timeseries.stale import only_refresh
from ingest.store.timeseries.views import columns_of, part_name, show

_log = structlog.get_logger(__name__)


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
            if lay_out_given(conn, level, wanted) or missing:
                show(conn, level, {name: columns_of(conn, name)})

    def make_days(self, conn: Connection, first: date, last: date) -> None:
        conn.execute(
            "SELECT telemetry.ensure_partition(parent, day::date) FROM unnest(%s::text[]) AS parent,"
            " generate_series(%s::date, %s::date, interval '1 day') AS day",
            (list(READING_TABLES), first, last),
        )

    def refresh(self, conn: Connection, signals: Catalogue, *, minutes_from: date | None) -> int:
        columns = rollup_columns(signals)
        done = 0
        with only_refresh(conn):
            first = first_days(conn, minutes_from)
            while True:
                with conn.transaction():
                    make_list(conn)
                    taken = conn.execute(
                        sql_files.load("ingest.store", "take_stale_days"), {"limit": AT_ONCE}
                    ).fetchone()
                    if taken is None or not taken[0]:
                        break
                    _forget(conn, first.rollups)
                    conn.execute("ANALYZE rolled_day")
                    row = conn.execute("SELECT count(*) FROM rolled_day").fetchone()
                    done += int(row[0]) if row else 0
                    _roll(conn, "hour", columns)
                    _roll(conn, "day", columns)
                    _forget(conn, first.minutes)
                    _roll(conn, "minute", columns)
        return done

    def expire(self, conn: Connection, table: str, before: datetime) -> int:
        if table not in READING_TABLES:
            return _expire_rollup(conn, table, before) + expire_given(conn, table, before)
        done = 0
        for partition, day in self._partitions(conn, table):
            until = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
            if until > before:
                continue
            try:
                done += _expire_partition(conn, table, partition, until)
            except psycopg.errors.LockNotAvailable:
                # A query reads it: it goes the next time, and so may the others now.
                _log.debug("partition in use stays for now", partition=partition)
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
        erase_given(conn, vehicle_ids)
        return erased

    def _partitions(self, conn: Connection, table: str) -> list[tuple[str, date]]:
        rows = conn.execute(
            "SELECT child.relname, to_date(right(child.relname, 8), 'YYYYMMDD') FROM pg_inherits"
            " JOIN pg_class AS child ON child.oid = inhrelid"
            " WHERE inhparent = ('telemetry.' || %s)::regclass ORDER BY 2",
            (table,),
        )
        return [(str(name), day) for name, day in rows]


def _roll(conn: Connection, level: Level, columns: Sequence[RollupColumn]) -> None:
    roll_up(conn, level, columns, rows=_rollup(level), hours=_rollup("hour"))


def _rollup(level: Level) -> sql.Composed:
    return sql.SQL("telemetry.{}").format(sql.Identifier(part_name(level, 1)))


def _forget(conn: Connection, first: date | None) -> None:
    if first is not None:
        conn.execute(sql_files.load("ingest.store", "forget_expired_days"), {"first": first})


def _expire_rollup(conn: Connection, table: str, before: datetime) -> int:
    # Whole days, as they are rolled up.
    until = before.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    name = sql.SQL("telemetry.{}").format(sql.Identifier(f"{table}_1"))
    with conn.transaction():
        deleted = _delete_spared(conn, name, "bucket", until)
        if deleted:
            note_expired(conn, table, until)
    return deleted


def _expire_partition(conn: Connection, table: str, partition: str, until: datetime) -> bool:
    child = sql.SQL("telemetry.{}").format(sql.Identifier(partition))
    spared = table != "charging_reading" and _any_replayed(conn, child)
    with conn.transaction():
        if spared:
            went = _delete_spared(conn, child, "ts", until) > 0
        else:
            conn.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_TIMEOUT,))
            conn.execute(sql.SQL("DROP TABLE {}").format(child))
            went = True
        if went:
            note_expired(conn, table, until)
    return went


def _delete_spared(conn: Connection, table: sql.Composed, at: str, until: datetime) -> int:
    statement = sql.SQL(sql_files.load("ingest.store", "delete_spared"))
    return conn.execute(statement.format(table=table, at=sql.Identifier(at)), {"since": None, "until": until}).rowcount


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
