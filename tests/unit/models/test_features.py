from datetime import timedelta

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from models.features import MOST_LEFT_D, REGIMES, Feature, as_table, feature_rows, feature_rows_of_days, from_table
from tests.unit.models.frames import aggregates, day

COLUMN = "lv_battery_v"
AS_OF = day(40)
EVERY_KIND = [
    Feature(COLUMN, regime, kind, window_d)
    for regime in REGIMES
    for kind in ("level", "lowest", "highest", "deviation", "recent", "trend", "change", "since", "loaded", "drift")
    for window_d in (1, 7, 28)
] + [
    Feature("lv_rest_drop_v", regime, kind, 7) for regime in REGIMES for kind in ("level", "highest", "trend", "since")
]


def value(rows, feature, *, as_of=AS_OF):
    return feature_rows(aggregates(rows), [feature], as_of=as_of)[feature.name].tolist()


def test_level_is_the_mean_of_all_readings_in_the_window():
    rows = [(7, 39, 39, "rest", [12.0, 12.0, 12.0]), (7, 38, 38, "rest", [13.0]), (7, 30, 30, "rest", [99.0])]
    assert value(rows, Feature(COLUMN, "rest", "level", 7)) == [pytest.approx(12.25)]


def test_days_received_late_are_merged_once_they_are_known():
    rows = [(7, 38, 38, "rest", [12.0]), (7, 38, 39, "rest", [11.0, 10.0]), (7, 38, 40, "rest", [2.0])]
    frame = feature_rows(
        aggregates(rows),
        [Feature(COLUMN, "rest", kind, 7) for kind in ("level", "lowest", "highest", "deviation")],
        as_of=AS_OF,
    )
    assert frame.loc[7].tolist() == pytest.approx([11.0, 10.0, 12.0, np.std([12.0, 11.0, 10.0])])


def test_trend_is_the_slope_of_the_daily_means_and_gaps_keep_their_place():
    rows = [(7, at, at, "drive", [14.0 - 0.1 * at, 14.0 - 0.1 * at]) for at in (30, 33, 34, 39)]
    assert value(rows, Feature(COLUMN, "drive", "trend", 28)) == [pytest.approx(-0.1)]


def test_trend_needs_three_days():
    rows = [(7, at, at, "rest", [12.0]) for at in (38, 39)]
    assert np.isnan(value(rows, Feature(COLUMN, "rest", "trend", 7)))


def test_change_compares_with_the_cars_own_weeks_before():
    rows = [(7, 39, 39, "rest", [12.0]), (7, 20, 20, "rest", [12.6]), (7, 4, 4, "rest", [99.0])]
    assert value(rows, Feature(COLUMN, "rest", "change", 7)) == [pytest.approx(-0.6)]


def test_since_compares_with_the_weeks_before_the_last_four():
    rows = [(7, 39, 39, "rest", [12.0]), (7, 20, 20, "rest", [99.0]), (7, 4, 4, "rest", [12.6])]
    assert value(rows, Feature(COLUMN, "rest", "since", 7)) == [pytest.approx(-0.6)]
    assert value(rows[:2], Feature(COLUMN, "rest", "since", 7)) == [pytest.approx(np.nan, nan_ok=True)]


def test_loaded_is_what_the_load_does_to_the_level():
    rows = [(7, 39, 39, "drive", [14.2]), (7, 35, 35, "rest", [12.6, 12.4]), (7, 20, 20, "rest", [99.0])]
    assert value(rows, Feature(COLUMN, "drive", "loaded", 7)) == [pytest.approx(1.7)]
    assert value(rows[:1], Feature(COLUMN, "drive", "loaded", 7)) == [pytest.approx(np.nan, nan_ok=True)]


def pads(front, rear):
    """Wear of the two axles, day by day up to the last before AS_OF."""
    days = range(40 - len(front), 40)
    both = [
        aggregates([(7, at, at, "drive", [worn]) for at, worn in zip(days, axle, strict=True)], column=column)
        for axle, column in ((front, "pad_wear_front_pct"), (rear, "pad_wear_rear_pct"))
    ]
    return both[0].merge(both[1])


def pad_value(kind, front, rear, window_d=4):
    feature = Feature("pad_wear_pct", "drive", kind, window_d)
    return feature_rows(pads(front, rear), [feature], as_of=AS_OF)[feature.name].tolist()


def test_the_worse_axle_speaks_feature_by_feature():
    front, rear = [60, 60, 60, 60], [40, 42, 44, 46]
    assert pad_value("level", front, rear) == [60]
    assert pad_value("trend", front, rear) == [pytest.approx(2)]


def test_days_left_are_those_to_the_limit_at_the_present_rate():
    # Lamp at 84: the rear is at 43 on average and gains 2 a day, the front stands still.
    assert pad_value("left", [60, 60, 60, 60], [40, 42, 44, 46]) == [pytest.approx((84 - 43) / 2)]
    assert pad_value("left", [60, 60, 60, 60], [46, 44, 42, 40]) == [MOST_LEFT_D]
    assert pad_value("left", [90, 91, 92, 93], [10, 10, 10, 10]) == [0]
    assert pad_value("left", [60, 61], [10, 10]) == [pytest.approx(np.nan, nan_ok=True)]


def test_days_left_need_a_limit():
    with pytest.raises(ValueError, match="no limit of lv_rest_drop_v"):
        value([(7, 39, 39, "rest", [12.0])], Feature("lv_rest_drop_v", "rest", "left", 7))


def test_recent_halves_a_weight_with_every_third_of_the_window():
    rows = [(7, 39, 39, "rest", [12.0]), (7, 37, 37, "rest", [13.0, 13.0]), (7, 33, 33, "rest", [99.0])]
    assert value(rows, Feature(COLUMN, "rest", "recent", 6)) == [pytest.approx((12 + 0.5 * 2 * 13) / (1 + 0.5 * 2))]


def test_drift_compares_with_the_first_ten_days_that_have_readings():
    rows = [(7, at, at, "rest", [10.0 + at]) for at in (*range(0, 18, 2), 30, 39)]
    beginning = np.mean([10.0 + at for at in (*range(0, 18, 2), 30)])
    assert value(rows, Feature(COLUMN, "rest", "drift", 1)) == [pytest.approx(49 - beginning)]


def test_a_first_day_that_arrives_late_moves_the_beginning_once_it_is_known():
    rows = [(7, at, at, "rest", [12.0]) for at in range(5, 40)] + [(7, 2, 38, "rest", [22.0])]
    drift = Feature(COLUMN, "rest", "drift", 1)
    assert value(rows, drift, as_of=day(38)) == [0.0]
    assert value(rows, drift, as_of=day(39)) == [pytest.approx(-1.0)]


def test_regimes_do_not_mix_and_a_missing_one_is_nan():
    frame = feature_rows(
        aggregates([(7, 39, 39, "drive", [14.2])]),
        [Feature(COLUMN, regime, "level", 1) for regime in REGIMES],
        as_of=AS_OF,
    )
    assert frame.loc[7, f"{COLUMN}.drive.level.1d"] == pytest.approx(14.2)
    assert frame.loc[7, [f"{COLUMN}.rest.level.1d", f"{COLUMN}.charge.level.1d"]].isna().all()


def test_a_clock_that_runs_ahead_does_not_reach_the_future():
    rows = [(7, 39, 39, "rest", [12.0]), (7, 45, 39, "rest", [1.0])]
    assert value(rows, Feature(COLUMN, "rest", "lowest", 7)) == [12.0]


def test_the_running_day_is_left_out():
    rows = [(7, 39, 39, "rest", [12.0]), (7, 40, 40, "rest", [1.0])]
    assert value(rows, Feature(COLUMN, "rest", "lowest", 7), as_of=AS_OF + timedelta(hours=17)) == [12.0]


def test_an_instant_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        value([(7, 39, 39, "rest", [12.0])], Feature(COLUMN, "rest", "level", 1), as_of=AS_OF.replace(tzinfo=None))


def test_no_readings_give_no_rows():
    frame = feature_rows(aggregates([(7, 39, 41, "rest", [12.0])]), EVERY_KIND, as_of=AS_OF)
    assert frame.shape == (0, len(EVERY_KIND))


def test_features_survive_being_written_down():
    assert from_table(as_table(EVERY_KIND)) == tuple(EVERY_KIND)


groups = st.tuples(
    st.integers(1, 4),
    st.integers(0, 45),
    st.sampled_from(REGIMES),
    st.lists(st.floats(4, 18, width=32), max_size=4),
    st.integers(-1, 45),
)


@settings(max_examples=80, deadline=None)
@given(
    past=st.lists(groups, min_size=1, max_size=30),
    future=st.lists(groups, min_size=1, max_size=30),
    order=st.randoms(use_true_random=False),
)
def test_moving_the_future_does_not_move_a_feature(past, future, order):
    """Promise 6: whatever is received on the day of as_of or later, about whichever day, changes nothing."""
    known = [(car, at, min(max(at + delay, 0), 39), regime, values) for car, at, regime, values, delay in past]
    later = [(car + 2, at, 40 + max(delay, 0), regime, values) for car, at, regime, values, delay in future]
    known_frame, later_frame = aggregates(known), aggregates(later)
    mixed = pd.concat([known_frame, later_frame], ignore_index=True)
    # The store sends rows in its own order; only rows with the same key must keep theirs.
    shuffled = mixed.iloc[order.sample(range(len(mixed)), len(mixed))]
    shuffled = (
        shuffled.sort_index()
        if known_frame.duplicated(["vehicle_id", "day", "received_on", "regime"]).any()
        else shuffled
    )
    pd.testing.assert_frame_equal(
        feature_rows(shuffled, EVERY_KIND, as_of=AS_OF),
        feature_rows(known_frame, EVERY_KIND, as_of=AS_OF),
        check_exact=True,
    )


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(groups, min_size=1, max_size=40),
    asked=st.lists(st.integers(1, 45), min_size=1, max_size=8),
)
def test_many_days_at_once_are_each_day_by_itself(rows, asked):
    frame = aggregates([(car, at, max(at + delay, 0), regime, values) for car, at, regime, values, delay in rows])
    at_once = feature_rows_of_days(frame, EVERY_KIND, days=[day(at) for at in asked])
    one_by_one = [feature_rows(frame, EVERY_KIND, as_of=day(at)) for at in asked]
    assert at_once.index.get_level_values("as_of").tolist() == [
        pd.Timestamp(day(at).replace(tzinfo=None))
        for at, part in zip(asked, one_by_one, strict=True)
        for _ in part.index
    ]
    pd.testing.assert_frame_equal(at_once.droplevel("as_of"), pd.concat(one_by_one), check_exact=True)


def test_many_cars_are_worked_on_in_parts(monkeypatch):
    frame = aggregates([(car, at, at, "rest", [10.0 + car]) for car in range(1, 30) for at in range(5)])
    feature = Feature(COLUMN, "rest", "level", 3)
    whole = feature_rows_of_days(frame, [feature], days=[day(4), day(5)])
    monkeypatch.setattr("models.features.CELLS_AT_ONCE", 12)
    pd.testing.assert_frame_equal(feature_rows_of_days(frame, [feature], days=[day(4), day(5)]), whole)
    assert len(whole) == 58
