"""Thermal runaway as physics, and the condition of GB 38031."""

from dataclasses import replace

import numpy as np
import pytest

from forewarn.simulator.charging.pack import draw_pack
from forewarn.simulator.charging.runaway import Runaway, burn, condition_index, probes_c

from .conftest import make_visit

STRONG = Runaway(
    cell=40,
    onset_s=60.0,
    growth_s=3.0,
    short_w=8000.0,
    short_share=0.05,
    neighbour_w_k=2.5,
    fastest_c_s=15.0,
    heats_c=600.0,
    vents_c=140.0,
    melts_c=145.0,
    dies_s=300.0,
)
T_S = np.arange(1200.0)
PACK_C = np.full(len(T_S), 32.0)


@pytest.fixture(scope="module")
def pack():
    return draw_pack(make_visit(), np.random.default_rng(1))


def test_a_strong_short_vents_burns_and_spreads(pack):
    burning = burn(STRONG, pack, T_S, PACK_C)
    assert burning.vented_s is not None
    hottest = burning.cell_c.max(axis=0)
    assert 500 < hottest[40] < 1000
    assert hottest[39] > 300
    assert np.diff(burning.cell_c[:, 40]).max() > 5
    assert burning.voltage_left[-1, 40] < 0.1
    # Far away nothing has happened yet.
    assert hottest[0] < 40
    assert burning.cell_c[: int(STRONG.onset_s)].max() < 33


def test_neighbours_follow_one_after_the_other(pack):
    burning = burn(STRONG, pack, T_S, PACK_C)
    first_hot = [np.argmax(burning.cell_c[:, cell] > 200) for cell in (40, 41, 42)]
    assert first_hot == sorted(first_hot)
    assert first_hot[1] - first_hot[0] > 20


def test_a_weak_short_stays_a_warm_cell(pack):
    burning = burn(replace(STRONG, growth_s=600.0, short_w=100.0), pack, T_S, PACK_C)
    assert 40 < burning.cell_c.max() < 70
    volts = 3.9 * burning.voltage_left
    assert condition_index(volts, burning.cell_c, volts[0]) is None


def test_probes_see_a_burning_cell_late_and_no_more_than_they_can(pack):
    burning = burn(STRONG, pack, T_S, PACK_C)
    seen = probes_c(pack, burning.cell_c, PACK_C)
    assert seen.max() <= 210
    assert np.argmax(seen.max(axis=1) > 100) >= np.argmax(burning.cell_c.max(axis=1) > 100)


def heating(rate, seconds, *, start=60.0):
    cell_c = np.full((30, 2), 30.0)
    cell_c[10:, 0] = start
    cell_c[10 : 10 + seconds, 0] += rate * np.arange(1, seconds + 1)
    cell_c[10 + seconds :, 0] += rate * seconds
    cell_c[:10, 0] = start
    return cell_c


@pytest.mark.parametrize(
    ("rate", "seconds", "drop", "start", "row"),
    [
        (1.0, 8, 0.0, 75.0, 13),  # hot, and a degree a second in each of four seconds: more than three
        (1.0, 3, 0.0, 75.0, None),  # three seconds are not more than three
        (0.9, 8, 0.0, 75.0, None),
        (1.0, 8, 0.0, 40.0, None),  # neither hot nor a drop
        (1.0, 8, 0.3, 40.0, 13),
        (1.0, 8, 0.25, 40.0, None),  # a quarter is not more than a quarter
    ],
)
def test_the_condition_needs_all_its_parts(rate, seconds, drop, start, row):
    cell_c = heating(rate, seconds, start=start)
    volts = np.full((30, 2), 4.0)
    volts[10:, 0] *= 1 - drop
    assert condition_index(volts, cell_c, np.full(2, 4.0)) == row
