"""Peers: what cars of the same model in the same climate show on the same day, and how far each car is from them.

Peers are taken from the fleet that is scored, on the day it is scored: what its weather, its habits or its sensors do
to all of its cars is in the median too and cancels out (docs/decisions/0011-peers-of-the-day.md).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.features import PEER_OF, Feature

# The car's own thermometer over the week, under way where it has driven: a parked one may stand in a garage.
CLIMATE = (Feature("air_temp_c", "drive", "level", 7), Feature("air_temp_c", "rest", "level", 7))
# Within six degrees batteries, tyres and converters differ less by the weather than by the car.
BAND_C = 6.0
# The median of fewer says more about those cars than about what is usual.
LEAST_PEERS = 12
# From the nearest peers to the farthest: the first group that is large enough is the one compared with.
_GROUPS: tuple[tuple[str, ...], ...] = (("as_of", "model", "band"), ("as_of", "model"), ("as_of", "powertrain"))
_NO_BAND = -1000


@dataclass(frozen=True, slots=True)
class Peers:
    """Medians of own features over groups of peers; only groups that are large enough have one.

    medians : for each of the groupings DataFrame (n_groups, n_features) indexed by what the group shares
    """

    medians: tuple[pd.DataFrame, ...]


def own_features(features: Iterable[Feature]) -> tuple[Feature, ...]:
    """Return what has to be worked out car by car, each once: features without peers, what is compared, the climate."""
    asked = list(features)
    own = [feature.own for feature in asked]
    if any(feature.kind in PEER_OF for feature in asked):
        own += CLIMATE
    # Which way one is bad is the model's business, not part of what a feature is.
    return tuple({feature.name: feature for feature in own}.values())


def peers_of(rows: pd.DataFrame, vehicles: pd.DataFrame, features: Sequence[Feature]) -> Peers:
    """Return what is usual among the cars of ``rows``, day by day.

    rows     : DataFrame (n_rows, >= n_own_features) indexed by as_of and vehicle_id, with the columns of
               ``own_features``
    vehicles : DataFrame: vehicle_id, powertrain, model
    features : those that compare with peers count, the others are passed over
    """
    columns = _compared(features)
    keys = _keys(rows, vehicles)
    medians = []
    for group in _GROUPS:
        grouped = rows[columns].groupby([keys[name].to_numpy() for name in group], sort=False)
        enough = grouped.count() >= LEAST_PEERS
        found = grouped.median().where(enough)
        found.index.names = list(group)
        medians.append(found)
    return Peers(tuple(medians))


def with_peers(
    rows: pd.DataFrame, vehicles: pd.DataFrame, features: Sequence[Feature], peers: Peers | None = None
) -> pd.DataFrame:
    """Return rows with every one of ``features``, those that compare with peers among them.

    rows    : as in ``peers_of``
    peers   : None takes the cars of ``rows`` themselves
    Returns : DataFrame (n_rows, n_features) with the index of ``rows``; NaN where there are too few peers, or the car
              itself has no value
    """
    compared = [feature for feature in features if feature.kind in PEER_OF]
    plain = [feature.name for feature in features if feature.kind not in PEER_OF]
    if not compared:
        return rows[plain]
    peers = peers or peers_of(rows, vehicles, features)
    columns = _compared(features)
    keys = _keys(rows, vehicles)
    usual = np.full((len(rows), len(columns)), np.nan, dtype=np.float32)
    for group, medians in zip(_GROUPS, peers.medians, strict=True):
        wanted = pd.MultiIndex.from_arrays([keys[name].to_numpy() for name in group], names=list(group))
        at = medians.index.get_indexer(wanted)
        found = medians[columns].to_numpy(dtype=np.float32)
        known = at >= 0
        of_group = np.full_like(usual, np.nan)
        of_group[known] = found[at[known]]
        usual = np.where(np.isnan(usual), of_group, usual)
    values = rows[columns].to_numpy(dtype=np.float32) - usual
    own = rows[plain].to_numpy()
    # Put together at once: a frame of one block, of which columns are taken fast.
    table = np.empty((len(rows), len(features)), dtype=np.result_type(own, values))
    compares = np.array([feature.kind in PEER_OF for feature in features])
    place = {name: at for at, name in enumerate(columns)}
    table[:, compares] = values[:, [place[feature.own.name] for feature in compared]]
    table[:, ~compares] = own
    return pd.DataFrame(table, index=rows.index, columns=[feature.name for feature in features])


def _compared(features: Iterable[Feature]) -> list[str]:
    return list(dict.fromkeys(feature.own.name for feature in features if feature.kind in PEER_OF))


def _keys(rows: pd.DataFrame, vehicles: pd.DataFrame) -> pd.DataFrame:
    """Return what each row shares with its peers: as_of, model, band and powertrain."""
    of_car = vehicles.set_index("vehicle_id").reindex(rows.index.get_level_values("vehicle_id"))
    under_way, parked = (rows[feature.name].to_numpy(dtype=np.float64) for feature in CLIMATE)
    air_c = np.where(np.isnan(under_way), parked, under_way)
    band = np.where(np.isnan(air_c), _NO_BAND, np.floor(air_c / BAND_C)).astype(np.int64)
    return pd.DataFrame(
        {
            "as_of": rows.index.get_level_values("as_of"),
            "model": of_car["model"].to_numpy(),
            "powertrain": of_car["powertrain"].to_numpy(),
            "band": band,
        }
    )
