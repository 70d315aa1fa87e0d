from datetime import date

import numpy as np
import pandas as pd
import pytest

from models.normal import LEAST_CARS, Alike, outside_since

NAME = "lv_battery_v.rest.level.7d"
DAYS = np.arange(np.datetime64("2026-03-01"), np.datetime64("2026-03-09"))
UNSEEN = np.nan


def fleet(**cars):
    """cars: model -> values; every car of a model that begins with e is electric."""
    rows = [(model, value) for model, values in cars.items() for value in values]
    ids = range(1, len(rows) + 1)
    table = pd.DataFrame({NAME: [value for _, value in rows]}, index=pd.Index(ids, name="vehicle_id"))
    drives = ["bev" if model.startswith("e") else "ice" for model, _ in rows]
    return table, pd.DataFrame({"vehicle_id": ids, "model": [model for model, _ in rows], "powertrain": drives})


def test_most_cars_of_the_same_model_say_what_is_normal():
    table, vehicles = fleet(dawn=np.linspace(12.0, 13.0, 101), dusk=[3.0] * 50)
    assert Alike(table, vehicles).normal_range(7, NAME) == pytest.approx((12.05, 12.95))


def test_where_they_are_few_cars_of_the_same_drive_do():
    table, vehicles = fleet(dawn=[12.0] * (LEAST_CARS - 1), dusk=[13.0] * 100, electric=[3.0] * 100)
    assert Alike(table, vehicles).normal_range(1, NAME) == (12.0, 13.0)
    table, vehicles = fleet(dawn=[12.0] * (LEAST_CARS - 1), electric=[3.0] * 100)
    assert Alike(table, vehicles).normal_range(1, NAME) is None


def test_cars_that_were_not_seen_are_not_counted():
    table, vehicles = fleet(dawn=[12.0] * (LEAST_CARS - 1) + [UNSEEN] * 50)
    assert Alike(table, vehicles).normal_range(1, NAME) is None


@pytest.mark.parametrize(
    ("values", "began"),
    [
        ([5, 5, 5, 5, 5, 9, 9, 9], 6),
        # A day within the normal range begins anew, one that nobody saw does not.
        ([9, 9, 5, 9, UNSEEN, 9, 9, 9], 4),
        ([UNSEEN, 9, 9, 9, 9, 9, 9, UNSEEN], 2),
        # The other side is another matter.
        ([5, 5, 5, 9, 9, 1, 1, 1], 6),
        ([9] * 8, 1),
        ([9, 9, 9, 9, 9, 9, 9, 5], None),
        ([UNSEEN] * 8, None),
    ],
)
def test_since_when_a_car_stands_outside(values, began):
    found = outside_since(DAYS, np.array(values, dtype=float), (4.0, 6.0))
    assert found == (None if began is None else date(2026, 3, began))
