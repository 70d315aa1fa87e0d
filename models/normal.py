"""What is normal: where most cars like it stand on the same day, and since when one car stands outside of that."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import psycopg
from numpy.typing import NDArray

from ingest.store import readings
from models.days import days_before
from models.features import Feature, columns_of, feature_rows_of_days, from_table, reach_of
from models.peers import LEAST_PEERS
from models.tables import NewPrediction, Reason

# Nine cars in ten stand between these, one in twenty beyond either.
LOW, HIGH = 0.05, 0.95
# Of fewer cars nobody can say where most stand.
LEAST_CARS = LEAST_PEERS
# What began longer ago is said to have begun then.
HISTORY_D = 60

Range = tuple[float, float]


class Alike:
    """Cars of one day, of which a car is compared with those like it.

    table    : DataFrame (n_cars, n_features) indexed by vehicle_id; of one day, so that the season is the same for all
    vehicles : DataFrame: vehicle_id, powertrain, model; any others too
    """

    def __init__(self, table: pd.DataFrame, vehicles: pd.DataFrame) -> None:
        self._table = table
        self._of = vehicles.set_index("vehicle_id")[["model", "powertrain"]]
        self._shared = {str(name): column.to_numpy() for name, column in self._of.reindex(table.index).items()}
        self._ranges: dict[tuple[str, str, str], Range | None] = {}

    def normal_range(self, vehicle_id: int, feature: str) -> Range | None:
        """Return where most cars of the same model stand, or of the same drive where those are few.

        Returns : None where even those are fewer than LEAST_CARS
        """
        for name in self._shared:
            found = self._range_of(name, str(self._of.at[vehicle_id, name]), feature)
            if found is not None:
                return found
        return None

    def _range_of(self, name: str, value: str, feature: str) -> Range | None:
        key = name, value, feature
        if key not in self._ranges:
            values = self._table[feature].to_numpy(dtype=np.float64)
            seen = values[(self._shared[name] == value) & ~np.isnan(values)]
            low, high = np.quantile(seen, [LOW, HIGH]) if len(seen) else (np.nan, np.nan)
            self._ranges[key] = (float(low), float(high)) if len(seen) >= LEAST_CARS else None
        return self._ranges[key]


def outside_since(days: NDArray[np.datetime64], values: NDArray[np.float64], normal: Range) -> date | None:
    """Return the first of the days on which a car has stood outside on the side where it stands now.

    days, values : (n_days,) ascending; NaN was not seen, which ends nothing
    Returns      : None when it stands inside now, or nobody has seen it
    """
    seen = np.flatnonzero(~np.isnan(values))
    if not len(seen):
        return None
    low, high = normal
    newest = values[seen[-1]]
    beyond = values[seen] < low if newest < low else values[seen] > high
    if not beyond[-1]:
        return None
    inside = np.flatnonzero(~beyond)
    first = seen[inside[-1] + 1 if len(inside) else 0]
    began: date = days[first].astype("datetime64[D]").item()
    return began


def with_normal(
    conn: psycopg.Connection[Any],
    predictions: Sequence[NewPrediction],
    tables: Mapping[str, pd.DataFrame],
    vehicles: pd.DataFrame,
    *,
    as_of: datetime,
) -> list[NewPrediction]:
    """Return the predictions with what is normal beside every reason, and since when the car is not.

    tables   : by fault mode, as of ``models.scoring.rows_to_score``; cars that are flagged themselves are no example
    vehicles : all cars
    """
    flagged: dict[str, list[int]] = {}
    for one in predictions:
        if one.probability >= one.threshold:
            flagged.setdefault(one.fault_mode, []).append(one.vehicle_id)
    modes = dict.fromkeys(one.fault_mode for one in predictions if one.reasons)
    alike = {mode: Alike(tables[mode].drop(index=flagged.get(mode, [])), vehicles) for mode in modes}
    behind = [_feature(reason).own for one in predictions for reason in one.reasons]
    asked = {feature.name: feature for feature in behind}
    cars = sorted({one.vehicle_id for one in predictions if one.reasons})
    past = _past(conn, cars, list(asked.values()), as_of=as_of) if cars else {}
    told = []
    for one in predictions:
        own = past.get(one.vehicle_id)
        reasons = [
            _beside(reason, alike[one.fault_mode].normal_range(one.vehicle_id, reason["feature"]), own)
            for reason in one.reasons
        ]
        told.append(msgspec.structs.replace(one, reasons=reasons) if reasons else one)
    return told


def _past(
    conn: psycopg.Connection[Any], cars: Sequence[int], features: Sequence[Feature], *, as_of: datetime
) -> dict[int, pd.DataFrame]:
    """Return the features of each of some cars on the last days, as they were known then: by as_of."""
    aggregates = readings.daily_aggregates(
        conn,
        columns_of(features),
        since=days_before(as_of, reach_of(features) + HISTORY_D),
        until=as_of,
        received_before=as_of,
        vehicle_ids=cars,
    )
    days = [as_of - timedelta(days=back) for back in range(HISTORY_D - 1, -1, -1)]
    rows = feature_rows_of_days(aggregates, features, days=days)
    owner = rows.index.get_level_values("vehicle_id")
    return {car: rows[owner == car].droplevel("vehicle_id") for car in owner.unique().tolist()}


def _beside(reason: Reason, normal: Range | None, past: pd.DataFrame | None) -> Reason:
    value = reason["value"]
    if normal is None or value is None:
        return reason
    low, high = normal
    known: Reason = {**reason, "usual_low": round(low, 6), "usual_high": round(high, 6)}
    if past is None:
        return known
    values = past[_feature(reason).own.name].to_numpy(dtype=np.float64)
    # Against its peers a car has no past here: what they stood at is taken to have been what it is today.
    shift = 0.0 if np.isnan(values[-1]) else value - values[-1]
    began = outside_since(past.index.to_numpy(), values + shift, normal)
    return known if began is None else {**known, "since": began.isoformat()}


def _feature(reason: Reason) -> Feature:
    fields = {"column": reason["signal"], **{name: reason[name] for name in ("regime", "kind", "window_d")}}
    [feature] = from_table([fields])
    return feature
