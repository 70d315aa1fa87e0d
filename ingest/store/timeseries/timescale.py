"""TimescaleDB: hypertables, a columnstore, and rollups that are continuous aggregates.

A continuous aggregate cannot get another column. Those of signals that were added to the catalogue since are in a
further aggregate of their own; the view that readers see joins them by key.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, LiteralString

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
from ingest.store.timeseries.rollups import LEVELS, Level, RollupColumn, hours_query, readings_query, rollup_columns
from ingest.store.timeseries.stale import only_refresh, runs
from ingest.store.timeseries.views import columns_of, part_name, parts_of, show

# Entries of the list of changed days that are worked off in one round.
_AT_ONCE = 100_000
# A refresh is one transaction and one aggregation: a year of a fleet would be neither.
_DAYS_AT_ONCE = 7
_REFRESH_WITHIN_S = 600.0
_REFRESH_AGAIN_S = 1.0
# A year of hours is seven chunks: planning a query of 300 columns costs more than reading them.
_CHUNK: dict[Level, LiteralString] = {"minute": "2 days", "hour": "60 days", "day": "365 days"}

_log = structlog.get_logger(__name__)


class Timescale:
    """An ``Engine`` with TimescaleDB."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def advice(self) -> str | None:
        return None

    def lay_out(self, conn: Connection, signals: Catalogue, settings: StoreSettings) -> None:
        for table, owner in READING_TABLES.items():
            if _relkind(conn, table) == "p":
                _make_hypertable(conn, table, timedelta(days=settings.chunk_days))
            # Holds for chunks to come.
            conn.execute(
                "SELECT set_chunk_time_interval(%s::regclass, %s::interval)",
                (f"telemetry.{table}", timedelta(days=settings.chunk_days)),
            )
            if not _has_columnstore(conn, table):
                conn.execute(
                    sql.SQL(sql_files.load("ingest.store", "enable_columnstore")).format(
                        table=_telemetry(table), segmentby=sql.Literal(owner)
                    )
                )
            _follow_policy(conn, table, timedelta(days=settings.columnstore_after_days))
        were_plain = _relkind(conn, part_name("hour", 1)) == "r"
        if were_plain:
            _put_plain_rollups_aside(conn)
        for level in LEVELS:
            self._lay_out_rollup(conn, level, rollup_columns(signals), settings)
            if were_plain:
                _take_plain_rollups(conn, level)

    def _lay_out_rollup(
        self, conn: Connection, level: Level, wanted: Sequence[RollupColumn], settings: StoreSettings
    ) -> None:
        parts = parts_of(conn, level)
        present = {column for columns in parts.values() for column in columns}
        missing = [column for column in wanted if column.name not in present]
        if missing:
            name = part_name(level, len(parts) + 1)
            _create_aggregate(conn, level, name, self._query(level, len(parts) + 1, missing))
            parts[name] = columns_of(conn, name)
        if lay_out_given(conn, level, wanted) or missing:
            show(conn, level, parts)
        for name in parts:
            if "policy_refresh_continuous_aggregate" not in _policies(conn, name):
                # TimescaleDB wants one before the columnstore's. The list of changed days is what keeps rollups right,
                # late readings included; this keeps the last days going while the schedule stands still.
                conn.execute(sql_files.load("ingest.store", "refresh_policy"), {"name": f"telemetry.{name}"})
            _follow_policy(conn, name, timedelta(days=settings.rollup_columnstore_after_days))

    def _query(self, level: Level, number: int, columns: Sequence[RollupColumn]) -> sql.Composed:
        nothing = sql.SQL("")
        bucket: sql.Composable
        if level == "day":
            bucket = sql.SQL("time_bucket('1 day', hours.bucket)")
            return hours_query(columns, bucket=bucket, hours=_telemetry(part_name("hour", number)), among=nothing)
        bucket = sql.SQL("time_bucket({}, reading.ts)").format(sql.SQL(f"'1 {level}'::interval"))
        return readings_query(columns, bucket=bucket, among=nothing)

    def make_days(self, conn: Connection, first: date, last: date) -> None:
        """Nothing to do: chunks are made as rows come."""

    def refresh(self, conn: Connection, signals: Catalogue, *, minutes_from: date | None) -> int:
        columns = rollup_columns(signals)
        done = 0
        with only_refresh(conn):
            first = first_days(conn, minutes_from)
            while True:
                waiting = conn.execute(sql_files.load("ingest.store", "stale_days"), {"limit": _AT_ONCE}).fetchall()
                if not waiting:
                    break
                cars = {(vehicle, day): replayed for _, vehicle, day, replayed in waiting}
                done += _roll(conn, ("hour", "day"), cars, columns, first.rollups)
                _roll(conn, ("minute",), cars, columns, first.minutes)
                # Those that came meanwhile stay on the list, whatever their number.
                conn.execute(
                    "DELETE FROM telemetry.stale_day WHERE stale_day_id = ANY (%s)", ([row[0] for row in waiting],)
                )
        return done

    def expire(self, conn: Connection, table: str, before: datetime) -> int:
        done = int(expire_given(conn, table, before) > 0)
        for relation in _relations(conn, table):
            for since, until in _chunks(conn, relation, before):
                try:
                    with conn.transaction():
                        conn.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_TIMEOUT,))
                        went = self._expire_chunk(conn, relation, since, until)
                        if went:
                            note_expired(conn, table, until)
                    done += went
                except psycopg.errors.LockNotAvailable:
                    # A query reads it: it goes the next time, and so may the others now.
                    _log.debug("chunk in use stays for now", relation=relation, until=until)
        return done

    def _expire_chunk(self, conn: Connection, relation: str, since: datetime, until: datetime) -> int:
        at: LiteralString = "ts" if relation in READING_TABLES else "bucket"
        values = {"since": since, "until": until}
        spared = None
        if relation != "charging_reading":
            spared = conn.execute(
                sql.SQL(sql_files.load("ingest.store", "any_spared")).format(
                    table=_telemetry(relation), at=sql.Identifier(at)
                ),
                values,
            ).fetchone()
        if spared is not None and spared[0]:
            statement = sql.SQL(sql_files.load("ingest.store", "delete_spared"))
            rows = _rows_of(conn, relation)
            return int(conn.execute(statement.format(table=rows, at=sql.Identifier(at)), values).rowcount > 0)
        conn.execute(
            "SELECT drop_chunks(%s::regclass, older_than => %s::timestamptz, newer_than => %s::timestamptz)",
            (f"telemetry.{relation}", until, since),
        )
        return 1

    def compress(self, conn: Connection, table: str) -> bool:
        for relation in _relations(conn, table):
            for (chunk,) in conn.execute("SELECT show_chunks(%s::regclass)", (f"telemetry.{relation}",)).fetchall():
                conn.execute("CALL convert_to_columnstore(%s::regclass, if_not_columnstore => true)", (str(chunk),))
        return True

    def size_bytes(self, conn: Connection, table: str) -> int:
        return int(_value(conn, "SELECT hypertable_size(%s::regclass)", f"telemetry.{table}") or 0)

    def erase(self, conn: Connection, vehicle_ids: Sequence[int]) -> int:
        erased = 0
        relations = ["vehicle_reading", "cell_reading", *(part for level in LEVELS for part in parts_of(conn, level))]
        for relation in relations:
            count = conn.execute(
                sql.SQL("DELETE FROM {} WHERE vehicle_id = ANY (%s)").format(_rows_of(conn, relation)),
                (list(vehicle_ids),),
            ).rowcount
            erased += count if relation == "vehicle_reading" else 0
        erase_given(conn, vehicle_ids)
        return erased


def _telemetry(name: str) -> sql.Composed:
    return sql.SQL("telemetry.{}").format(sql.Identifier(name))


def _value(conn: Connection, query: LiteralString, *values: Any) -> Any:
    row = conn.execute(query, values).fetchone()
    return None if row is None else row[0]


def _relations(conn: Connection, table: str) -> list[str]:
    """Return what holds the rows of a table of readings, itself, or of a rollup, its parts."""
    if table in READING_TABLES:
        return [table]
    level: Level = next(level for level in LEVELS if table == f"rollup_{level}")
    return list(parts_of(conn, level))


def _relkind(conn: Connection, relation: str) -> str | None:
    kind = _value(conn, "SELECT relkind::text FROM pg_class WHERE oid = to_regclass('telemetry.' || %s)", relation)
    return None if kind is None else str(kind)


def _has_columnstore(conn: Connection, table: str) -> bool:
    return bool(
        _value(
            conn,
            "SELECT compression_enabled FROM timescaledb_information.hypertables"
            " WHERE hypertable_schema = 'telemetry' AND hypertable_name = %s",
            table,
        )
    )


def _rows_of(conn: Connection, relation: str) -> sql.Composed:
    """The table that holds the rows: that of a continuous aggregate lies behind its view."""
    row = conn.execute(
        "SELECT materialization_hypertable_schema, materialization_hypertable_name"
        " FROM timescaledb_information.continuous_aggregates WHERE view_schema = 'telemetry' AND view_name = %s",
        (relation,),
    ).fetchone()
    return _telemetry(relation) if row is None else sql.SQL("{}").format(sql.Identifier(*map(str, row)))


def _chunks(conn: Connection, relation: str, before: datetime) -> list[tuple[datetime, datetime]]:
    return conn.execute(
        sql_files.load("ingest.store", "expired_chunks"), {"name": relation, "before": before}
    ).fetchall()


def _make_hypertable(conn: Connection, table: str, chunk: timedelta) -> None:
    conn.execute(
        sql.SQL(sql_files.load("ingest.store", "make_hypertable")).format(
            table=_telemetry(table),
            name=sql.Literal(f"telemetry.{table}"),
            chunk=sql.Literal(chunk),
            whole=sql.Identifier(f"{table}_whole"),
            whole_table=_telemetry(f"{table}_whole"),
        )
    )
    conn.execute(sql.SQL(sql_files.load("ingest.store", f"grant_{table}")))


def _put_plain_rollups_aside(conn: Connection) -> None:
    for level in LEVELS:
        conn.execute(sql.SQL("DROP VIEW telemetry.{}").format(sql.Identifier(f"rollup_{level}")))
        conn.execute(
            sql.SQL("ALTER TABLE {} RENAME TO {}").format(
                _telemetry(part_name(level, 1)), sql.Identifier(f"plain_rollup_{level}")
            )
        )


def _take_plain_rollups(conn: Connection, level: Level) -> None:
    """Copy what PostgreSQL alone had rolled up: of days whose readings have been expired there is nothing else."""
    plain, name = f"plain_rollup_{level}", part_name(level, 1)
    names = sql.SQL(", ").join(map(sql.Identifier, columns_of(conn, plain)))
    conn.execute(
        sql.SQL("INSERT INTO {rows} ({names}) SELECT {names} FROM {plain}").format(
            rows=_rows_of(conn, name), names=names, plain=_telemetry(plain)
        )
    )
    conn.execute(sql.SQL("DROP TABLE {}").format(_telemetry(plain)))


def _create_aggregate(conn: Connection, level: Level, name: str, query: sql.Composed) -> None:
    conn.execute(
        sql.SQL(sql_files.load("ingest.store", "create_aggregate")).format(
            name=_telemetry(name),
            query=query,
            chunk=sql.Literal(_CHUNK[level]),
            index=sql.Identifier(f"{name}_by_vehicle"),
        )
    )


def _policies(conn: Connection, relation: str) -> dict[str, Any]:
    """Return the settings of a relation's jobs by procedure."""
    return dict(conn.execute(sql_files.load("ingest.store", "policies"), {"name": relation}).fetchall())


def _follow_policy(conn: Connection, relation: str, after: timedelta) -> None:
    """Let rows go to the columnstore once they are that old."""
    jobs = _policies(conn, relation)
    job = jobs.get("policy_compression") or jobs.get("policy_columnstore")
    if job is not None and _value(conn, "SELECT %s::interval", job.get("compress_after") or job.get("after")) == after:
        return
    name = f"telemetry.{relation}"
    if job is not None:
        conn.execute("CALL remove_columnstore_policy(%s::regclass)", (name,))
    conn.execute("CALL add_columnstore_policy(%s::regclass, after => %s::interval)", (name, after))


def _roll(
    conn: Connection,
    levels: Sequence[Level],
    cars: Mapping[tuple[int, date], bool],
    columns: Sequence[RollupColumn],
    first: date | None,
) -> int:
    """Roll up the days from the first on for everybody, those before it for cars of recordings alone.

    cars    : days of cars, and whether the car is one of a recording
    Returns : days of cars rolled up
    """
    everybody = {key for key in cars if first is None or key[1] >= first}
    for since, until in runs({day for _, day in everybody}, longest_d=_DAYS_AT_ONCE):
        for level in levels:
            for part in parts_of(conn, level):
                _refresh(conn, part, since, until)
    # A refresh would make the day's rows anew for every car, of readings that are gone.
    alone = sorted(key for key, replayed in cars.items() if replayed and key not in everybody)
    for some in (alone[begin : begin + AT_ONCE] for begin in range(0, len(alone), AT_ONCE)):
        with conn.transaction():
            make_list(conn, some)
            conn.execute("ANALYZE rolled_day")
            for level in levels:
                for number, (part, held) in enumerate(parts_of(conn, level).items(), start=1):
                    its = [column for column in columns if column.name in held]
                    hours = _telemetry(part_name("hour", number))
                    roll_up(conn, level, its, rows=_rows_of(conn, part), hours=hours)
    return len(everybody) + len(alone)


def _refresh(conn: Connection, relation: str, since: date, until: date) -> None:
    # All at once: from 2.28 on it would go by ten buckets, and a week has a thousand times ten minutes (measured: 5.5 s
    # instead of 0.07 s).
    statement = sql.SQL(
        "CALL refresh_continuous_aggregate({}, {}::timestamptz, {}::timestamptz, options => {})"
    ).format(
        sql.Literal(f"telemetry.{relation}"),
        sql.Literal(f"{since} 00:00+00"),
        sql.Literal(f"{until} 00:00+00"),
        sql.Literal('{"buckets_per_batch": 0}'),
    )
    deadline = time.monotonic() + _REFRESH_WITHIN_S
    while True:
        try:
            conn.execute(statement)
            return
        except (psycopg.errors.LockNotAvailable, psycopg.errors.ObjectInUse):
            # TimescaleDB's own policy refreshes the same days just now.
            if time.monotonic() > deadline:
                raise
            time.sleep(_REFRESH_AGAIN_S)
