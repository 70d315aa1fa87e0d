"""Daily sums of a fleet as they were known on a day, whether they come as a frame or as a copy of the rollups."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ingest.store.day_sums import DaySums
from ingest.store.readings import REGIMES
from models.days import Days, day_numbers
from models.quantities import Sums

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# Rows that are sums of one car, day, day of receipt and regime: a frame is as of
# ``ingest.store.readings.daily_aggregates``.
Aggregates = pd.DataFrame | DaySums


@dataclass(frozen=True, slots=True)
class Known:
    """Rows that had been received by some day, ordered by vehicle, day and day of receipt.

    vehicle_id, day, received_on : (n_rows,)
    regime : (n_rows,) positions in REGIMES
    """

    vehicle_id: Ints
    day: Days
    received_on: Days
    regime: NDArray[np.int8]
    _aggregates: Aggregates
    _rows: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.vehicle_id)

    def part(self, rows: slice) -> "Known":
        """Return some rows that follow each other."""
        keys = self.vehicle_id[rows], self.day[rows], self.received_on[rows], self.regime[rows]
        return Known(*keys, self._aggregates, self._rows[rows])

    def in_regime(self, regime: str) -> NDArray[np.intp]:
        """Return the positions of the rows of a regime."""
        return np.flatnonzero(self.regime == REGIMES.index(regime))

    def sums(self, rows: NDArray[np.intp]) -> Sums:
        """Return the sums of rows at some positions; KeyError, when asked for a column that the aggregates lack."""
        source = self._rows[rows]
        return Sums(lambda column, statistic: self._take(column, statistic, source))

    def _take(self, column: str, statistic: str, source: NDArray[np.intp]) -> Floats:
        if isinstance(self._aggregates, DaySums):
            return self._aggregates.of(column, statistic, source)
        values = self._aggregates[f"{column}__{statistic}"]
        if values.dtype == np.float64:
            return values.to_numpy()[source]
        return values.to_numpy(dtype=np.float64, na_value=np.nan)[source]


def received_before(aggregates: Aggregates, *, first: np.datetime64, as_of: np.datetime64) -> Known:
    """Return the rows of days from ``first`` on that were received before ``as_of``.

    Always in the same order, so that sums are the same to the last bit whatever else the aggregates hold.
    """
    if isinstance(aggregates, DaySums):
        vehicle_id, day, received_on = aggregates.vehicle_id, aggregates.day, aggregates.received_on
        regime = aggregates.regime
    else:
        vehicle_id = aggregates["vehicle_id"].to_numpy(dtype=np.int64)
        day, received_on = day_numbers(aggregates["day"]), day_numbers(aggregates["received_on"])
        regime = pd.Categorical(aggregates["regime"], categories=list(REGIMES)).codes.astype(np.int8)
    rows = np.flatnonzero((received_on < as_of) & (day >= first) & (day < as_of))
    if not isinstance(aggregates, DaySums):
        # Those of a copy are in order.
        rows = rows[np.lexsort((received_on[rows], day[rows], vehicle_id[rows]))]
    return Known(vehicle_id[rows], day[rows], received_on[rows], regime[rows], aggregates, rows)
