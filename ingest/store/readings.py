"""Reads stored readings back as pandas frames."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import psycopg
from psycopg import sql

from config import sql as sql_files
from config.signals import catalogue
from ingest.store.frames import frame

REGIMES = ("rest", "drive", "charge")


class UnknownSignal(ValueError):
    """A column that no signal in config/signals.toml has."""


def daily_aggregates(
    conn: psycopg.Connection[Any],
    columns: Sequence[str],
    *,
    since: datetime,
    until: datetime,
    received_before: datetime | None = None,
    vehicle_ids: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Return sums and extremes per car, day of measurement, day of receipt and regime.

    What was received on different days is kept apart, so that any later midnight can be asked what was known by then:
    the rows with ``received_on`` before it, added up.

    columns : columns of the reading table that hold numbers or booleans
    since, until : half-open interval of measurement times (UTC)
    Returns : DataFrame (n_groups, 5 + 5 * n_columns): vehicle_id, day, received_on (UTC midnights), regime
              ("rest", "drive" or "charge"), n, and for each column c: c__n, c__sum, c__sumsq, c__min, c__max
    Raises  : UnknownSignal
    """
    parts: list[sql.Composable] = []
    for column in columns:
        _check(column)
        value = sql.SQL("{}::{}").format(
            sql.Identifier(column), sql.SQL("int" if catalogue().by_column[column].type == "boolean" else "float8")
        )
        for suffix, template in _AGGREGATES.items():
            name = sql.Identifier(f"{column}__{suffix}")
            parts.append(sql.SQL(", ") + sql.SQL(template).format(value=value) + sql.SQL(" AS ") + name)
    query = sql.SQL(sql_files.load("ingest.store", "daily_aggregates")).format(aggregates=sql.Composed(parts))
    values = {
        "since": since,
        "until": until,
        "received_before": received_before,
        "vehicle_ids": None if vehicle_ids is None else list(vehicle_ids),
    }
    return frame(conn, query, values)


def day_signal(
    conn: psycopg.Connection[Any], vehicle_id: int, column: str, *, since: datetime, until: datetime
) -> pd.DataFrame:
    """Return one signal of one car as measured: DataFrame (n_readings, 3) ts (UTC), value, at_rest.

    Raises : UnknownSignal
    """
    _check(column)
    query = sql.SQL(sql_files.load("ingest.store", "day_signal")).format(column=sql.Identifier(column))
    return frame(conn, query, {"vehicle_id": vehicle_id, "since": since, "until": until})


_AGGREGATES = {
    "n": "count({value})",
    "sum": "sum({value}::float8)",
    "sumsq": "sum({value}::float8 * {value}::float8)",
    "min": "min({value})::float8",
    "max": "max({value})::float8",
}


def _check(column: str) -> None:
    signal = catalogue().by_column.get(column)
    if signal is None or signal.type not in ("real", "double", "integer", "boolean"):
        raise UnknownSignal(f"{column!r} is no column of numbers in config/signals.toml")
