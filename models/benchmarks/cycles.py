"""What is learnt from C-MAPSS: a row of the product's features for every cycle of every unit, and the cycles left."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.benchmarks.cmapss import Floats, Ints, aggregates_of, cycle_before, day_after
from models.features import Feature, feature_rows_of_days

# No test unit is shorter than 19 cycles; before that most windows are empty.
LEAST_CYCLES = 15


@dataclass(frozen=True, slots=True)
class Rows:
    """features : DataFrame (n_rows, n_features); unit, cycle, left : (n_rows,), left by the unit's last cycle here."""

    features: pd.DataFrame
    unit: Ints
    cycle: Ints
    left: Floats


def rows_of(cycles: pd.DataFrame, features: tuple[Feature, ...]) -> Rows:
    """Return a row after each cycle from ``LEAST_CYCLES`` on, by unit and cycle.

    cycles : DataFrame as of ``models.benchmarks.regimes.scaled``
    """
    columns = list(dict.fromkeys(feature.column for feature in features))
    last = cycles.groupby("unit")["cycle"].max()
    days = [day_after(cycle) for cycle in range(LEAST_CYCLES, int(last.max()) + 1)]
    table = feature_rows_of_days(aggregates_of(cycles, columns), features, days=days)
    unit = table.index.get_level_values("vehicle_id").to_numpy(dtype=np.int64)
    cycle = cycle_before(table.index.get_level_values("as_of").to_numpy())
    left = last.reindex(unit).to_numpy() - cycle
    # A unit that is no longer flown still has a past.
    order = np.lexsort((cycle, unit))
    order = order[left[order] >= 0]
    return Rows(
        features=table.iloc[order].reset_index(drop=True),
        unit=unit[order],
        cycle=cycle[order],
        left=left[order].astype(np.float64),
    )


def last_rows(rows: Rows) -> Rows:
    """Return the row after the last cycle of each unit, by unit."""
    last = rows.left == 0
    return Rows(rows.features[last].reset_index(drop=True), rows.unit[last], rows.cycle[last], rows.left[last])
