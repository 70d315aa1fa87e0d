"""Days to the lamp are judged at the first warning in time that named the right mode, by when the lamp came on."""

import numpy as np
import pandas as pd
import pytest

from models.lamp_time_figures import LampTimeFigures, Told, lamp_time_figures
from models.protocol import judge
from tests.unit.models.frames import day

_UNTIL = day(90)


def told(warnings, *, faults=((1, "tyre_leak", 30), (2, "tyre_leak", 30), (3, "lv_battery", 30))):
    """warnings : vehicle, mode, day, (days, low, high)"""
    named = pd.DataFrame(
        {
            "vehicle_id": [car for car, _, _, _ in warnings],
            "fault_mode": [mode for _, mode, _, _ in warnings],
            "first_flagged_at": pd.to_datetime([day(at) for _, _, at, _ in warnings], utc=True),
        }
    )
    known = pd.DataFrame(
        {
            "vehicle_id": [car for car, _, _ in faults],
            "fault_mode": [mode for _, mode, _ in faults],
            "onset_at": pd.to_datetime([day(5)] * len(faults), utc=True),
            "lamp_on_at": pd.to_datetime([day(lamp) for _, _, lamp in faults], utc=True),
            "has_precursor": True,
            "gradual": True,
        }
    )
    numbers = np.array([said for _, _, _, said in warnings], dtype=np.float64).reshape(-1, 3)
    said = named.assign(days=numbers[:, 0], low=numbers[:, 1], high=numbers[:, 2], cap_d=20.0, coverage=0.9)
    return Told(judge(named, known, vehicles=10, car_days=900.0, until=_UNTIL), said)


def test_the_first_warning_in_time_is_judged_by_the_lamp():
    found = lamp_time_figures(
        [
            told(
                [
                    (1, "tyre_leak", 20, (8.0, 5.0, 12.0)),
                    # Again: what was said first is what a person was told.
                    (1, "tyre_leak", 28, (30.0, 30.0, 30.0)),
                    (2, "tyre_leak", 26, (9.0, 5.0, 12.0)),
                    # A car that is well, a warning that came too late, and the wrong mode.
                    (9, "tyre_leak", 20, (1.0, 0.0, 2.0)),
                    (3, "tyre_leak", 20, (1.0, 0.0, 2.0)),
                ]
            )
        ],
        ["tyre_leak", "lv_battery"],
    )
    assert set(found) == {"all", "tyre_leak"}
    tyres = found["tyre_leak"]
    assert found["all"] == tyres
    assert (tyres.vehicles, tyres.median_error_d, tyres.bias_d, tyres.width_d) == (2, 3.5, 1.5, 7.0)
    assert tyres.p90_error_d == pytest.approx(4.7)
    assert (tyres.within, tyres.wanted) == (0.5, 0.9)


def test_a_lamp_beyond_the_horizon_counts_as_one_at_it():
    found = lamp_time_figures([told([(1, "tyre_leak", 6, (20.0, 15.0, 20.0))])], ["tyre_leak"])
    assert (found["all"].median_error_d, found["all"].within) == (0.0, 1.0)


def test_a_mode_that_says_no_days_and_a_fleet_without_hits_have_no_figures():
    nan = float("nan")
    assert lamp_time_figures([told([(1, "tyre_leak", 20, (nan, nan, nan))])], ["tyre_leak"]) == {
        "all": LampTimeFigures(vehicles=0)
    }
    nothing = told([])
    assert lamp_time_figures([nothing], ["tyre_leak"]) == {"all": LampTimeFigures(vehicles=0)}
    # Beside one of which something was said, and warned of without days.
    some = told([(1, "tyre_leak", 20, (8.0, 5.0, 12.0))])
    silent = Told(some.judged, pd.DataFrame(columns=nothing.said.columns))
    assert lamp_time_figures([silent, some], ["tyre_leak"])["all"].vehicles == 1
    assert lamp_time_figures([silent], ["tyre_leak"]) == {"all": LampTimeFigures(vehicles=0)}
