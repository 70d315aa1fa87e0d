import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.stability import (
    CHANCE,
    DRIFTED,
    Distribution,
    count_bins,
    distribution_of,
    stability_index,
    worst_by_chance,
)


def normal(seed, count=4000, shift=0.0, missing=0.0):
    random = np.random.default_rng(seed)
    values = random.normal(shift, 1, count)
    values[random.random(count) < missing] = np.nan
    return values


def moved(values, *, of=None):
    then = of or distribution_of(normal(0), cars=4000)
    return stability_index(then, count_bins(then.edges, values))


def test_bins_hold_equally_many_and_the_last_those_without_a_value():
    then = distribution_of(normal(0, missing=0.2), cars=4000)
    assert len(then.edges) == 9
    assert then.shares[-1] == pytest.approx(0.2, abs=0.02)
    assert then.shares[:-1] == pytest.approx([0.08] * 10, abs=0.002)


def test_the_same_population_has_not_drifted():
    assert moved(normal(1)) < 0.02


def test_a_population_that_moved_has_drifted_more_the_farther_it_went():
    shifts = [moved(normal(1, shift=shift)) for shift in (0.0, 0.3, 0.6, 1.2)]
    assert shifts == sorted(shifts)
    assert shifts[-1] > DRIFTED > shifts[0]


def test_the_index_is_that_of_its_definition():
    then = Distribution(edges=(0.0,), shares=(0.5, 0.5, 0.0), cars=10**9)
    counts = np.array([200_000_000, 800_000_000, 0])
    expected = (0.2 - 0.5) * np.log(0.2 / 0.5) + (0.8 - 0.5) * np.log(0.8 / 0.5)
    assert stability_index(then, counts) == pytest.approx(expected, abs=1e-6)


def test_a_sensor_that_fell_silent_has_drifted():
    assert moved(normal(1, missing=0.5)) > DRIFTED


@pytest.mark.parametrize("still", [7.0, 0.0, -1e6])
def test_a_value_that_never_changes_has_a_bin_of_its_own(still):
    then = distribution_of(np.full(50, still), cars=50)
    assert then.shares == (0.0, 1.0, 0.0, 0.0)
    assert moved(np.full(30, still), of=then) < 0.01
    assert moved(np.full(30, np.float32(still) * np.float32(1 + 1e-7)), of=then) < 0.01
    for other in (np.nan, still - 1 - 0.1 * abs(still), still + 1 + 0.1 * abs(still)):
        values = np.full(30, other)
        assert moved(values, of=then) > worst_by_chance(then, 30)


def test_a_value_that_seldom_changes_is_noticed_when_it_often_does():
    seldom, often = np.zeros(100), np.zeros(100)
    seldom[:5], often[:60] = 3.0, 3.0
    then = distribution_of(seldom, cars=100)
    assert moved(seldom, of=then) < 0.01
    assert moved(often, of=then) > worst_by_chance(then, 100)


def test_what_was_never_sent_in_training_is_noticed_when_it_comes():
    then = distribution_of(np.full(50, np.nan), cars=50)
    assert then.shares == (0.0, 1.0)
    assert moved(np.full(50, 1.0), of=then) > DRIFTED


@given(
    st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), min_size=1, max_size=60),
    st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), min_size=2, max_size=60),
)
def test_counts_of_parts_add_up_and_the_index_is_finite(before, after):
    then = distribution_of(np.array(before), cars=len(before))
    values = np.array(after)
    whole = count_bins(then.edges, values)
    assert whole.sum() == len(values)
    assert len(whole) == len(then.shares)
    assert (count_bins(then.edges, values[:1]) + count_bins(then.edges, values[1:]) == whole).all()
    assert 0 <= stability_index(then, whole) < 50


def test_few_cars_need_to_move_farther_before_it_is_no_chance():
    then = distribution_of(normal(0), cars=4000)
    assert worst_by_chance(then, 4000) == DRIFTED
    assert worst_by_chance(then, 20) > 1


def test_of_cars_that_did_not_change_few_are_called_drifted():
    """The limit keeps what it states: 30 cars of the same population, a thousand times."""
    then = distribution_of(normal(0), cars=4000)
    limit = worst_by_chance(then, 30)
    assert limit > DRIFTED
    drifted = [moved(normal(seed, count=30), of=then) > limit for seed in range(1, 1001)]
    assert np.mean(drifted) <= 3 * CHANCE
