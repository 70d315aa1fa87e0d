"""How good a model is on cars it has not seen, and from which probability on somebody should call."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Trust is not in the costs: an owner who is called for less than one chance in seven learns not to listen.
LEAST_PROBABILITY = 0.15
# How many needless calls one missed lamp is worth, by severity (1 personal safety, 2 equipment, 3 notice). Judgement,
# not measurement: a call costs minutes; a car that stops on the road costs a tow, a battery fire more than money.
MISSED_COST: Mapping[int, float] = {1: 20.0, 2: 8.0, 3: 3.0}


def choose_threshold(came_on: Flags, probability: Floats, *, missed_cost: float) -> float:
    """Return the probability from which flagging costs least: ``missed_cost`` a lamp missed, 1 a needless flag.

    came_on, probability : (n_rows,) of rows whose car the model had not seen
    Returns              : halfway to the next lower score, so that a score a hair below the last one still counts; at
                           least ``1 / (1 + missed_cost)``, below which no call is worth its cost whatever few rows say,
                           and ``LEAST_PROBABILITY``
    Raises               : ValueError, when ``came_on`` holds one class only
    """
    if came_on.all() or not came_on.any():
        raise ValueError("expected rows of both classes, got one")
    scores = np.unique(-probability)
    order = np.argsort(-probability, kind="stable")
    hits = np.cumsum(came_on[order])
    last_of_score = np.searchsorted(-probability[order], scores, side="right") - 1
    caught, flagged = hits[last_of_score], last_of_score + 1
    cost = missed_cost * (hits[-1] - caught) + (flagged - caught)
    best = int(np.argmin(cost))
    above = -scores[best]
    below = -scores[best + 1] if best + 1 < len(scores) else above
    return float(max((above + below) / 2, 1 / (1 + missed_cost), LEAST_PROBABILITY))


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
