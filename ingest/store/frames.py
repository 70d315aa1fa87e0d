"""Query results as pandas frames, with instants in UTC."""

from typing import Any

import pandas as pd
import psycopg
from psycopg import sql


def frame(
    conn: psycopg.Connection[Any], query: sql.SQL | sql.Composed | Any, values: dict[str, Any] | None = None
) -> pd.DataFrame:
    """Run a query and return its rows; ``timestamptz`` columns become datetime64[us, UTC] even when empty."""
    with conn.cursor(binary=True) as cursor:
        cursor.execute(query, values)
        description = cursor.description or []
        names = [column.name for column in description]
        found = pd.DataFrame.from_records(cursor.fetchall(), columns=names)
    # Made at once of its columns: put in one by one, hundreds of them would lie apart in memory.
    return pd.DataFrame({column.name: _typed(found[column.name], column.type_display) for column in description})


def _typed(values: pd.Series, type_: str) -> pd.Series:
    if type_ == "timestamptz":
        return pd.to_datetime(values, utc=True).astype("datetime64[us, UTC]")
    return pd.to_numeric(values) if type_ in ("float8", "float4", "int8", "int4", "int2") else values
