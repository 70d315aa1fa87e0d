from datetime import UTC, datetime
from importlib.metadata import version

import msgspec
import numpy as np
import pandas as pd
import pytest

from models.dataset import Dataset
from models.features import Feature
from models.provenance import code_version
from models.reference import Reference, calibration_of, reference_of
from tests.unit.models.frames import day

FEATURES = (Feature("lv_battery_v", "rest", "level", 7), Feature("air_temp_c", "rest", "level", 7))


def dataset():
    random = np.random.default_rng(0)
    rows = pd.DataFrame({feature.name: random.normal(12, 1, 40) for feature in FEATURES})
    rows.iloc[:10, 1] = np.nan
    return Dataset(
        features=rows,
        came_on=np.arange(40) % 4 == 0,
        vehicle_id=np.repeat(np.arange(10), 4),
        as_of=np.array([np.datetime64(day(3 * (n % 4)).date()) for n in range(40)], dtype="datetime64[D]"),
        learnt=np.ones(40, dtype=bool),
        weight=np.ones(40),
        episodes=pd.DataFrame({"vehicle_id": [], "on_at": [], "off_at": []}),
    )


def test_what_a_training_looked_like_is_kept():
    kept = reference_of(dataset(), FEATURES, np.linspace(0, 1, 40))
    assert (kept.first, kept.last) == (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 10, tzinfo=UTC))
    assert set(kept.inputs) == {feature.name for feature in FEATURES}
    # Days of one car are no further evidence.
    assert {one.cars for one in kept.inputs.values()} == {10}
    assert kept.inputs[FEATURES[1].name].shares[-1] == 0.25
    assert sum(one.n for one in kept.calibration) == 40


def test_it_survives_its_file():
    kept = reference_of(dataset(), FEATURES, np.linspace(0, 1, 40))
    assert msgspec.json.decode(msgspec.json.encode(kept), type=Reference) == kept


def test_calibration_puts_what_was_said_beside_what_came_true():
    said = np.array([0.005, 0.04, 0.04, 0.6, 0.6, 0.6])
    came = np.array([False, False, True, True, True, False])
    bins = calibration_of(came, said)
    assert [one.n for one in bins] == [1, 2, 3]
    assert [one.predicted for one in bins] == pytest.approx([0.005, 0.04, 0.6])
    assert [one.observed for one in bins] == pytest.approx([0, 0.5, 2 / 3])


def test_code_is_named_by_release_and_content():
    release, _, content = code_version().partition("+")
    assert release == version("forewarn")
    assert len(content) == 12
