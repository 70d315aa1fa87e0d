"""A fleet is divided so that every car is read once, however large the fleet and the shares are."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.store.day_sums import PARTS, shares


@given(
    ids=st.lists(st.integers(1, 2**62), unique=True, max_size=400),
    size=st.integers(1, 50),
    seed=st.integers(0, 10**6),
)
def test_every_car_is_in_one_share_also_one_that_came_later(ids, size, seed):
    found = shares(np.array(ids, dtype=np.int64), size, seed=seed)
    for part in range(PARTS):
        own = sorted((share.first, share.last) for share in found if part in share.parts)
        assert own[0][0] == -(2**63)
        assert own[-1][1] == 2**63 - 1
        assert all(before[1] + 1 == after[0] for before, after in pairwise(own))


@pytest.mark.parametrize("vehicles", [900, 10_000, 1_000_000])
def test_shares_are_as_large_as_asked_for_whatever_the_fleet(vehicles):
    ids = np.arange(1, vehicles + 1)
    for share in shares(ids, 1000, seed=7):
        among = np.count_nonzero((ids >= share.first) & (ids <= share.last))
        assert among * len(share.parts) / PARTS <= 1300


def test_the_first_shares_of_a_large_fleet_are_others_every_day():
    ids = np.arange(200_000)
    assert shares(ids, 1000, seed=1)[:20] != shares(ids, 1000, seed=2)[:20]
    firsts = {share.first for share in shares(ids, 1000, seed=1)[:20]}
    assert len(firsts) > 3
