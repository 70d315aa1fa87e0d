"""From which probability on a car is named: chosen on the decision that is used later, by cars and not by rows."""

from collections.abc import Callable, Collection

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from config.decision import DecisionPolicy
from models.decision import Hysteresis, flags_of, log_odds, peaks_of

Floats = NDArray[np.float64]

# A warning is right when the lamp comes on after it, within this many times the horizon: earlier is luck.
RIGHT_WITHIN = 3.0
# A lamp of a car's first days could be foretold by nobody: too little had been received.
LEAST_SCORED_D = 3.0
# So many thresholds are tried between the least and the surest, evenly in log odds; the cost of each is averaged with
# its neighbours', for what one car more or less does to it is luck.
TRIED, NEIGHBOURS = 80, 4
# Of some thousand healthy cars none may look ill by chance, and of the many that will be scored some do: beyond the
# oddest, this share and at least so many cars, the number falls on as it falls among them.
TAIL_SHARE, TAIL_CARS = 0.02, 30
_DAYS_A_MONTH = 30.44


class Outcome(msgspec.Struct, frozen=True):
    """What a threshold comes to, in cars of the fleet that is scored.

    caught, missed : lamps that a warning came before, and those none came before
    worth          : what the warnings of the caught are worth, each at most one: the earlier the more
    false          : warnings that no lamp followed
    car_months     : for so long cars were scored
    """

    threshold: float
    caught: float
    missed: float
    worth: float
    false: float
    car_months: float

    @property
    def f1(self) -> float:
        return 2 * self.caught / max(2 * self.caught + self.missed + self.false, 1e-12)

    @property
    def false_per_1000_car_months(self) -> float:
        return 1000 * self.false / max(self.car_months, 1e-12)

    def cost(self, missed_cost: float) -> float:
        """Return needless calls, with a missed lamp counting as ``missed_cost`` of them, a late warning as a part."""
        return missed_cost * (self.missed + self.caught - self.worth) + self.false


class Scored(msgspec.Struct, frozen=True):
    """One mode's probabilities as a grid, with what came of the cars.

    probability : (n_scorings, n_vehicles), NaN where not scored
    at_d        : (n_scorings,) days since the first scoring
    lamp_d      : (n_vehicles,) days from the first scoring until the lamp came on; inf when it did not
    weight      : (n_vehicles,) how many cars of the fleet each stands for
    spared      : (n_vehicles,) the fault was there though no lamp came on: a warning is neither right nor false
    """

    probability: Floats
    at_d: Floats
    lamp_d: Floats
    weight: Floats
    spared: NDArray[np.bool_]


def scored_grid(
    probability: "pd.Series[float]",
    episodes: pd.DataFrame,
    *,
    weight: "pd.Series[float] | None" = None,
    spared: Collection[int] = (),
) -> Scored:
    """Return probabilities and what became of the cars as a grid.

    probability : Series (n_rows,) indexed by as_of and vehicle_id, by models that had not seen the car
    episodes    : as of ``models.labels.lamps_of``, of all that is known by now
    weight      : by vehicle_id; None is one each
    """
    days, step = np.unique(probability.index.get_level_values("as_of").to_numpy(), return_inverse=True)
    cars, car = np.unique(probability.index.get_level_values("vehicle_id").to_numpy(), return_inverse=True)
    grid = np.full((len(days), len(cars)), np.nan)
    grid[step, car] = probability.to_numpy(dtype=np.float64)
    at_d = (days - days[0]) / np.timedelta64(1, "D")
    own = episodes[episodes["vehicle_id"].isin(cars)]
    on_at = own["on_at"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(dtype="datetime64[ns]")
    lamp_d = np.full(len(cars), np.inf)
    place = np.searchsorted(cars, own["vehicle_id"].to_numpy(dtype=np.int64))
    after_d = (on_at - days[0].astype("datetime64[ns]")) / np.timedelta64(1, "D")
    # Of several lamps of a car the first that a scoring came before: what was lit before all of them is no example.
    first_d = at_d[np.argmax(~np.isnan(grid), axis=0)]
    late = after_d >= first_d[place]
    np.minimum.at(lamp_d, place[late], after_d[late])
    weights: Floats = np.ones(len(cars))
    if weight is not None:
        weights = np.asarray(weight.reindex(cars).fillna(1.0), dtype=np.float64)
    return Scored(grid, at_d.astype(np.float64), lamp_d, weights, np.isin(cars, list(spared)))


def outcome_of(
    scored: Scored, threshold: float, *, horizon_d: float, rule: Hysteresis, policy: DecisionPolicy
) -> Outcome:
    """Return what naming cars from ``threshold`` on comes to."""
    up = flags_of(scored.probability, threshold, rule)
    opened = up.copy()
    opened[1:] &= ~up[:-1]
    lead_d = scored.lamp_d[None, :] - scored.at_d[:, None]
    right = opened & (lead_d > 0) & (lead_d <= RIGHT_WITHIN * horizon_d)
    caught = right.any(axis=0)
    first_d = np.where(np.isnan(scored.probability), np.inf, scored.at_d[:, None]).min(axis=0)
    last_d = np.where(np.isnan(scored.probability), -np.inf, scored.at_d[:, None]).max(axis=0)
    # Of a lamp long after the last scoring nobody can say whether a warning would have come before it.
    known = (scored.lamp_d <= last_d + 1) & (scored.lamp_d >= first_d + LEAST_SCORED_D)
    false = opened & ~right & (lead_d > 0) & ~scored.spared[None, :]
    months = (~np.isnan(scored.probability)).sum(axis=0) * _step_d(scored.at_d) / _DAYS_A_MONTH
    earliest_d = np.where(right, lead_d, 0.0).max(axis=0)
    part = np.minimum(earliest_d / policy.full_lead_d, 1.0)
    worth = np.where(caught, policy.late_value + (1 - policy.late_value) * part, 0.0)
    return Outcome(
        threshold=threshold,
        caught=float(scored.weight[caught & known].sum()),
        missed=float(scored.weight[known & ~caught].sum()),
        worth=float((scored.weight * worth)[known].sum()),
        false=float((false * scored.weight).sum()),
        car_months=float((months * scored.weight).sum()),
    )


def choose_threshold(
    scored: Scored,
    *,
    horizon_d: float,
    rule: Hysteresis,
    policy: DecisionPolicy,
    missed_cost: float,
    most_false: float,
) -> Outcome:
    """Return the outcome of the threshold that costs least among those that call few enough in vain.

    Its ``false`` is what is to be expected of other cars, where that is more than was seen of these.
    missed_cost : needless calls that one missed lamp is worth
    most_false  : needless invitations in 1,000 months of cars; where every threshold has more nobody is called
    """
    expected_false = _expected_false(scored, rule)
    least = policy.least_probability
    surest = np.nanmax(scored.probability, initial=least)
    ends = logit(np.clip([least, max(surest, least)], 1e-6, 1 - 1e-6))
    tried = []
    # The last is a little above the surest: nobody is called.
    for threshold in expit(np.linspace(ends[0], ends[1] + 0.05, TRIED)):
        seen = outcome_of(scored, float(threshold), horizon_d=horizon_d, rule=rule, policy=policy)
        false = max(seen.false, expected_false(float(threshold)))
        tried.append(msgspec.structs.replace(seen, false=false))
    allowed = np.array([one.false_per_1000_car_months <= most_false for one in tried])
    costs = np.array([one.cost(missed_cost) for one in tried])
    width = 2 * NEIGHBOURS + 1
    smooth = np.convolve(np.pad(costs, NEIGHBOURS, mode="edge"), np.full(width, 1 / width), mode="valid")
    allowed[-1] = True
    return tried[int(np.argmin(np.where(allowed, smooth, np.inf)))]


def _expected_false(scored: Scored, rule: Hysteresis) -> Callable[[float], float]:
    """Return how many healthy cars are to be expected at or above a threshold, from the oddest ones that were seen.

    Source : peaks over a threshold, with an exponential tail in log odds (Coles, "An Introduction to Statistical
             Modeling of Extreme Values", 2001, chapter 4)
    """
    peaks = peaks_of(scored.probability, rule)
    healthy = np.isinf(scored.lamp_d) & ~scored.spared & np.isfinite(peaks)
    order = np.argsort(-peaks[healthy], kind="stable")
    peaks, weight = peaks[healthy][order], scored.weight[healthy][order]
    if len(peaks) <= TAIL_CARS:
        return lambda threshold: 0.0
    cars = np.cumsum(weight)
    many = min(max(int(np.searchsorted(cars, TAIL_SHARE * cars[-1])), TAIL_CARS), len(peaks) - 1)
    begins, total = float(peaks[many]), float(cars[many - 1])
    mean = float(np.average(peaks[:many] - begins, weights=weight[:many]))

    def expected(threshold: float) -> float:
        beyond = float(log_odds(threshold)) - begins
        return total * float(np.exp(-beyond / mean)) if beyond > 0 and mean > 0 else 0.0

    return expected


def _step_d(at_d: Floats) -> float:
    return float(np.median(np.diff(at_d))) if len(at_d) > 1 else 1.0
