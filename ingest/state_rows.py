"""Keeps the newest value of every signal per car, whatever the order in which readings arrive."""

from typing import Any, LiteralString

import psycopg
from psycopg import sql

from ingest.copy_binary import HEADER, TRAILER, Column, encode_rows, matrix_columns
from ingest.layout import Layout
from ingest.state import CarStates

_KEYS = ("vehicle_id", "ts", "received_at", "readings")
# What is kept of a signal: its newest value, and of the reading that has it the time and the number.
_PARTS: dict[str, LiteralString] = {"value": "", "at": "_at", "seq": "_seq"}


class StateTable:
    """Merges ``CarStates`` into ``telemetry.vehicle_state`` over one connection."""

    def __init__(self, conn: psycopg.Connection[Any], signals: Layout) -> None:
        self._conn = conn
        self._layout = signals
        columns = [signal.column for signal in signals.columns]
        names = [*_KEYS, *(f"{column}{suffix}" for suffix in _PARTS.values() for column in columns)]
        listed = sql.SQL(", ").join(map(sql.Identifier, names))
        conn.execute(
            sql.SQL(
                "CREATE TEMP TABLE IF NOT EXISTS staging_state ON COMMIT DELETE ROWS AS"
                " SELECT {} FROM telemetry.vehicle_state WITH NO DATA"
            ).format(listed)
        )
        conn.commit()
        self._copy = sql.SQL("COPY staging_state ({}) FROM STDIN (FORMAT binary)").format(listed)
        # Of two readings of one instant that with the higher seq is the newer one, whichever comes first.
        is_newer = (
            "excluded.{at} > known.{at} OR known.{at} IS NULL"
            " OR (excluded.{at} = known.{at} AND excluded.{seq} >= coalesce(known.{seq}, excluded.{seq}))"
        )
        newer = sql.SQL(
            f"{{value}} = CASE WHEN {is_newer} THEN excluded.{{value}} ELSE known.{{value}} END,"
            f" {{seq}} = CASE WHEN {is_newer} THEN excluded.{{seq}} ELSE known.{{seq}} END,"
            " {at} = greatest(known.{at}, excluded.{at})"
        )
        merged = [
            newer.format(**{part: sql.Identifier(name + suffix) for part, suffix in _PARTS.items()}) for name in columns
        ]
        # Locked in the order of vehicle_id, the same in every worker: so none waits for another in a circle.
        self._merge = sql.SQL(
            "INSERT INTO telemetry.vehicle_state AS known ({names}) SELECT {names} FROM staging_state"
            " ORDER BY vehicle_id ON CONFLICT (vehicle_id) DO UPDATE SET ts = greatest(known.ts, excluded.ts),"
            " received_at = greatest(known.received_at, excluded.received_at),"
            " readings = known.readings + excluded.readings, {merged}"
        ).format(names=listed, merged=sql.SQL(", ").join(merged))

    def merge(self, states: CarStates) -> None:
        """Merge inside the caller's transaction; the cars stay locked until its end."""
        numeric = self._layout.numeric
        columns = [
            Column("bigint", states.vehicle_id),
            Column("timestamptz", states.ts_ms),
            Column("timestamptz", states.received_ms),
            Column("bigint", states.readings),
            *matrix_columns(numeric, states.values),
            *(Column("text", texts) for texts in states.texts),
            *(Column("timestamptz", states.at_ms[:, i]) for i in range(len(numeric))),
            *(Column("timestamptz", at) for at in states.texts_at),
            *(Column("bigint", states.seq[:, i]) for i in range(len(numeric))),
            *(Column("bigint", seq) for seq in states.texts_seq),
        ]
        with self._conn.cursor() as cursor:
            with cursor.copy(self._copy) as copy:
                copy.write(HEADER + encode_rows(columns) + TRAILER)
            cursor.execute(self._merge)
            cursor.execute("TRUNCATE staging_state")
