"""Which schema this version works on; asked by every process at its start, so it imports no migration tool."""

from importlib.resources import files
from typing import Any

import psycopg

from config.errors import UserMistake
from config.signals import Catalogue


class SchemaTooNew(UserMistake):
    """The database was migrated by a newer Forewarn."""


class SchemaOutdated(UserMistake):
    """The database waits for ``forewarn migrate``."""


class SchemaUnreadable(UserMistake):
    """The database user has no right to work on Forewarn's schema."""


def head() -> str:
    """Return the newest revision this version knows: migrations are numbered, and named like their SQL files."""
    scripts = files("ingest.store").joinpath("migrations", "sql").iterdir()
    return max(script.name.removesuffix(".sql") for script in scripts if script.name.endswith(".sql"))


def check_version(conn: psycopg.Connection[Any]) -> None:
    """Refuse to work on a schema of another version.

    Raises : SchemaOutdated, SchemaTooNew or SchemaUnreadable
    """
    try:
        with conn.transaction():
            row = conn.execute("SELECT version_num FROM public.schema_version").fetchone()
    except psycopg.errors.UndefinedTable as error:
        raise SchemaOutdated("the database is empty: run 'forewarn migrate'") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise SchemaUnreadable(
            "the database user has no right to Forewarn's tables: grant it the roles forewarn_…, or use their owner"
        ) from error
    found, wanted = (str(row[0]) if row else ""), head()
    if found < wanted:
        raise SchemaOutdated(
            f"the database is at {found or 'nothing'}, this version needs {wanted}: run 'forewarn migrate'"
        )
    if found > wanted:
        raise SchemaTooNew(f"the database is at {found}, newer than {wanted}: upgrade this installation")


def check_columns(conn: psycopg.Connection[Any], signals: Catalogue) -> None:
    """Refuse to write readings with a signal that has no column yet.

    Raises : SchemaOutdated
    """
    rows = conn.execute(
        "SELECT attrelid = 'telemetry.cell_reading'::regclass, attname FROM pg_attribute"
        " WHERE attrelid IN ('telemetry.vehicle_reading'::regclass, 'telemetry.cell_reading'::regclass) AND attnum > 0"
    )
    present = {(bool(is_list), str(name)) for is_list, name in rows}
    wanted = [(False, signal) for signal in signals.columns] + [(True, signal) for signal in signals.lists]
    missing = [signal.path for is_list, signal in wanted if (is_list, signal.column) not in present]
    if missing:
        raise SchemaOutdated(f"{', '.join(missing)} has no column yet: run 'forewarn migrate'")
