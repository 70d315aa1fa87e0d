"""Writes rows of readings in one transaction: copies them straight in, or stages them and inserts what is new.

Copying straight into the table costs the database half of what staging does, but fails as a whole when one row is
there already or is refused. Re-sent readings come in bouts, so after one the next batches are staged at once. When the
database refuses a row it inserts the staged rows one by one, by itself: that costs the same however many are refused.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import psycopg
from psycopg import sql

from config import sql as sql_files
from ingest.batch import Rows
from ingest.copy_binary import (
    HEADER,
    TRAILER,
    Column,
    encode_json,
    encode_jsonb,
    encode_real_array,
    encode_rows,
    matrix_columns,
)
from ingest.layout import Layout

TABLES = ("vehicle_reading", "cell_reading")
# After a batch with a row that was there already, so many go through the staging table before it is tried without.
_STAGED_BATCHES = 20
_KEYS = ("ts", "vehicle_id", "seq", "received_at", "quality")


class Verdict(msgspec.Struct, frozen=True):
    """What became of some rows, by position; those in none of the lists were stored. Refused ones carry the reason."""

    duplicates: list[int]
    conflicts: list[int]
    refused: list[tuple[int, str]]

    @property
    def not_stored(self) -> list[int]:
        return [*self.duplicates, *self.conflicts, *(row for row, _ in self.refused)]


class ReadingTable:
    """Inserts ``Rows`` into ``telemetry.vehicle_reading`` and ``telemetry.cell_reading`` over one connection."""

    def __init__(self, conn: psycopg.Connection[Any], signals: Layout) -> None:
        self._conn = conn
        self._layout = signals
        self._staged_batches = 0
        self._statements = _Statements(signals)
        conn.execute(self._statements.stage)
        conn.execute("CREATE TEMP TABLE IF NOT EXISTS staging_verdict (ord integer, reason text) ON COMMIT DELETE ROWS")
        conn.commit()

    def insert(self, rows: Rows) -> Verdict:
        """Insert rows inside the caller's transaction; one bad row never costs the others.

        rows : distinct keys, sorted
        """
        if not len(rows):
            return Verdict([], [], [])
        if self._staged_batches > 0:
            self._staged_batches -= 1
        elif self._insert_at_once(rows):
            return Verdict([], [], [])
        else:
            self._staged_batches = _STAGED_BATCHES
        try:
            with self._conn.transaction():
                return self._insert_together(rows)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            if _lacks_partition(error):
                raise
        with self._conn.transaction():
            return self._insert_singly(rows)

    def _insert_at_once(self, rows: Rows) -> bool:
        """Copy straight into the tables, which is right when every row is new and good; False when one is not."""
        try:
            with self._conn.transaction(), self._conn.cursor() as cursor:
                keys, values = self._keys(rows), self._values(rows)
                tails = {row: encode_jsonb(extra) for row, extra in rows.extra.items()}
                with cursor.copy(self._statements.copy_readings) as copy:
                    copy.write(HEADER + encode_rows([*keys, *values], n_tails=1, tails=tails) + TRAILER)
                if rows.lists:
                    with_cells = np.array(sorted(rows.lists))
                    cells = rows.take(with_cells)
                    tails = {row: b"".join(map(encode_real_array, lists)) for row, lists in cells.lists.items()}
                    encoded = encode_rows(self._keys(cells)[:-1], n_tails=len(self._layout.lists), tails=tails)
                    with cursor.copy(self._statements.copy_cells) as copy:
                        copy.write(HEADER + encoded + TRAILER)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            if _lacks_partition(error):
                raise
            return False
        return True

    def _insert_together(self, rows: Rows) -> Verdict:
        with self._conn.cursor() as cursor:
            self._stage(cursor, rows)
            statement = self._statements.insert_with_cells if rows.lists else self._statements.insert
            there = [ord_ for (ord_,) in cursor.execute(statement).fetchall()]
            return self._verdict(cursor, there, [])

    def _insert_singly(self, rows: Rows) -> Verdict:
        with self._conn.cursor() as cursor:
            self._stage(cursor, rows)
            cursor.execute("TRUNCATE staging_verdict")
            cursor.execute(self._statements.insert_singly)
            found = cursor.execute("SELECT ord, reason FROM staging_verdict ORDER BY ord").fetchall()
            refused = [(ord_, reason) for ord_, reason in found if reason is not None]
            return self._verdict(cursor, [ord_ for ord_, reason in found if reason is None], refused)

    def _stage(self, cursor: psycopg.Cursor[Any], rows: Rows) -> None:
        # An earlier part of the same transaction may have left its rows.
        cursor.execute("TRUNCATE staging_reading")
        with cursor.copy(self._statements.copy) as copy:
            copy.write(HEADER + self._encode(rows) + TRAILER)

    def _verdict(self, cursor: psycopg.Cursor[Any], there: list[int], refused: list[tuple[int, str]]) -> Verdict:
        conflicts: list[int] = []
        if there:
            conflicts = [row for (row,) in cursor.execute(self._statements.conflicts, (there,)).fetchall()]
        return Verdict(sorted(set(there) - set(conflicts)), sorted(conflicts), refused)

    def _encode(self, rows: Rows) -> bytes:
        columns = [Column("integer", np.arange(len(rows))), *self._keys(rows), *self._values(rows)]
        n_lists = len(self._layout.lists)
        none = (None,) * n_lists
        tails = {
            row: b"".join(map(encode_real_array, rows.lists.get(row, none))) + encode_json(rows.extra.get(row))
            for row in rows.lists.keys() | rows.extra.keys()
        }
        return encode_rows(columns, n_tails=n_lists + 1, tails=tails)

    def _keys(self, rows: Rows) -> list[Column]:
        return [
            Column("timestamptz", rows.ts_ms),
            Column("bigint", rows.vehicle_id),
            Column("bigint", rows.seq),
            Column("timestamptz", rows.received_ms),
            Column("integer", rows.quality),
        ]

    def _values(self, rows: Rows) -> list[Column]:
        numbers = matrix_columns(self._layout.numeric, rows.numeric)
        return [*numbers, *(Column("text", values) for values in rows.texts)]


class _Statements:
    """The statements whose columns come from the catalogue."""

    def __init__(self, signals: Layout) -> None:
        columns = [signal.column for signal in signals.columns]
        lists = [signal.column for signal in signals.lists]
        names = _names([*_KEYS, *columns, "extra"])
        self.stage = sql.SQL(
            "CREATE TEMP TABLE IF NOT EXISTS staging_reading ON COMMIT DELETE ROWS AS"
            " SELECT 0 AS ord, {names}, {lists}, NULL::bytea AS extra FROM telemetry.vehicle_reading AS v"
            " LEFT JOIN telemetry.cell_reading AS c USING (ts, vehicle_id, seq, received_at) WITH NO DATA"
        ).format(names=_names([*_KEYS, *columns]), lists=_names(lists))
        # Staged as bytes: a text that is no jsonb is refused row by row, not with all that are copied beside it.
        extra = sql.SQL("convert_from(s.extra, 'UTF8')::jsonb")
        values = sql.SQL(", ").join([*_qualified("s", [*_KEYS, *columns]), extra])
        self.copy = sql.SQL("COPY staging_reading ({}) FROM STDIN (FORMAT binary)").format(
            _names(["ord", *_KEYS, *columns, *lists, "extra"])
        )
        copy = sql.SQL("COPY telemetry.{} ({}) FROM STDIN (FORMAT binary)")
        self.copy_readings = copy.format(sql.Identifier("vehicle_reading"), names)
        self.copy_cells = copy.format(sql.Identifier("cell_reading"), _names([*_KEYS[:-1], *lists]))
        insert = sql.SQL(
            "WITH fresh AS (INSERT INTO telemetry.vehicle_reading ({names}) SELECT {values} FROM staging_reading AS s"
            " ON CONFLICT DO NOTHING RETURNING vehicle_id, ts, seq){cells}"
            " SELECT ord FROM staging_reading AS s WHERE NOT EXISTS (SELECT FROM fresh AS f"
            " WHERE f.vehicle_id = s.vehicle_id AND f.ts = s.ts AND f.seq = s.seq)"
        )
        cells = sql.SQL(
            ", cells AS (INSERT INTO telemetry.cell_reading (ts, vehicle_id, seq, received_at, {lists})"
            " SELECT s.ts, s.vehicle_id, s.seq, s.received_at, {lists} FROM staging_reading AS s"
            " JOIN fresh USING (vehicle_id, ts, seq) WHERE num_nonnulls({lists}) > 0 ON CONFLICT DO NOTHING)"
        ).format(lists=_names(lists))
        self.insert = insert.format(names=names, values=values, cells=sql.SQL(""))
        self.insert_with_cells = insert.format(names=names, values=values, cells=cells)
        cell_columns = [*_KEYS[:-1], *lists]
        self.insert_singly = sql.SQL(sql_files.load("ingest.store", "insert_singly")).format(
            names=names,
            values=values,
            lists=sql.SQL(", ").join(_qualified("s", lists)),
            cell_names=_names(cell_columns),
            cell_values=sql.SQL(", ").join(_qualified("s", cell_columns)),
        )
        # What was derived follows from the rest; the lamps of a frame stand for its alarm block.
        measured = [*(s.column for s in signals.numeric[: signals.n_decoded]), *(s.column for s in signals.texts)]
        self.conflicts = sql.SQL(
            "SELECT s.ord FROM staging_reading AS s JOIN telemetry.vehicle_reading AS v USING (vehicle_id, ts, seq)"
            " LEFT JOIN telemetry.cell_reading AS c USING (vehicle_id, ts, seq)"
            " WHERE s.ord = ANY (%s) AND ROW({theirs}) IS DISTINCT FROM ROW({ours})"
        ).format(
            theirs=sql.SQL(", ").join([*_qualified("v", [*measured, "extra"]), *_qualified("c", lists)]),
            ours=sql.SQL(", ").join([*_qualified("s", measured), extra, *_qualified("s", lists)]),
        )


def _lacks_partition(error: psycopg.Error) -> bool:
    # The rows that a table refuses name the constraint they break.
    return isinstance(error, psycopg.errors.CheckViolation) and not error.diag.constraint_name


def _names(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _qualified(table: str, columns: Iterable[str]) -> list[sql.Identifier]:
    return [sql.Identifier(table, column) for column in columns]
