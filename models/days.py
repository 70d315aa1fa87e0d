"""UTC days as numbers: everything here is received and scored by whole days."""

from datetime import UTC, datetime, timedelta
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Days = NDArray[np.datetime64]


def start_of_day(instant: datetime) -> datetime:
    """Return the UTC midnight at or before an aware instant.

    Raises : ValueError, when the instant has no time zone
    """
    if instant.tzinfo is None:
        raise ValueError(f"expected an instant with a time zone, got {instant!r}")
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def midnight(instant: datetime) -> np.datetime64:
    """Return the UTC day of an aware instant as datetime64[D]."""
    return np.datetime64(start_of_day(instant).date(), "D")


def day_numbers(column: "pd.Series[pd.Timestamp]") -> Days:
    """Return a column of UTC instants as datetime64[D], rounded down."""
    return cast(Days, column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(dtype="datetime64[D]"))


def days_before(instant: datetime, days: int) -> datetime:
    """Return the UTC midnight ``days`` days before the day of ``instant``."""
    return start_of_day(instant) - timedelta(days=days)
