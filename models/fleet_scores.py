"""How likely each fault is, car by car and day by day, over a whole fleet: in two steps, since peers need all cars.

First the rows of some cars at a time (``base_rows``, which any process can work out), then over all of them what is
usual, and what every mode's model makes of it (``probabilities``).
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from config.faults import FaultMode, fault_modes
from models.calibration import Calibration
from models.dataset import base_rows
from models.features import Feature
from models.labels import QUIET_D, lamps_of
from models.peers import Peers, with_peers

__all__ = ["ModeModel", "base_rows", "probabilities", "scored_rows", "with_peers"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Rows that a model is asked about at once: a table of them is some 100 MB.
ROWS_AT_ONCE = 200_000
# With fewer a second thread is not worth it.
THREADED_ROWS = 50_000


class Judge(Protocol):
    """What is asked of whatever says how likely one fault mode's lamp is."""

    @property
    def features(self) -> tuple[Feature, ...]: ...

    def probability(self, rows: pd.DataFrame) -> Floats: ...


class ModeModel(msgspec.Struct, frozen=True):
    """One fault mode's model, ready to say how likely its lamp is within the horizon."""

    estimator: HistGradientBoostingClassifier
    features: tuple[Feature, ...]
    calibration: Calibration
    threshold: float

    def probability(self, rows: pd.DataFrame) -> Floats:
        """Return (n_rows,) probabilities. rows : DataFrame (n_rows, >= n_features) as of ``with_peers``"""
        table = rows[[feature.name for feature in self.features]]
        # Threads wait for each other longer than they work on a few thousand rows.
        with threadpool_limits(limits=1 if len(rows) < THREADED_ROWS else None):
            said = self.estimator.predict_proba(table)[:, 1]
        return self.calibration(np.asarray(said, dtype=np.float64))


def scored_rows(mode: FaultMode, rows: pd.DataFrame, lamps: pd.DataFrame, vehicles: pd.DataFrame) -> Flags:
    """Say which rows a mode is scored for: cars that can have it, of which something was seen, whose lamp is off.

    rows     : DataFrame (n_rows, n_features) indexed by as_of and vehicle_id, the mode's features and no others
    lamps    : as of ``ingest.store.events.lamps``
    vehicles : DataFrame: vehicle_id, powertrain
    Returns  : (n_rows,)
    """
    vehicle_id = rows.index.get_level_values("vehicle_id")
    able = vehicles.loc[vehicles["powertrain"].isin(mode.on), "vehicle_id"]
    # Without a single feature there is nothing to judge by, and a model would still answer.
    seen: Flags = ~np.isnan(rows.to_numpy()).all(axis=1)
    return np.asarray(vehicle_id.isin(able)) & seen & ~_lit(lamps_of(mode, lamps), rows.index)


def _lit(episodes: pd.DataFrame, rows: pd.Index) -> NDArray[np.bool_]:
    """Say of which rows the lamp is on or was in the weeks before, by what was known then of one that told it later.

    With lamps that were all known it is what ``quiet_vehicles`` says of one day.
    """
    lit = np.zeros(len(rows), dtype=bool)
    vehicle_id = rows.get_level_values("vehicle_id").to_numpy()
    as_of = rows.get_level_values("as_of").to_numpy().astype("datetime64[ns]")
    order = np.argsort(vehicle_id, kind="stable")
    owner = vehicle_id[order]
    over = np.maximum(_naive(episodes["off_at"] + timedelta(days=QUIET_D)), _naive(episodes["off_known_at"]))
    for vehicle, on_at, over_at in zip(episodes["vehicle_id"], _naive(episodes["on_known_at"]), over, strict=True):
        own = order[np.searchsorted(owner, vehicle) : np.searchsorted(owner, vehicle, side="right")]
        out = np.zeros(len(own), dtype=bool) if np.isnat(over_at) else over_at < as_of[own]
        lit[own] |= (on_at < as_of[own]) & ~out
    return lit


def _naive(instants: "pd.Series[pd.Timestamp]") -> NDArray[np.datetime64]:
    naive: NDArray[np.datetime64] = instants.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[ns]")
    return naive


def probabilities(
    models: Mapping[str, Judge],
    rows: pd.DataFrame,
    *,
    lamps: pd.DataFrame,
    vehicles: pd.DataFrame,
    peers: Peers | None = None,
) -> pd.DataFrame:
    """Return how likely every fault is on every row.

    models   : by fault mode
    rows     : of the whole fleet, as ``base_rows`` returns them with the features of all of ``models``
    lamps    : of the fleet, as of ``ingest.store.events.lamps``
    vehicles : DataFrame: vehicle_id, powertrain, model
    peers    : None takes the cars of ``rows`` themselves
    Returns  : DataFrame (n_rows, n_modes) float32 with the index of ``rows``; NaN where a mode is not scored
    """
    found: dict[str, NDArray[np.float32]] = {}
    for key, model in models.items():
        table = with_peers(rows, vehicles, model.features, peers)
        counts = np.flatnonzero(scored_rows(fault_modes()[key], table, lamps, vehicles))
        likely = np.full(len(rows), np.nan, dtype=np.float32)
        for start in range(0, len(counts), ROWS_AT_ONCE):
            part = counts[start : start + ROWS_AT_ONCE]
            likely[part] = model.probability(table.iloc[part])
        found[key] = likely
    return pd.DataFrame(found, index=rows.index)
