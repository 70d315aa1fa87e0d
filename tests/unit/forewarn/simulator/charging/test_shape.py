"""Public sessions have the joint shape of the recorded ones."""

import warnings

import numpy as np
import pandas as pd
import pytest

from forewarn.simulator.charging.shape import (
    CAPACITY_KWH,
    STAY_MIN,
    VARIABLES,
    draw_sessions,
    epfl_shape,
    fit,
    read_recording,
)

# Kolmogorov-Smirnov distance that no variable may exceed. Two halves of the recording itself differ by up to 0.05.
DRAWN_KS, FOLLOWING_KS = 0.05, 0.08
RANK_CORRELATION = 0.2
TYPICAL_RANK_CORRELATION = 0.05


@pytest.fixture(scope="module")
def recording(shared_data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_recording(pd.read_excel(shared_data / "epfl-dcfc" / "Session_data.xlsx"))


def distance(one, other):
    at = np.concatenate([one, other])
    parts = [np.searchsorted(np.sort(sample), at, side="right") / len(sample) for sample in (one, other)]
    return float(np.abs(parts[0] - parts[1]).max())


def test_figures_are_those_of_the_recording(recording):
    fitted, kept = fit(recording), epfl_shape()
    np.testing.assert_allclose(kept.quantiles, fitted.quantiles, rtol=1e-3)
    np.testing.assert_allclose(kept.correlation, fitted.correlation, atol=1e-3)


def test_every_variable_is_distributed_as_recorded(recording):
    drawn = draw_sessions(20_000, np.random.default_rng(1))
    found = {name: distance(recording[name].to_numpy(), drawn[name].to_numpy()) for name in drawn}
    assert max(found[name] for name in VARIABLES) <= DRAWN_KS, found
    assert max(found.values()) <= FOLLOWING_KS, found


def test_variables_go_together_as_recorded(recording):
    drawn = draw_sessions(20_000, np.random.default_rng(2))
    names = list(drawn)
    off = (recording[names].corr("spearman") - drawn.corr("spearman")).abs().to_numpy()
    off = off[np.triu_indices(len(names), 1)]
    assert off.max() <= RANK_CORRELATION
    assert np.median(off) <= TYPICAL_RANK_CORRELATION


def test_what_follows_from_a_draw_agrees_with_it():
    drawn = draw_sessions(3_000, np.random.default_rng(3))
    assert drawn["soc_end_pct"].between(0, 100.0001).all()
    assert (drawn["soc_end_pct"] > drawn["soc_start_pct"]).all()
    assert drawn["stay_min"].between(*STAY_MIN).all()
    assert drawn["capacity_kwh"].between(*CAPACITY_KWH).all()
    mean_kw = drawn["energy_kwh"] / drawn["stay_min"] * 60
    assert (mean_kw < drawn["pmax_kw"]).all()
    added = (drawn["soc_end_pct"] - drawn["soc_start_pct"]) / 100
    np.testing.assert_allclose(drawn["energy_kwh"], drawn["capacity_kwh"] * added)


def test_no_sessions_is_an_empty_table():
    assert draw_sessions(0, np.random.default_rng(1)).empty
