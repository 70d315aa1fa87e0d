"""Brings a database to this version: numbered migrations, then what follows from the signal catalogue and settings."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import LiteralString

import psycopg
import structlog
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from psycopg import sql
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from config.errors import UserMistake
from config.settings import StoreSettings
from config.signals import Catalogue, catalogue
from ingest.store.connection import connect
from ingest.store.timeseries.detect import engine_for, engine_of
from ingest.store.timeseries.extension import offer_extension
from ingest.store.timeseries.move import check_movable, hold_readings, sweep_roots
from ingest.store.timeseries.stale import list_rolled_days
from ingest.store.version import SchemaTooNew, head

_COLUMN_TYPES: dict[str, LiteralString] = {
    "real": "real",
    "double": "double precision",
    "integer": "integer",
    "boolean": "boolean",
    "text": "text",
    "real[]": "real[]",
}
_TIME: LiteralString = "timestamp with time zone"
_NUMBER: LiteralString = "bigint"
# Any number will do as long as every version of Forewarn takes the same one.
_MIGRATION_LOCK = 7_033_260
# A table that waits for a lock lets nobody else in: readings wait that long at most, then they have their turn.
_LOCK_TIMEOUT = "2s"
_BUSY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
_LOCKS_WITHIN_S = 60.0
_AGAIN_S = 1.0
_NEWEST = "head"

_log = structlog.get_logger(__name__)


class SignalRetyped(UserMistake):
    """A signal changed its type or left the catalogue while its column holds data."""


def migrate(
    dsn: str, store: StoreSettings | None = None, *, signals: Catalogue | None = None, to: str = _NEWEST
) -> None:
    """Bring the database to this version; safe when several processes start at once.

    store   : None is the defaults
    signals : None is config/signals.toml
    to      : a revision to stop at, as an older version would have left the database; for tests of the upgrade
    Raises  : DatabaseUnreachable, SchemaTooNew, SignalRetyped, StoreUnfit, UserMistake for missing rights; nothing is
              changed then
    """
    store, signals = store or StoreSettings(), signals or catalogue()
    deadline = time.monotonic() + _LOCKS_WITHIN_S
    while True:
        try:
            offer_extension(dsn, store, rehearse=lambda: _rehearse(dsn, signals, to))
            moved = _migrate_once(dsn, store, signals, to)
            break
        except _BUSY as error:
            if time.monotonic() > deadline:
                raise UserMistake(
                    f"a query has held a table for {_LOCKS_WITHIN_S:.0f} s: end it, or run 'forewarn migrate' again"
                ) from error
            time.sleep(_AGAIN_S)
    _sweep(dsn, moved=moved)


def _rehearse(dsn: str, signals: Catalogue, to: str) -> None:
    """Do what can be refused, and undo it."""
    with _prepared(dsn, signals, to) as driver:
        if to == _NEWEST:
            hold_readings(driver)
            check_movable(driver)
        driver.rollback()


def _migrate_once(dsn: str, store: StoreSettings, signals: Catalogue, to: str) -> bool:
    """Return whether the tables moved to TimescaleDB."""
    with _prepared(dsn, signals, to) as driver:
        if to != _NEWEST:
            return False
        wanted = engine_for(driver, store)
        moves = wanted.advice is None and engine_of(driver).advice is not None
        if moves:
            hold_readings(driver)
            check_movable(driver)
        wanted.lay_out(driver, signals, store)
        return moves


@contextmanager
def _prepared(dsn: str, signals: Catalogue, to: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Yield a transaction in which the numbered migrations have run and every signal has its column."""
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool)
    try:
        with as_file(files("ingest.store.migrations")) as folder, engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            driver.execute("SELECT set_config('lock_timeout', %s, true)", (_LOCK_TIMEOUT,))
            if _revision(driver) != head():
                hold_readings(driver)
            config = Config()
            config.set_main_option("script_location", str(folder).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, to)
            _sync_columns(driver, signals)
            yield driver
    except CommandError as error:
        if "Can't locate revision" in str(error):
            raise SchemaTooNew("the database belongs to a newer Forewarn: upgrade this installation") from error
        raise
    except Exception as error:
        cause = error.__cause__ if isinstance(error.__cause__, psycopg.Error) else error
        if isinstance(cause, psycopg.errors.InsufficientPrivilege):
            raise UserMistake(_lacking(cause)) from error
        if isinstance(cause, _BUSY):
            raise cause from error
        raise
    finally:
        engine.dispose()


def _lacking(error: psycopg.errors.InsufficientPrivilege) -> str:
    if error.diag.message_hint and "forewarn_" in error.diag.message_hint:
        return f"{error.diag.message_primary}: have an administrator run: {error.diag.message_hint}"
    return f"the database user lacks a right ({error.diag.message_primary}): migrate as the owner of the database"


def _revision(conn: psycopg.Connection[tuple[object, ...]]) -> object:
    if conn.execute("SELECT to_regclass('public.schema_version')").fetchone() == (None,):
        return None
    row = conn.execute("SELECT version_num FROM public.schema_version").fetchone()
    return row and row[0]


def _sweep(dsn: str, *, moved: bool) -> None:
    with connect(dsn, role="admin") as conn:
        if engine_of(conn).advice is not None:
            return
        conn.execute("SELECT set_config('lock_timeout', %s, true)", (_LOCK_TIMEOUT,))
        try:
            found = sweep_roots(conn, moved=moved)
        except _BUSY:
            # The next migration looks again.
            conn.rollback()
            return
    if found:
        _log.warning("readings lay beside the hypertables and are found again", readings=found)


def _sync_columns(conn: psycopg.Connection[tuple[object, ...]], signals: Catalogue) -> None:
    reading = {signal.column: _COLUMN_TYPES[signal.type] for signal in signals.columns}
    lists = {signal.column: _COLUMN_TYPES[signal.type] for signal in signals.lists}
    state = reading | {f"{column}_at": _TIME for column in reading} | {f"{column}_seq": _NUMBER for column in reading}
    of_reading = {"ts", "vehicle_id", "seq", "received_at"}
    new = _sync_table(conn, "vehicle_reading", reading, signals, keys=of_reading | {"quality", "extra"})
    _sync_table(conn, "cell_reading", lists, signals, keys=of_reading)
    _sync_table(conn, "vehicle_state", state, signals, keys={"vehicle_id", "ts", "received_at", "readings"})
    list_rolled_days(conn, signals, new=new)


def _sync_table(
    conn: psycopg.Connection[tuple[object, ...]],
    table: str,
    wanted: dict[str, LiteralString],
    signals: Catalogue,
    *,
    keys: set[str],
) -> list[str]:
    """Add the columns a table lacks; return their names."""
    rows = conn.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = ('telemetry.' || %s)::regclass AND attnum > 0 AND NOT attisdropped",
        (table,),
    ).fetchall()
    present = {str(name): str(type_) for name, type_ in rows if name not in keys}
    for column, type_ in sorted(present.items()):
        signal = signals.by_column.get(column)
        if wanted.get(column) == type_:
            continue
        if signal is None:
            raise SignalRetyped(
                f"column {column} has no signal in config/signals.toml: put it back, or its data is lost"
            )
        raise SignalRetyped(
            f"signal {signal.path} is {_COLUMN_TYPES.get(signal.type, signal.type)} in config/signals.toml but its"
            f" column {column} is {type_}: give it a new column name, the old one keeps its data"
        )
    missing = [column for column in wanted if column not in present]
    if missing:
        hold_readings(conn)
    # One at a time: a compressed hypertable takes no more at once.
    for column in missing:
        conn.execute(
            sql.SQL("ALTER TABLE telemetry.{} ADD COLUMN {} {}").format(
                sql.Identifier(table), sql.Identifier(column), sql.SQL(wanted[column])
            )
        )
    return missing
