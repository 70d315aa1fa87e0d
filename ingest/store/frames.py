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
        result = pd.DataFrame.from_records(cursor.fetchall(), columns=names)
        for column in description:
            if column.type_display == "timestamptz":
                result[column.name] = pd.to_datetime(result[column.name], utc=True).astype("datetime64[us, UTC]")
            elif column.type_display in ("float8", "float4", "int8", "int4", "int2"):
                result[column.name] = pd.to_numeric(result[column.name])
    return result
