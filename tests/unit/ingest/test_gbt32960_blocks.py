"""Every block, from bytes written down field by field as the tables of the standard have them."""

import struct
from datetime import UTC, datetime
from functools import reduce
from operator import xor

import pytest

from ingest.gbt32960 import Command, Frame, FrameRejected, NotEncodable, Realtime, decode_frame, encode_frame
from ingest.gbt32960 import blocks as b
from ingest.gbt32960.blocks import Block

VIN = "LFWRN0000000B0001"
CLOCK = bytes((25, 12, 1, 7, 30, 59))
INSTANT = datetime(2025, 11, 30, 23, 30, 59, tzinfo=UTC)


def framed(version: int, unit: bytes) -> bytes:
    head = b"\x02\xfe" + VIN.encode() + b"\x01" + (len(unit) + 6).to_bytes(2, "big")
    data = head + CLOCK + unit
    return (b"##" if version == 2016 else b"$$") + data + bytes((reduce(xor, data),))


def decoded(version: int, unit: bytes) -> tuple[Block, ...]:
    """Return the blocks; what was decoded must come back byte for byte."""
    frame = decode_frame(framed(version, unit))
    assert encode_frame(frame) == framed(version, unit)
    assert isinstance(frame.body, Realtime)
    return frame.body.blocks


def only(version: int, unit: bytes) -> Block:
    (block,) = decoded(version, unit)
    return block


def cells(version: int, unit: bytes) -> tuple[b.PackCells, ...]:
    block = only(version, unit)
    assert isinstance(block, b.CellVoltages)
    return block.packs


def encoded(version: int, *found: Block) -> bytes:
    return encode_frame(Frame(version, Command.REALTIME, VIN, Realtime(INSTANT, found)))


def test_vehicle_2016() -> None:
    unit = bytes.fromhex("0101030202730001E2400E8126BB45012E13DD1E65")
    assert len(unit) == 21
    assert only(2016, unit) == b.Vehicle(
        state=1,
        charging=3,
        mode=2,
        speed_kmh=62.7,
        odometer_km=12345.6,
        pack_v=371.3,
        pack_a=-8.5,  # raw 9915, zero is 10000: charging
        soc_pct=69,
        dcdc=1,
        gear=0x2E,  # driving force, D
        insulation_kohm=5085,
        accelerator_pct=30,
        brake_pct=101,
    )


def test_vehicle_2025_has_no_pedals_and_another_zero_of_the_current() -> None:
    unit = bytes.fromhex("0101030102730001E2401BE275464B011F1999")
    assert len(unit) == 19
    vehicle = only(2025, unit)
    assert isinstance(vehicle, b.Vehicle)
    assert (vehicle.pack_v, vehicle.pack_a, vehicle.insulation_kohm) == (713.8, 2.2, 6553)  # raw 30022, zero is 30000
    assert (vehicle.accelerator_pct, vehicle.brake_pct, vehicle.flags) == (None, None, ())


@pytest.mark.parametrize(("last", "kind"), [(0xFE, "abnormal"), (0xFF, "invalid")])
def test_abnormal_and_invalid_are_none_and_named(last: int, kind: str) -> None:
    one, two, four = bytes((last,)), bytes((0xFF, last)), bytes((0xFF, 0xFF, 0xFF, last))
    unit = b"\x01" + one * 3 + two + four + two * 2 + one * 2 + b"\x00" + two + one * 2
    vehicle = only(2016, unit)
    assert isinstance(vehicle, b.Vehicle)
    names = [name for name in b.Vehicle.__struct_fields__ if name not in ("gear", "flags")]
    assert all(getattr(vehicle, name) is None for name in names)
    assert vehicle.flags == tuple(f"{name}:{kind}" for name in names)


def test_a_word_of_fefe_is_a_value_not_a_mark() -> None:
    unit = bytes.fromhex("0201010447FEFE4E2048FEFE2710")
    (motor,) = only(2016, unit).motors  # type: ignore[union-attr]
    assert (motor.speed_rpm, motor.controller_v) == (0xFEFE - 20000, 6527.8)
    assert motor.flags == ("controller_v:out_of_range",)


def test_values_above_the_valid_range_are_kept_and_flagged() -> None:
    unit = bytes.fromhex("0109030108990098968027114E21650100EA616566")
    vehicle = only(2016, unit)
    assert isinstance(vehicle, b.Vehicle)
    assert (vehicle.state, vehicle.speed_kmh, vehicle.soc_pct, vehicle.pack_a) == (9, 220.1, 101, 1000.1)
    above = ("state", "speed_kmh", "odometer_km", "pack_v", "pack_a", "soc_pct", "insulation_kohm")
    assert vehicle.flags == tuple(f"{name}:out_of_range" for name in (*above, "accelerator_pct", "brake_pct"))


def test_motors_2016() -> None:
    unit = bytes.fromhex("02020101474FDB4E2F4A0F3227100202FE00000000FF0F320000")
    assert only(2016, unit) == b.Motors(
        (
            b.Motor(1, 1, 31, 443, 1.5, 34, 389.0, 0.0),
            b.Motor(2, 2, None, -20000, -2000.0, None, 389.0, -1000.0, ("controller_c:abnormal", "motor_c:invalid")),
        )
    )


def test_motors_2025_have_four_bytes_of_torque() -> None:
    unit = bytes.fromhex("02020103477D0000030D404A020249000000061A8045")
    assert only(2025, unit) == b.Motors(
        (b.Motor(1, 3, 31, 0, 0.0, 34), b.Motor(2, 2, 33, -32000, 20000.0, 29)),
    )


def test_fuel_cell_2016() -> None:
    unit = bytes.fromhex("030FA003E80064000328FE50022605003207015E0201")
    assert only(2016, unit) == b.FuelCell(
        voltage_v=400.0,
        current_a=100.0,
        consumption_kg_per_100km=1.0,
        probe_c=(0, None, 40),
        hydrogen_max_c=15.0,
        hydrogen_max_c_probe=5,
        hydrogen_max_mg_per_kg=50,
        hydrogen_max_mg_per_kg_sensor=7,
        hydrogen_max_mpa=35.0,
        hydrogen_max_mpa_sensor=2,
        dcdc=1,
        flags=("probe_c[1]:abnormal",),
    )


def test_hydrogen_system_2025() -> None:
    unit = bytes.fromhex("03004105271007015E0201505A")
    assert only(2025, unit) == b.HydrogenSystem(25, 5, 1.0, 7, 35.0, 2, 1, 80, 50)


def test_engine_2016_and_2025() -> None:
    assert only(2016, bytes.fromhex("040107D00258")) == b.Engine(2000, 1, 6.0)
    assert only(2025, bytes.fromhex("0407D0")) == b.Engine(2000)


@pytest.mark.parametrize(
    ("status", "longitude", "latitude", "fixed"),
    [(0, 114.366778, 30.591045, True), (2, 114.366778, -30.591045, True), (5, -114.366778, 30.591045, False)],
)
def test_position(status: int, longitude: float, latitude: float, fixed: bool) -> None:
    place = struct.pack(">II", 114366778, 30591045)
    position = only(2016, b"\x05" + bytes((status,)) + place)
    assert position == b.Position(status, longitude, latitude)
    assert isinstance(position, b.Position)
    assert position.fixed is fixed
    assert only(2025, b"\x05" + bytes((status, 2)) + place) == b.Position(status, longitude, latitude, 2)


def test_a_position_on_the_other_side_of_its_status_is_refused() -> None:
    with pytest.raises(NotEncodable, match="longitude_deg"):
        encoded(2016, b.Position(0, -1.0, 1.0))


def test_extremes_2016() -> None:
    unit = bytes.fromhex("06013E0F20010C0F1701054E0107FF")
    assert only(2016, unit) == b.Extremes(1, 62, 3.872, 1, 12, 3.863, 1, 5, 38, 1, 7, None, ("min_temp_c:invalid",))


ALARM_LISTS = bytes.fromhex("0100000011020000002100000022000100000041")
FAULTS = ((0x11,), (0x21, 0x22), (), (0x41,))


def test_alarms_2016() -> None:
    unit = bytes.fromhex("070300000802") + ALARM_LISTS
    assert only(2016, unit) == b.Alarms(3, 0x802, *FAULTS)


def test_alarms_2025_carry_a_level_for_every_alarm() -> None:
    unit = bytes.fromhex("060400800800") + ALARM_LISTS + bytes.fromhex("0217040B02")
    assert only(2025, unit) == b.Alarms(4, 0x800800, *FAULTS, ((23, 4), (11, 2)))


def test_counts_that_are_abnormal_or_invalid_have_no_list() -> None:
    alarms = only(2025, bytes.fromhex("06FFFFFFFFFFFEFF0000FE"))
    assert alarms == b.Alarms(
        None,
        None,
        flags=("level:invalid", "bits:invalid", "battery_faults:abnormal", "motor_faults:invalid", "levels:abnormal"),
    )
    assert only(2016, bytes.fromhex("02FF")) == b.Motors((), ("motors:invalid",))
    assert only(2016, bytes.fromhex("08FE")) == b.CellVoltages((), ("packs:abnormal",))
    assert only(2025, bytes.fromhex("0701010E817530FFFE")) == b.CellVoltages(
        (b.PackCells(1, 371.3, 0.0, None, 1, (), ("cell_v:abnormal",)),)
    )


def test_alarm_levels_are_refused_in_2016() -> None:
    with pytest.raises(NotEncodable, match="levels"):
        encoded(2016, b.Alarms(1, 1, levels=((0, 1),)))


def test_cells_2016_of_several_systems_and_from_a_cell_on() -> None:
    unit = bytes.fromhex("0802010E8126BB00CA00C9020F1BFFFE02010027100001000101EA61")
    assert only(2016, unit) == b.CellVoltages(
        (
            b.PackCells(1, 371.3, -8.5, 202, 201, (3.867, None), ("cell_v[1]:abnormal",)),
            b.PackCells(2, 25.6, 0.0, 1, 1, (60.001,), ("cell_v[0]:out_of_range",)),
        )
    )


@pytest.mark.parametrize("count", [0, 1, 2, 96, 200, 254, 255])
def test_cells_2016_are_as_many_as_their_byte_says(count: int) -> None:
    volts = [3000 + i for i in range(count)]
    head = bytes.fromhex("0801010E812710") + struct.pack(">HHB", count, 1, count)
    (pack,) = cells(2016, head + struct.pack(f">{count}H", *volts))
    assert pack.cell_v == tuple(v / 1000 for v in volts)
    assert pack.flags == ()


def test_cells_2025_count_in_two_bytes() -> None:
    volts = [3000 + i for i in range(300)]
    unit = bytes.fromhex("0701011BE27546") + struct.pack(">H300H", 300, *volts)
    (pack,) = cells(2025, unit)
    assert (pack.pack_a, pack.cell_total, pack.first_cell, len(pack.cell_v)) == (2.2, 300, 1, 300)
    with pytest.raises(NotEncodable, match="part of the cells"):
        encoded(2025, b.CellVoltages((b.PackCells(1, 1.0, 1.0, 400, 201, (3.0,)),)))


def test_probes() -> None:
    body = bytes.fromhex("020100034D00FF020001FB")
    expected = b.ProbeTemperatures(
        (
            b.PackProbes(1, (37, -40, None), ("probe_c[2]:invalid",)),
            b.PackProbes(2, (211,), ("probe_c[0]:out_of_range",)),
        )
    )
    assert only(2016, b"\x09" + body) == only(2025, b"\x08" + body) == expected


def test_fuel_cell_stacks_2025() -> None:
    unit = bytes.fromhex("3001010FA003E807D000005000025A5B")
    assert only(2025, unit) == b.FuelCellStacks((b.FuelCellStack(1, 400.0, 100.0, 100.0, -100.0, 40, (50, 51)),))


def test_super_capacitor_2025() -> None:
    unit = bytes.fromhex("31011388753100020A8C0A8D000141")
    assert only(2025, unit) == b.SuperCapacitor(1, 500.0, 0.1, (2.7, 2.701), (25,))


def test_super_capacitor_extremes_2025() -> None:
    unit = bytes.fromhex("320101020A8D0100030A8C0100044101FFFFFE")
    assert only(2025, unit) == b.SuperCapacitorExtremes(
        1, 258, 2.701, 1, 3, 2.7, 1, 4, 25, 1, None, None, ("min_temp_c_probe:invalid", "min_temp_c:abnormal")
    )


def test_signature_and_custom_data_are_kept_as_bytes() -> None:
    unit = bytes.fromhex("820003010203FF010002AABB0001CC")
    assert decoded(2025, unit) == (b.Custom(0x82, b"\1\2\3"), b.Signature(1, b"\xaa\xbb", b"\xcc"))
    assert decoded(2016, bytes.fromhex("FE0000")) == (b.Custom(0xFE, b""),)


def test_platform_data_is_the_rest_of_the_frame() -> None:
    engine = bytes.fromhex("040107D00258")
    assert decoded(2016, engine + b"\x0a\x01\x02") == (b.Engine(2000, 1, 6.0), b.PlatformData(0x0A, b"\1\2"))
    assert decoded(2025, b"\x09") == (b.PlatformData(0x09, b""),)
    with pytest.raises(NotEncodable, match="last"):
        encoded(2016, b.PlatformData(0x0A, b""), b.Engine(1))
    with pytest.raises(NotEncodable, match="0x09"):
        encoded(2016, b.PlatformData(0x09, b""))


def test_blocks_keep_their_order_and_may_come_twice() -> None:
    engine, alarms = bytes.fromhex("040107D00258"), bytes.fromhex("07000000000000000000")
    assert [type(block) for block in decoded(2016, alarms + engine + engine)] == [b.Alarms, b.Engine, b.Engine]


@pytest.mark.parametrize("version", [2016, 2025])
def test_a_block_of_the_other_version_is_refused(version: int) -> None:
    other = b.Extremes(*(1,) * 12) if version == 2025 else b.SuperCapacitor(1, 1.0, 1.0, (), ())
    with pytest.raises(NotEncodable, match=str(version)):
        encoded(version, other)


def test_a_whole_frame_cut_anywhere_is_rejected_or_ends_at_a_block() -> None:
    unit = b"".join(
        (
            bytes.fromhex("040107D00258"),
            bytes.fromhex("070300000802") + ALARM_LISTS,
            bytes.fromhex("0801010E8126BB00020001020F1B0F1C"),
            bytes.fromhex("09010100024D4D"),
            bytes.fromhex("8000020102"),
        )
    )
    whole = 0
    for end in range(len(unit) + 1):
        try:
            decode_frame(framed(2016, unit[:end]))
            whole += 1
        except FrameRejected as refused:
            assert refused.reason == "truncated"
    assert whole == 6  # after none, and after each of the five


@pytest.mark.parametrize(
    ("block", "says"),
    [
        (b.Engine(65536, 1, 1.0), "speed_rpm"),
        (b.Engine(65534, 1, 1.0), "speed_rpm"),
        (b.Engine(-1, 1, 1.0), "speed_rpm"),
        (b.Engine(1, 1, float("nan")), "consumption_l_per_100km"),
        (b.Engine(1, 1, float("inf")), "consumption_l_per_100km"),
        (b.ProbeTemperatures((b.PackProbes(1, (214,)),)), r"probe_c\[0\]"),
        (b.CellVoltages((b.PackCells(1, 1.0, 1.0, 1, 1, (3.0, -0.1)),)), r"cell_v\[1\]"),
        (b.CellVoltages((b.PackCells(1, 1.0, 1.0, 1, 1, (3.0,) * 256),)), "255 at most"),
        (b.Motors((b.Motor(1, 1, 1, 1, 1.0, 1, 1.0, 1.0),) * 254), "more than the count"),
        (b.Custom(0x7F, b""), "0x7F"),
        (b.Custom(0x80, bytes(65536)), "65535"),
        (b.Custom(0x80, bytes(65530)), "65531 at most"),
        (b.Alarms(1, 1, (1 << 32,)), "format requires"),
    ],
)
def test_values_without_a_place_are_refused_by_name(block: Block, says: str) -> None:
    with pytest.raises(NotEncodable, match=says):
        encoded(2016, block)
