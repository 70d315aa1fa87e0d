from datetime import timedelta

import pandas as pd
import pytest

from config.faults import fault_modes
from models.labels import QUIET_D, lamp_labels, lamps_of, quiet_vehicles
from tests.unit.models.frames import day, lamps

MODE = fault_modes()["lv_battery"]
UNTIL = day(60)


def label(events, *, as_of, heard=59, until=UNTIL):
    last_heard = pd.Series([day(heard)], index=pd.Index([7], name="vehicle_id"), dtype="datetime64[us, UTC]")
    return lamp_labels(MODE, lamps_of(MODE, lamps(events)), last_heard, as_of=as_of, until=until)[7]


def test_one_when_the_lamp_comes_on_within_the_horizon_and_zero_after_it():
    events = [(7, day(30), "lv_battery", "on")]
    assert label(events, as_of=day(30 - MODE.horizon_d) + timedelta(days=1)) == 1
    assert label(events, as_of=day(30 - MODE.horizon_d)) == 0


def test_another_modes_lamp_is_another_matter():
    assert label([(7, day(30), "tire_pressure", "on")], as_of=day(25)) == 0


def test_nobody_knows_while_the_horizon_has_not_passed():
    assert pd.isna(label([(7, day(55), "lv_battery", "on")], as_of=day(50)))


def test_nobody_knows_of_a_car_that_fell_silent():
    assert pd.isna(label([], as_of=day(20), heard=22))
    assert label([(7, day(21), "lv_battery", "on")], as_of=day(20), heard=22) == 1


@pytest.mark.parametrize(("since", "quiet"), [(-1, False), (QUIET_D - 1, False), (QUIET_D + 1, True)])
def test_a_car_counts_again_when_its_lamp_has_been_out_for_weeks(since, quiet):
    events = [(7, day(5), "lv_battery", "on"), (7, day(6), "lv_battery", "off")]
    vehicles = pd.Index([7, 8], name="vehicle_id")
    as_of = day(6 + since) + timedelta(hours=1)
    assert quiet_vehicles(lamps_of(MODE, lamps(events)), vehicles, as_of=as_of).tolist() == [quiet, True]


def test_a_lamp_that_stays_on_never_counts_again():
    assert pd.isna(label([(7, day(5), "lv_battery", "on")], as_of=day(45)))


def test_an_episode_begins_with_the_first_on_and_ends_with_the_first_off():
    events = [
        (7, day(1), "lv_battery", "off"),
        (7, day(2), "lv_battery", "on"),
        (7, day(3), "lv_battery", "on"),
        (7, day(4), "lv_battery", "off"),
        (7, day(5), "lv_battery", "off"),
        (8, day(3), "lv_battery", "on"),
    ]
    episodes = lamps_of(MODE, lamps(events))
    assert episodes["vehicle_id"].tolist() == [7, 8]
    assert episodes["on_at"].tolist() == [day(2), day(3)]
    assert episodes["off_at"].iloc[0] == day(4)
    assert pd.isna(episodes["off_at"].iloc[1])


def test_no_lamps_at_all():
    assert lamps_of(MODE, lamps([])).empty
    assert label([], as_of=day(30)) == 0
