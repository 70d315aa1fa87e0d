"""Lamps: held, latched, out again, and those with nothing behind them."""

import numpy as np

from forewarn.simulator.lamps import HELD_S, NUISANCE_PER_YEAR, Lamp, apart, lit, nuisance_lamps
from forewarn.simulator.time import DAY_S

T_S = np.arange(0.0, 20 * DAY_S, 3600.0)
ALWAYS = np.ones(len(T_S), dtype=bool)


def holds(*spans: tuple[float, float]) -> np.ndarray:
    found = np.zeros(len(T_S), dtype=bool)
    for begins, ends in spans:
        found[np.searchsorted(T_S, begins * DAY_S) : np.searchsorted(T_S, ends * DAY_S)] = True
    return found


def test_a_lamp_comes_on_when_its_condition_has_been_held_and_goes_out_when_it_has_been_gone():
    (lamp,) = lit("dcdc", T_S, holds((2, 5)), ALWAYS, None)
    assert lamp.on_s == 2 * DAY_S + 3600 + HELD_S
    assert lamp.off_s is not None
    assert 6 * DAY_S < lamp.off_s < 7 * DAY_S


def test_one_report_alone_lights_no_lamp_that_needs_two():
    alone = np.zeros(len(T_S), dtype=bool)
    alone[[5, 40]] = True
    assert lit("lv_battery", T_S, alone, ALWAYS, None) == []
    assert len(lit("brake_pad", T_S, alone, ALWAYS, None)) == 1


def test_conditions_are_judged_where_the_car_looks():
    assert lit("tire_pressure", T_S, ALWAYS, ~ALWAYS, None) == []


def test_the_workshop_puts_it_out():
    (lamp,) = lit("brake_pad", T_S, holds((2, 8)), ALWAYS, 8 * DAY_S)
    assert lamp.off_s == 8 * DAY_S


def test_what_comes_and_goes_is_several_lamps_and_what_stays_is_on_at_the_end():
    lamps = lit("insulation", T_S, holds((1, 2), (8, 9), (15, 20)), ALWAYS, None)
    assert len(lamps) == 3
    assert lamps[-1].off_s is None


def test_nuisance_lamps_are_as_frequent_as_said():
    rng = np.random.default_rng(1)
    reports = np.arange(0.0, 365.25 * DAY_S, 1800.0)
    found = [lamp for _ in range(3000) for lamp in nuisance_lamps(("dcdc",), reports, 365.25, rng)]
    assert abs(len(found) / 3000 - NUISANCE_PER_YEAR) < 0.015
    assert all(lamp.nuisance and (lamp.off_s is None or lamp.off_s > lamp.on_s) for lamp in found)
    # Nothing tells them from real ones: both come on when a report has shown it.
    assert all((lamp.on_s - HELD_S) % 1800 == 0 for lamp in found)
    assert nuisance_lamps(("dcdc",), np.zeros(0), 9e9, rng) == []


def test_a_lamp_that_is_on_does_not_come_on_again_for_nothing():
    real, nothing = Lamp("dcdc", 100.0, 500.0), Lamp("dcdc", 300.0, 400.0, nuisance=True)
    later = Lamp("dcdc", 900.0, 950.0, nuisance=True)
    assert apart({"dcdc": [real, nothing, later]}) == [real, later]


def test_a_car_that_stands_for_a_week_does_not_put_its_lamp_out():
    driving = np.zeros(len(T_S), dtype=bool)
    driving[(T_S < 3 * DAY_S) | (T_S >= 12 * DAY_S)] = True
    (lamp,) = lit("tire_pressure", T_S, holds((2, 20)), driving, None)
    assert lamp.off_s is None
