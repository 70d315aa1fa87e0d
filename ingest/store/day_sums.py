"""Daily sums of a whole fleet, small enough to be read in seconds: a copy of what models read of the daily rollups.

A rollup's row has hundreds of columns; PostgreSQL takes longer to send those of a fleet than anybody needs to work on
them. The copy has one string of numbers a row. It follows the rollups day by day: whoever rolls up a day of a car lists
it, and ``bring_up_to_date`` copies the listed ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from config import sql as sql_files
from config.signals import Signal, catalogue
from ingest.store.readings import REGIMES, UnknownSignal

PARTS = 32
STATISTICS = ("n", "sum", "sumsq", "min", "max")
# What the copy has of each column: no sum is so large that four bytes would not hold the mean.
_KEPT = ("n", "mean", "deviation", "min", "max")

# Any number will do as long as every process takes the same one: one writer at a time.
_LOCK = 7_033_266
# Days that nobody asks for any more stay so long: who scores an older day once need not have everything copied anew.
_SPARE_D = 30
_NO_END = date(9999, 12, 31)
_LEAST_ID, _GREATEST_ID = -(2**63), 2**63 - 1
_EPOCH = np.datetime64("2000-01-01", "D")
_ALL = sql.SQL("")
# Both ends of the time always, so that the index finds a day of a car among all of its days.
_AMONG_STALE = sql.SQL(
    "JOIN stale_sums AS stale ON stale.vehicle_id = rollup.vehicle_id"
    " AND rollup.bucket >= coalesce(stale.day::timestamp AT TIME ZONE 'UTC', '-infinity')"
    " AND rollup.bucket < coalesce((stale.day + 1)::timestamp AT TIME ZONE 'UTC', 'infinity')"
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


@dataclass(frozen=True, slots=True)
class Share:
    """Cars that are read together: of some parts (0 to PARTS - 1) those whose vehicle_id is in [first, last]."""

    parts: tuple[int, ...]
    first: int = _LEAST_ID
    last: int = _GREATEST_ID


def shares(vehicle_ids: NDArray[np.int64], size: int, *, seed: int) -> list[Share]:
    """Divide a fleet into shares of about ``size`` cars. Every car is in one, also one that is not known yet.

    seed : of the order of the shares, so that the first of them stand for the fleet
    """
    count = max(-(-len(vehicle_ids) // size), 1)
    random = np.random.default_rng(seed)
    if count <= PARTS:
        return [Share(tuple(some.tolist())) for some in np.array_split(random.permutation(PARTS), count)]
    # A part of a large fleet is too large to be read at once.
    begins = [ids[0] for ids in np.array_split(np.sort(vehicle_ids), -(-count // PARTS))]
    edges = [_LEAST_ID, *map(int, begins[1:]), _GREATEST_ID + 1]
    found = [Share((part,), first, end - 1) for part in range(PARTS) for first, end in pairwise(edges)]
    return [found[at] for at in random.permutation(len(found))]


@dataclass(frozen=True, slots=True)
class DaySums:
    """Daily sums of some cars as they lie in the copy, ordered by car, day and day of receipt.

    vehicle_id       : (n_rows,)
    day, received_on : (n_rows,) datetime64[D], UTC
    regime           : (n_rows,) int8, positions in ``ingest.store.readings.REGIMES``
    """

    vehicle_id: NDArray[np.int64]
    day: NDArray[np.datetime64]
    received_on: NDArray[np.datetime64]
    regime: NDArray[np.int8]
    _numbers: NDArray[np.float32]
    _places: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.vehicle_id)

    def of(self, column: str, statistic: str, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return n, sum, sumsq, min or max of a column, of rows at some positions; what was not sent is NaN, its n 0.

        Raises : KeyError, when the column was not read
        """
        at = self._places[column]

        def kept(name: str) -> NDArray[np.float64]:
            of_all: NDArray[np.float32] = self._numbers[at, _KEPT.index(name)]
            return of_all[rows].astype(np.float64)

        match statistic:
            case "sum":
                return kept("n") * kept("mean")
            case "sumsq":
                n, mean = kept("n"), kept("mean")
                return n * kept("deviation") ** 2 + n * mean * mean
            case _:
                return kept(statistic)


def read_share(
    conn: psycopg.Connection[Any],
    share: Share,
    columns: Sequence[str],
    *,
    since: date,
    until: date,
    received_before: date,
) -> DaySums:
    """Return what ``ingest.store.readings.daily_aggregates`` would of a share of the cars, in single precision.

    since, until, received_before : days (UTC); until and received_before are not in it
    Raises  : NotCopied
    """
    known, first = _layout(conn)
    missing = [column for column in columns if column not in known]
    if missing or since < first:
        what = f"{', '.join(missing)}" if missing else f"days before {first}"
        raise NotCopied(f"the daily sums lack {what}: bring_up_to_date adds them")
    days = {"since": since, "until": until, "received_before": received_before}
    wanted = {**days, "first": share.first, "last": share.last}
    found: list[tuple[int, bytes]] = []
    for part in share.parts:
        query = sql.SQL(sql_files.load("ingest.store", "day_sums_read")).format(
            part=sql.SQL("telemetry.{}").format(sql.Identifier(f"day_sums_p{part:02}"))
        )
        found += conn.cursor(binary=True).execute(query, wanted).fetchall()
    found.sort(key=itemgetter(0))
    return _unpacked(found, known, columns)


def _unpacked(sent: list[tuple[int, bytes]], known: Sequence[str], columns: Sequence[str]) -> DaySums:
    """Return what was sent of each car, its rows one after the other. sent : is emptied, it is as large"""
    type_ = _row_type(len(known))
    if any(len(own) % type_.itemsize for _, own in sent):
        raise ValueError(f"rows of {type_.itemsize} bytes were expected: the layout changed meanwhile")
    counts = [len(own) // type_.itemsize for _, own in sent]
    vehicle_id = np.repeat(np.array([car for car, _ in sent], dtype=np.int64), counts)
    keys = np.empty((3, len(vehicle_id)), dtype=np.int32)
    # All of one number together, to be read fast. Filled car by car: what is sent of one stays near the processor.
    numbers = np.empty((len(known) * len(_KEPT), len(vehicle_id)), dtype=np.float32)
    end = len(vehicle_id)
    while sent:
        own = np.frombuffer(sent.pop()[1], dtype=type_)
        begin = end - len(own)
        for key, name in zip(keys, ("day", "received_on", "regime"), strict=True):
            key[begin:end] = own[name]
        numbers[:, begin:end] = own["sums"].reshape(len(own), -1).astype(np.float32).T
        end = begin
    day, received_on, regime = keys
    return DaySums(
        vehicle_id,
        _EPOCH + day,
        _EPOCH + received_on,
        regime.astype(np.int8),
        numbers.reshape(len(known), len(_KEPT), len(vehicle_id)),
        {column: known.index(column) for column in columns},
    )


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
            ("sums", ">f4", (columns, len(_KEPT))),
        ]
    )


def _signal(column: str) -> Signal:
    signal = catalogue().by_column.get(column)
    if signal is None or signal not in catalogue().rolled_up:
        raise UnknownSignal(f"{column!r} is no column of config/signals.toml that the rollups hold")
    return signal
