from datetime import UTC, datetime

import pytest

from models.holdout import is_held_out

MARCH, LATER_IN_MARCH, APRIL = (datetime(2026, *day, tzinfo=UTC) for day in ((3, 1), (3, 31), (4, 1)))
CARS = range(1, 4001)


def held(at, share):
    return {car for car in CARS if is_held_out(car, at, share=share)}


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_the_share_is_about_what_was_asked_for(share):
    assert len(held(MARCH, share)) / len(CARS) == pytest.approx(share, abs=0.02)


def test_a_car_is_held_out_for_a_whole_month_and_other_cars_the_next():
    assert held(MARCH, 0.1) == held(LATER_IN_MARCH, 0.1)
    both = held(MARCH, 0.1) & held(APRIL, 0.1)
    assert len(both) < 0.03 * len(CARS)


def test_the_same_cars_on_every_machine():
    """Fixed: another rule would hold out other cars in the middle of a month."""
    assert sorted(held(MARCH, 0.1))[:5] == [8, 14, 31, 38, 47]


def test_who_is_held_out_at_a_share_is_at_a_larger_one():
    assert held(MARCH, 0.05) < held(MARCH, 0.2)


def test_none_and_all():
    assert held(MARCH, 0.0) == set()
    assert held(MARCH, 1.0) == set(CARS)
