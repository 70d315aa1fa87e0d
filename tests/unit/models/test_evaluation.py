import numpy as np

from models.evaluation import metrics_of


def test_metrics_count_cars_and_not_only_rows():
    came_on = np.array([True, True, False, False, False])
    probability = np.array([0.9, 0.2, 0.1, 0.8, 0.1])
    metrics = metrics_of(came_on, probability, np.array([1, 1, 1, 2, 3]), threshold=0.5)
    assert metrics["recall"] == 0.5
    assert metrics["precision"] == 0.5
    assert (metrics["vehicles_failing"], metrics["vehicles_caught"]) == (1, 1)
    assert (metrics["vehicles_healthy"], metrics["vehicles_flagged_needlessly"]) == (2, 1)
