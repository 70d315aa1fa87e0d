"""The benchmark itself: the time to lamp's trainer on turbofans, judged on the test units of one set."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from models.benchmarks.choices import CHOSEN, Choices, features_for
from models.benchmarks.cmapss import Floats, Ints, read_set
from models.benchmarks.cycles import last_rows, rows_of
from models.benchmarks.regimes import REGIMES, fit_scale, scaled
from models.remaining import COVERAGE, fit_remaining, predict_remaining

# Truth above it counts as it: so far ahead nothing has begun to wear that could be seen. Customary with these sets.
CAP = 125.0

# Told what is being done, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """What predictions are worth. Capped: true cycles above the cap count as the cap.

    phm_score         : of the PHM08 challenge, against capped truth: a sum over units, late counts more than early
    interval_coverage : share of units whose capped truth is in the interval
    interval_width    : mean, in cycles
    """

    rmse_capped: float
    rmse_uncapped: float
    phm_score: float
    phm_score_uncapped: float
    interval_coverage: float
    interval_width: float


class SeedScores(Scores, frozen=True, kw_only=True):
    """The same of one seed, which is a mean of ``models.remaining.MEMBERS`` boosted models."""

    seed: int


class UnitPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """Cycles left after the last one of a test unit: the mean over seeds. ``truth`` is None where it is not public."""

    unit: int
    cycle: int
    days: float
    low: float
    high: float
    truth: int | None


class BenchmarkResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one set went.

    mean           : mean over seeds of each figure: what is compared with published ones
    averaged       : of the mean of all seeds' predictions, a larger ensemble
    rmse_deviation : standard deviation of ``rmse_capped`` over seeds; None for one seed
    mean, averaged, seeds have no figures for a set whose truth is not public
    """

    set: str
    n_units: int
    cap: float
    stated_coverage: float
    mean: Scores | None
    averaged: Scores | None
    rmse_deviation: float | None
    seeds: list[SeedScores]
    predictions: list[UnitPrediction]


def evaluate_set(
    name: str, *, data: Path, seeds: int, choices: Choices = CHOSEN, progress: Progress | None = None
) -> BenchmarkResult:
    """Learn from the training units of a set and predict its test units, once for each seed.

    Raises : UnknownSet, CmapssMissing, CmapssUnreadable
    """
    tell: Progress = progress or (lambda what, done, total: None)
    tell("features", 0, seeds + 1)
    recordings = read_set(name, data=data)
    scale = fit_scale(recordings.train, regimes=REGIMES[name])
    features = features_for(scale.sensors, choices)
    learnt = rows_of(scaled(recordings.train, scale), features)
    ends = last_rows(rows_of(scaled(recordings.test, scale), features))
    some = slice(None, None, choices.every)
    runs = []
    for seed in range(seeds):
        tell(f"seed {seed}", seed + 1, seeds + 1)
        model = fit_remaining(
            learnt.features[some],
            learnt.left[some],
            learnt.unit[some],
            cap_d=choices.cap,
            parameters=choices.parameters,
            coverage=COVERAGE,
            seed=seed,
        )
        runs.append(predict_remaining(model, ends.features).to_numpy())
    tell("done", seeds + 1, seeds + 1)
    predicted = np.array(runs)
    truth = recordings.truth
    return _result(name, predicted, truth, unit=ends.unit, cycle=ends.cycle)


def scores_of(predicted: Floats, truth: Floats, *, cap: float = CAP) -> Scores:
    """Return what predictions are worth.

    predicted : (n_units, 3): days, low, high
    truth     : (n_units,)
    """
    days, low, high = predicted.T
    capped = np.minimum(truth, cap)
    days, low, high = np.minimum(days, cap), np.minimum(low, cap), np.minimum(high, cap)
    return Scores(
        rmse_capped=_rmse(days - capped),
        rmse_uncapped=_rmse(days - truth),
        phm_score=phm_score(days - capped),
        phm_score_uncapped=phm_score(days - truth),
        interval_coverage=float(((low <= capped) & (capped <= high)).mean()),
        interval_width=float((high - low).mean()),
    )


def phm_score(late: Floats) -> float:
    """Return the score of the PHM08 challenge, 0 for perfect.

    late   : (n_units,) predicted less true cycles left
    Source : Saxena et al., PHM08, section IV: exp(-d/13) - 1 for early, exp(d/10) - 1 for late predictions, summed
    """
    return float(np.expm1(np.where(late < 0, -late / 13, late / 10)).sum())


def _rmse(error: Floats) -> float:
    return float(np.sqrt((error**2).mean()))


def _result(name: str, predicted: Floats, truth: Ints | None, *, unit: Ints, cycle: Ints) -> BenchmarkResult:
    """predicted : (n_seeds, n_units, 3)"""
    average = predicted.mean(axis=0)
    of_seeds: list[SeedScores] = []
    mean = averaged = None
    if truth is not None:
        true = truth.astype(np.float64)
        facts: list[dict[str, Any]] = [msgspec.to_builtins(scores_of(run, true)) for run in predicted]
        of_seeds = [SeedScores(seed=seed, **run) for seed, run in enumerate(facts)]
        mean = Scores(**{key: float(np.mean([run[key] for run in facts])) for key in facts[0]})
        averaged = scores_of(average, true)
    several = len(of_seeds) > 1
    return BenchmarkResult(
        set=name,
        n_units=len(unit),
        cap=CAP,
        stated_coverage=COVERAGE,
        mean=mean,
        averaged=averaged,
        rmse_deviation=float(np.std([run.rmse_capped for run in of_seeds], ddof=1)) if several else None,
        seeds=of_seeds,
        predictions=[
            UnitPrediction(
                unit=int(unit[at]),
                cycle=int(cycle[at]),
                days=round(float(average[at, 0]), 2),
                low=round(float(average[at, 1]), 2),
                high=round(float(average[at, 2]), 2),
                truth=None if truth is None else int(truth[at]),
            )
            for at in range(len(unit))
        ],
    )
