"""The general alarm flags by name, and the lamps they stand for."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.gbt32960 import ALARMS, LAMPS, Command, Frame, Logout, Realtime, alarm_events, lamp_states
from ingest.gbt32960 import blocks as b

VIN = "LFWRN0000000B0001"
INSTANT = datetime(2025, 11, 30, 23, 30, 59, tzinfo=UTC)
FAULTS = Path(__file__).resolve().parents[3] / "config" / "faults.toml"


def frame(version: int, *bits: int | None) -> Frame:
    return Frame(version, Command.REALTIME, VIN, Realtime(INSTANT, tuple(b.Alarms(0, each) for each in bits)))


def on(version: int, *bits: int | None) -> list[str]:
    return [name for name, state in alarm_events(frame(version, *bits)) if state]


@pytest.mark.parametrize(
    ("bit", "name"),
    [(0, "temperature_difference"), (10, "cell_consistency"), (11, "insulation"), (18, "overcharge")],
)
@pytest.mark.parametrize("version", [2016, 2025])
def test_bits_both_versions_know(version: int, bit: int, name: str) -> None:
    assert on(version, 1 << bit) == [name]


def test_the_thermal_event_is_bit_23_of_2025() -> None:
    assert on(2025, 1 << 23) == ["thermal_event"]
    assert on(2025, 1 << 19) == ["motor_over_speed"]
    assert on(2016, 1 << 19) == ["reserved_19"]
    assert on(2016, 1 << 23) == ["reserved_23"]
    assert on(2025, 1 << 28) == ["reserved_28"]
    assert (len(ALARMS[2016]), len(ALARMS[2025])) == (19, 28)


def test_alarms_that_are_off_are_told_too() -> None:
    events = alarm_events(frame(2016, 1 << 11))
    assert [name for name, _ in events] == list(ALARMS[2016])
    assert dict(events)["insulation"] is True
    assert sum(state for _, state in events) == 1


def test_silence_is_not_off() -> None:
    assert alarm_events(frame(2016)) == []
    assert alarm_events(frame(2016, None)) == []
    assert lamp_states(frame(2016, None)) == {}
    assert alarm_events(Frame(2016, Command.LOGOUT, VIN, Logout(INSTANT, 1))) == []


def test_of_two_blocks_either_may_raise_an_alarm() -> None:
    assert on(2016, 1 << 0, None, 1 << 1) == ["temperature_difference", "battery_high_temperature"]


def test_a_lamp_is_on_when_one_of_its_alarms_is() -> None:
    assert lamp_states(frame(2016, 1 << 12))["dcdc"] is True
    assert lamp_states(frame(2016, 1 << 14))["dcdc"] is True
    assert lamp_states(frame(2016, 0))["dcdc"] is False
    assert "thermal_event" not in lamp_states(frame(2016, 0))
    assert lamp_states(frame(2025, 1 << 23))["thermal_event"] is True


def test_every_alarm_has_a_lamp_and_a_reason() -> None:
    assert set(LAMPS) == set(ALARMS[2025])
    assert all(lamp.code and lamp.reason for lamp in LAMPS.values())


def test_only_alarms_that_mean_the_same_become_labels() -> None:
    labels = {lamp for fault in tomllib.loads(FAULTS.read_text()).values() for lamp in fault["lamps"]}
    learnt = {name for name, lamp in LAMPS.items() if lamp.code in labels}
    assert learnt == {
        "cell_consistency",
        "insulation",
        "dcdc_temperature",
        "dcdc_status",
        "motor_controller_temperature",
        "motor_temperature",
    }
