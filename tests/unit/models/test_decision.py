import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from models.decision import Hysteresis, flags_of, peaks_of, warnings_of

RULE = Hysteresis(half_life=1.5, closes_below=0.5, closes_after=2)
AT_ONCE = Hysteresis(half_life=0.01, closes_below=0.5, closes_after=2)
UNSEEN = np.nan


def flags(probability, rule=RULE):
    return flags_of(np.array(probability, dtype=float)[:, None], 0.4, rule)[:, 0].astype(int).tolist()


@pytest.mark.parametrize(
    ("probability", "up"),
    [
        # The first scoring of a car has nothing to wait for.
        ([0.5, 0.1, 0.1, 0.5], [1, 1, 0, 0]),
        # A day that is a little high does not outweigh a low one before it; three do.
        ([0.1, 0.5, 0.5, 0.5, 0.5], [0, 0, 0, 1, 1]),
        # A sure one does at once.
        ([0.1, 0.95], [0, 1]),
        # Below the threshold nothing opens, however sure the days before were.
        ([0.9, 0.9, 0.1, 0.1, 0.35], [1, 1, 1, 0, 0]),
        # Between the two thresholds an open flag stays open and a closed one closed.
        ([0.5, 0.3, 0.3, 0.3, 0.3], [1, 1, 1, 1, 1]),
        ([0.3, 0.3, 0.3], [0, 0, 0]),
        # One low scoring is not the end; two in a row are.
        ([0.5, 0.5, 0.1, 0.3, 0.1, 0.1], [1, 1, 1, 1, 1, 0]),
        # A day without a scoring neither opens nor counts as one of the last.
        ([0.1, UNSEEN, UNSEEN, 0.5, UNSEEN, 0.5, 0.5], [0, 0, 0, 0, 0, 0, 1]),
        ([0.5, 0.5, UNSEEN, UNSEEN, UNSEEN], [1, 1, 1, 0, 0]),
        # Nothing is so certain that its odds have no end.
        ([0.0, 1.0, 1.0], [0, 1, 1]),
    ],
)
def test_a_flag_opens_by_the_last_scorings_together_and_closes_by_several_low_ones(probability, up):
    assert flags(probability) == up


def test_what_lies_far_back_is_forgotten():
    assert flags([0.0] * 20 + [0.95] * 8)[-1] == 1


def table(columns, *, cars=(7,)):
    days = len(next(iter(columns.values()))) // len(cars)
    index = pd.MultiIndex.from_product(
        [pd.date_range("2026-03-01", periods=days, freq="D"), list(cars)], names=["as_of", "vehicle_id"]
    )
    return pd.DataFrame(columns, index=index, dtype=np.float32)


def told(probabilities, thresholds, **options):
    found = warnings_of(probabilities, thresholds, rule=AT_ONCE, **options)
    return [(row.vehicle_id, row.fault_mode, row.first_flagged_at.day) for row in found.itertuples()]


def test_a_car_is_named_once_by_the_mode_furthest_beyond_its_threshold():
    probabilities = table({"insulation": [0.5, 0.5, 0.6, 0.6], "hv_connection": [0.9, 0.9, 0.9, 0.9]})
    assert told(probabilities, {"insulation": 0.1, "hv_connection": 0.8}) == [(7, "insulation", 1)]


def test_another_fault_that_shows_while_one_is_open_opens_nothing():
    probabilities = table({"dcdc": [0.6, 0.6, 0.6, 0.6], "lv_battery": [0.0, 0.0, 0.9, 0.9]})
    assert told(probabilities, {"dcdc": 0.5, "lv_battery": 0.5}) == [(7, "dcdc", 1)]


def test_a_new_episode_is_a_new_warning():
    probabilities = table({"dcdc": [0.6, 0.6, 0.0, 0.0, 0.6, 0.6]})
    assert told(probabilities, {"dcdc": 0.5}) == [(7, "dcdc", 1), (7, "dcdc", 5)]


def test_a_false_alarm_quiets_that_car_and_mode_from_then_on():
    quiet = pd.DataFrame({"vehicle_id": [7], "fault_mode": ["dcdc"], "since": pd.to_datetime(["2026-03-03"], utc=True)})
    dcdc = {7: [0.6, 0.6, 0.0, 0.0, 0.0, 0.6], 8: [0.0, 0.0, 0.6, 0.6, 0.6, 0.6]}
    lv_battery = {7: [0.0, 0.0, 0.0, 0.0, 0.6, 0.6], 8: [0.0] * 6}
    columns = {"dcdc": dcdc, "lv_battery": lv_battery}
    # By day, and car by car within a day.
    both = table({mode: np.array(list(cars.values())).T.ravel() for mode, cars in columns.items()}, cars=(7, 8))
    assert told(both, {"dcdc": 0.5, "lv_battery": 0.5}, quiet=quiet) == [
        (7, "dcdc", 1),
        (8, "dcdc", 3),
        (7, "lv_battery", 5),
    ]
    quiet["since"] = pd.to_datetime(["2026-03-01"], utc=True)
    assert told(both, {"dcdc": 0.5, "lv_battery": 0.5}, quiet=quiet) == [(8, "dcdc", 3), (7, "lv_battery", 5)]


def test_a_mode_without_a_threshold_is_never_named_and_nothing_is_no_warning():
    assert told(table({"dcdc": [0.9, 0.9, 0.9]}), {}) == []
    assert told(table({"dcdc": [0.9, 0.9, 0.9]}), {"lv_battery": 0.1}) == []
    assert told(table({"dcdc": [0.1, UNSEEN, 0.1]}), {"dcdc": 0.2}) == []


@given(seed=st.integers(0, 2**32 - 1), half_life=st.sampled_from([0.5, 2.0, 5.0]))
def test_a_flag_opens_at_every_threshold_up_to_the_peak_and_at_none_beyond(seed, half_life):
    rng = np.random.default_rng(seed)
    probability = np.where(rng.random((15, 6)) < 0.2, np.nan, rng.random((15, 6)))
    rule = Hysteresis(half_life, 0.5, 3)
    peaks = peaks_of(probability, rule)
    for car in range(6):
        if not np.isfinite(peaks[car]):
            continue
        below, above = expit(peaks[car] - 1e-6), expit(peaks[car] + 1e-6)
        assert flags_of(probability, below, rule)[:, car].any()
        assert not flags_of(probability, above, rule)[:, car].any()
