from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ingest.store.timeseries.stale import runs

DAYS = st.sets(st.integers(0, 60).map(lambda n: date(2026, 2, 20) + timedelta(days=n)))


def test_neighbours_are_joined():
    days = {date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 3)}
    assert runs(days, longest_d=7) == [(date(2026, 2, 27), date(2026, 3, 2)), (date(2026, 3, 3), date(2026, 3, 4))]


@given(DAYS, st.integers(1, 9))
def test_every_day_is_in_one_interval_and_none_is_longer_than_asked(days, longest_d):
    found = runs(days, longest_d=longest_d)
    inside = [since + timedelta(days=n) for since, until in found for n in range((until - since).days)]
    assert sorted(days) == inside
    assert all((until - since).days <= longest_d for since, until in found)
