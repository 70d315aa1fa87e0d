"""Signals sent as frames: the same values arrive, within the steps a frame has."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.gbt32960 import (
    RESOLUTION,
    Command,
    NotEncodable,
    Realtime,
    alarm_events,
    decode_frame,
    encode_frame,
    from_signals,
    to_signals,
)
from ingest.gbt32960 import blocks as b

VIN = "LFWRN0000000B0001"
INSTANT = datetime(2025, 11, 30, 23, 30, 59, tzinfo=UTC)
BATTERY = "Vehicle.Powertrain.TractionBattery"
CELLS = f"{BATTERY}.CellVoltage.CellVoltages"
PROBES = f"{BATTERY}.Temperature.Probes"
CURRENT = f"{BATTERY}.CurrentCurrent"
MOTOR = "Vehicle.Powertrain.ElectricMotor"


def sent(signals: dict[str, Any], version: int, **more: Any) -> tuple[datetime, dict[str, Any], tuple[str, ...]]:
    frame = from_signals(VIN, INSTANT, signals, version, **more)
    assert decode_frame(encode_frame(frame)) == frame
    ((at, arrived, flags),) = to_signals(frame)
    return at, arrived, flags


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


# Ranges both versions call valid.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "Vehicle.Speed": numbers(0, 220),
    "Vehicle.TraveledDistance": numbers(0, 999999),
    "Vehicle.LowVoltageSystemState": st.sampled_from(["ON", "OFF"]),
    f"{BATTERY}.CurrentVoltage": numbers(0, 1000),
    CURRENT: numbers(-1000, 1000),
    f"{BATTERY}.StateOfCharge.Current": numbers(0, 100),
    f"{BATTERY}.InsulationResistance": numbers(0, 60000),
    f"{BATTERY}.Charging.IsCharging": st.booleans(),
    f"{BATTERY}.WarningLevel": st.integers(0, 3),
    f"{MOTOR}.Temperature": numbers(-40, 210),
    f"{MOTOR}.InverterTemperature": numbers(-40, 210),
    f"{MOTOR}.Speed": numbers(-20000, 33531),
    f"{MOTOR}.Torque": numbers(-2000, 4500),
    "Vehicle.Powertrain.CombustionEngine.Speed": numbers(0, 9000),
    CELLS: st.lists(st.none() | numbers(0.5, 5), min_size=1, max_size=450),
    PROBES: st.lists(st.none() | numbers(-40, 210), min_size=1, max_size=48),
    f"{BATTERY}.CellVoltage.Max": numbers(0.5, 5),
    f"{BATTERY}.CellVoltage.Min": numbers(0.5, 5),
    f"{BATTERY}.CellVoltage.IdMax": st.integers(1, 250),
    f"{BATTERY}.CellVoltage.IdMin": st.integers(1, 250),
    f"{BATTERY}.Temperature.Max": numbers(-40, 210),
    f"{BATTERY}.Temperature.Min": numbers(-40, 210),
}
PLACES = st.fixed_dictionaries(
    {},
    optional={
        "Vehicle.CurrentLocation.Latitude": numbers(-90, 90),
        "Vehicle.CurrentLocation.Longitude": numbers(-180, 180),
    },
).filter(lambda place: len(place) != 1)
ONLY_2016 = {path for path in VALUES if path.rpartition(".")[2] in ("Max", "Min", "IdMax", "IdMin")}


def near(arrived: object, given: object, step: float) -> bool:
    if isinstance(given, list):
        assert isinstance(arrived, list)
        return len(arrived) == len(given) and all(map(near, arrived, given, [step] * len(given)))
    if given is None or step == 0:
        return arrived == given
    assert isinstance(arrived, int | float)
    assert isinstance(given, int | float)
    return abs(arrived - given) <= step / 2 + 1e-9


@settings(max_examples=500, deadline=None)
@given(st.fixed_dictionaries({}, optional=VALUES), PLACES, st.sampled_from([2016, 2025]))
def test_signals_arrive_within_the_resolution(values: dict[str, Any], place: dict[str, Any], version: int) -> None:
    signals = values | place
    _, arrived, _ = sent(signals, version)
    expected = {path: value for path, value in signals.items() if version == 2016 or path not in ONLY_2016}
    for path, value in expected.items():
        assert near(arrived[path], value, RESOLUTION[path]), path
    derived = ONLY_2016 if version == 2025 else set()
    assert set(arrived) - set(expected) <= derived


@settings(max_examples=300, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            path: st.none() | st.floats() | st.integers() | st.text(max_size=3) | st.lists(st.floats(), max_size=3)
            for path in (*RESOLUTION, "Vehicle.Unknown")
        },
    ),
    st.sampled_from([2016, 2025]),
)
def test_any_values_make_a_frame(signals: dict[str, Any], version: int) -> None:
    sent(signals, version)


def test_time_is_cut_to_the_second_and_kept_in_utc() -> None:
    local = datetime(2025, 12, 1, 7, 30, 59, 999999, tzinfo=timezone(timedelta(hours=8)))
    assert from_signals(VIN, local, {}, 2016).at == INSTANT


@pytest.mark.parametrize(("reissue", "command"), [(False, Command.REALTIME), (True, Command.REISSUE)])
def test_reissued_frames_say_so(reissue: bool, command: Command) -> None:
    assert from_signals(VIN, INSTANT, {}, 2016, reissue).command is command


@pytest.mark.parametrize(("version", "raw"), [(2016, 10000 + 234), (2025, 30000 + 234)])
def test_the_current_changes_sign_and_has_the_versions_zero(version: int, raw: int) -> None:
    data = encode_frame(from_signals(VIN, INSTANT, {CURRENT: -23.4}, version))
    current = 24 + 6 + 1 + 11  # header, time, type, and eleven bytes of state, mode, speed, odometer and voltage
    assert int.from_bytes(data[current : current + 2], "big") == raw


@pytest.mark.parametrize(
    ("path", "value", "version", "flag"),
    [
        (f"{BATTERY}.CurrentVoltage", 1000.1, 2016, "vehicle.pack_v:abnormal"),
        (CURRENT, 1000.1, 2016, "vehicle.pack_a:abnormal"),
        (CURRENT, -3000.1, 2025, "vehicle.pack_a:abnormal"),
        ("Vehicle.Speed", -0.1, 2016, "vehicle.speed_kmh:abnormal"),
        ("Vehicle.Speed", float("nan"), 2016, "vehicle.speed_kmh:abnormal"),
        (f"{BATTERY}.CellVoltage.IdMax", 251, 2016, "extremes.max_cell_v_number:abnormal"),
        (f"{BATTERY}.WarningLevel", 4, 2016, "alarms.level:abnormal"),
        (PROBES, [250.0], 2016, "probes[1].probe_c:abnormal"),
        (CELLS, [3.1, 61.0], 2025, "cells[1].cell_v:abnormal"),
        (CELLS, [3.1, None], 2025, "cells[1].cell_v:invalid"),
    ],
)
def test_what_is_out_of_the_valid_range_is_sent_as_abnormal(path: str, value: Any, version: int, flag: str) -> None:
    _, arrived, flags = sent({path: value}, version)
    assert flag in flags
    assert path not in arrived or None in arrived[path]


def test_a_level_of_four_exists_in_2025() -> None:
    assert sent({f"{BATTERY}.WarningLevel": 4}, 2025)[1][f"{BATTERY}.WarningLevel"] == 4


def test_2016_splits_more_than_200_cells_and_2025_does_not() -> None:
    volts = [3.0 + i / 1000 for i in range(450)]
    for version, parts in ((2016, [(1, 200), (201, 200), (401, 50)]), (2025, [(1, 450)])):
        body = from_signals(VIN, INSTANT, {CELLS: volts}, version).body
        assert isinstance(body, Realtime)
        (cells,) = (block for block in body.blocks if isinstance(block, b.CellVoltages))
        assert [(pack.first_cell, len(pack.cell_v)) for pack in cells.packs] == parts
        assert {(pack.number, pack.cell_total) for pack in cells.packs} == {(1, 450)}
        _, arrived, flags = sent({CELLS: volts}, version)
        assert arrived[CELLS] == pytest.approx(volts)
        assert not [flag for flag in flags if "cell_v" in flag or flag == "cells:partial"]


def test_alarms_can_be_raised_by_name() -> None:
    frame = from_signals(VIN, INSTANT, {}, 2025, alarms=["insulation", "thermal_event"])
    assert [name for name, on in alarm_events(decode_frame(encode_frame(frame))) if on] == [
        "insulation",
        "thermal_event",
    ]
    with pytest.raises(NotEncodable, match="2016 has no thermal_event"):
        from_signals(VIN, INSTANT, {}, 2016, alarms=["thermal_event"])


def test_charging_while_driving_is_told_from_charging_parked() -> None:
    charging = {f"{BATTERY}.Charging.IsCharging": True}
    for speed, code in ((0.0, 1), (12.0, 2)):
        body = from_signals(VIN, INSTANT, {**charging, "Vehicle.Speed": speed}, 2016).body
        assert isinstance(body, Realtime)
        assert isinstance(body.blocks[0], b.Vehicle)
        assert body.blocks[0].charging == code


@pytest.mark.parametrize(("ts", "version", "says"), [(INSTANT, 2020, "version"), (datetime(2025, 1, 1), 2016, "zone")])  # noqa: DTZ001
def test_refusals(ts: datetime, version: int, says: str) -> None:
    with pytest.raises(NotEncodable, match=says):
        from_signals(VIN, ts, {}, version)


def test_more_cells_than_a_frame_holds_are_refused() -> None:
    with pytest.raises(NotEncodable):
        encode_frame(from_signals(VIN, INSTANT, {CELLS: [3.0] * 33000}, 2025))
