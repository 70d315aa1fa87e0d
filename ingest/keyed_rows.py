"""Inserts rows that have a key, inside the caller's transaction, and says of each what became of it."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import msgspec
import psycopg
from psycopg.rows import TupleRow

from config import sql


class Table(msgspec.Struct, frozen=True):
    """A table that takes such rows.

    insert : statement that answers the keys that were new, of equal ones the first
    same   : statement that answers (n, whether it measured the same) for rows whose key is there
    key    : the fields of a row that are its key, in the order in which ``insert`` answers them
    """

    insert: str
    same: str
    key: tuple[str, ...]


class Fate(msgspec.Struct, frozen=True):
    """What became of rows, by ``n``; those in none of the lists were stored. Refused ones carry the reason."""

    duplicates: list[int]
    conflicts: list[int]
    refused: list[tuple[int, str]]

    @property
    def not_stored(self) -> int:
        return len(self.duplicates) + len(self.conflicts) + len(self.refused)


def insert_keyed(
    cursor: psycopg.Cursor[TupleRow],
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    values: Mapping[str, Any] | None = None,
) -> Fate:
    """Insert rows; one that the database refuses never costs the others.

    rows   : each with its number ``n``, in ascending order, and what the table's statements take
    values : what is the same for all of them
    Raises : psycopg.errors.CheckViolation, when a partition is missing
    """
    if not rows:
        return Fate([], [], [])
    try:
        with cursor.connection.transaction():
            return _insert(cursor, table, rows, values or {})
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        if isinstance(error, psycopg.errors.CheckViolation) and "no partition" in str(error):
            raise
        if len(rows) == 1:
            return Fate([], [], [(rows[0]["n"], str(error.diag.message_primary or error))])
    half = len(rows) // 2
    first, second = (insert_keyed(cursor, table, some, values) for some in (rows[:half], rows[half:]))
    return Fate(
        first.duplicates + second.duplicates, first.conflicts + second.conflicts, first.refused + second.refused
    )


def _insert(
    cursor: psycopg.Cursor[TupleRow], table: Table, rows: Sequence[Mapping[str, Any]], values: Mapping[str, Any]
) -> Fate:
    fresh: set[Hashable] = set(cursor.execute(*_statement(table.insert, rows, values)).fetchall())
    rest = []
    for row in rows:
        key = tuple(row[field] for field in table.key)
        if key in fresh:
            fresh.remove(key)
        else:
            rest.append(row)
    if not rest:
        return Fate([], [], [])
    # A statement of its own: it sees what another worker has just committed.
    same: dict[int, bool] = dict(cursor.execute(*_statement(table.same, rest, values)).fetchall())
    numbers = [row["n"] for row in rest]
    return Fate([n for n in numbers if same.get(n)], [n for n in numbers if not same.get(n)], [])


def _statement(name: str, rows: Sequence[Mapping[str, Any]], values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    return sql.load("ingest.store", name), {**values, "rows": msgspec.json.encode(rows).decode()}
