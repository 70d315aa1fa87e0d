"""What a model keeps of its training, so that anyone can see later what has changed since."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.dataset import Dataset
from models.features import Feature
from models.stability import Distribution, distribution_of

# Most cars are healthy: most of what can be seen of a probability lies far below a half.
CHANCE_EDGES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7)


class ChanceBin(msgspec.Struct, frozen=True):
    """Predictions of about the same probability: how many, what they said on average, and the share that came true."""

    n: int
    predicted: float
    observed: float


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """The training of one model in figures.

    first, last : days of the earliest and the latest row
    inputs      : by name of the feature, over all rows
    scores      : of probabilities of rows whose car the model had not seen
    calibration : of those; bins of ``CHANCE_EDGES`` that hold anything
    """

    first: datetime
    last: datetime
    inputs: dict[str, Distribution]
    scores: Distribution
    calibration: list[ChanceBin]


def reference_of(dataset: Dataset, features: Sequence[Feature], probability: NDArray[np.float64]) -> Reference:
    """Return what to keep of a training.

    probability : (n_rows,) of models that had not seen the row's car
    """
    cars = dataset.vehicles
    return Reference(
        first=_instant(dataset.as_of.min()),
        last=_instant(dataset.as_of.max()),
        inputs={
            feature.name: distribution_of(dataset.features[feature.name].to_numpy(dtype=np.float64), cars=cars)
            for feature in features
        },
        scores=distribution_of(probability, cars=cars),
        calibration=calibration_of(dataset.came_on, probability),
    )


def calibration_of(came_on: NDArray[np.bool_], probability: NDArray[np.float64]) -> list[ChanceBin]:
    """Return what was said beside what came true: came_on, probability (n_rows,); bins without a row are left out."""
    which = np.searchsorted(CHANCE_EDGES, probability, side="right")
    return [
        ChanceBin(
            int((which == one).sum()), float(probability[which == one].mean()), float(came_on[which == one].mean())
        )
        for one in np.unique(which)
    ]


def _instant(day: np.datetime64) -> datetime:
    moment: datetime = day.astype("datetime64[s]").item()
    return moment.replace(tzinfo=UTC)
