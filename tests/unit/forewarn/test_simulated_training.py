from dataclasses import replace
from datetime import UTC, datetime

import pytest

from config.faults import fault_modes
from forewarn.simulated_training import _CODE, _ROOT, TRAINING_PLANS, fingerprint, simulated_models, training_fleet
from forewarn.simulator.fleet import FleetPlan
from models.dataset import NotEnoughData, training_rows
from models.features import Feature

PLAN = FleetPlan(vehicles=12, days=45, seed=3, end=datetime(2026, 5, 1, tzinfo=UTC), faulty_share=0.5)
FEATURES = [Feature("lv_battery_v", "rest", "level", 7), Feature("lv_battery_v", "rest", "peer", 7)]


@pytest.fixture(scope="module")
def fleet():
    return training_fleet(PLAN, FEATURES, number=2, processes=1)


def test_cars_of_different_fleets_share_no_number(fleet):
    assert set(fleet.vehicles["vehicle_id"]) == set(range(2_000_001, 2_000_013))
    assert set(fleet.rows.index.get_level_values("vehicle_id")) <= set(fleet.vehicles["vehicle_id"])
    assert set(fleet.lamps["vehicle_id"]) <= set(fleet.vehicles["vehicle_id"])


def test_weights_make_a_fleet_of_few_faulty_cars(fleet):
    faulty = set(fleet.findings.loc[fleet.findings["confirmed"], "vehicle_id"])
    assert len(faulty) == 6
    of_faulty = fleet.weight[fleet.weight.index.isin(faulty)].sum()
    assert of_faulty / fleet.weight.sum() == pytest.approx(0.02)


def test_what_is_learnt_is_scored_by_days(fleet):
    mode = fault_modes()["lv_battery"]
    rows = training_rows(mode, FEATURES, fleet)
    assert rows.learnt.sum() < len(rows.learnt) / 2
    assert list(rows.features.columns) == [feature.name for feature in FEATURES]


def test_another_plan_or_seed_has_another_name():
    name = fingerprint(TRAINING_PLANS, 0)
    assert name == fingerprint(TRAINING_PLANS, 0)
    assert name != fingerprint(TRAINING_PLANS, 1)
    assert all(any(_ROOT.glob(pattern)) for pattern in _CODE)
    assert name != fingerprint((replace(TRAINING_PLANS[0], seed=1), *TRAINING_PLANS[1:]), 0)


def test_too_small_a_fleet_leaves_nothing_behind(tmp_path):
    with pytest.raises(NotEnoughData, match="no model could be trained"):
        simulated_models(tmp_path, plans=(replace(PLAN, vehicles=4, days=40),), processes=1)
    assert not list(tmp_path.rglob("*.skops"))
