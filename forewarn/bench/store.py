"""The benchmark's side of the database: what it holds, how durable it is, how fast COPY alone would be."""

import time
from typing import Any

import msgspec
import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from config import sql as sql_files

_PERSISTENCE = {"p": "permanent", "u": "unlogged", "t": "temporary"}
# Large enough that psycopg's own work does not count.
_CHUNK_BYTES = 2**20

Connection = psycopg.Connection[tuple[Any, ...]]


class ServerFacts(msgspec.Struct, frozen=True):
    """What the server says about its durability; ``table_persistence`` is that of the partitions."""

    fsync: str
    synchronous_commit: str
    table_persistence: str


def server_facts(conn: Connection) -> ServerFacts:
    """Ask the server that stored the readings."""
    row = conn.execute(sql_files.load("forewarn.bench", "server_facts")).fetchone()
    assert row is not None
    fsync, synchronous_commit, kinds = row
    return ServerFacts(fsync, synchronous_commit, "+".join(_PERSISTENCE[kind] for kind in kinds or ""))


def stored_keys(conn: Connection) -> NDArray[np.int64]:
    """Return (rows, 3): vehicle_id, ts in epoch ms and seq of every reading."""
    rows = conn.execute(sql_files.load("forewarn.bench", "stored_keys")).fetchall()
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def first_received_s(conn: Connection) -> float | None:
    """Return when a worker received the first of the stored readings, in epoch s, to the ms."""
    row = conn.execute(sql_files.load("forewarn.bench", "first_received")).fetchone()
    return None if row is None else row[0]


def copy_limit(conn: Connection) -> float | None:
    """Return the rows a second that binary COPY over one connection puts into the reading table, emptied for it.

    The rows are those that are stored, encoded already; partitions and indexes stay. The readings are as before
    afterwards. None when there are none. ``conn`` is in autocommit.
    """
    # Not the parent's order of columns: a partition may have been made with another one.
    row = conn.execute("SELECT * FROM telemetry.vehicle_reading LIMIT 0")
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in row.description or ())
    rows = 0
    with conn.cursor() as cursor:
        query = sql.SQL("COPY (SELECT {} FROM telemetry.vehicle_reading) TO STDOUT (FORMAT binary)").format(columns)
        with cursor.copy(query) as out:
            encoded = b"".join(out)
        rows = cursor.rowcount
    if rows <= 0:
        return None
    view = memoryview(encoded)
    conn.execute("TRUNCATE telemetry.vehicle_reading")
    began = time.perf_counter()
    # One transaction: COMMIT is part of what is timed.
    with conn.transaction(), conn.cursor() as cursor:
        query = sql.SQL("COPY telemetry.vehicle_reading ({}) FROM STDIN (FORMAT binary)").format(columns)
        with cursor.copy(query) as copy:
            for begin in range(0, len(view), _CHUNK_BYTES):
                copy.write(view[begin : begin + _CHUNK_BYTES])
    return rows / (time.perf_counter() - began)
