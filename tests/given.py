"""Puts rollups into the store without COPY, which the one in WebAssembly has not."""

import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from config.signals import Catalogue, catalogue
from ingest.store.given import GivenLevel
from ingest.store.timeseries.rollups import KEY_TYPES, KEYS, rollup_columns
from ingest.store.timeseries.views import given_name

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def rows_of(encoded: bytes, signals: Catalogue | None = None) -> list[tuple[Any, ...]]:
    """Return the rows of bytes that ``encode_rollups`` made, as Python values."""
    types = [*KEY_TYPES, *(column.type for column in rollup_columns(signals or catalogue()))]
    return list(_rows(encoded, types))


def insert_rollups(
    conn: psycopg.Connection[Any], level: GivenLevel, encoded: bytes, *, signals: Catalogue | None = None
) -> int:
    """Do what ``copy_rollups`` does, by INSERT."""
    names = [*KEYS, *(column.name for column in rollup_columns(signals or catalogue()))]
    statement = sql.SQL("INSERT INTO telemetry.{} ({}) VALUES ({})").format(
        sql.Identifier(given_name(level)),
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join([sql.Placeholder()] * len(names)),
    )
    rows = rows_of(encoded, signals)
    with conn.cursor() as cursor:
        for row in rows:
            cursor.execute(statement, row)
    return len(rows)


def _rows(encoded: bytes, types: list[str]) -> Iterator[tuple[Any, ...]]:
    at = 0
    while at < len(encoded):
        (n_fields,) = struct.unpack_from(">h", encoded, at)
        assert n_fields == len(types)
        at += 2
        row = []
        for type_ in types:
            (length,) = struct.unpack_from(">i", encoded, at)
            at += 4
            row.append(None if length < 0 else _value(type_, encoded[at : at + length]))
            at += max(length, 0)
        yield tuple(row)


def _value(type_: str, field: bytes) -> Any:
    if type_ == "text":
        return field.decode()
    if type_ == "date":
        return date(2000, 1, 1) + timedelta(days=struct.unpack(">i", field)[0])
    if type_ == "timestamptz":
        return _EPOCH + timedelta(microseconds=struct.unpack(">q", field)[0])
    formats = {"bigint": ">q", "integer": ">i", "real": ">f", "float8": ">d"}
    return struct.unpack(formats[type_], field)[0]
