from dataclasses import replace

import msgspec
import numpy as np
import pandas as pd
import pytest

from config.faults import fault_modes
from models.dataset import LEAST_HISTORY_D, NotEnoughData, Stored, known_fleet, training_days, training_rows
from models.features import PEER_OF, Feature
from models.training import describe, fit_mode, out_of_fold, seen_features
from models.watched import features_of
from tests.unit.models.frames import battery_fleet, day

MODE = fault_modes()["lv_battery"]
DAYS = 60
# Those that need nothing but the battery itself.
FEATURES = tuple(f for f in features_of(MODE) if f.column == "lv_battery_v" and f.kind not in PEER_OF)


def stored(**fleet):
    aggregates, lamps = battery_fleet(days=DAYS, **fleet)
    vehicles = pd.DataFrame({"vehicle_id": aggregates["vehicle_id"].unique(), "powertrain": "ice", "model": "C4"})
    return Stored(aggregates, lamps, vehicles)


def rows_of(what, mode=MODE):
    return training_rows(mode, FEATURES, known_fleet(what, FEATURES, until=day(DAYS)))


@pytest.fixture(scope="module")
def dataset():
    return rows_of(stored(vehicles=40, failing=12))


def test_rows_have_a_history_and_a_horizon_that_has_passed(dataset):
    assert dataset.as_of.min() >= np.datetime64(day(LEAST_HISTORY_D).date())
    assert dataset.as_of.max() == np.datetime64(day(DAYS - MODE.horizon_d).date())
    assert dataset.vehicles == 40
    assert 0 < dataset.failing_vehicles <= 12


def test_cars_that_cannot_have_the_fault_are_left_out():
    everything = stored(vehicles=8, failing=3)
    everything.vehicles["powertrain"] = ["bev"] * 4 + ["ice"] * 4
    bev_only = msgspec.structs.replace(MODE, on=("bev",))
    assert set(rows_of(everything, bev_only).vehicle_id) <= {1, 2, 3, 4}


def test_a_model_finds_batteries_it_has_not_seen(dataset):
    fitted = fit_mode(MODE, FEATURES, dataset, seed=0)
    assert fitted.metrics["roc_auc"] > 0.9
    assert fitted.metrics["average_precision"] > 3 * fitted.metrics["share_positive"]
    assert fitted.metrics["vehicles_caught"] >= 0.7 * fitted.metrics["vehicles_failing"]
    assert 0 < fitted.threshold < 1
    assert fitted.usual["lv_battery_v.rest.level.7d"] == pytest.approx(12.6, abs=0.1)


def test_no_car_is_judged_by_a_model_that_saw_it(dataset):
    # Labels that follow nothing but the car: whoever has seen a car knows its label, who has not must guess.
    random = np.random.default_rng(1)
    cars = np.unique(dataset.vehicle_id)
    label_of = dict(zip(cars, random.permutation(len(cars)) < len(cars) // 2, strict=True))
    identity = pd.DataFrame(
        {"odometer_km.rest.level.7d": dataset.vehicle_id + random.normal(0, 0.01, len(dataset.vehicle_id))}
    )
    memorable = replace(dataset, features=identity, came_on=np.array([label_of[car] for car in dataset.vehicle_id]))
    probability = out_of_fold([Feature("odometer_km", "rest", "level", 7)], memorable, seed=0)
    assert not np.isnan(probability).any()
    right = ((probability > 0.5) == memorable.came_on).mean()
    assert right < 0.75


def test_physics_holds_in_the_trained_model(dataset):
    fitted = fit_mode(MODE, FEATURES, dataset, seed=0)
    names = [feature.name for feature in fitted.features]
    row = dataset.features[names].median().to_frame().T
    rows = pd.concat([row] * 30, ignore_index=True)
    rows["lv_battery_v.rest.level.7d"] = np.linspace(11.0, 13.0, 30)
    assert (np.diff(fitted.estimator.predict_proba(rows)[:, 1]) <= 1e-12).all()


def test_training_twice_gives_the_same_model(dataset):
    first, second = (fit_mode(MODE, FEATURES, dataset, seed=3) for _ in range(2))
    assert np.array_equal(first.score, second.score)
    assert first.threshold == second.threshold


def test_other_weights_make_another_model_with_another_name(dataset):
    heavier = replace(dataset, weight=np.where(np.arange(len(dataset.weight)) % 2, 3.0, 1.0))
    fitted = fit_mode(MODE, FEATURES, dataset, seed=3)
    names = {
        describe(MODE, one, fitted, as_of=day(DAYS), trained_at=day(DAYS), seed=3).version
        for one in (dataset, dataset, heavier)
    }
    assert len(names) == 2


@pytest.mark.parametrize(
    ("failing", "vehicles", "what"), [(0, 12, "came on"), (2, 12, "came on"), (6, 6, "stayed off")]
)
def test_too_few_cars_of_one_kind_say_what_to_do(failing, vehicles, what):
    everything = stored(vehicles=vehicles, failing=failing)
    rows = rows_of(everything)
    if what == "stayed off":
        rows.came_on[:] = True
    with pytest.raises(NotEnoughData, match=f"lv_battery: 3 cars whose lamp {what}.*ingest"):
        fit_mode(MODE, FEATURES, rows, seed=0)


def test_lamps_that_leave_nothing_to_learn_from_are_not_counted():
    rows = rows_of(stored(vehicles=12, failing=3))
    rows.learnt[np.isin(rows.vehicle_id, rows.vehicle_id[rows.came_on][:1])] = False
    with pytest.raises(NotEnoughData, match="lv_battery: 3 cars whose lamp came on are needed and 2 are stored"):
        fit_mode(MODE, FEATURES, rows, seed=0)


def test_too_short_a_history_says_how_long_it_must_be():
    with pytest.raises(
        NotEnoughData, match=rf"{MODE.horizon_d + 7} days of readings are needed and {MODE.horizon_d + 6} are stored"
    ):
        training_days(MODE, np.datetime64(day(0).date()), until=day(MODE.horizon_d + 6))


def test_no_readings_at_all():
    nothing = stored(vehicles=1, failing=0)
    nothing = Stored(nothing.aggregates.iloc[:0], nothing.lamps, nothing.vehicles)
    with pytest.raises(NotEnoughData, match="0 are stored"):
        rows_of(nothing)


def test_a_feature_that_no_car_has_is_left_out():
    features = [Feature("lv_battery_v", "rest", "level", 7), Feature("air_temp_c", "rest", "level", 7)]
    rows = pd.DataFrame({features[0].name: [1.0, np.nan], features[1].name: [np.nan, np.nan]})
    assert seen_features(features, rows) == (features[0],)
