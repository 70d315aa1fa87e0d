import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from models.evaluation import LEAST_PROBABILITY, choose_threshold, metrics_of


def cost(came_on, probability, threshold, missed_cost):
    flagged = probability >= threshold
    return missed_cost * (came_on & ~flagged).sum() + (flagged & ~came_on).sum()


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=16)), min_size=2, max_size=40),
    st.floats(0.5, 30),
)
def test_no_other_score_worth_a_call_would_cost_less(rows, missed_cost):
    came_on = np.array([flag for flag, _ in rows])
    probability = np.array([score for _, score in rows], dtype=np.float64)
    came_on[0], came_on[1] = True, False
    threshold = choose_threshold(came_on, probability, missed_cost=missed_cost)
    worth_a_call = max(1 / (1 + missed_cost), LEAST_PROBABILITY)
    assert threshold >= worth_a_call
    if threshold > worth_a_call:
        least = min(cost(came_on, probability, score, missed_cost) for score in probability)
        assert cost(came_on, probability, threshold, missed_cost) <= least + 1e-9


def test_dearer_misses_lower_the_threshold():
    came_on = np.array([True, False, True, False, False, False])
    probability = np.array([0.9, 0.6, 0.4, 0.3, 0.2, 0.1])
    assert choose_threshold(came_on, probability, missed_cost=20) == pytest.approx(0.35)
    assert choose_threshold(came_on, probability, missed_cost=0.5) == pytest.approx(0.75)


def test_few_rows_cannot_talk_anybody_into_hopeless_calls():
    came_on = np.array([True] + [False] * 5)
    assert choose_threshold(came_on, np.linspace(0.003, 0.001, 6), missed_cost=4) == pytest.approx(1 / 5)
    assert choose_threshold(came_on, np.linspace(0.003, 0.001, 6), missed_cost=20) == LEAST_PROBABILITY


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="both classes"):
        choose_threshold(np.array([True, True]), np.array([0.1, 0.2]), missed_cost=1)


def test_metrics_count_cars_and_not_only_rows():
    came_on = np.array([True, True, False, False, False])
    probability = np.array([0.9, 0.2, 0.1, 0.8, 0.1])
    metrics = metrics_of(came_on, probability, np.array([1, 1, 1, 2, 3]), threshold=0.5)
    assert metrics["recall"] == 0.5
    assert metrics["precision"] == 0.5
    assert (metrics["vehicles_failing"], metrics["vehicles_caught"]) == (1, 1)
    assert (metrics["vehicles_healthy"], metrics["vehicles_flagged_needlessly"]) == (2, 1)
