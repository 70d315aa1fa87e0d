"""Reads stored readings back as pandas frames."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import pandas as pd
import psycopg
from psycopg import sql

from config import sql as sql_files
from config.settings import StoreSettings
from config.signals import Signal, catalogue
from ingest.store.frames import frame
from ingest.store.timeseries.views import relation_with

REGIMES = ("rest", "drive", "charge")

Resolution = Literal["raw", "minute", "hour", "day"]
# The finest resolution whose rows still make a picture and open at once: some 20,000 readings, 9,000 buckets.
_UP_TO: tuple[tuple[timedelta, Resolution], ...] = (
    (timedelta(days=2), "raw"),
    (timedelta(days=7), "minute"),
    (timedelta(days=400), "hour"),
)


class UnknownSignal(ValueError):
    """A column that no signal in config/signals.toml has."""


def resolution_for(span: timedelta, *, age: timedelta = timedelta(0), store: StoreSettings | None = None) -> Resolution:
    """Return the finest resolution in which so long a time of one car opens within a second and is still kept.

    age   : how long ago it began
    store : says how long each resolution is kept; None is the defaults
    """
    store = store or StoreSettings()
    kept = {"raw": store.reading_days, "minute": store.minute_days, "hour": store.hour_days}
    fitting = (resolution for longest, resolution in _UP_TO if span <= longest)
    return next((resolution for resolution in fitting if age <= timedelta(days=kept[resolution])), "day")


def car_history(
    conn: psycopg.Connection[Any],
    vehicle_id: int,
    columns: Sequence[str],
    *,
    since: datetime,
    until: datetime,
    resolution: Resolution | None = None,
    received_before: datetime | None = None,
    store: StoreSettings | None = None,
    now: datetime | None = None,
) -> pd.DataFrame:
    """Return signals of one car over a time, in the order of time.

    columns         : columns of signals, as in config/signals.toml; lists (cells, probes) and texts in raw resolution
    since, until    : half-open interval of measurement times (UTC); buckets are those that begin in it
    resolution      : None takes what ``resolution_for`` says of the interval; of a recording all is kept for ever, and
                      what was given without readings has nothing finer than hours
    received_before : only what was known then; for rollups, which keep the day of receipt, a UTC midnight
    store, now      : what ``resolution_for`` is asked with; None is the defaults and the present
    Returns : raw: DataFrame (n_readings, 4 + n_columns) ts, seq, received_at, quality, and each column as measured.
              Otherwise DataFrame (n_buckets, 2 + …) ts (begin of the bucket), n (readings), and of each column c:
              c (mean), c__n, and unless it is a boolean c__min, c__max, c__last (value at the latest instant).
              Readings whose clock ran ahead are in none of the rollups, and what came in the last minutes may not be.
    Raises  : UnknownSignal; ValueError, when ``received_before`` is no midnight in another resolution than raw
    """
    chosen = resolution
    if chosen is None:
        age = (now or datetime.now(UTC)) - since.astimezone(UTC)
        kept_for_ever = _is_recording(conn, vehicle_id)
        chosen = resolution_for(until - since, age=timedelta(0) if kept_for_ever else age, store=store)
        if chosen in ("raw", "minute") and _is_given(conn, vehicle_id, since, until):
            chosen = "hour"
    values: dict[str, Any] = {"vehicle_id": vehicle_id, "since": since, "until": until}
    if chosen == "raw":
        query = _readings_query([_signal(column) for column in columns])
        return frame(conn, query, values | {"received_before": received_before})
    parts: list[sql.Composable] = []
    read = ["n"]
    for column in columns:
        signal = _rolled_up(column)
        read += [f"{column}__{suffix}" for suffix in _SUFFIXES[: 2 if signal.type == "boolean" else None]]
        for name, expression in _merged(signal).items():
            parts.append(sql.SQL(", ") + expression + sql.SQL(" AS ") + sql.Identifier(name))
    query = sql.SQL(sql_files.load("ingest.store", "history_of_car")).format(
        columns=sql.Composed(parts),
        rollup=relation_with(conn, chosen, read, vehicle_id=vehicle_id),
    )
    return frame(conn, query, values | {"received_before": _midnight(received_before)})


def daily_aggregates(
    conn: psycopg.Connection[Any],
    columns: Sequence[str],
    *,
    since: datetime,
    until: datetime,
    received_before: datetime | None = None,
    vehicle_ids: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Return sums and extremes per car, day of measurement, day of receipt and regime, from the daily rollups.

    What was received on different days is kept apart, so that any later midnight can be asked what was known by then:
    the rows with ``received_on`` before it, added up.

    columns : columns of the reading table that hold numbers or booleans and are rolled up
    since, until    : half-open interval of days (UTC midnights)
    received_before : a UTC midnight
    Returns : DataFrame (n_groups, 5 + 5 * n_columns): vehicle_id, day, received_on (UTC midnights), regime
              ("rest", "drive" or "charge"), n, and for each column c: c__n, c__sum, c__sumsq, c__min, c__max
    Raises  : UnknownSignal; ValueError, when ``received_before`` is no midnight
    """
    parts: list[sql.Composable] = []
    for column in columns:
        boolean = _rolled_up(column).type == "boolean"
        names = {suffix: sql.Identifier(f"{column}__{suffix}") for suffix in ("n", "sum", "sumsq", "min", "max")}
        template = _BOOLEAN_DAY if boolean else sql.SQL(", {n}, {sum}, {sumsq}, {min}::float8, {max}::float8")
        parts.append(template.format(**names))
    query = sql.SQL(sql_files.load("ingest.store", "rollups_by_day")).format(columns=sql.Composed(parts))
    values = {
        "since": since,
        "until": until,
        "received_before": _midnight(received_before),
        "vehicle_ids": None if vehicle_ids is None else list(vehicle_ids),
    }
    return frame(conn, query, values)


def day_signal(
    conn: psycopg.Connection[Any], vehicle_id: int, column: str, *, since: datetime, until: datetime
) -> pd.DataFrame:
    """Return one signal of one car as measured: DataFrame (n_readings, 3) ts (UTC), value, at_rest.

    Raises : UnknownSignal
    """
    if _signal(column).type not in ("real", "double", "integer", "boolean"):
        raise UnknownSignal(f"{column!r} is no column of numbers in config/signals.toml")
    query = sql.SQL(sql_files.load("ingest.store", "day_signal")).format(column=sql.Identifier(column))
    return frame(conn, query, {"vehicle_id": vehicle_id, "since": since, "until": until})


# Of a boolean the sum says it all.
_BOOLEAN_DAY = sql.SQL(
    ", {n}, {sum}, {sumsq}, CASE WHEN {n} > 0 THEN ({sum} = {n})::int::float8 END AS {min},"
    " CASE WHEN {n} > 0 THEN ({sum} > 0)::int::float8 END AS {max}"
)


# What a bucket is merged of; of a boolean the first two.
_SUFFIXES = ("n", "sum", "min", "max", "last", "last_at")


def _merged(signal: Signal) -> dict[str, sql.Composed]:
    """Return the columns of a bucket by name, merged over regimes and days of receipt."""
    name = signal.column
    names = {suffix: sql.Identifier(f"{name}__{suffix}") for suffix in _SUFFIXES}
    mean = sql.SQL("sum({sum}) / nullif(sum({n}), 0)").format(**names)
    merged = {name: mean, f"{name}__n": sql.SQL("coalesce(sum({n}), 0)::bigint").format(**names)}
    if signal.type != "boolean":
        merged[f"{name}__min"] = sql.SQL("min({min})::float8").format(**names)
        merged[f"{name}__max"] = sql.SQL("max({max})::float8").format(**names)
        last = sql.SQL("(max(ARRAY[date_part('epoch', {last_at}), {last}]) FILTER (WHERE {n} > 0))[2]").format(**names)
        merged[f"{name}__last"] = last
    return merged


def _readings_query(signals: Sequence[Signal]) -> sql.Composed:
    lists = [signal for signal in signals if signal.type == "real[]"]
    columns = [
        sql.SQL(", ") + sql.Identifier("cells" if signal.type == "real[]" else "reading", signal.column)
        for signal in signals
    ]
    cells = sql.SQL(sql_files.load("ingest.store", "cells_beside") if lists else "")
    return sql.SQL(sql_files.load("ingest.store", "readings_of_car")).format(columns=sql.Composed(columns), cells=cells)


def _signal(column: str) -> Signal:
    signal = next((signal for signal in catalogue().signals if signal.column == column), None)
    if signal is None or signal.type == "position":
        raise UnknownSignal(f"{column!r} is no stored column of config/signals.toml")
    return signal


def _is_recording(conn: psycopg.Connection[Any], vehicle_id: int) -> bool:
    row = conn.execute("SELECT replayed FROM telemetry.vehicle WHERE vehicle_id = %s", (vehicle_id,)).fetchone()
    return row is not None and bool(row[0])


def _is_given(conn: psycopg.Connection[Any], vehicle_id: int, since: datetime, until: datetime) -> bool:
    row = conn.execute(sql_files.load("ingest.store", "is_given"), (vehicle_id, since, until)).fetchone()
    return row is not None and bool(row[0])


def _rolled_up(column: str) -> Signal:
    signal = catalogue().by_column.get(column)
    if signal is None or signal not in catalogue().rolled_up:
        raise UnknownSignal(f"{column!r} is no column of config/signals.toml that the rollups hold: ask for it raw")
    return signal


def _midnight(received_before: datetime | None) -> date | None:
    if received_before is None:
        return None
    at = received_before.astimezone(UTC)
    if at.time() != datetime.min.time():
        raise ValueError(f"rollups know the day of receipt: received_before is a UTC midnight, not {received_before}")
    return at.date()
