"""Any bytes at all: a frame or ``FrameRejected``, never another exception, and never a slow one.

``GBT32960_FUZZ_FRAMES=1000000`` runs a million, some minutes, as ``make test-fault`` does; the suite does fewer.
"""

import os
import random
from functools import reduce
from operator import xor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.gbt32960 import FrameRejected, alarm_events, decode_frame, encode_frame, to_signals
from ingest.gbt32960.frame import check_byte

FRAMES = int(os.environ.get("GBT32960_FUZZ_FRAMES", "20000"))
SEED = int(os.environ.get("GBT32960_FUZZ_SEED", "32960"))

VIN = b"LFWRN0000000B0001"
CLOCK = bytes((25, 12, 1, 7, 30, 59))
UNITS = {
    b"##": (
        "01 01030202730001E2400E8126BB45012E13DD1E65",
        "02 02 0101474FDB4E2F4A0F322710 0202FE00000000FF0F320000",
        "03 0FA003E80064 0003 28FE50 022605003207015E0201",
        "04 0107D00258",
        "05 00 06D1191A 01D2C895",
        "06 013E0F20 010C0F17 01054E 0107FF",
        "07 03 00000802 01 00000011 02 00000021 00000022 00 01 00000041",
        "08 01 01 0E81 26BB 0005 0001 05 0F1B0F1C0F1D0F1EFFFE",
        "09 01 01 0004 4D4D00FF",
        "80 0003 010203",
    ),
    b"$$": (
        "01 01030102730001E2401BE275464B011F1999",
        "02 02 0103477D0000030D404A 020249000000061A8045",
        "03 0041 05 2710 07 015E 02 01 50 5A",
        "04 07D0",
        "05 00 02 06D1191A 01D2C895",
        "06 04 00800800 01 00000011 00 00 00 02 1704 0B02",
        "07 01 01 1BE2 7546 0003 0F750F78FFFF",
        "08 01 01 0004 4D4D00FF",
        "30 01 01 0FA0 03E8 07D0 0000 50 0002 5A5B",
        "31 01 1388 7531 0002 0A8C0A8D 0001 41",
        "32 0101020A8D 0100030A8C 01000441 0100FFFE",
        "82 0003 010203",
        "FF 01 0002 AABB 0001 CC",
    ),
}


def framed(start: bytes, command: int, unit: bytes) -> bytes:
    data = start + bytes((command, 0xFE)) + VIN + b"\x01" + len(unit).to_bytes(2, "big") + unit
    return data + bytes((check_byte(data, 2, len(data)),))


def survives(data: bytes) -> bool:
    """Decode; what is accepted must be the same bytes again, and can be told in signals and alarms."""
    try:
        frame = decode_frame(data)
    except FrameRejected as refused:
        assert refused.reason
        assert refused.detail
        return False
    assert encode_frame(frame) == data
    to_signals(frame)
    alarm_events(frame)
    return True


@pytest.mark.parametrize("start", [b"##", b"$$"])
def test_the_frames_to_be_mutated_are_good_ones(start: bytes) -> None:
    assert survives(framed(start, 2, CLOCK + bytes.fromhex("".join(UNITS[start]))))


@settings(max_examples=2000, deadline=None)
@given(st.binary(max_size=400))
@example(b"##")
@example(framed(b"##", 2, b""))
def test_any_bytes(data: bytes) -> None:
    survives(data)


@settings(max_examples=2000, deadline=None)
@given(st.sampled_from([b"##", b"$$"]), st.integers(1, 4), st.binary(max_size=200))
def test_any_data_unit_in_a_frame_that_is_otherwise_right(start: bytes, command: int, unit: bytes) -> None:
    survives(framed(start, command, unit))


@settings(max_examples=2000, deadline=None)
@given(st.sampled_from([b"##", b"$$"]), st.sampled_from([2, 3]), st.binary(max_size=200))
def test_any_blocks_after_a_good_time(start: bytes, command: int, blocks: bytes) -> None:
    survives(framed(start, command, CLOCK + blocks))


def mutated(rng: random.Random) -> bytes:
    """Return random bytes, or a good frame with blocks left out and shuffled and bytes changed, cut or added."""
    style = rng.random()
    if style < 0.1:
        return rng.randbytes(rng.randrange(0, 300))
    start = rng.choice((b"##", b"$$"))
    if style < 0.2:
        return framed(start, rng.randrange(1, 5), CLOCK + rng.randbytes(rng.randrange(0, 120)))
    units = [bytes.fromhex(unit) for unit in rng.sample(UNITS[start], rng.randrange(0, len(UNITS[start]) + 1))]
    unit = bytearray(CLOCK + b"".join(units))
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        place = rng.randrange(len(unit) + 1)
        change = rng.randrange(4)
        if change == 0:
            unit[place:place] = rng.randbytes(rng.randrange(1, 4))
        elif change == 1:
            del unit[place : place + rng.randrange(1, 4)]
        elif change == 2:
            unit[place : place + 1] = rng.choice((b"\x00", b"\xfe", b"\xff", rng.randbytes(1)))
        else:
            del unit[place:]
    data = bytearray(framed(start, rng.choice((2, 2, 2, 3, 1, 4)), bytes(unit)))
    if rng.random() < 0.2:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        if rng.random() < 0.7:
            data[-1] = reduce(xor, data[2:-1])
    return bytes(data)


def test_random_and_mutated_frames() -> None:
    rng = random.Random(SEED)
    accepted = 0
    for i in range(FRAMES):
        data = mutated(rng)
        try:
            accepted += survives(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, the bytes that raised it must be seen
            pytest.fail(f"frame {i} of seed {SEED}, {data.hex()}: {error!r}")
    # Both ways must have been taken, or the frames were not worth making.
    assert FRAMES * 0.1 < accepted < FRAMES * 0.9, accepted


@pytest.mark.parametrize(
    ("start", "unit"),
    [
        (b"##", b"\x08\xfa" + b"\x01\x00\x00\x00\x00\xff\xfd\xff\xfd\x00" * 250),  # 250 packs of 65533 cells each
        (b"##", b"\x08\x01\x01\x00\x00\x00\x00\xff\xfd\xff\xfd\x01\x0f\x00"),
        (b"$$", b"\x07\x01\x01\x00\x00\x00\x00\x7f\xd0" + b"\xff" * (2 * 0x7FD0)),  # every cell invalid
        (b"$$", b"\x08\x01\x01\xff\xd0" + b"\xff" * 0xFFD0),  # every probe invalid
    ],
)
def test_a_frame_that_claims_much_costs_little(start: bytes, unit: bytes) -> None:
    frame = decode_frame(framed(start, 2, CLOCK + unit))
    ((_, signals, flags),) = to_signals(frame)
    assert sum(len(value) for value in signals.values() if isinstance(value, list)) <= len(unit)
    assert len(flags) < 1000
