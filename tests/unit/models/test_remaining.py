import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from models.remaining import (
    TooFewUnits,
    fit_bands,
    fit_remaining,
    out_of_fold,
    predict_remaining,
    seen_columns,
    upper_bound,
)

QUICK = {"max_iter": 20, "learning_rate": 0.2, "max_leaf_nodes": 8, "early_stopping": False}
PARTLY = {**QUICK, "max_features": 0.5, "max_iter": 8}
CAP_D = 30.0


def wear(units: int, *, seed: int, days: int = 40):
    """Rows of units that wear evenly until they end, seen through noise."""
    random = np.random.default_rng(seed)
    unit = np.repeat(np.arange(units), days)
    left = np.tile(np.arange(days, 0, -1, dtype=np.float64), units)
    shown = left + random.normal(0, 2, len(left)) + random.normal(0, 2, units)[unit]
    return pd.DataFrame({"shown": shown, "noise": random.normal(size=len(left))}), left, unit


@pytest.fixture(scope="module")
def model():
    rows, left, unit = wear(60, seed=0)
    return fit_remaining(rows, left, unit, cap_d=CAP_D, parameters=QUICK, members=2, seed=0)


def test_the_days_of_units_it_has_not_seen_are_found(model):
    rows, left, _ = wear(60, seed=1)
    predicted = predict_remaining(model, rows)
    assert np.sqrt(((predicted["days"] - np.minimum(left, CAP_D)) ** 2).mean()) < 4


def test_intervals_hold_as_many_unseen_units_as_is_stated(model):
    rows, left, _ = wear(400, seed=2)
    ends = predict_remaining(model, rows)
    held = (ends["low"] <= np.minimum(left, CAP_D)) & (np.minimum(left, CAP_D) <= ends["high"])
    assert 0.88 <= held.mean() <= 0.99


def test_an_interval_is_in_order_and_within_what_is_possible(model):
    rows, _, _ = wear(20, seed=3)
    ends = predict_remaining(model, rows * 3 - 20)
    assert (ends["low"] >= 0).all()
    assert (ends["high"] <= CAP_D).all()
    assert (ends["low"] <= ends["high"]).all()
    assert ends["days"].between(0, CAP_D).all()


def test_rows_keep_their_index(model):
    rows, _, _ = wear(1, seed=4)
    rows.index = pd.Index(range(100, 140), name="vehicle_id")
    assert predict_remaining(model, rows).index.equals(rows.index)


def test_the_same_seed_gives_the_same_model_and_another_one_another():
    rows, left, unit = wear(25, seed=5)
    first, again, other = (
        predict_remaining(fit_remaining(rows, left, unit, cap_d=CAP_D, parameters=PARTLY, members=2, seed=seed), rows)
        for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_no_unit_is_judged_by_a_model_that_saw_it():
    # The days follow nothing but the unit: whoever has seen a unit knows its days, who has not must guess.
    random = np.random.default_rng(6)
    unit = np.repeat(np.arange(30), 20)
    target = random.uniform(0, CAP_D, 30)[unit]
    rows = pd.DataFrame({"identity": unit + random.normal(0, 0.01, len(unit))})
    days = out_of_fold(rows, target, unit, parameters=QUICK, seed=0)
    assert np.sqrt(((days - target) ** 2).mean()) > 0.8 * target.std()


def test_a_column_that_no_row_has_is_left_out():
    assert seen_columns(pd.DataFrame({"a": [1.0, np.nan], "b": [np.nan, np.nan]})) == ("a",)


def test_too_few_units_say_how_many_are_needed():
    rows, left, unit = wear(12, seed=7)
    with pytest.raises(TooFewUnits, match="19 units are needed for this coverage and there are 12"):
        fit_remaining(rows, left, unit, cap_d=CAP_D, parameters=QUICK, members=1, seed=0)
    with pytest.raises(TooFewUnits, match="5 units are needed and there are 3"):
        out_of_fold(rows[unit < 3], left[unit < 3], unit[unit < 3], parameters=QUICK, seed=0)


def test_few_units_get_fewer_stretches():
    days = np.arange(25, dtype=np.float64)
    assert fit_bands(days, days + 1, np.arange(25), coverage=0.9).edges == ()


@settings(max_examples=200, deadline=None)
@given(
    errors=st.lists(st.lists(st.integers(-50, 50), min_size=1, max_size=5), min_size=19, max_size=40),
    share=st.sampled_from([0.5, 0.9, 0.95]),
)
def test_the_bound_is_the_least_that_holds_enough_of_all_units(errors, share):
    unit = np.repeat(np.arange(len(errors)), [len(own) for own in errors])
    error = np.array([float(one) for own in errors for one in own])
    bound = upper_bound(error, unit, share=share)

    def held(limit):
        return sum(np.mean(np.array(own) <= limit) for own in errors) / (len(errors) + 1)

    assert held(bound) >= share - 1e-6
    below = error[error < bound]
    assert len(below) == 0 or held(below.max()) < share
