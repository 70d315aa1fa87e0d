"""Daily sums of a whole fleet, small enough to be read in seconds: a copy of what models read of the daily rollups.

A rollup's row has hundreds of columns; PostgreSQL takes longer to send those of a fleet than anybody needs to work on
them. The copy has one string of numbers a row. It follows the rollups day by day: whoever rolls up a day of a car lists
it, and ``bring_up_to_date`` copies the listed ones.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from config import sql as sql_files
from config.signals import Signal, catalogue
from ingest.store.readings import REGIMES, UnknownSignal

PARTS = 32
STATISTICS = ("n", "sum", "sumsq", "min", "max")

# Any number will do as long as every process takes the same one: one writer at a time.
_LOCK = 7_033_266
# Days that nobody asks for any more stay so long: who scores an older day once need not have everything copied anew.
_SPARE_D = 30
_NO_END = date(9999, 12, 31)
_EPOCH = np.datetime64("2000-01-01", "D")
_ALL = sql.SQL("")
_AMONG_STALE = sql.SQL(
    "JOIN stale_sums AS stale ON stale.vehicle_id = rollup.vehicle_id"
    " AND (stale.day IS NULL OR (rollup.bucket >= stale.day::timestamp AT TIME ZONE 'UTC'"
    " AND rollup.bucket < (stale.day + 1)::timestamp AT TIME ZONE 'UTC'))"
)


class NotCopied(LookupError):
    """The copy lacks a column or a day: ``bring_up_to_date`` adds it."""


def bring_up_to_date(conn: psycopg.Connection[Any], columns: Iterable[str], *, since: date) -> int:
    """Copy what was rolled up since the last time, and what a new column or an earlier day asks for.

    conn    : role "models", outside a transaction or in one; it is not committed here
    columns : columns of the reading that numbers are wanted of; those that were wanted before stay
    since   : first day (UTC) that is wanted
    Returns : how many rows were written
    Raises  : UnknownSignal
    """
    wanted = sorted({_signal(column).column for column in columns})
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        conn.execute("CREATE TEMP TABLE stale_sums (vehicle_id bigint, day date) ON COMMIT DROP")
        # Before the rollups are looked at: what is rolled up from now on is on the list the next time.
        conn.execute(sql_files.load("ingest.store", "day_sums_take_stale"))
        known, first = _layout(conn)
        if not set(wanted) <= set(known):
            known = sorted({*known, *wanted})
            conn.execute("TRUNCATE telemetry.day_sums")
            first = min(first, since)
            written = _copy(conn, known, first, _NO_END, among=_ALL)
        else:
            written = 0
            if since < first:
                written += _copy(conn, known, since, first, among=_ALL)
                first = since
            conn.execute(sql_files.load("ingest.store", "day_sums_forget_stale"))
            written += _copy(conn, known, first, _NO_END, among=_AMONG_STALE)
            if first < since - timedelta(days=_SPARE_D):
                conn.execute("DELETE FROM telemetry.day_sums WHERE day < %s", (since,))
                first = since
        conn.execute("DELETE FROM telemetry.day_sums_layout")
        conn.execute("INSERT INTO telemetry.day_sums_layout (columns, since) VALUES (%s, %s)", (known, first))
        conn.execute("DROP TABLE stale_sums")
    return written


def note_changed(conn: psycopg.Connection[Any], vehicle_ids: Iterable[int]) -> None:
    """List cars whose daily rollups were written or deleted past the list of stale days, all their days."""
    conn.execute("INSERT INTO telemetry.day_sums_stale (vehicle_id) SELECT unnest(%s::bigint[])", (list(vehicle_ids),))


def read_part(
    conn: psycopg.Connection[Any],
    part: int,
    columns: Sequence[str],
    *,
    since: date,
    until: date,
    received_before: date,
) -> pd.DataFrame:
    """Return the daily sums of the cars of one part, in the order of ``ingest.store.readings.daily_aggregates``.

    part    : 0 to PARTS - 1; every car is in one
    since, until, received_before : days (UTC); until and received_before are not in it
    Returns : DataFrame as ``daily_aggregates`` returns it, without n; in single precision. regime is categorical
    Raises  : NotCopied
    """
    known, first = _layout(conn)
    missing = [column for column in columns if column not in known]
    if missing or since < first:
        what = f"{', '.join(missing)}" if missing else f"days before {first}"
        raise NotCopied(f"the daily sums lack {what}: bring_up_to_date adds them")
    query = sql.SQL(sql_files.load("ingest.store", "day_sums_read")).format(
        part=sql.SQL("telemetry.{}").format(sql.Identifier(f"day_sums_p{part:02}"))
    )
    days = {"since": since, "until": until, "received_before": received_before}
    found = conn.cursor(binary=True).execute(query, days).fetchall()
    content = b"".join(rows for _, rows in found)
    type_ = _row_type(len(known))
    if len(content) % type_.itemsize:
        raise ValueError(f"rows of {type_.itemsize} bytes were expected: the layout changed meanwhile")
    rows = np.frombuffer(content, dtype=type_)
    vehicle_id = np.repeat(
        np.array([car for car, _ in found], dtype=np.int64),
        [len(own) // type_.itemsize for _, own in found],
    )
    return _frame(vehicle_id, rows, [known.index(column) for column in columns], columns)


def _layout(conn: psycopg.Connection[Any]) -> tuple[list[str], date]:
    row = conn.execute("SELECT columns, since FROM telemetry.day_sums_layout").fetchone()
    return ([], _NO_END) if row is None else (list(row[0]), row[1])


def _copy(
    conn: psycopg.Connection[Any], columns: Sequence[str], since: date, until: date, *, among: sql.Composable
) -> int:
    query = sql.SQL(sql_files.load("ingest.store", "day_sums_copy")).format(
        sums=sql.SQL(" || ").join(part for column in columns for part in _numbers(_signal(column))), among=among
    )
    return conn.execute(query, {"since": since, "until": until, "regimes": list(REGIMES)}).rowcount


def _numbers(signal: Signal) -> list[sql.Composed]:
    """Return what is kept of a signal, as expressions of four bytes each."""
    names = {s: sql.Identifier("rollup", f"{signal.column}__{s}") for s in STATISTICS}
    least: sql.Composable = names["min"]
    greatest: sql.Composable = names["max"]
    if signal.type == "boolean":
        # Of a boolean the sum says it all; the rollups hold no more.
        least = sql.SQL("({sum} = {n})::int").format(**names)
        greatest = sql.SQL("({sum} > 0)::int").format(**names)
    seen = sql.SQL("CASE WHEN {n} > 0 THEN {value} END")
    mean = sql.SQL("{sum} / {n}").format(**names)
    # A deviation and no sum of squares: of numbers that are large and alike that would keep nothing in four bytes.
    spread = sql.SQL("sqrt(greatest({sumsq} / {n} - ({sum} / {n}) * ({sum} / {n}), 0))").format(**names)
    expressions = [sql.SQL("coalesce({n}, 0)").format(**names)]
    expressions += [seen.format(n=names["n"], value=value) for value in (mean, spread, least, greatest)]
    return [sql.SQL("float4send(coalesce(({})::float4, 'NaN'))").format(expression) for expression in expressions]


def _row_type(columns: int) -> np.dtype[Any]:
    """A row as the query puts it together: days since 2000-01-01, as PostgreSQL sends a date, and the numbers."""
    return np.dtype(
        [
            ("day", ">i4"),
            ("received_on", ">i4"),
            ("regime", ">i2"),
            ("sums", ">f4", (columns, len(STATISTICS))),
        ]
    )


def _frame(
    vehicle_id: NDArray[np.int64], rows: NDArray[Any], positions: Sequence[int], columns: Sequence[str]
) -> pd.DataFrame:
    # One column after the other in memory: that is how they are read.
    numbers = np.ascontiguousarray(rows["sums"][:, positions].transpose(1, 2, 0), dtype=np.float64)
    n, mean, deviation = numbers[:, 0], numbers[:, 1], numbers[:, 2]
    total = n * mean
    values = {"n": n, "sum": total, "sumsq": n * deviation**2 + total * mean, "min": numbers[:, 3]}
    values["max"] = numbers[:, 4]
    keys: dict[str, Any] = {
        "vehicle_id": vehicle_id,
        "day": _instants(rows["day"]),
        "received_on": _instants(rows["received_on"]),
        "regime": pd.Categorical.from_codes(rows["regime"].astype(np.int8), categories=pd.Index(REGIMES)),
    }
    named = {
        f"{column}__{statistic}": values[statistic][at] for at, column in enumerate(columns) for statistic in STATISTICS
    }
    # Not put together into one block, which would copy what is read once.
    return pd.DataFrame(keys | named, copy=False)


def _instants(days: NDArray[Any]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex((_EPOCH + days.astype(np.int64)).astype("datetime64[us]")).tz_localize("UTC")


def _signal(column: str) -> Signal:
    signal = catalogue().by_column.get(column)
    if signal is None or signal not in catalogue().rolled_up:
        raise UnknownSignal(f"{column!r} is no column of config/signals.toml that the rollups hold")
    return signal
