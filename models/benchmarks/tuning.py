"""How the choices for C-MAPSS were made: cross-validation over training units, one question after the other.

What a question's winner was is kept in the next. Test units are not read. The figures are in docs/benchmark-cmapss.md.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from models.benchmarks.choices import Choices, Kinds, features_for
from models.benchmarks.cmapss import Floats, Ints, read_training
from models.benchmarks.cycles import Rows, rows_of
from models.benchmarks.regimes import REGIMES, fit_scale, scaled
from models.remaining import out_of_fold

# Those without regimes: one choice for all sets, so that none is fitted to the peculiarities of its hundred units.
TUNED_ON = ("FD001", "FD003")
SCORE_CAP = 125.0


class Trial(msgspec.Struct, frozen=True):
    """One answer to one question. ``rmse`` is by set, capped at 125 cycles."""

    question: str
    answer: str
    rmse: dict[str, float]
    choices: Choices

    @property
    def mean(self) -> float:
        return float(np.mean(list(self.rmse.values())))


_LEVELS: Kinds = (("level", 5), ("level", 15), ("level", 30))
_DRIFTS: Kinds = (*_LEVELS, ("drift", 5), ("drift", 15))
_RECENT: Kinds = (*_DRIFTS, ("recent", 30))
_WINDOWS: Mapping[str, Mapping[str, Any]] = {
    "means over 5, 15, 30": {"kinds": _LEVELS},
    "and difference to the first ten, over 5 and 15": {"kinds": _DRIFTS},
    "and exponential mean of 30": {"kinds": _RECENT},
    "and slope over 30": {"kinds": (*_RECENT, ("trend", 30))},
    "and scatter over 15": {"kinds": (*_RECENT, ("deviation", 15))},
    "and difference over 30": {"kinds": (*_RECENT, ("drift", 30))},
}
_AGE: Mapping[str, Mapping[str, Any]] = {"without": {"age": False}, "with": {"age": True}}
_CAP: Mapping[str, Mapping[str, Any]] = {f"{cap:g}": {"cap": cap} for cap in (120.0, 125.0, 130.0)}
# What a first look found quick; the answers are differences to it.
_TREES_AT_FIRST: Mapping[str, Any] = {
    "learning_rate": 0.06,
    "max_iter": 150,
    "max_leaf_nodes": 16,
    "min_samples_leaf": 40,
    "l2_regularization": 5.0,
    "max_features": 0.3,
    "early_stopping": False,
}
_TREES: Mapping[str, Mapping[str, Any]] = {
    "16 leaves of 40 rows, 150 rounds, 0.3 of the features": {},
    "8 leaves": {"max_leaf_nodes": 8},
    "32 leaves": {"max_leaf_nodes": 32},
    "twice the rounds of half the rate": {"max_iter": 300, "learning_rate": 0.03},
    "leaves of 10 rows": {"min_samples_leaf": 10},
    "leaves of 80 rows": {"min_samples_leaf": 80},
    "0.15 of the features at a split": {"max_features": 0.15},
    "0.6 of the features at a split": {"max_features": 0.6},
}
# Slopes told the most of the windows, so these were asked for more of them in the end.
_SLOPES: Mapping[str, Kinds] = {
    "as before": (),
    "and over 15": (("trend", 15),),
    "and over 60": (("trend", 60),),
    "and over 15 and 60": (("trend", 15), ("trend", 60)),
    "and over 15, 60 and 120": (("trend", 15), ("trend", 60), ("trend", 120)),
}


def tune(*, data: Path, seed: int = 0) -> Iterator[Trial]:
    """Yield every trial in turn; the last of each question is its winner again.

    Raises : CmapssMissing, CmapssUnreadable
    """
    training = {name: read_training(name, data=data) for name in TUNED_ON}
    cycles = {name: scaled(table, fit_scale(table, regimes=REGIMES[name])) for name, table in training.items()}
    sensors = {name: tuple(table.columns.drop(["unit", "cycle"])) for name, table in cycles.items()}
    best = Choices(kinds=_RECENT, age=False, cap=SCORE_CAP, every=3, parameters=dict(_TREES_AT_FIRST))
    rows: dict[Any, Rows] = {}
    known: dict[bytes, dict[str, float]] = {}

    def tried(question: str, answer: str, choices: Choices) -> Trial:
        rmse = known.setdefault(msgspec.json.encode(choices), {})
        for name in TUNED_ON if not rmse else ():
            key = name, choices.kinds, choices.age
            if key not in rows:
                rows[key] = rows_of(cycles[name], features_for(sensors[name], choices))
            rmse[name] = cross_validated(rows[key], choices, seed=seed)
        return Trial(question, answer, rmse, choices)

    questions: Sequence[tuple[str, Iterable[tuple[str, Any]]]] = (
        ("windows", _WINDOWS.items()),
        ("age", _AGE.items()),
        ("cap while learning", _CAP.items()),
        ("trees", _TREES.items()),
        ("slopes", _SLOPES.items()),
    )
    for question, answers in questions:
        trials = []
        for answer, change in answers:
            if question == "trees":
                change = {"parameters": {**best.parameters, **change}}
            elif question == "slopes":
                change = {"kinds": (*best.kinds, *change)}
            trials.append(tried(question, answer, msgspec.structs.replace(best, **change)))
            yield trials[-1]
        winner = min(trials, key=lambda trial: trial.mean)
        best = winner.choices
        yield winner


def cross_validated(rows: Rows, choices: Choices, *, seed: int, members: int = 1) -> float:
    """Return the RMSE, capped at 125, on units held out, each cut off at a cycle of its life chosen at random."""
    days = out_of_fold(
        rows.features,
        np.minimum(rows.left, choices.cap),
        rows.unit,
        parameters=choices.parameters,
        seed=seed,
        members=members,
        learn_from=slice(None, None, choices.every),
    )
    return rmse_by_unit(np.minimum(rows.left, SCORE_CAP), np.minimum(days, SCORE_CAP), rows.unit)


def rmse_by_unit(true: Floats, days: Floats, unit: Ints) -> float:
    """Return the RMSE in which every unit weighs the same, however many rows it has: (n_rows,) each."""
    _, owner, count = np.unique(unit, return_inverse=True, return_counts=True)
    weight = 1.0 / count[owner]
    return float(np.sqrt(np.average((true - days) ** 2, weights=weight)))
