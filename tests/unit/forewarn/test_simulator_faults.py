"""The plan of a fault: when it starts, how it grows, how it ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewarn.simulator.car_models import MODELS
from forewarn.simulator.faults import DAY_S, FaultPlan, can_have, deal_modes, draw_plan, progress

PLAN = FaultPlan("lv_battery", onset_s=10.0, aimed_s=110.0, steepness=1.5, place=0, sudden=False)


def test_a_fault_is_nothing_before_its_onset_and_whole_when_its_lamp_is_due():
    t_s = np.array([0.0, 10.0, 60.0, 110.0])
    grown = progress(PLAN, "lv_battery", t_s)
    assert grown[0] == grown[1] == 0.0
    assert 0.0 < grown[2] < 0.5
    assert grown[3] == pytest.approx(1.0)


def test_a_repair_ends_it():
    assert progress(PLAN.repaired_at(80.0), "lv_battery", np.array([79.0, 80.0]))[1] == 0.0


def test_other_modes_and_no_plan_are_healthy():
    t_s = np.array([500.0])
    assert progress(PLAN, "tyre_leak", t_s)[0] == progress(None, "tyre_leak", t_s)[0] == 0.0


@given(st.floats(0.05, 3.0), st.floats(0.0, 1e5), st.floats(60.0, 5e6))
def test_a_fault_never_shrinks_by_itself(steepness, onset_s, length_s):
    plan = FaultPlan("tyre_leak", onset_s, onset_s + length_s, steepness, 0, sudden=False)
    grown = progress(plan, "tyre_leak", np.linspace(0.0, onset_s + 3 * length_s, 200))
    assert np.all(np.diff(grown) >= 0.0)
    assert grown.max() <= 1.6


def test_plans_aim_before_or_after_the_end_as_asked():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        before = draw_plan("lv_battery", MODELS[0], days=40, lamp_before_end=True, rng=rng)
        after = draw_plan("lv_battery", MODELS[0], days=40, lamp_before_end=False, rng=rng)
        assert before.aimed_s < 40 * DAY_S < after.aimed_s
        assert before.onset_s < before.aimed_s


def test_even_few_faulty_cars_have_both_modes_that_are_predicted():
    assert set(deal_modes(2)) == {"hv_self_discharge", "lv_battery"}
    assert "tyre_leak" in deal_modes(5)


def test_cars_without_a_ternary_pack_have_no_leaking_cell():
    for model in MODELS:
        assert can_have(model, "hv_self_discharge") == (model.chemistry == "NMC")
        assert can_have(model, "lv_battery")
