"""Measures on series whose answer is known."""

import numpy as np
import pytest

from forewarn.realism import measures
from forewarn.realism.finding import Finding, by_car, worst

RNG = np.random.default_rng(5)


def test_the_distance_of_a_shift_is_the_shift_in_interquartile_ranges():
    values = RNG.normal(0.0, 1.0, 20_000)
    width = np.subtract(*np.quantile(values, [0.75, 0.25]))
    apart = measures.distance(values, values + 0.5)
    assert apart.wasserstein == pytest.approx(0.5 / width, rel=1e-6)
    assert apart.ks == pytest.approx(0.197, abs=0.01)
    assert measures.distance(values, values).wasserstein == 0.0


def test_few_values_have_no_distance():
    assert np.isnan(measures.distance(np.ones(5), RNG.normal(size=500)).wasserstein)


def test_autocorrelation_is_that_of_the_process_and_never_reaches_over_a_break():
    keep, count = 0.9, 40_000
    values = np.zeros(count)
    for i, shock in enumerate(RNG.normal(size=count)):
        values[i] = keep * values[i - 1] + shock
    ts_s = np.arange(count) * 10.0
    whole = np.zeros(count, dtype=np.int64)
    assert measures.autocorrelation(values, ts_s, whole, 10.0, 10.0) == pytest.approx(0.9, abs=0.01)
    assert measures.autocorrelation(values, ts_s, whole, 30.0, 10.0) == pytest.approx(0.729, abs=0.02)
    assert np.isnan(measures.autocorrelation(values, ts_s, whole, 15.0, 10.0))
    # A stretch of two reports has no pair three steps apart.
    assert np.isnan(measures.autocorrelation(values, ts_s, np.arange(count) // 2, 30.0, 10.0))


def test_lost_reports_are_counted_under_way_only():
    ts_s = np.array([0.0, 10, 20, 50, 60, 70, 10_000, 10_010])
    # Two of nine expected lack between 20 and 50; the car was off until 10,000.
    assert measures.lost_share(ts_s, 10.0) == pytest.approx(2 / 8)
    assert measures.gap_lengths(ts_s, 10.0).tolist() == [30.0, 9930.0]


def test_noise_is_found_under_a_trend():
    ts = np.arange(20_000)
    values = 5.0 + 0.01 * ts + RNG.normal(0.0, 0.3, len(ts))
    assert measures.sensor_noise(values, np.zeros(len(ts), dtype=np.int64)) == pytest.approx(0.3, rel=0.03)


def test_the_resolution_is_the_step_of_the_values():
    assert measures.resolution(np.round(RNG.uniform(0, 50, 5000) * 4) / 4) == 0.25


def test_spread_and_ordinary_cells():
    cells = np.tile(3.7 + RNG.normal(0.0, 0.005, 400), (50, 1)).astype(np.float32)
    cells[:, 7] = 3.5
    assert measures.spread_mv(cells)[0] == pytest.approx((cells[0].max() - 3.5) * 1000, abs=0.01)
    assert measures.even_spread_mv(cells)[0] == pytest.approx(5.0, rel=0.15)


def test_cells_that_are_scanned_while_the_load_changes_slope_along_the_pack():
    place = np.linspace(-0.5, 0.5, 90)
    slope = RNG.normal(0.0, 0.03, 2000)
    own = RNG.normal(0.0, 0.01, 90)
    cells = (3.7 + own + slope[:, None] * place).astype(np.float32)
    assert measures.scan_slope_mv(cells) == pytest.approx(30.0, rel=0.05)
    assert measures.scan_slope_mv(np.tile(3.7 + own, (50, 1)).astype(np.float32)) == pytest.approx(0.0, abs=0.01)


def test_deviations_that_stay_are_persistent_and_noise_is_not():
    own = RNG.normal(0.0, 0.01, 90)
    noise = RNG.normal(0.0, 0.0005, (600, 90))
    assert measures.deviation_persistence((3.7 + own + noise).astype(np.float32)) > 0.99
    assert abs(measures.deviation_persistence((3.7 + noise).astype(np.float32))) < 0.5


def test_warming_up_is_timed_from_a_cold_start_only():
    ts_s = np.arange(0.0, 1000.0, 5.0)
    coolant = np.minimum(20.0 + 0.2 * ts_s, 90.0)
    assert measures.warm_up_s(ts_s, coolant) == 300.0
    assert np.isnan(measures.warm_up_s(ts_s, coolant + 30.0))
    assert np.isnan(measures.warm_up_s(ts_s[:10], coolant[:10]))


def test_runs_end_with_their_stretch():
    on = np.array([0, 1, 1, 1, 0, 1, 1], dtype=bool)
    ts_s = np.array([0.0, 10, 20, 30, 40, 50, 900])
    stretch = np.array([0, 0, 0, 0, 0, 0, 1])
    assert measures.run_lengths_s(on, ts_s, stretch, 10.0).tolist() == [30.0, 10.0, 10.0]


def test_a_figure_is_good_where_most_cars_are_and_bad_far_from_them():
    inside = by_car("s", "car", "a", "", "ratio", 10.0, [8, 9, 11, 12, 13])
    outside = by_car("s", "car", "b", "", "ratio", 40.0, [8, 9, 11, 12, 13])
    assert (inside.verdict, outside.verdict) == ("good", "bad")
    assert by_car("s", "car", "c", "", "ratio", np.nan, [1.0]).verdict == "not measured"
    assert Finding("s", "car", "d", "", "share", 0.3, 0.4).verdict == "fair"
    assert Finding("s", "car", "e", "", "correlation", 0.5, 0.45).verdict == "good"
    assert worst([inside, outside], 1) == [outside]
