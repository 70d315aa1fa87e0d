"""From probabilities to warnings: when a car is named, for which fault, and when that is over.

A probability moves about its threshold: a warning opens only when the last scorings together are at or above it and
ends only well below. While one is open the car is named once, for one fault.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from config.decision import CERTAIN, LOOK_BACK, decision_policy, weights_of

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hysteresis:
    """When a flag opens and when it closes.

    half_life     : it opens when a scoring is at or above the threshold and so is the mean, in log odds, of the last
                    ones, of which each weighs half of the one so many scorings later
    closes_below  : share of the threshold …
    closes_after  : … below which a probability must stay for so many scorings in a row
    """

    half_life: float
    closes_below: float
    closes_after: int


def usual_rule() -> Hysteresis:
    """Return the rule of config/decision.toml."""
    policy = decision_policy()
    return Hysteresis(policy.half_life, policy.closes_below, policy.closes_after)


def flags_of(probability: Floats, threshold: float, rule: Hysteresis) -> Flags:
    """Return when the flag of a mode is up.

    probability : (n_scorings, n_vehicles) in the order of time; NaN where it was not scored, which says nothing. A car
                  whose lamp came on is not scored: its flag closes like that of one whose probability fell
    Returns     : (n_scorings, n_vehicles)
    """
    high = probability >= threshold
    # A scoring that was not made is no evidence against it: the last ones that were made count.
    low = ~(probability >= threshold * rule.closes_below)
    scored = ~np.isnan(probability)
    beyond = log_odds(probability) - log_odds(threshold)
    weights = np.array(weights_of(rule.half_life))[:, None]
    vehicles = probability.shape[1]
    calm = np.zeros(vehicles, dtype=np.int64)
    up: Flags = np.zeros(vehicles, dtype=bool)
    flags = np.zeros(probability.shape, dtype=bool)
    for step, recent in enumerate(_last_scorings(beyond)):
        now = scored[step]
        calm = np.where(low[step], calm + 1, 0)
        # Its sign is that of the mean.
        evidence = np.nansum(recent * weights, axis=0)
        up = (up & (calm < rule.closes_after)) | (now & high[step] & (evidence >= 0.0))
        flags[step] = up
    return flags


def peaks_of(probability: Floats, rule: Hysteresis) -> Floats:
    """Return the highest threshold, in log odds, at which a car's flag would ever open: (n_vehicles,), -inf for never.

    probability : as in ``flags_of``
    """
    odds = log_odds(probability)
    weights = np.array(weights_of(rule.half_life))[:, None]
    peaks = np.full(probability.shape[1], -np.inf)
    for step, recent in enumerate(_last_scorings(odds)):
        now = ~np.isnan(odds[step])
        known = np.where(np.isnan(recent), 0.0, weights).sum(axis=0)
        mean = np.nansum(recent * weights, axis=0) / np.maximum(known, 1e-12)
        peaks[now] = np.maximum(peaks[now], np.minimum(odds[step], mean)[now])
    return peaks


def _last_scorings(values: Floats) -> Iterator[Floats]:
    """Yield for each scoring what the last ones that were made said, newest first: (LOOK_BACK, n_vehicles)."""
    recent = np.full((LOOK_BACK, values.shape[1]), np.nan)
    for said in values:
        now = ~np.isnan(said)
        recent[:, now] = np.concatenate([said[now][None], recent[:-1, now]])
        yield recent


def log_odds(probability: Floats | float) -> Floats:
    """Return log odds, none beyond CERTAIN; NaN stays NaN."""
    odds: Floats = np.clip(logit(probability), -CERTAIN, CERTAIN)
    return odds


def warnings_of(
    probabilities: pd.DataFrame,
    thresholds: Mapping[str, float],
    *,
    rule: Hysteresis | None = None,
    quiet: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return every warning: which car was named for which fault, and when first.

    probabilities : DataFrame (n_rows, n_modes) indexed by as_of and vehicle_id, as of ``models.fleet_scores``
    thresholds    : by fault mode; a mode without one is never named
    rule          : None is that of config/decision.toml
    quiet         : DataFrame: vehicle_id, fault_mode, since (as_of): from then on a mode stays unnamed on a car, as
                    after a false alarm
    Returns       : DataFrame (n_warnings, 3): vehicle_id, fault_mode, first_flagged_at (UTC midnight of the scoring),
                    by time and vehicle. While any flag of a car is up it is not named again: what one fault does to the
                    signals of another is no second fault
    """
    rule = rule or usual_rule()
    modes = [mode for mode in probabilities.columns if mode in thresholds]
    columns = ["vehicle_id", "fault_mode", "first_flagged_at"]
    if probabilities.empty or not modes:
        return pd.DataFrame(columns=columns)
    days, step = np.unique(probabilities.index.get_level_values("as_of").to_numpy(), return_inverse=True)
    cars, car = np.unique(probabilities.index.get_level_values("vehicle_id").to_numpy(), return_inverse=True)
    flags = np.zeros((len(modes), len(days), len(cars)), dtype=bool)
    sureness = np.full(flags.shape, -np.inf, dtype=np.float32)
    for at, mode in enumerate(modes):
        grid = np.full((len(days), len(cars)), np.nan)
        grid[step, car] = probabilities[mode].to_numpy(dtype=np.float64)
        if quiet is not None:
            for known in quiet[quiet["fault_mode"] == mode].itertuples():
                since = pd.Timestamp(str(known.since)).tz_convert("UTC").tz_localize(None).to_datetime64()
                grid[np.ix_(days >= since, cars == known.vehicle_id)] = np.nan
        flags[at] = flags_of(grid, thresholds[mode], rule)
        beyond = log_odds(grid) - log_odds(thresholds[mode])
        sureness[at] = np.where(flags[at], beyond, -np.inf)
    told: list[tuple[int, str, np.datetime64]] = []
    up_before: Flags = np.zeros(len(cars), dtype=bool)
    for at, day in enumerate(days):
        up: Flags = np.logical_or.reduce(flags[:, at])
        for number in np.flatnonzero(up & ~up_before):
            best = int(np.argmax(sureness[:, at, number]))
            told.append((int(cars[number]), modes[best], day))
        up_before = up
    result = pd.DataFrame(told, columns=columns)
    result["first_flagged_at"] = pd.to_datetime(result["first_flagged_at"], utc=True)
    return result.sort_values(["first_flagged_at", "vehicle_id"], kind="stable", ignore_index=True)
