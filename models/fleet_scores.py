"""How likely each fault is, car by car and day by day, over a whole fleet: in two steps, since peers need all cars.

First the rows of some cars at a time (``base_rows``, which any process can work out), then over all of them what is
usual, and what every mode's model makes of it (``probabilities``).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from config.faults import FaultMode, fault_modes
from models.dataset import Stored
from models.features import Feature, feature_rows_of_days
from models.labels import QUIET_D, lamps_of
from models.peers import Peers, own_features, with_peers

__all__ = ["ModeModel", "base_rows", "probabilities", "scored_rows", "with_peers"]

# Rows that a model is asked about at once: a table of them is some 100 MB.
ROWS_AT_ONCE = 200_000


class ModeModel(Protocol):
    """What is asked of one fault mode's model."""

    @property
    def features(self) -> tuple[Feature, ...]: ...

    def probability(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        """Return the probability that the lamp comes on within the horizon: (n_rows,). rows : as of ``with_peers``"""
        ...


def base_rows(stored: Stored, features: Sequence[Feature], *, days: Sequence[datetime]) -> pd.DataFrame:
    """Return what is worked out car by car for every day of scoring.

    features : of all modes together; those that compare with peers bring what is compared
    days     : midnights; what had been received before each counts
    Returns  : DataFrame (n_days * n_vehicles at most, n_own_features) float32 indexed by as_of and vehicle_id
    """
    return feature_rows_of_days(stored.aggregates, own_features(features), days=days).astype(np.float32)


def scored_rows(mode: FaultMode, rows: pd.DataFrame, features: Sequence[Feature], stored: Stored) -> NDArray[np.bool_]:
    """Say which rows a mode is scored for: cars that can have it, of which something was seen, whose lamp is off.

    rows : DataFrame indexed by as_of and vehicle_id with the columns of ``features``
    Returns : (n_rows,)
    """
    vehicle_id = rows.index.get_level_values("vehicle_id")
    able = stored.vehicles.loc[stored.vehicles["powertrain"].isin(mode.on), "vehicle_id"]
    own = [feature.name for feature in features if feature.name in rows.columns]
    # Without a single feature there is nothing to judge by, and a model would still answer.
    seen = rows[own].notna().any(axis=1).to_numpy()
    counts: NDArray[np.bool_] = np.asarray(vehicle_id.isin(able)) & seen
    return counts & ~_lit(lamps_of(mode, stored.lamps), rows.index)


def _lit(episodes: pd.DataFrame, rows: pd.Index) -> NDArray[np.bool_]:
    """Say of which rows the lamp is on or was in the weeks before, as ``quiet_vehicles`` says of one day."""
    lit = np.zeros(len(rows), dtype=bool)
    vehicle_id = rows.get_level_values("vehicle_id").to_numpy()
    as_of = rows.get_level_values("as_of").to_numpy().astype("datetime64[ns]")
    order = np.argsort(vehicle_id, kind="stable")
    owner = vehicle_id[order]
    until = episodes["off_at"] + timedelta(days=QUIET_D)
    for vehicle, on_at, over_at in zip(episodes["vehicle_id"], _naive(episodes["on_at"]), _naive(until), strict=True):
        own = order[np.searchsorted(owner, vehicle) : np.searchsorted(owner, vehicle, side="right")]
        over = np.zeros(len(own), dtype=bool) if np.isnat(over_at) else over_at < as_of[own]
        lit[own] |= (on_at < as_of[own]) & ~over
    return lit


def _naive(instants: "pd.Series[pd.Timestamp]") -> NDArray[np.datetime64]:
    naive: NDArray[np.datetime64] = instants.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[ns]")
    return naive


def probabilities(
    models: Mapping[str, ModeModel],
    rows: pd.DataFrame,
    stored: Stored,
    *,
    peers: Peers | None = None,
) -> pd.DataFrame:
    """Return how likely every fault is on every row.

    models  : by fault mode
    rows    : of the whole fleet, as ``base_rows`` returns them with the features of all of ``models``
    stored  : its lamps and vehicles count; aggregates may be empty
    peers   : None takes the cars of ``rows`` themselves
    Returns : DataFrame (n_rows, n_modes) float32 with the index of ``rows``; NaN where a mode is not scored
    """
    found: dict[str, Any] = {}
    for key, model in models.items():
        table = with_peers(rows, stored.vehicles, model.features, peers)
        counts = np.flatnonzero(scored_rows(fault_modes()[key], table, model.features, stored))
        likely = np.full(len(rows), np.nan, dtype=np.float32)
        for start in range(0, len(counts), ROWS_AT_ONCE):
            part = counts[start : start + ROWS_AT_ONCE]
            likely[part] = model.probability(table.iloc[part])
        found[key] = likely
    return pd.DataFrame(found, index=rows.index)
