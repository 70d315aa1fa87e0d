"""Calibration: scores of models that had not seen the car become probabilities that hold for the fleet.

The fleet learnt from may hold more faults than the one that is scored; weights say how many cars each car stands for.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Trees are never so sure that more digits would say anything, and the logarithm stays finite.
_SUREST = 1e-7
# Pulls towards "as it is" by what this many rows say: with few failures a slope of their luck would be worse than none.
_TRUST_IN_SCORES = 5.0


class Calibration(msgspec.Struct, frozen=True):
    """A straight line in log odds above a floor: ``slope`` is above 0, so that the order stays.

    floor : share of lamps that come on whatever the score says: nothing is behind them, or nothing that is seen
    """

    slope: float = 1.0
    shift: float = 0.0
    floor: float = 0.0

    def __call__(self, score: Floats) -> Floats:
        """Return probabilities of scores, both (n_rows,) in 0..1."""
        result: Floats = self.floor + (1 - self.floor) * expit(self.slope * _log_odds(score) + self.shift)
        return result


def fit_calibration(score: Floats, came_on: Flags, weight: Floats) -> Calibration:
    """Return the curve with the lowest weighted log loss.

    Without the floor a few lamps for nothing among cars that look healthy would flatten the line, and with it what is
    said of cars that do not.

    score, came_on, weight : (n_rows,); scores by models that had not seen the row's car
    Source : J. Platt, "Probabilistic outputs for support vector machines", 1999, with a floor; the slope is kept near 1
    """
    odds = _log_odds(score)
    share = weight / weight.sum()
    prior = _TRUST_IN_SCORES / len(score)

    def loss(curve: Floats) -> tuple[float, Floats]:
        slope, shift, floor = np.exp(curve[0]), curve[1], expit(curve[2])
        rises = expit(slope * odds + shift)
        chance = np.clip(floor + (1 - floor) * rises, 1e-12, 1 - 1e-12)
        value = -float(share @ np.where(came_on, np.log(chance), np.log1p(-chance))) + prior * curve[0] ** 2
        by_chance = share * (chance - came_on) / (chance * (1 - chance))
        by_logit = by_chance * (1 - floor) * rises * (1 - rises)
        by_floor = float((by_chance * (1 - rises)).sum()) * floor * (1 - floor)
        return value, np.array([slope * float(by_logit @ odds) + 2 * prior * curve[0], by_logit.sum(), by_floor])

    began = np.array([0.0, 0.0, float(logit(np.clip(share @ came_on / 2, 1e-6, 0.1)))])
    found = minimize(loss, began, jac=True, method="L-BFGS-B", bounds=[(-2.0, 2.0), (-30.0, 30.0), (-14.0, -2.0)])
    return Calibration(float(np.exp(found.x[0])), float(found.x[1]), float(expit(found.x[2])))


def _log_odds(score: Floats) -> Floats:
    result: Floats = logit(np.clip(score, _SUREST, 1 - _SUREST))
    return result
