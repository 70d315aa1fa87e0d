"""How good a model is on cars it has not seen."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def metrics_of(
    came_on: Flags, probability: Floats, vehicle_id: NDArray[np.int64], *, threshold: float
) -> dict[str, float]:
    """Return what out-of-fold probabilities are worth.

    Returns : share_positive (the average precision of guessing), average_precision, roc_auc, brier; precision and
              recall of rows at the threshold; vehicles_failing, vehicles_caught (of those, flagged on a day that came
              before the lamp), vehicles_healthy and vehicles_flagged_needlessly (of those, on any day)
    """
    flagged = probability >= threshold
    failing, healthy = _cars(vehicle_id, came_on)
    flagged_truly = np.unique(vehicle_id[flagged & came_on])
    flagged_ever = np.unique(vehicle_id[flagged])
    return {
        "share_positive": float(came_on.mean()),
        "average_precision": float(average_precision_score(came_on, probability)),
        "roc_auc": float(roc_auc_score(came_on, probability)),
        "brier": float(brier_score_loss(came_on, probability)),
        "precision": float((flagged & came_on).sum() / max(int(flagged.sum()), 1)),
        "recall": float((flagged & came_on).sum() / came_on.sum()),
        "vehicles_failing": float(len(failing)),
        "vehicles_caught": float(len(flagged_truly)),
        "vehicles_healthy": float(len(healthy)),
        "vehicles_flagged_needlessly": float(np.isin(healthy, flagged_ever).sum()),
    }


def _cars(vehicle_id: NDArray[np.int64], came_on: Flags) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    failing = np.unique(vehicle_id[came_on])
    return failing, np.setdiff1d(vehicle_id, failing)
