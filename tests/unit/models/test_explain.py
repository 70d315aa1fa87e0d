import numpy as np
import pandas as pd
import pytest

from models.explain import top_signals
from models.features import Feature

FEATURES = (
    Feature("lv_battery_v", "rest", "level", 7),
    Feature("lv_battery_v", "rest", "trend", 28),
    Feature("air_temp_c", "rest", "level", 7),
    Feature("lv_battery_a", "drive", "level", 7),
    Feature("dcdc_c", "drive", "level", 7),
)


def told(values, effects, **options):
    rows = pd.DataFrame([values], columns=[feature.name for feature in FEATURES])
    usual = {"lv_battery_v.rest.trend.28d": -0.001}
    return top_signals(FEATURES, rows, np.array([effects], dtype=float), usual=usual, **options)[0]


def test_a_signal_counts_with_all_its_features_and_is_told_by_the_strongest():
    reasons = told([12.1, -0.02, -5.0, 3.0, 40.0], [0.4, 0.5, 0.7, 0.1, -0.3])
    assert [reason["signal"] for reason in reasons] == ["lv_battery_v", "air_temp_c", "lv_battery_a"]
    assert reasons[0] == {
        "feature": "lv_battery_v.rest.trend.28d",
        "signal": "lv_battery_v",
        "regime": "rest",
        "kind": "trend",
        "window_d": 28,
        "value": -0.02,
        "unit": "V/d",
        "usual": -0.001,
        "effect": pytest.approx(0.9),
    }
    assert reasons[1]["unit"] == "degC"
    assert reasons[1]["usual"] is None


def test_a_missing_value_is_not_told_when_the_signal_has_another():
    reasons = told([12.1, np.nan, 5.0, 3.0, 40.0], [0.1, 0.5, 0.0, 0.0, 0.0])
    assert reasons[0]["feature"] == "lv_battery_v.rest.level.7d"


def test_a_signal_that_was_never_sent_has_no_value():
    reasons = told([12.1, 0.0, np.nan, 3.0, 40.0], [0.0, 0.0, 0.5, 0.0, 0.0])
    assert (reasons[0]["signal"], reasons[0]["value"]) == ("air_temp_c", None)
