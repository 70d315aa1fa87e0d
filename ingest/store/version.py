"""Which schema this version works on; asked by every process at its start, so it imports no migration tool."""

from importlib.resources import files

import psycopg

from config.errors import UserMistake


class SchemaTooNew(UserMistake):
    """The database was migrated by a newer Forewarn."""


class SchemaOutdated(UserMistake):
    """The database waits for ``forewarn migrate``."""


def head() -> str:
    """Return the newest revision this version knows: migrations are numbered, and named like their SQL files."""
    scripts = files("ingest.store").joinpath("migrations", "sql").iterdir()
    return max(script.name.removesuffix(".sql") for script in scripts if script.name.endswith(".sql"))


def check_version(conn: psycopg.Connection[tuple[object, ...]]) -> None:
    """Refuse to work on a schema of another version.

    Raises : SchemaOutdated or SchemaTooNew
    """
    try:
        with conn.transaction():
            row = conn.execute("SELECT version_num FROM public.schema_version").fetchone()
    except psycopg.errors.UndefinedTable as error:
        raise SchemaOutdated("the database is empty: run 'forewarn migrate'") from error
    found, wanted = (str(row[0]) if row else ""), head()
    if found < wanted:
        raise SchemaOutdated(
            f"the database is at {found or 'nothing'}, this version needs {wanted}: run 'forewarn migrate'"
        )
    if found > wanted:
        raise SchemaTooNew(f"the database is at {found}, newer than {wanted}: upgrade this installation")
