"""In how many days the lamp of one fault mode comes on, learnt from the cars whose lamp did."""

from collections.abc import Sequence

import numpy as np

from config.faults import FaultMode
from models.dataset import Dataset
from models.features import Feature
from models.labels import days_to_lamp
from models.remaining import COVERAGE, MEMBERS, Remaining, fit_remaining


def fit_lamp_time(
    mode: FaultMode,
    features: Sequence[Feature],
    dataset: Dataset,
    *,
    coverage: float = COVERAGE,
    members: int = MEMBERS,
    seed: int,
) -> Remaining:
    """Learn from the rows the mode's classifier learns from when a lamp will come on, given that it will.

    Only cars whose lamp came on within the horizon of some row say when. Farther off than the horizon counts as the
    horizon: that is as far as the readings show the fault.

    features : those of the classifier, in its order
    Raises   : TooFewUnits, when too few lamps came on to vouch for an interval; the classifier may still be good
    """
    failing = np.isin(dataset.vehicle_id, np.unique(dataset.vehicle_id[dataset.came_on]))
    left_d = days_to_lamp(dataset.episodes, dataset.vehicle_id, dataset.as_of)
    told = failing & ~np.isnan(left_d) & dataset.learnt
    return fit_remaining(
        dataset.features.loc[told, [feature.name for feature in features]].reset_index(drop=True),
        left_d[told],
        dataset.vehicle_id[told],
        cap_d=float(mode.horizon_d),
        coverage=coverage,
        members=members,
        seed=seed,
    )
