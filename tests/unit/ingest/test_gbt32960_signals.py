"""Frames in the words of the signal catalogue: signs, units, places of cells, and what is left out."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.gbt32960 import RESOLUTION, Command, Frame, Login, Realtime, Signals, to_signals
from ingest.gbt32960 import blocks as b
from ingest.gbt32960.blocks import Block

VIN = "LFWRN0000000B0001"
INSTANT = datetime(2025, 11, 30, 23, 30, 59, tzinfo=UTC)
BATTERY = "Vehicle.Powertrain.TractionBattery"
CELLS = f"{BATTERY}.CellVoltage.CellVoltages"
PROBES = f"{BATTERY}.Temperature.Probes"
CATALOGUE = Path(__file__).resolve().parents[3] / "config" / "signals.toml"


def told(version: int, *found: Block) -> tuple[Signals, tuple[str, ...]]:
    ((at, signals, flags),) = to_signals(Frame(version, Command.REALTIME, VIN, Realtime(INSTANT, found)))
    assert at == INSTANT
    return signals, flags


def vehicle(**changed: object) -> b.Vehicle:
    values: dict[str, object] = {
        "state": 1,
        "charging": 3,
        "mode": 1,
        "speed_kmh": 62.7,
        "odometer_km": 12345.6,
        "pack_v": 371.3,
        "pack_a": 23.4,
        "soc_pct": 69,
        "dcdc": 1,
        "gear": 14,
        "insulation_kohm": 5085,
    }
    return b.Vehicle(**{**values, **changed})  # type: ignore[arg-type]


def pack(number: int | None, total: int | None, first: int | None, *volts: float | None) -> b.PackCells:
    return b.PackCells(number, 371.3, 23.4, total, first, volts)


def extremes(**changed: object) -> b.Extremes:
    values = dict.fromkeys(name for name in b.Extremes.__struct_fields__ if name != "flags")
    return b.Extremes(**{**values, **changed})  # type: ignore[arg-type]


def test_vehicle_in_the_catalogues_units_and_signs() -> None:
    signals, flags = told(2016, vehicle())
    assert signals == {
        "Vehicle.Speed": 62.7,
        "Vehicle.TraveledDistance": 12345.6,
        "Vehicle.LowVoltageSystemState": "ON",
        f"{BATTERY}.CurrentVoltage": 371.3,
        f"{BATTERY}.CurrentCurrent": -23.4,  # the frame's discharge is positive, the catalogue's negative
        f"{BATTERY}.StateOfCharge.Current": 69,
        f"{BATTERY}.InsulationResistance": 5085,
        f"{BATTERY}.Charging.IsCharging": False,
    }
    assert flags == ()


@pytest.mark.parametrize(("code", "charging"), [(1, True), (2, True), (3, False), (4, False)])
def test_charging_parked_or_driving_is_charging(code: int, charging: bool) -> None:
    assert told(2016, vehicle(charging=code))[0][f"{BATTERY}.Charging.IsCharging"] is charging


@pytest.mark.parametrize(("code", "state"), [(1, "ON"), (2, "OFF"), (3, None), (None, None)])
def test_started_is_on_and_other_states_say_nothing(code: int | None, state: str | None) -> None:
    assert told(2016, vehicle(state=code))[0].get("Vehicle.LowVoltageSystemState") == state


def test_no_current_is_not_minus_nothing() -> None:
    assert str(told(2016, vehicle(pack_a=0.0))[0][f"{BATTERY}.CurrentCurrent"]) == "0.0"


def test_what_is_abnormal_is_absent_and_flagged_with_its_block() -> None:
    motor = b.Motor(1, 1, None, 1, 1.0, 1, flags=("controller_c:invalid",))
    cells = b.PackCells(1, 1.0, 1.0, 3, 1, (3.0, None, None), ("cell_v[1]:abnormal", "cell_v[2]:abnormal"))
    signals, flags = told(
        2016,
        vehicle(speed_kmh=None, flags=("speed_kmh:abnormal",)),
        b.Motors((motor,)),
        b.CellVoltages((cells,)),
        b.ProbeTemperatures((), ("packs:invalid",)),
    )
    assert "Vehicle.Speed" not in signals
    assert signals[CELLS] == [3.0, None, None]
    assert flags == (
        "vehicle.speed_kmh:abnormal",
        "motors[1].controller_c:invalid",
        "cells[1].cell_v:abnormal",
        "probes.packs:invalid",
    )


def test_flags_of_what_no_signal_is_made_of_stay_with_the_frame() -> None:
    assert told(2016, vehicle(mode=None, dcdc=None, flags=("mode:invalid", "dcdc:abnormal")))[1] == ()
    assert told(2016, vehicle(state=None, flags=("state:invalid",)))[1] == ("vehicle.state:invalid",)


def test_of_several_motors_the_hottest_and_the_first() -> None:
    signals, _ = told(2016, b.Motors((b.Motor(1, 1, 40, 3000, 50.5, 60), b.Motor(2, 2, 70, -1, -9.0, None))))
    motor = "Vehicle.Powertrain.ElectricMotor"
    assert signals == {
        f"{motor}.InverterTemperature": 70,
        f"{motor}.Temperature": 60,
        f"{motor}.Speed": 3000,
        f"{motor}.Torque": 50.5,
    }


def test_engine_and_level() -> None:
    signals, _ = told(2016, b.Engine(2000, 1, 6.0), b.Alarms(2, 0))
    assert signals == {"Vehicle.Powertrain.CombustionEngine.Speed": 2000, f"{BATTERY}.WarningLevel": 2}


@pytest.mark.parametrize(
    ("position", "given", "flags"),
    [
        (b.Position(0, 114.3, 30.5), True, ()),
        (b.Position(0, 114.3, 30.5, 1), True, ()),
        (b.Position(0, 114.3, 30.5, 2), True, ("position.datum:gcj02",)),
        (b.Position(0, 114.3, 30.5, 3), False, ("position.datum:other",)),
        (b.Position(1, 114.3, 30.5), False, ("position:no_fix",)),
        (
            b.Position(0, None, 30.5, None, ("longitude_deg:invalid",)),
            False,
            ("position.longitude_deg:invalid",),
        ),
    ],
)
def test_position_only_with_a_fix_and_known_datum(position: b.Position, given: bool, flags: tuple[str, ...]) -> None:
    signals, found = told(2025, position)
    place = {"Vehicle.CurrentLocation.Longitude": 114.3, "Vehicle.CurrentLocation.Latitude": 30.5}
    assert signals == (place if given else {})
    assert found == flags


def test_cells_of_several_packs_follow_one_another_by_number() -> None:
    signals, flags = told(2016, b.CellVoltages((pack(2, 2, 1, 3.3, 3.4), pack(1, 2, 1, 3.1, 3.2))))
    assert (signals[CELLS], flags) == ([3.1, 3.2, 3.3, 3.4], ())


def test_parts_of_a_pack_are_put_together() -> None:
    found = (b.CellVoltages((pack(1, 3, 3, 3.3),)), b.CellVoltages((pack(1, 3, 1, 3.1, 3.2), pack(2, 1, 1, 3.4))))
    assert told(2016, *found) == ({CELLS: [3.1, 3.2, 3.3, 3.4]}, ())


def test_a_part_that_starts_at_cell_n_goes_to_its_place() -> None:
    signals, flags = told(2016, b.CellVoltages((pack(1, 5, 3, 3.3, 3.4),)))
    assert (signals[CELLS], flags) == ([None, None, 3.3, 3.4, None], ("cells:partial",))


@pytest.mark.parametrize("first", [0, None, 1])
def test_a_part_that_does_not_say_where_it_starts_starts_at_one(first: int | None) -> None:
    assert told(2016, b.CellVoltages((pack(1, None, first, 3.1, 3.2), pack(None, None, 1, 3.3)))) == (
        {CELLS: [3.1, 3.2, 3.3]},
        (),
    )


def test_places_that_no_car_has_are_not_made() -> None:
    signals, flags = told(2016, b.CellVoltages((pack(1, 65531, 65531, 3.3),)))
    assert (CELLS in signals, flags) == (False, ("cells:unplaced",))


def test_no_cells_are_no_signal() -> None:
    assert told(2016, b.CellVoltages((pack(1, 96, 1),)), b.ProbeTemperatures((b.PackProbes(1, ()),))) == ({}, ())


def test_extremes_number_their_cells_through_all_packs() -> None:
    cells = b.CellVoltages((pack(1, 2, 1, 3.1, 3.2), pack(2, 2, 1, 3.3, 3.4)))
    block = extremes(
        max_cell_v=3.4, max_cell_v_pack=2, max_cell_v_number=2, min_cell_v=3.1, min_cell_v_pack=1, min_cell_v_number=1
    )
    signals, flags = told(2016, block, cells)
    assert signals[f"{BATTERY}.CellVoltage.IdMax"] == 4
    assert signals[f"{BATTERY}.CellVoltage.IdMin"] == 1
    assert flags == ()


def test_an_extreme_of_a_second_pack_without_cells_has_no_place() -> None:
    block = extremes(
        max_cell_v=3.4, max_cell_v_pack=2, max_cell_v_number=2, min_cell_v=3.1, min_cell_v_pack=1, min_cell_v_number=7
    )
    signals, flags = told(2016, block)
    assert signals == {
        f"{BATTERY}.CellVoltage.Max": 3.4,
        f"{BATTERY}.CellVoltage.Min": 3.1,
        f"{BATTERY}.CellVoltage.IdMin": 7,
    }
    assert flags == ("extremes.max_cell_v_number:unplaced",)


def test_2025_takes_its_extremes_from_cells_and_probes() -> None:
    found = (b.CellVoltages((pack(1, 3, 1, 3.2, None, 3.1),)), b.ProbeTemperatures((b.PackProbes(1, (20, 25)),)))
    signals, _ = told(2025, *found)
    assert signals == {
        CELLS: [3.2, None, 3.1],
        PROBES: [20, 25],
        f"{BATTERY}.CellVoltage.Max": 3.2,
        f"{BATTERY}.CellVoltage.IdMax": 1,
        f"{BATTERY}.CellVoltage.Min": 3.1,
        f"{BATTERY}.CellVoltage.IdMin": 3,
        f"{BATTERY}.Temperature.Max": 25,
        f"{BATTERY}.Temperature.Min": 20,
    }
    assert set(told(2016, *found)[0]) == {CELLS, PROBES}  # 2016 has a block for them: silence is silence


def test_what_was_not_read_is_flagged() -> None:
    assert told(2016, b.PlatformData(0x0A, b"\1"), b.Custom(0x80, b"\1")) == ({}, ("platform:unread",))


def test_a_login_has_no_signals() -> None:
    assert to_signals(Frame(2016, Command.LOGIN, VIN, Login(INSTANT, 1, "", 0, ()))) == []


def test_every_path_stands_in_the_catalogue() -> None:
    assert set(RESOLUTION) <= set(tomllib.loads(CATALOGUE.read_text()))
