import numpy as np
import pytest
from scipy.special import expit

from models.calibration import Calibration, fit_calibration


def drawn(chance_of, *, rows=60_000, seed=0):
    random = np.random.default_rng(seed)
    score = expit(random.normal(-2, 2, rows))
    return score, random.random(rows) < chance_of(score)


def test_a_calibrated_score_stays_as_it_is():
    score, came_on = drawn(lambda score: score)
    found = fit_calibration(score, came_on, np.ones(len(score)))
    np.testing.assert_allclose(found(np.array([0.05, 0.3, 0.7])), [0.05, 0.3, 0.7], atol=0.02)


def test_weights_bring_the_share_of_the_fleet_that_will_be_scored():
    score, came_on = drawn(lambda score: score)
    few = fit_calibration(score, came_on, np.where(came_on, 0.1, 1.0))
    # A tenth of the lamps: the odds fall to a tenth.
    assert few(np.array([0.5]))[0] == pytest.approx(0.1 / 1.1, abs=0.02)


def test_lamps_with_nothing_behind_them_are_a_floor_and_do_not_flatten_the_rest():
    score, came_on = drawn(lambda score: 0.03 + 0.97 * expit(4 * (np.log(score / (1 - score)) - 2)))
    found = fit_calibration(score, came_on, np.ones(len(score)))
    assert found.floor == pytest.approx(0.03, abs=0.005)
    assert found(np.array([0.99]))[0] > 0.95


def test_order_is_kept_and_nothing_leaves_the_range():
    score, came_on = drawn(lambda score: 1 - score, rows=500)
    found = fit_calibration(score, came_on, np.ones(len(score)))(np.linspace(0, 1, 50))
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_without_calibration_a_score_is_the_probability():
    np.testing.assert_allclose(Calibration()(np.array([0.1, 0.5])), [0.1, 0.5])
