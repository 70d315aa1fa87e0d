import numpy as np
import pandas as pd
import pytest

from config.faults import fault_modes
from models.dataset import Stored, known_fleet, training_rows
from models.features import Feature
from models.labels import days_to_lamp, lamps_of
from models.lamp_time import fit_lamp_time
from models.remaining import TooFewUnits, predict_remaining
from tests.unit.models.frames import battery_fleet, day, lamps

MODE = fault_modes()["lv_battery"]
FEATURES = tuple(
    Feature("lv_battery_v", "rest", kind, window) for kind, window in (("level", 1), ("level", 7), ("trend", 7))
)
DAYS = 60


def test_days_count_to_the_cars_next_lamp():
    episodes = lamps_of(
        MODE,
        lamps(
            [
                (1, day(9), "lv_battery", "on"),
                (1, day(10), "lv_battery", "off"),
                (1, day(20), "lv_battery", "on"),
                (2, day(1), "lv_battery", "on"),
            ]
        ),
    )
    as_of = np.array([day(at).date() for at in (4, 9, 10, 21, 4, 4)], dtype="datetime64[D]")
    days = days_to_lamp(episodes, np.array([1, 1, 1, 1, 2, 3]), as_of)
    np.testing.assert_array_equal(days, [5.0, 0.0, 10.0, np.nan, np.nan, np.nan])


def test_nothing_lit_has_no_days():
    episodes = lamps_of(MODE, lamps([]).astype({"code": "str", "state": "str"}))
    assert np.isnan(days_to_lamp(episodes, np.array([1]), np.array(["2026-03-01"], dtype="datetime64[D]"))).all()


def of_fleet(**fleet):
    aggregates, lit = battery_fleet(days=DAYS, **fleet)
    vehicles = pd.DataFrame({"vehicle_id": aggregates["vehicle_id"].unique(), "powertrain": "ice"})
    fleet = known_fleet(Stored(aggregates, lit, vehicles), FEATURES, until=day(DAYS))
    return training_rows(MODE, FEATURES, fleet), lamps_of(MODE, lit)


def test_the_days_to_a_lamp_of_cars_it_has_not_seen_are_found():
    dataset, _ = of_fleet(vehicles=40, failing=36)
    model = fit_lamp_time(MODE, FEATURES, dataset, members=2, seed=0)
    unseen, their_lamps = of_fleet(vehicles=20, failing=18, seed=1)
    rows = unseen.came_on
    left = days_to_lamp(their_lamps, unseen.vehicle_id, unseen.as_of)[rows]
    predicted = predict_remaining(model, unseen.features[rows])
    assert model.cap_d == MODE.horizon_d
    assert np.abs(predicted["days"] - left).median() < 2.5
    assert ((predicted["low"] <= left) & (left <= predicted["high"])).mean() > 0.8


def test_too_few_lamps_vouch_for_no_interval():
    dataset, _ = of_fleet(vehicles=10, failing=8)
    with pytest.raises(TooFewUnits):
        fit_lamp_time(MODE, FEATURES, dataset, members=1, seed=0)
