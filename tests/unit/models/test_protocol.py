"""What counts as what: tables small enough to count by hand."""

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pandas as pd
import pytest

from config.faults import fault_modes
from models.protocol import DAYS_PER_MONTH, came_on, figures, judge, lead_of, reliability, spread_of
from tests.unit.models.frames import lamps

START = datetime(2026, 3, 1, tzinfo=UTC)
UNTIL = START + timedelta(days=100)
MODES = ("lv_battery", "tyre_leak")


def day(number):
    return START + timedelta(days=number)


def times(values):
    return pd.to_datetime(pd.Series(values), utc=True).astype("datetime64[us, UTC]")


def faults(*rows):
    """rows: (vehicle_id, fault_mode, onset day, lamp day or None, has_precursor, gradual)"""
    return pd.DataFrame(
        {
            "vehicle_id": [row[0] for row in rows],
            "fault_mode": [row[1] for row in rows],
            "onset_at": times([day(row[2]) for row in rows]),
            "lamp_on_at": times([None if row[3] is None else day(row[3]) for row in rows]),
            "has_precursor": [row[4] for row in rows],
            "gradual": [row[5] for row in rows],
        }
    )


def warnings(*rows):
    """rows: (vehicle_id, fault_mode, day)"""
    return pd.DataFrame(
        {
            "vehicle_id": np.array([row[0] for row in rows], dtype=np.int64),
            "fault_mode": np.array([row[1] for row in rows], dtype=object),
            "first_flagged_at": times([day(row[2]) for row in rows]),
        }
    )


def judged(told, wrong, *, vehicles=100, car_days=100 * DAYS_PER_MONTH, until=UNTIL):
    return judge(told, wrong, vehicles=vehicles, car_days=car_days, until=until)


FAULT = (1, "lv_battery", 10, 40, True, True)


@pytest.mark.parametrize(
    ("at", "verdict"),
    [
        (9.9, "early"),
        (10, "early"),
        (10.001, "hit"),
        (39.999, "hit"),
        (40, "late"),
        (40.001, "late"),
    ],
)
def test_a_hit_is_after_the_onset_and_before_the_lamp(at, verdict):
    assert judged(warnings((1, "lv_battery", at)), faults(FAULT)).warnings["verdict"].tolist() == [verdict]


@pytest.mark.parametrize(
    ("lamp", "has_precursor", "group", "verdict"),
    [
        (99.999, True, "foreseeable", "hit"),
        (100, True, "unlit", "apart"),
        (None, True, "unlit", "apart"),
        (None, False, "unlit", "apart"),
        (99.999, False, "sudden", "apart"),
    ],
)
def test_what_came_on_too_late_or_without_anything_to_see_is_neither_right_nor_wrong(
    lamp, has_precursor, group, verdict
):
    fleet = judged(warnings((1, "lv_battery", 50)), faults((1, "lv_battery", 10, lamp, has_precursor, True)))
    assert fleet.cars["group"].tolist() == [group]
    assert fleet.warnings["verdict"].tolist() == [verdict]
    found = figures([fleet], MODES)
    assert found.foreseeable == found.hits == (group == "foreseeable")
    assert found.false_warnings == found.false_vehicles == 0
    assert (found.sudden_warned, found.unlit_warned) == (group == "sudden", group == "unlit")


def test_a_warning_before_the_fault_is_false_whatever_kind_of_fault_it_is():
    wrong = faults(FAULT, (2, "lv_battery", 10, None, True, True), (3, "tyre_leak", 10, 40, False, False))
    found = figures([judged(warnings(*((car, "lv_battery", 5) for car in (1, 2, 3))), wrong)], MODES)
    assert (found.early_warnings, found.false_warnings, found.false_vehicles) == (3, 3, 3)
    assert (found.foreseeable, found.hits, found.missed) == (1, 0, 1)
    assert (found.precision, found.recall, found.f1) == (0, 0, 0)
    assert (found.sudden_warned, found.unlit_warned) == (0, 0)


def test_a_car_is_right_once_and_its_needless_calls_are_counted_as_calls():
    told = warnings((1, "lv_battery", 5), (1, "tyre_leak", 20), (1, "lv_battery", 30), (1, "lv_battery", 50))
    fleet = judged(told, faults(FAULT))
    assert fleet.warnings["verdict"].tolist() == ["early", "hit", "again", "late"]
    found = figures([fleet], MODES)
    assert (found.hits, found.missed, found.false_vehicles) == (1, 0, 0)
    assert (found.precision, found.recall, found.f1) == (1, 1, 1)
    assert (found.false_warnings, found.early_warnings, found.late_warnings) == (1, 1, 1)
    # The first one that was in time is the one that somebody acted on.
    assert found.lead.median_d == pytest.approx(20)
    assert found.right_mode == 0


def test_the_figures_of_a_fleet_counted_by_hand():
    wrong = faults(
        FAULT,
        (2, "lv_battery", 10, 30, True, True),
        (3, "tyre_leak", 10, 30, True, True),
        (4, "tyre_leak", 10, 12, True, False),
        (5, "tyre_leak", 10, 30, False, False),
        (6, "lv_battery", 60, None, True, True),
    )
    told = warnings(
        (1, "lv_battery", 26),
        (2, "tyre_leak", 28),
        (4, "tyre_leak", 11.5),
        (7, "lv_battery", 3),
        (7, "lv_battery", 50),
        (8, "tyre_leak", 50),
        (6, "lv_battery", 70),
    )
    found = figures([judged(told, wrong)], MODES)
    assert (found.vehicles, found.foreseeable, found.hits, found.missed) == (100, 4, 3, 1)
    assert (found.sudden, found.sudden_warned, found.unlit, found.unlit_warned) == (1, 0, 1, 1)
    assert (found.false_vehicles, found.false_warnings) == (2, 3)
    assert found.precision == pytest.approx(3 / 5)
    assert found.recall == pytest.approx(3 / 4)
    assert found.f1 == pytest.approx(2 * 3 / (2 * 3 + 1 + 2))
    assert found.right_mode == pytest.approx(2 / 3)
    assert found.car_months == pytest.approx(100)
    assert found.false_per_1000_car_months == pytest.approx(30)
    assert found.lead.vehicles == 3
    assert found.lead.median_d == pytest.approx(2)
    assert found.lead.share_24h == pytest.approx(2 / 3)
    assert (found.lead_gradual.vehicles, found.lead_gradual.median_d) == (2, pytest.approx(8))
    assert found.lead_gradual.p10_d == pytest.approx(2 + 0.1 * 12)
    battery, tyre = found.modes["lv_battery"], found.modes["tyre_leak"]
    assert (battery.foreseeable, battery.hits, battery.right_mode, battery.unlit, battery.unlit_warned) == (
        2,
        2,
        1,
        1,
        1,
    )
    assert (battery.false_warnings, tyre.false_warnings) == (2, 1)
    assert (tyre.foreseeable, tyre.hits, tyre.sudden, tyre.sudden_warned) == (2, 1, 1, 0)


def test_exactly_a_day_is_enough_of_a_lead():
    assert lead_of(pd.Series([1.0, 0.999])).share_24h == 0.5


def test_a_fleet_without_warnings_and_one_without_faults():
    silent = figures([judged(warnings(), faults(FAULT))], MODES)
    assert (silent.precision, silent.recall, silent.f1, silent.right_mode) == (None, 0, 0, None)
    assert silent.lead.median_d is None
    healthy = figures([judged(warnings((9, "tyre_leak", 4)), faults())], MODES)
    assert (healthy.precision, healthy.recall, healthy.false_warnings) == (0, None, 1)
    nothing = figures([judged(warnings(), faults(), vehicles=0, car_days=0)], MODES)
    assert (nothing.f1, nothing.f1_low, nothing.false_per_1000_car_months) == (None, None, 0)


def test_cars_of_two_fleets_are_not_one_because_their_numbers_are():
    fleets = [judged(warnings((1, "lv_battery", 20)), faults(FAULT)), judged(warnings(), faults(FAULT))]
    found = figures(fleets, MODES)
    assert (found.vehicles, found.foreseeable, found.hits) == (200, 2, 1)
    spread = spread_of([figures([fleet], MODES) for fleet in fleets])
    assert (spread.f1, spread.spread) == ([1.0, 0.0], 1.0)


def test_two_faults_of_one_car_are_refused():
    with pytest.raises(ValueError, match="one fault"):
        judged(warnings(), faults(FAULT, FAULT))


def test_the_interval_is_that_of_cars_drawn_again():
    wrong = faults(*((car, "lv_battery", 10, 40, True, True) for car in range(40)))
    told = warnings(
        *((car, "lv_battery", 20) for car in range(32)), *((car, "lv_battery", 20) for car in range(60, 64))
    )
    found = figures([judged(told, wrong, vehicles=3000)], MODES)
    random = np.random.default_rng(1)
    kinds = np.zeros((3000, 3), dtype=int)
    kinds[:32, 0] = kinds[32:40, 1] = kinds[60:64, 2] = 1
    draws = []
    for _ in range(2000):
        hits, missed, false = kinds[random.integers(0, 3000, 3000)].sum(axis=0)
        draws.append(2 * hits / (2 * hits + missed + false))
    low, high = np.quantile(draws, [0.025, 0.975])
    assert found.f1_low < found.f1 < found.f1_high
    assert found.f1_low == pytest.approx(low, abs=0.02)
    assert found.f1_high == pytest.approx(high, abs=0.02)
    # More cars say more.
    wide = found.f1_high - found.f1_low
    fleets = [judged(told, wrong, vehicles=3000)] * 9
    many = figures(fleets, MODES)
    assert many.f1_high - many.f1_low == pytest.approx(wide / 3, rel=0.15)


def test_a_lamp_counts_for_the_rows_whose_horizon_reaches_it():
    mode = msgspec.structs.replace(fault_modes()["tyre_leak"], horizon_d=7)
    index = pd.MultiIndex.from_product(
        [pd.to_datetime([day(number).replace(tzinfo=None) for number in range(20)]), [1, 2]],
        names=["as_of", "vehicle_id"],
    )
    rows = pd.DataFrame({"tyre_leak": 0.5}, index=index)
    lit = lamps([(1, day(10), "tire_pressure", "on")])
    answer = came_on(rows, lit, {"tyre_leak": mode}, until=day(20))["tyre_leak"].unstack()
    # As of day 3 the lamp is exactly the horizon away, which is half open.
    assert answer[1].tolist()[:14] == [0.0] * 4 + [1.0] * 7 + [0.0] * 3
    assert answer[2].tolist()[:14] == [0.0] * 14
    assert answer.iloc[14:].isna().all(axis=None)


def test_reliability_by_hand():
    said = np.array([0.05, 0.15, 0.15, 1.0, np.nan, 0.3])
    was = np.array([0.0, 1.0, 0.0, 1.0, 1.0, np.nan])
    found = reliability(said, was, bins=10)
    assert found.rows == [1, 2, 0, 0, 0, 0, 0, 0, 0, 1]
    assert found.observed[:3] == [0.0, 0.5, None]
    assert found.predicted[1] == pytest.approx(0.15)
    assert found.base == 0.5
    assert found.brier == pytest.approx((0.05**2 + 0.85**2 + 0.15**2 + 0) / 4)
    assert found.brier_of_base == 0.25
    assert found.ece == pytest.approx((0.05 + 2 * 0.35 + 0) / 4)
    assert reliability(np.array([np.nan]), np.array([1.0])) is None
