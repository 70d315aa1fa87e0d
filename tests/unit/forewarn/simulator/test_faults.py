"""The plan of a fault: when it starts, how it grows, how it ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.faults import fault_modes
from forewarn.simulator.car_models import MODELS
from forewarn.simulator.faults import DEAL, GROWTH, FaultPlan, Faults, can_have, deal_modes, draw_plan
from forewarn.simulator.time import DAY_S

PLAN = FaultPlan("lv_battery", onset_s=10.0, growth_s=100.0, strength=1.2, steepness=1.5, place=0, sudden=False)


def test_a_fault_is_nothing_before_its_onset_and_whole_after_its_growth():
    grown = PLAN.severity(np.array([0.0, 10.0, 60.0, 110.0, 900.0]))
    assert grown[0] == grown[1] == 0.0
    assert 0.0 < grown[2] < 0.6
    assert grown[3] == grown[4] == pytest.approx(1.2)


def test_a_repair_ends_it_and_a_pause_hides_it():
    assert PLAN.repaired_at(80.0).severity(np.array([79.0, 80.0]))[1] == 0.0
    paused = FaultPlan("dcdc", 0.0, 100.0, 1.0, 1.0, 0, sudden=False, pauses=((40.0, 50.0),))
    assert (paused.severity(np.array([39.0, 40.0, 49.9, 50.0])) > 0).tolist() == [True, False, False, True]


@given(st.floats(0.05, 3.0), st.floats(0.0, 1e5), st.floats(60.0, 5e6), st.floats(0.5, 2.0))
def test_a_fault_never_shrinks_by_itself(steepness, onset_s, length_s, strength):
    plan = FaultPlan("tyre_leak", onset_s, length_s, strength, steepness, 0, sudden=False)
    grown = plan.severity(np.linspace(0.0, onset_s + 3 * length_s, 200))
    assert np.all(np.diff(grown) >= 0.0)
    assert grown.max() <= strength * (1 + 1e-9)


def test_a_block_knows_which_car_has_which_fault():
    faults = Faults([None, PLAN])
    car = np.array([0, 1, 1])
    assert (faults.severity("lv_battery", car, np.array([60.0, 60.0, 0.0])) > 0).tolist() == [False, True, False]
    assert not faults.severity("dcdc", car, np.array([60.0, 60.0, 60.0])).any()
    assert faults.of("lv_battery") == {1: PLAN}


def test_lamps_of_a_mode_are_aimed_at_all_of_the_time_and_the_weeks_after():
    aimed = []
    for nth in range(40):
        plan = draw_plan("insulation", MODELS[0], days=100, nth=nth, rng=np.random.default_rng(nth))
        assert plan.growth_s > 0
        aimed.append((plan.onset_s + 0.85 * plan.growth_s) / DAY_S)
    share = np.histogram(aimed, bins=[0, 40, 70, 100, 130])[0] / 40
    assert np.all(share > 0.1)


def test_even_few_faulty_cars_have_both_modes_that_break_down_most():
    assert set(deal_modes(2)) == {"hv_self_discharge", "lv_battery"}
    assert set(deal_modes(len(DEAL))) == set(GROWTH)


def test_cars_have_the_faults_of_what_they_are_made_of():
    for model in MODELS:
        for key, mode in fault_modes().items():
            assert can_have(model, key) == (model.powertrain in mode.on)
