import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.cells import CELL_COLUMNS, cell_statistics

volts = st.floats(2.5, 4.5) | st.none() | st.just(66.5)


def statistics(*cells):
    return dict(zip(CELL_COLUMNS, cell_statistics([cells])[0].tolist(), strict=True))


def test_a_low_cell_is_named_with_its_distance_from_the_median():
    found = statistics(3.70, 3.71, 3.66, 3.70, 3.70)
    assert found["cell_low_number"] == 3
    assert found["cell_low_dev_mv"] == pytest.approx(-40)
    assert found["cell_high_number"] == 2
    assert found["cell_high_dev_mv"] == pytest.approx(10)
    assert found["cell_spread_mv"] == pytest.approx(50)


def test_an_impossible_cell_counts_as_not_measured():
    assert statistics(3.7, 66.5, 3.6, 3.7)["cell_high_number"] != 2


def test_a_pack_without_a_measured_cell_says_nothing():
    assert all(np.isnan(value) for value in statistics(None, 0.0, 6.0).values())


@given(st.lists(st.lists(volts, min_size=5, max_size=5), min_size=1, max_size=6))
def test_packs_do_not_influence_each_other(packs):
    together = cell_statistics(packs)
    for row, pack in zip(together, packs, strict=True):
        np.testing.assert_array_equal(row, cell_statistics([pack])[0])


@given(st.lists(st.floats(2.5, 4.5), min_size=2, max_size=120))
def test_the_spread_is_the_sum_of_both_deviations(pack):
    found = statistics(*pack)
    assert found["cell_spread_mv"] == pytest.approx(found["cell_high_dev_mv"] - found["cell_low_dev_mv"], abs=1e-6)
    assert found["cell_low_dev_mv"] <= 0 <= found["cell_high_dev_mv"]
