"""What was chosen for C-MAPSS, on its training units alone; ``models.benchmarks.tuning`` says how."""

from typing import Any

import msgspec

from models.features import Feature, Kind
from models.remaining import PARAMETERS

Kinds = tuple[tuple[Kind, int], ...]


class Choices(msgspec.Struct, frozen=True):
    """How a set of C-MAPSS is learnt from.

    kinds      : of ``models.features.Feature`` with their windows in cycles, of every sensor that varies
    age        : whether the cycles flown are a feature
    cap        : cycles from which on the time left counts as this
    every      : one row in so many is learnt from; neighbouring cycles of a unit say nearly the same
    parameters : of the trees
    """

    kinds: Kinds
    age: bool
    cap: float
    every: int
    parameters: dict[str, Any]


CHOSEN = Choices(
    kinds=(
        *(("level", 5), ("level", 15), ("level", 30), ("drift", 5), ("drift", 15), ("recent", 30)),
        *(("trend", 30), ("trend", 15), ("trend", 60), ("trend", 120)),
    ),
    age=True,
    cap=130.0,
    every=3,
    parameters=dict(PARAMETERS),
)


def features_for(sensors: tuple[str, ...], choices: Choices) -> tuple[Feature, ...]:
    """Return the features of every sensor, and of the age when it is wanted."""
    features = [Feature(sensor, "drive", kind, window) for sensor in sensors for kind, window in choices.kinds]
    if choices.age:
        features.append(Feature("cycle", "drive", "highest", 1))
    return tuple(features)
