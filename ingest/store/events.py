"""Reads what cars said happened."""

from datetime import datetime
from typing import Any

import pandas as pd
import psycopg

from config import sql
from ingest.store.frames import frame


def lamps(conn: psycopg.Connection[Any], *, received_before: datetime | None = None) -> pd.DataFrame:
    """Return lamps in the order they happened: DataFrame (n, 6) vehicle_id, ts, received_at, code, state, level."""
    return frame(conn, sql.load("ingest.store", "lamps"), {"received_before": received_before})
