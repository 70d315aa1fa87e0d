"""GB/T 32960.3 frames against a real database: stored like their JSON twins, lamps on and off once."""

from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
import pytest
from msgspec.structs import replace

from ingest import topics
from ingest.gbt32960 import (
    RESOLUTION,
    Command,
    Frame,
    Realtime,
    blocks,
    decode_frame,
    encode_frame,
    from_signals,
)
from ingest.gbt32960.blocks import Alarms
from ingest.gbt32960.frame import check_byte
from ingest.inbox import Message
from ingest.writer import Outcome
from tests.integration.ingest.test_writer import NOW_MS, VIN, rows, write  # noqa: F401

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BATTERY = "Vehicle.Powertrain.TractionBattery"
SIGNALS = {
    "Vehicle.Speed": 52.4,
    "Vehicle.TraveledDistance": 18837.7,
    "Vehicle.LowVoltageSystemState": "ON",
    f"{BATTERY}.CurrentVoltage": 351.2,
    f"{BATTERY}.CurrentCurrent": -44.3,
    f"{BATTERY}.StateOfCharge.Current": 92,
    f"{BATTERY}.InsulationResistance": 5000,
    f"{BATTERY}.Charging.IsCharging": False,
    f"{BATTERY}.WarningLevel": 0,
    f"{BATTERY}.CellVoltage.CellVoltages": [3.967, 3.969, 3.94, 3.972],
    f"{BATTERY}.Temperature.Probes": [25, 26, 27],
}


def frame(*, at=NOW, vin=VIN, version=2016, alarms=(), reissue=False, **changes):
    signals = {**SIGNALS, **changes}
    built = from_signals(vin, at, signals, version, reissue, alarms=alarms)
    return Message(topics.gbt32960(VIN), encode_frame(built), 1, NOW_MS, 1)


@pytest.mark.parametrize("version", [2016, 2025])
def test_a_frame_is_stored_as_its_json_twin_within_its_resolution(database, write, version):  # noqa: F811
    json = {"samples": [{"ts": NOW_MS + 1000, "signals": SIGNALS}]}
    assert write(frame(version=version)).stored == 1
    assert write(Message(topics.telemetry(VIN), msgspec.json.encode(json), 1, NOW_MS, 1)).stored == 1
    columns = {
        "speed_kmh": RESOLUTION["Vehicle.Speed"],
        "odometer_km": RESOLUTION["Vehicle.TraveledDistance"],
        "pack_v": RESOLUTION[f"{BATTERY}.CurrentVoltage"],
        "pack_a": RESOLUTION[f"{BATTERY}.CurrentCurrent"],
        "soc_pct": 1,
        "insulation_kohm": 1,
        "cell_spread_mv": 1,
        "cell_low_dev_mv": 1,
    }
    one, other = rows(database, f"SELECT {', '.join(columns)} FROM telemetry.vehicle_reading ORDER BY ts")
    for name, framed, plain, step in zip(columns, one, other, columns.values(), strict=True):
        assert framed == pytest.approx(plain, abs=step / 2 + 1e-3), name
    same = "SELECT is_charging, lv_system_state, cell_low_number, at_rest FROM telemetry.vehicle_reading ORDER BY ts"
    first, second = rows(database, same)
    assert first == second
    cells, others = rows(database, "SELECT cell_v::float8[] FROM telemetry.cell_reading ORDER BY ts")
    assert cells[0] == pytest.approx(others[0], abs=1e-6)


def test_a_reissued_frame_is_the_same_reading(database, write):  # noqa: F811
    assert write(frame()) == Outcome(received=1, stored=1)
    assert write(frame(reissue=True)) == Outcome(received=1, duplicate=1)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "check"),
        (lambda data: data[:40], "length"),
        (lambda data: b"%%" + data[2:], "start"),
        (lambda data: b"", "length"),
    ],
)
def test_a_spoilt_frame_is_a_dead_letter_with_its_bytes(database, write, spoil, reason):  # noqa: F811
    message = frame()
    bad = Message(message.topic, spoil(message.payload), 1, NOW_MS, 1)
    assert write(bad, message) == Outcome(received=2, stored=1, dead=1)
    ((found, payload),) = rows(database, "SELECT reason, payload FROM pii.dead_letter")
    assert (found, bytes(payload)) == (reason, bad.payload)


def test_a_frame_of_another_car_is_a_dead_letter(database, write):  # noqa: F811
    assert write(frame(vin="LFWA0000000000002")).dead == 1
    assert rows(database, "SELECT reason FROM pii.dead_letter") == [("foreign_vin",)]


def realtime(*some, version=2016, answer=0xFE, at=NOW - timedelta(seconds=10)):
    data = bytearray(encode_frame(Frame(version, Command.REALTIME, VIN, Realtime(at, some))))
    data[3] = answer
    data[-1] = check_byte(bytes(data), 2, len(data) - 1)
    return Message(topics.gbt32960(VIN), bytes(data), 1, NOW_MS, 1)


def pack(volts, *, first=1, total=None):
    return blocks.CellVoltages((blocks.PackCells(1, 350.0, 0.0, total or len(volts), first, tuple(volts)),))


@pytest.mark.parametrize("answer", [0x01, 0x02, 0x03, 0x00, 0xFF])
def test_data_under_a_platforms_answer_flag_is_a_dead_letter(database, write, answer):  # noqa: F811
    assert write(realtime(pack([3.7] * 5), answer=answer)) == Outcome(received=1, dead=1)
    assert rows(database, "SELECT reason FROM pii.dead_letter") == [("answer",)]


def test_a_platforms_answer_that_keeps_the_time_alone_holds_no_sample(database, write):  # noqa: F811
    assert write(realtime(answer=0x01)) == Outcome()


@pytest.mark.parametrize("version", [2016, 2025])
def test_fault_codes_are_kept_and_are_no_unknown_signal(database, write, version):  # noqa: F811
    alarms = blocks.Alarms(1, 0, battery_faults=(7, 0x01020304), other_faults=(9,))
    assert write(realtime(alarms, version=version)).stored == 1
    assert rows(database, "SELECT quality, extra FROM telemetry.vehicle_reading") == [
        (0, {"Forewarn.FaultCodes.Battery": [7, 0x01020304], "Forewarn.FaultCodes.Other": [9]})
    ]


def test_a_pack_of_more_than_200_cells_comes_in_two_frames_of_one_second(database, write):  # noqa: F811
    first, second = [3.7] * 200, [3.6] * 39 + [3.5]
    parts = [realtime(pack(first, total=240)), realtime(pack(second, first=201, total=240))]
    assert write(parts[1]).stored == 1
    assert write(*parts) == Outcome(received=2, stored=1, duplicate=1)
    columns = (
        "reading.seq, cell_low_number, cell_low_dev_mv::int, array_length(cell_v, 1), num_nonnulls(VARIADIC cell_v)"
    )
    query = (
        f"SELECT {columns} FROM telemetry.vehicle_reading AS reading JOIN telemetry.cell_reading USING (ts, seq)"
        " ORDER BY seq"
    )
    assert rows(database, query) == [(0, 1, 0, 240, 200), (1, 240, -100, 240, 40)]


def test_an_alarm_that_stays_on_is_one_lamp(database, write):  # noqa: F811
    steps = [(), ("insulation",), ("insulation",), (), ()]
    frames = [frame(at=NOW - timedelta(seconds=60 - n), alarms=frozenset(on)) for n, on in enumerate(steps)]
    assert write(*frames[:2]).stored == 2
    assert write(*frames[2:]).stored == 3
    found = rows(database, "SELECT code, state, source FROM telemetry.vehicle_event ORDER BY ts")
    assert found == [("insulation", "on", "gbt32960"), ("insulation", "off", "gbt32960")]


@pytest.mark.parametrize("level", [5, 77, 253])
@pytest.mark.parametrize("version", [2016, 2025])
def test_a_level_that_is_none_costs_neither_the_reading_nor_the_lamps(database, write, level, version):  # noqa: F811
    message = with_level(frame(version=version, alarms=frozenset({"insulation"})), level)
    assert write(message) == Outcome(received=1, stored=1)
    ((quality, extra),) = rows(database, "SELECT quality, extra FROM telemetry.vehicle_reading")
    assert quality & 1
    assert extra == {f"{BATTERY}.WarningLevel": level}
    assert rows(database, "SELECT code, level FROM telemetry.vehicle_event") == [("insulation", 0)]


def with_level(message, level):
    """Return the frame with another highest alarm level."""
    decoded = decode_frame(message.payload)
    blocks = [replace(block, level=level) if isinstance(block, Alarms) else block for block in decoded.body.blocks]
    built = replace(decoded, body=replace(decoded.body, blocks=tuple(blocks)))
    return Message(message.topic, encode_frame(built), 1, NOW_MS, 1)


def test_a_dead_letter_of_a_frame_is_the_frame_and_can_be_sent_again(database, write):  # noqa: F811
    one, other = frame(), frame(**{"Vehicle.Speed": 99.0})
    assert write(one, other, frame(**{"Vehicle.Speed": 98.0})) == Outcome(received=3, stored=1, dead=2)
    with psycopg.connect(database) as conn:
        conn.execute("ALTER TABLE telemetry.vehicle_reading ADD CHECK (speed_kmh <> 97)")
    cursed = frame(at=NOW + timedelta(seconds=1), **{"Vehicle.Speed": 97.0})
    assert write(other, cursed) == Outcome(received=2, dead=2)
    letters = rows(database, "SELECT reason, topic, payload FROM pii.dead_letter ORDER BY dead_letter_id")
    assert [reason for reason, _, _ in letters] == ["key_conflict"] * 3 + ["refused_by_database"]
    assert [letters[0][2], letters[2][2], letters[3][2]] == [other.payload, other.payload, cursed.payload]
    with psycopg.connect(database) as conn:
        conn.execute("ALTER TABLE telemetry.vehicle_reading DROP CONSTRAINT vehicle_reading_speed_kmh_check")
    for reason, topic, payload in letters:
        got = write(Message(topics.replay(NOW_MS, topic), payload, 1, NOW_MS, 1))
        assert got.stored == (reason == "refused_by_database")


def test_the_newest_values_of_a_car_survive_late_and_sparse_readings(database, write):  # noqa: F811
    def said(ts, **signals):
        payload = {"samples": [{"ts": ts, "signals": signals}]}
        return Message(topics.telemetry(VIN), msgspec.json.encode(payload), 1, NOW_MS, 1)

    soc, speed = f"{BATTERY}.StateOfCharge.Current", "Vehicle.Speed"
    write(said(NOW_MS - 10, **{soc: 50, speed: 10}))
    write(said(NOW_MS - 5, **{speed: 20}))
    write(said(NOW_MS - 20, **{soc: 60, speed: 99}))
    write(said(NOW_MS - 8, **{soc: 49}), said(NOW_MS - 9, **{soc: 48}))
    ((soc_pct, at, speed_kmh, ts, readings),) = rows(
        database, "SELECT soc_pct, soc_pct_at, speed_kmh, ts, readings FROM telemetry.vehicle_state"
    )
    assert (soc_pct, speed_kmh, readings) == (49, 20, 5)
    assert (NOW - at, NOW - ts) == (timedelta(milliseconds=8), timedelta(milliseconds=5))
