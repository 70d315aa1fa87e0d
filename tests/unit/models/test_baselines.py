"""Baselines: what each would flag, and that what there is to choose is chosen for the best."""

from dataclasses import replace
from datetime import timedelta

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from scipy.special import expit

from config.faults import fault_modes
from models.baselines import (
    STANDARD,
    THRESHOLD,
    Limit,
    Rule,
    best_cut,
    held_score,
    isolation_forest,
    joined_lessons,
    lesson,
    moved_earlier,
    single_feature,
    standard_features,
)
from models.dataset import Stored, known_fleet
from models.decision import Hysteresis, flags_of
from models.features import Feature
from models.peers import own_features
from models.watched import features_of
from tests.unit.models.frames import aggregates, day, lamps

RULE = Hysteresis(half_life=1.5, closes_below=0.7, closes_after=3)
MODE = fault_modes()["lv_battery"]
REST = Feature("lv_battery_v", "rest", "lowest", 3)
DRIVE = Feature("lv_battery_v", "drive", "level", 3)
DAYS = 60


def fleet(*, cars=60, sick=12, seed=0):
    """Batteries of which the first ``sick`` lose voltage for twenty days until their lamp."""
    random = np.random.default_rng(seed)
    rows, lit = [], []
    for car in range(1, cars + 1):
        level = random.normal(12.6, 0.05)
        lamp = int(random.integers(30, DAYS - 2)) if car <= sick else None
        for at in range(DAYS):
            sag = 0.0 if lamp is None else 0.04 * max(0, 20 - max(lamp - at, 0))
            for regime, base in (("rest", level - sag), ("drive", 14.0)):
                rows.append((car, at, at, regime, (base + random.normal(0, 0.02, 3)).tolist()))
        if lamp is not None:
            lit.append((car, day(lamp), "lv_battery", "on"))
    vehicles = pd.DataFrame({"vehicle_id": range(1, cars + 1), "powertrain": "bev", "model": "A"})
    return Stored(aggregates(rows), lamps(lit), vehicles)


# A workshop found a fault in one car without a lamp, and none in another.
FOUND = pd.DataFrame(
    {
        "vehicle_id": [60, 59],
        "fault_mode": "tyre_leak",
        "found_at": pd.to_datetime([day(9)] * 2, utc=True),
        "confirmed": [True, False],
    }
)


@pytest.fixture(scope="module")
def taught():
    stored = fleet()
    features = [REST, DRIVE, *standard_features(MODE)]
    known = replace(known_fleet(stored, features, until=day(DAYS)), findings=FOUND)
    # What the mode's model would look at beside that, nobody sent.
    rows = known.rows.reindex(columns=[feature.name for feature in own_features([*features, *features_of(MODE)])])
    return lesson(MODE, replace(known, rows=rows), features, rule=RULE)


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, 4.0, np.nan]), min_size=1, max_size=12), st.floats(0.05, 3.95))
def test_a_cut_is_reached_exactly_when_the_decision_opens_a_flag(scores, cut):
    values = np.array(scores)
    held = held_score(values, np.array([0]), RULE).max()
    assume(abs(held - cut) > 1e-6)
    assert (held >= cut) == flags_of(expit(values - cut)[:, None], 0.5, RULE).any()


def test_what_one_car_showed_does_not_flag_the_next():
    held = held_score(np.array([9.0, 9.0, 1.0, np.nan, 2.0]), np.array([0, 2]), RULE)
    assert held[:3].tolist() == [9.0, 9.0, 1.0]
    assert held[3] == -np.inf
    assert 1.0 < held[4] < 2.0


def test_the_cut_that_catches_most_for_the_fewest_calls():
    sick = np.array([9.0, 7.0, 5.0, -np.inf])
    healthy = np.concatenate([np.zeros(193), [6.0, 6.0, 6.0]])
    # One of 196 healthy cars weighs as much as one in a fleet with four sick ones: at 6 and below three are called.
    cut, f1 = best_cut(sick, healthy, faulty_share=0.02)
    assert cut == pytest.approx(6.5)
    assert f1 == pytest.approx(2 * 2 / (2 + 4))
    cut, f1 = best_cut(sick, healthy, faulty_share=0.5)
    assert cut == pytest.approx(2.5)
    assert f1 == pytest.approx(2 * 3 / (3 + 4 * 3 / 196 + 4))


def test_nothing_to_catch_is_no_cut():
    assert best_cut(np.array([-np.inf]), np.array([1.0])) == (np.inf, 0.0)
    assert best_cut(np.array([]), np.array([1.0])) == (np.inf, 0.0)


def test_what_counts_is_before_the_lamp_and_who_may_be_sick_is_no_example_of_health(taught):
    owner = np.repeat(np.arange(len(taught.begins)), np.diff(np.append(taught.begins, len(taught.rows))))
    as_of = taught.rows.index.get_level_values("as_of").to_numpy()
    assert np.flatnonzero(taught.sick).tolist() == list(range(12))
    assert np.flatnonzero(taught.healthy).tolist() == list(range(12, 59))
    assert not taught.counts[~np.isin(owner, np.flatnonzero(taught.sick))].any()
    first = owner == 0
    lit = fleet().lamps["ts"].dt.tz_localize(None).iloc[0]
    # As of the lamp's own midnight it is not before the lamp any more.
    assert as_of[first & taught.counts].max() == np.datetime64(lit - timedelta(days=1))
    assert (as_of[first] <= np.datetime64(lit)).all()


def test_lessons_of_two_fleets_keep_their_cars_apart(taught):
    both = joined_lessons([taught, taught])
    one = taught.rows[REST.name].to_numpy()
    sick, healthy = both.peaks(-np.concatenate([one, one]))
    alone = taught.peaks(-one)
    assert sick.tolist() == [*alone[0], *alone[0]]
    assert healthy.tolist() == [*alone[1], *alone[1]]


def test_the_single_feature_is_the_one_that_shows_the_fault(taught):
    rule = single_feature(taught, [DRIVE, REST])
    assert [(limit.feature, limit.side) for limit in rule.limits] == [(REST, -1)]
    assert 11.6 < rule.limits[0].cut < 12.55
    sick, healthy = taught.peaks(rule.probability(taught.rows))
    assert (sick >= THRESHOLD).mean() > 0.9
    assert (healthy < THRESHOLD).all()


def test_the_standards_threshold_is_moved_towards_what_is_usual_and_no_further(taught):
    rule = moved_earlier(MODE, taught)
    assert len(rule.limits) == 1
    assert STANDARD["lv_battery"][0].limit < rule.limits[0].cut < 12.6
    late = Rule((Limit(rule.limits[0].feature, -1, STANDARD["lv_battery"][0].limit, 0.1),))
    sick, healthy = taught.peaks(rule.probability(taught.rows))
    assert (sick >= THRESHOLD).sum() > (taught.peaks(late.probability(taught.rows))[0] >= THRESHOLD).sum()
    assert (healthy < THRESHOLD).all()


def test_a_rule_is_at_its_threshold_where_the_cut_is_and_silent_without_a_value():
    rule = Rule((Limit(REST, -1, 12.0, 0.1), Limit(DRIVE, +1, 15.0, 0.1)))
    rows = pd.DataFrame({REST.name: [12.0, 11.9, 12.1, np.nan, 12.5], DRIVE.name: [14.0, 14.0, np.nan, np.nan, 15.1]})
    score = rule.probability(rows)
    assert score[0] == THRESHOLD
    assert (score[[1, 4]] > THRESHOLD).all()
    assert score[2] < THRESHOLD
    assert np.isnan(score[3])


def test_the_forest_keeps_to_its_budget_of_needless_calls(taught):
    forest = isolation_forest(taught, [REST, DRIVE], modes=1, seed=1)
    sick, healthy = taught.peaks(forest.probability(taught.rows))
    assert (healthy < THRESHOLD).all()
    assert (sick >= THRESHOLD).any()


def test_every_mode_has_a_standard_threshold_of_signals_that_exist():
    assert STANDARD.keys() == fault_modes().keys()
    assert all(standard_features(mode) for mode in fault_modes().values())
