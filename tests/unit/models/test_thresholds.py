import msgspec
import numpy as np
import pandas as pd
import pytest

from config.decision import decision_policy
from config.faults import fault_modes
from models.decision import Hysteresis
from models.labels import lamps_of
from models.thresholds import Outcome, choose_threshold, outcome_of, scored_grid
from tests.unit.models.frames import day, lamps

MODE = fault_modes()["dcdc"]
POLICY = decision_policy()
AT_ONCE = Hysteresis(half_life=0.01, closes_below=0.5, closes_after=2)
SLOWLY = Hysteresis(half_life=1.5, closes_below=0.5, closes_after=2)


def grid(by_car, lit, **options):
    """by_car: probabilities of days 1, 2, … by vehicle; lit: (vehicle, day) of lamps."""
    rows = [
        (np.datetime64(day(at + 1).date(), "s"), car, value)
        for car, values in by_car.items()
        for at, value in enumerate(values)
    ]
    index = pd.MultiIndex.from_tuples([row[:2] for row in rows], names=["as_of", "vehicle_id"])
    events = lamps([(car, day(at), "dcdc", "on") for car, at in lit]).astype({"code": "str", "state": "str"})
    return scored_grid(pd.Series([row[2] for row in rows], index=index), lamps_of(MODE, events), **options)


def outcome(scored, threshold, rule=AT_ONCE):
    found = outcome_of(scored, threshold, horizon_d=10, rule=rule, policy=POLICY)
    return found.caught, found.missed, found.false


FLEET = {
    1: [0.1, 0.1, 0.6, 0.6, 0.6, 0.6],
    2: [0.1, 0.1, 0.1, 0.1, 0.2, 0.1],
    3: [0.1, 0.6, 0.1, 0.1, 0.1, 0.1],
    4: [0.0] * 6,
}


def test_cars_are_counted_once_by_what_came_of_them():
    scored = grid(FLEET, [(1, 6), (2, 6)])
    assert outcome(scored, 0.5) == (1, 1, 1)
    assert outcome(scored, 0.15) == (2, 0, 1)
    # One day that is a little high is no warning where the days before count too.
    assert outcome(scored, 0.4, SLOWLY) == (1, 1, 0)


def test_a_warning_on_the_day_after_the_lamp_is_too_late():
    assert outcome(grid({1: [0.1, 0.1, 0.1, 0.1, 0.9, 0.9]}, [(1, 5)]), 0.5) == (0, 1, 0)


def test_a_lamp_nobody_could_have_foretold_is_neither_caught_nor_missed():
    assert outcome(grid({1: [0.1] * 6}, [(1, 2)]), 0.5) == (0, 0, 0)
    assert outcome(grid({1: [0.1] * 6}, [(1, 30)]), 0.5) == (0, 0, 0)


def test_a_lamp_long_after_the_warning_does_not_make_it_right():
    assert outcome(grid({1: [0.9] * 40 + [0.1] * 5}, [(1, 45)]), 0.5) == (0, 1, 1)


def test_a_fault_that_was_found_without_a_lamp_is_no_needless_call():
    assert outcome(grid(FLEET, [(1, 6)], spared={3}), 0.5) == (1, 0, 0)


def test_weights_say_how_many_cars_each_stands_for():
    scored = grid(FLEET, [(1, 6), (2, 6)], weight=pd.Series({1: 0.5, 2: 2.0, 3: 4.0, 4: 1.0}))
    assert outcome(scored, 0.5) == (0.5, 2.0, 4.0)


def chosen(scored, **options):
    policy = msgspec.structs.replace(POLICY, least_probability=options.pop("least", 0.05))
    asked = {"horizon_d": 10, "rule": AT_ONCE, "policy": policy, "missed_cost": 1.0, "most_false": 1e9} | options
    return choose_threshold(scored, **asked)


def test_the_dearer_a_missed_lamp_the_lower_the_threshold():
    random = np.random.default_rng(0)
    cars = {car: np.clip(random.normal(0.25, 0.08, 30), 0.01, 0.99).tolist() for car in range(1, 60)}
    cars |= {car: np.clip(random.normal(0.35, 0.08, 30), 0.01, 0.99).tolist() for car in range(60, 80)}
    scored = grid(cars, [(car, 31) for car in range(60, 80)])
    dear, cheap = chosen(scored, missed_cost=20.0), chosen(scored, missed_cost=0.2)
    assert dear.threshold < cheap.threshold
    assert dear.missed < cheap.missed
    assert dear.false > cheap.false


def test_what_owners_bear_comes_before_what_it_would_save():
    scored = grid(FLEET, [(1, 6), (2, 6)])
    assert chosen(scored, missed_cost=50.0).missed == 0
    strict = chosen(scored, missed_cost=50.0, most_false=0.0)
    assert strict.false == 0


def test_nobody_is_called_for_hopeless_chances():
    scored = grid({1: [0.03] * 6, 2: [0.01] * 6}, [(1, 6)])
    assert chosen(scored, missed_cost=1000.0, least=0.15).threshold == pytest.approx(0.15)


def test_figures():
    found = Outcome(0.5, caught=8, missed=2, worth=6, false=2, car_months=4000)
    assert found.f1 == pytest.approx(0.8)
    assert found.false_per_1000_car_months == 0.5
    assert found.cost(3) == 3 * (2 + 8 - 6) + 2


def test_an_early_warning_is_worth_more_than_a_late_one():
    early = grid({1: [0.9] * 20, 2: [0.1] * 20}, [(1, 21)])
    late = grid({1: [0.1] * 18 + [0.9] * 2, 2: [0.1] * 20}, [(1, 21)])
    found = [outcome_of(one, 0.5, horizon_d=30, rule=AT_ONCE, policy=POLICY) for one in (early, late)]
    assert [one.caught for one in found] == [1, 1]
    assert found[0].worth == 1
    # Two days of the fourteen that are worth all of it, the last at 07:00.
    assert found[1].worth == pytest.approx(POLICY.late_value + (1 - POLICY.late_value) * 2 / POLICY.full_lead_d)


def test_where_no_healthy_car_was_seen_the_threshold_keeps_a_distance():
    # Peaks of healthy cars fall off by a factor of e for each step of log odds; the ill are far above all of them.
    rng = np.random.default_rng(5)
    healthy = {
        car: [float(p)] * 8 for car, p in enumerate(1 / (1 + np.exp(7.0 - rng.exponential(1.0, 1500))), start=100)
    }
    ill = {car: [0.001] * 4 + [0.97] * 4 for car in range(40)}
    scored = grid({**healthy, **ill}, [(car, 9) for car in ill])
    chosen = choose_threshold(scored, horizon_d=10, rule=AT_ONCE, policy=POLICY, missed_cost=1.0, most_false=1e9)
    oddest = max(p[0] for p in healthy.values())
    assert outcome(scored, chosen.threshold)[:2] == (40, 0)
    assert chosen.threshold > 2 * oddest
    assert 0 < chosen.false < 1


def test_of_a_few_healthy_cars_no_tail_is_drawn():
    scored = grid({**{car: [0.1] * 6 for car in range(10, 30)}, 1: [0.1, 0.1, 0.6, 0.6, 0.6, 0.6]}, [(1, 7)])
    chosen = choose_threshold(scored, horizon_d=10, rule=AT_ONCE, policy=POLICY, missed_cost=1.0, most_false=1e9)
    assert chosen.false == 0
