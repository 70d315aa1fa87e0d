"""What a person would see in the signal itself: where it stands, how fast it moves, which cell it is."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import psycopg

from ingest.store import readings

# The level is that of the last days with readings, the trend that of the last two weeks: long enough to rise above
# 1 mV of resolution, short enough to show a fault that speeds up.
_LEVEL_DAYS = 3
_TREND_DAYS = 14
# "A month ago" is what was seen in the four weeks before the last four.
_EARLIER_FROM_DAYS, _EARLIER_TO_DAYS = 56, 28
_LEAST_TREND_POINTS = 5
_CELL_NUMBER_OF = {"cell_low_dev_mv": "cell_low_number", "cell_high_dev_mv": "cell_high_number"}


class Observed(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="observed"):
    """What the store says about one signal of one car before ``as_of``; values in the signal's own unit.

    regime        "rest", "drive" or "charge": the readings that were looked at
    slope_per_day None, when the signal does not move beyond its own scatter
    usual         what healthy cars show, None when the model does not say
    earlier       what this car showed a month ago, None when it was not seen then
    cell          number of the cell that stands out, for signals about cells
    """

    signal: str
    regime: str
    value: float
    slope_per_day: float | None = None
    usual: float | None = None
    earlier: float | None = None
    cell: int | None = None


def observe(
    days: pd.DataFrame, column: str, *, as_of: datetime, usual: float | None = None, cell: int | None = None
) -> Observed | None:
    """Return what one car's daily aggregates say about ``column``; None, when it was never read.

    days  : DataFrame (n_days, n_regimes) of ``ingest.store.readings.daily_aggregates`` for one vehicle
    usual : what healthy cars show, if the model knows it
    """
    seen = days[days[f"{column}__n"] > 0]
    if seen.empty:
        return None
    # At rest nothing but the fault itself moves the signal; a coolant temperature exists only while driving.
    regime = next(name for name in ("rest", "drive", "charge") if (seen["regime"] == name).any())
    sums = seen[seen["regime"] == regime].groupby("day")[[f"{column}__sum", f"{column}__n"]].sum().sort_index()
    daily = (sums[f"{column}__sum"] / sums[f"{column}__n"]).astype(float)
    before = daily[daily.index < pd.Timestamp(as_of) - pd.Timedelta(days=_EARLIER_TO_DAYS)]
    return Observed(
        signal=column,
        regime=regime,
        value=float(daily.iloc[-_LEVEL_DAYS:].median()),
        slope_per_day=_slope_per_day(daily),
        usual=usual,
        earlier=None if before.empty else float(before.median()),
        cell=cell,
    )


def observe_vehicle(
    conn: psycopg.Connection[Any], vehicle_id: int, column: str, *, as_of: datetime, usual: float | None = None
) -> Observed | None:
    """Return what the store knew at ``as_of`` (UTC midnight) about one signal of one car."""
    days = readings.daily_aggregates(
        conn,
        [column],
        since=as_of - timedelta(days=_EARLIER_FROM_DAYS),
        until=as_of,
        received_before=as_of,
        vehicle_ids=[vehicle_id],
    )
    cell = None
    if number := _CELL_NUMBER_OF.get(column):
        recent = readings.day_signal(conn, vehicle_id, number, since=as_of - timedelta(days=_LEVEL_DAYS), until=as_of)
        resting = recent.loc[recent["at_rest"].fillna(False).astype(bool), "value"].dropna()
        cell = int(resting.mode().iloc[0]) if not resting.empty else None
    return observe(days, column, as_of=as_of, usual=usual, cell=cell)


def _slope_per_day(daily: "pd.Series[float]") -> float | None:
    recent = daily[daily.index > daily.index[-1] - pd.Timedelta(days=_TREND_DAYS)]
    if len(recent) < _LEAST_TREND_POINTS:
        return None
    day = (recent.index - recent.index[0]) / pd.Timedelta(days=1)
    x, y = np.asarray(day, dtype=float), recent.to_numpy(dtype=float)
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    residual = y - y.mean() - slope * x
    scatter = float(np.sqrt(residual @ residual / (len(y) - 2) / (x @ x)))
    # Two standard errors: a slope that may be chance is not something to tell an owner.
    return slope if abs(slope) > 2 * scatter and slope != 0 else None
