import pandas as pd
import pytest

from models.feedback import precision_of, wilson
from tests.unit.models.frames import day


def rows(*cars):
    """cars: (as_of day, lamp day or None, held out, came true or None)"""
    frame = pd.DataFrame(
        [
            {
                "as_of": day(at),
                "lamp_at": pd.NaT if lamp is None else pd.Timestamp(day(lamp)),
                "held_out": held,
                "came": came,
            }
            for at, lamp, held, came in cars
        ]
    )
    for name in ("as_of", "lamp_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    frame["came"] = frame["came"].astype("float64")
    return frame


def test_precision_is_of_cars_that_can_be_judged():
    found = precision_of("lv_battery", "v1", rows((0, 4, False, 1), (0, None, False, 0), (0, None, False, None)))
    assert (found.flagged, found.known, found.true, found.precision) == (3, 2, 1, 0.5)
    assert found.low < 0.5 < found.high


def test_lead_time_is_from_the_first_flag_to_the_lamp():
    found = precision_of("lv_battery", "v1", rows((0, 2, False, 1), (1, 7, True, 1), (0, 10, False, 1)))
    assert found.lead_time_d == pytest.approx((4, 6, 8))
    assert (found.held_out, found.held_out_true, found.held_out_lead_time_d) == (1, 1, (6.0, 6.0, 6.0))


def test_a_finding_comes_true_without_a_lamp():
    found = precision_of("lv_battery", "v1", rows((0, None, False, 1)))
    assert (found.precision, found.lead_time_d) == (1.0, None)


def test_nothing_known_is_no_precision():
    found = precision_of("lv_battery", "v1", rows((0, None, False, None)))
    assert (found.precision, found.low, found.high) == (None, None, None)


@pytest.mark.parametrize(
    ("true", "n", "low", "high"),
    # Source: Newcombe (1998), table I: 81 of 263 and 0 of 20.
    [(81, 263, 0.2553, 0.3662), (0, 20, 0.0, 0.1611)],
)
def test_the_bounds_are_wilsons(true, n, low, high):
    assert wilson(true, n) == pytest.approx((low, high), abs=2e-4)
