"""The back door: puts rollups of cars straight into the store, without broker, consent, dead letters or readings.

For simulated cars to train on, whose readings nobody needs. Rows are encoded apart from where they are written, so that
other processes can encode while one pushes bytes. Who calls holds the transaction, which is the owner's.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Literal

import msgspec
import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from config import sql as sql_files
from config.errors import UserMistake
from config.signals import Catalogue, catalogue
from ingest.copy_binary import HEADER, TRAILER, Column, Type, encode_rows
from ingest.store.day_sums import note_changed
from ingest.store.readings import REGIMES
from ingest.store.timeseries.rollups import KEYS, rollup_columns
from ingest.store.timeseries.views import given_name

GivenLevel = Literal["hour", "day"]

_TYPES: dict[str, Type] = {"integer": "integer", "float8": "double", "real": "real", "timestamptz": "timestamptz"}


class CarHasReadings(UserMistake):
    """A car that has readings cannot be given rollups: they are made of its readings."""


class GivenTwice(UserMistake):
    """These rollups are in the store already: erase the cars first."""


class Rollups(msgspec.Struct, frozen=True):
    """Rows of one car and level.

    bucket_ms   : (n,) int64, begin of the bucket in epoch ms
    received_on : (n,) int64, days since 1970-01-01 (UTC)
    regime      : (n,) int64, index into REGIMES
    columns     : by name as ``rollup_columns`` has them, (n,) numbers, instants as float64 epoch ms; NaN is NULL. One
                  that is left out counts nothing: 0 where it is a number of values, else NULL
    """

    bucket_ms: NDArray[np.int64]
    received_on: NDArray[np.int64]
    regime: NDArray[np.int64]
    columns: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.bucket_ms)


def write_rollups(
    conn: psycopg.Connection[Any],
    level: GivenLevel,
    rollups: Mapping[int, Rollups],
    *,
    signals: Catalogue | None = None,
) -> int:
    """Write rollups by vehicle_id; return how many rows.

    Raises : CarHasReadings, GivenTwice
    """
    check_without_readings(conn, rollups)
    encoded = (encode_rollups(rows, vehicle_id=car, signals=signals) for car, rows in rollups.items())
    written = copy_rollups(conn, level, encoded, signals=signals)
    note_changed(conn, rollups)
    return written


def check_without_readings(conn: psycopg.Connection[Any], vehicle_ids: Iterable[int]) -> None:
    """Refuse cars whose rollups are made of readings: a row that is there twice is counted twice.

    Raises : CarHasReadings
    """
    found = conn.execute(
        sql_files.load("ingest.store", "cars_with_readings"), {"vehicle_ids": list(vehicle_ids)}
    ).fetchall()
    if found:
        cars = ", ".join(str(car) for (car,) in found[:9])
        raise CarHasReadings(f"cars with readings cannot be given rollups, theirs are made of those: vehicle_id {cars}")


def encode_rollups(rollups: Rollups, *, vehicle_id: int, signals: Catalogue | None = None) -> bytes:
    """Return rows in binary COPY format, without header and trailer, so that several can follow each other."""
    count = len(rollups)
    if not count:
        return b""
    nothing, none = np.zeros(count, dtype=np.int32), np.full(count, np.nan)
    columns = [
        Column("bigint", np.full(count, vehicle_id)),
        Column("timestamptz", rollups.bucket_ms),
        Column("date", rollups.received_on),
        Column("text", [REGIMES[number] for number in rollups.regime.tolist()]),
    ]
    for name, type_ in _columns(signals or catalogue()):
        values = rollups.columns.get(name)
        columns.append(Column(type_, (nothing if type_ == "integer" else none) if values is None else values))
    return encode_rows(columns)


def copy_rollups(
    conn: psycopg.Connection[Any], level: GivenLevel, encoded: Iterable[bytes], *, signals: Catalogue | None = None
) -> int:
    """Write rows that ``encode_rollups`` made with the same catalogue, of cars that passed ``check_without_readings``;
    return how many.

    Raises : GivenTwice
    """
    names = [*KEYS, *(name for name, _ in _columns(signals or catalogue()))]
    statement = sql.SQL("COPY telemetry.{} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(given_name(level)), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with conn.cursor() as cursor:
        try:
            with cursor.copy(statement) as copy:
                copy.write(HEADER)
                for rows in encoded:
                    copy.write(rows)
                copy.write(TRAILER)
        except psycopg.errors.UniqueViolation as error:
            detail = error.diag.message_detail
            raise GivenTwice(f"these rollups are in the store already ({detail}): erase the cars first") from error
        return cursor.rowcount


@cache
def _columns(signals: Catalogue) -> tuple[tuple[str, Type], ...]:
    return tuple((column.name, _TYPES[column.type]) for column in rollup_columns(signals))
