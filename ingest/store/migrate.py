"""Brings a database to this version: numbered migrations, then what follows from the signal catalogue and settings."""

import time
from importlib.resources import as_file, files
from typing import LiteralString

import psycopg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from psycopg import sql
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from config.errors import UserMistake
from config.settings import StoreSettings
from config.signals import Catalogue, catalogue
from ingest.store.timeseries.detect import engine_of
from ingest.store.timeseries.extension import offer_extension
from ingest.store.timeseries.stale import list_rolled_days
from ingest.store.version import SchemaTooNew

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
_LOCKS_WITHIN_S = 60.0
_AGAIN_S = 1.0
_NEWEST = "head"


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
    offer_extension(dsn, store)
    deadline = time.monotonic() + _LOCKS_WITHIN_S
    while True:
        try:
            _migrate_once(dsn, store, signals, to)
            return
        except psycopg.errors.LockNotAvailable as error:
            if time.monotonic() > deadline:
                raise UserMistake(
                    f"a query has held a table for {_LOCKS_WITHIN_S:.0f} s: end it, or run 'forewarn migrate' again"
                ) from error
            time.sleep(_AGAIN_S)


def _migrate_once(dsn: str, store: StoreSettings, signals: Catalogue, to: str) -> None:
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool)
    try:
        with as_file(files("ingest.store.migrations")) as folder, engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            driver.execute("SELECT set_config('lock_timeout', %s, true)", (_LOCK_TIMEOUT,))
            config = Config()
            config.set_main_option("script_location", str(folder).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, to)
            _sync_columns(driver, signals)
            if to == _NEWEST:
                engine_of(driver).lay_out(driver, signals, store)
    except CommandError as error:
        if "Can't locate revision" in str(error):
            raise SchemaTooNew("the database belongs to a newer Forewarn: upgrade this installation") from error
        raise
    except Exception as error:
        cause = error.__cause__ if isinstance(error.__cause__, psycopg.Error) else error
        if isinstance(cause, psycopg.errors.InsufficientPrivilege):
            raise UserMistake(
                f"the database user lacks a right ({cause.diag.message_primary}): migrate as the owner of the database"
            ) from error
        if isinstance(cause, psycopg.errors.LockNotAvailable):
            raise cause from error
        raise
    finally:
        engine.dispose()


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
    # One at a time: a compressed hypertable takes no more at once.
    for column in missing:
        conn.execute(
            sql.SQL("ALTER TABLE telemetry.{} ADD COLUMN {} {}").format(
                sql.Identifier(table), sql.Identifier(column), sql.SQL(wanted[column])
            )
        )
    return missing
