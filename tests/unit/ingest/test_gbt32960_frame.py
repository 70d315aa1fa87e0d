"""Whole frames, put together by hand from the tables of the standard: what is accepted, and why the rest is not."""

import struct
from datetime import UTC, datetime, timedelta, timezone
from functools import reduce
from operator import xor

import pytest

from ingest.gbt32960 import (
    IGNORABLE_REASONS,
    REASONS,
    Command,
    Frame,
    FrameRejected,
    Login,
    Logout,
    NotEncodable,
    Realtime,
    decode_frame,
    encode_frame,
)
from ingest.gbt32960.frame import check_byte

VIN = b"LFWRN0000000B0001"
CLOCK = bytes((25, 12, 1, 7, 30, 59))  # 2025-12-01 07:30:59 in Beijing
INSTANT = datetime(2025, 11, 30, 23, 30, 59, tzinfo=UTC)
NO_BLOCKS = CLOCK


def framed(
    unit: bytes,
    *,
    command: int = 2,
    start: bytes = b"##",
    answer: int = 0xFE,
    vin: bytes = VIN,
    encryption: int = 1,
    length: int | None = None,
) -> bytes:
    """Return the unit with header and check byte; any part may be wrong, the check byte is right."""
    size = len(unit) if length is None else length
    data = start + bytes((command, answer)) + vin + bytes((encryption,)) + size.to_bytes(2, "big") + unit
    return data + bytes((reduce(xor, data[2:]),))


def rejection(data: bytes) -> FrameRejected:
    with pytest.raises(FrameRejected) as caught:
        decode_frame(data)
    return caught.value


@pytest.mark.parametrize(("start", "version"), [(b"##", 2016), (b"$$", 2025)])
@pytest.mark.parametrize(("command", "kind"), [(2, Command.REALTIME), (3, Command.REISSUE)])
def test_realtime_and_reissue_are_frames_in_utc(start: bytes, version: int, command: int, kind: Command) -> None:
    frame = decode_frame(framed(NO_BLOCKS, command=command, start=start))
    assert frame == Frame(version, kind, VIN.decode(), Realtime(INSTANT, ()))
    assert frame.at.utcoffset() == timedelta(0)


def test_login_of_2016_has_a_code_per_storage_system() -> None:
    unit = CLOCK + struct.pack(">H", 7) + b"89860000000000000001" + bytes((2, 4)) + b"AB12CD\0\0"
    login = Login(INSTANT, 7, "89860000000000000001", 4, (("AB12",), ("CD",)))
    assert decode_frame(framed(unit, command=1)) == Frame(2016, Command.LOGIN, VIN.decode(), login)
    assert encode_frame(Frame(2016, Command.LOGIN, VIN.decode(), login)) == framed(unit, command=1)


def test_login_of_2016_may_leave_its_codes_out() -> None:
    unit = CLOCK + struct.pack(">H", 1) + b"89860000000000000001" + bytes((1, 0))
    body = decode_frame(framed(unit, command=1)).body
    assert body == Login(INSTANT, 1, "89860000000000000001", 0, ((),))


def test_login_of_2025_has_the_packs_of_every_battery_management_system() -> None:
    codes = [f"{n:024d}".encode() for n in range(3)]
    unit = CLOCK + struct.pack(">H", 9) + b"8986".ljust(20, b"\0") + bytes((2, 1, 2)) + b"".join(codes)
    frame = decode_frame(framed(unit, command=1, start=b"$$"))
    text = [code.decode() for code in codes]
    assert frame.body == Login(INSTANT, 9, "8986", 24, ((text[0],), (text[1], text[2])))
    assert encode_frame(frame) == framed(unit, command=1, start=b"$$")


@pytest.mark.parametrize("start", [b"##", b"$$"])
def test_logout(start: bytes) -> None:
    data = framed(CLOCK + struct.pack(">H", 65531), command=4, start=start)
    assert decode_frame(data).body == Logout(INSTANT, 65531)
    assert encode_frame(decode_frame(data)) == data


@pytest.mark.parametrize(
    ("data", "reason", "says"),
    [
        (b"", "length", "0 bytes"),
        (b"##", "length", "at least 25"),
        (framed(NO_BLOCKS, start=b"#$"), "start", "2324"),
        (framed(NO_BLOCKS, start=b"$#"), "start", "2423"),
        (framed(NO_BLOCKS, length=7), "length", "announces 32"),
        (framed(NO_BLOCKS, length=5), "length", "announces 30"),
        (framed(NO_BLOCKS) + b"\0", "length", "announces 31"),
        (framed(NO_BLOCKS)[:-1] + b"\xaa", "check", "check byte AA"),
        (framed(NO_BLOCKS, answer=1), "receipt", "answer flag 01"),
        (framed(CLOCK + b"\x0a", answer=1), "answer", "7 bytes of data"),
        (framed(b"", command=7), "heartbeat", "no data"),
        (framed(b"", command=8), "time_sync", "no data"),
        (framed(NO_BLOCKS, command=5), "command", "platform log-in"),
        (framed(NO_BLOCKS, command=0x0B), "command", "key exchange"),
        (framed(NO_BLOCKS, command=0xC0), "command", "reserved"),
        (framed(NO_BLOCKS, vin=b"LFWRN0000000I0001"), "vin", "byte 12 of the VIN is 49"),
        (framed(NO_BLOCKS, vin=b"LFWRN0000000O0001"), "vin", "4F"),
        (framed(NO_BLOCKS, vin=b"LFWRN0000000Q0001"), "vin", "51"),
        (framed(NO_BLOCKS, vin=b"LFWRN0000000b0001"), "vin", "62"),
        (framed(NO_BLOCKS, vin=b"LFWRN0000000B000\0"), "vin", "byte 16"),
        (framed(NO_BLOCKS, encryption=2), "encrypted", "RSA"),
        (framed(NO_BLOCKS, encryption=3), "encrypted", "AES"),
        (framed(NO_BLOCKS, encryption=4), "encrypted", "SM2"),
        (framed(NO_BLOCKS, encryption=5), "encrypted", "SM4"),
        (framed(NO_BLOCKS, encryption=0xFE), "encryption", "FE"),
        (framed(NO_BLOCKS, encryption=0), "encryption", "00"),
        (framed(bytes((25, 2, 30, 0, 0, 0))), "time", "25-2-30"),
        (framed(bytes((25, 13, 1, 0, 0, 0))), "time", "25-13-1"),
        (framed(bytes((25, 1, 1, 24, 0, 0))), "time", "24:0:0"),
        (framed(bytes((25, 1, 1, 0, 60, 0))), "time", "0:60:0"),
        (framed(bytes((25, 1, 1, 0, 0, 60))), "time", "0:0:60"),
        (framed(bytes((100, 1, 1, 0, 0, 0))), "time", "100-1-1"),
        (framed(b"\xff" * 6), "time", "255-255-255"),
        (framed(CLOCK[:5]), "truncated", "5 bytes"),
        (framed(CLOCK + b"\0", command=4), "truncated", "7 bytes"),
        (framed(CLOCK + b"\0\1\0", command=4), "trailing", "1 bytes after the end of the logout"),
        (framed(CLOCK + bytes(22), command=1), "truncated", ""),
        (framed(CLOCK + bytes(22) + b"\2\x18" + bytes(47), command=1), "truncated", "2 codes of 24"),
        (framed(CLOCK + bytes(22) + b"\2\1", command=1, start=b"$$"), "truncated", ""),
        (framed(CLOCK + b"\x0a"), None, ""),
        (framed(CLOCK + b"\x30"), "unknown_block", "type 0x30 at byte 30"),
        (framed(CLOCK + b"\xff"), "unknown_block", "type 0xFF at byte 30"),
        (framed(CLOCK + b"\x33", start=b"$$"), "unknown_block", "type 0x33 at byte 30"),
        (framed(CLOCK + b"\x01\x01"), "truncated", "block 0x01 at byte 30"),
        (framed(CLOCK + b"\x80\x00\x02A"), "truncated", "2 bytes wanted"),
    ],
)
def test_a_frame_is_rejected_for_one_reason_that_says_what_is_wrong(data: bytes, reason: str | None, says: str) -> None:
    if reason is None:
        decode_frame(data)
        return
    refused = rejection(data)
    assert (refused.reason, says in refused.detail) == (reason, True), str(refused)
    assert refused.reason in REASONS


def test_the_reason_of_a_bad_vin_does_not_name_the_car() -> None:
    assert "LFWRN" not in str(rejection(framed(NO_BLOCKS, vin=b"LFWRN0000000I0001")))


def test_what_may_be_ignored_is_told_from_what_is_broken() -> None:
    assert {rejection(framed(b"", command=c)).reason for c in (7, 8)} <= IGNORABLE_REASONS
    assert rejection(framed(NO_BLOCKS, encryption=3)).reason not in IGNORABLE_REASONS


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 9, 255, 256, 257, 65531])
def test_the_check_byte_is_the_exclusive_or_of_all_bytes(size: int) -> None:
    data = bytes((i * 31 + 7) & 0xFF for i in range(size))
    assert check_byte(data, 0, size) == reduce(xor, data, 0)


def test_every_single_changed_byte_is_noticed() -> None:
    data = framed(NO_BLOCKS)
    for i in range(len(data)):
        assert rejection(data[:i] + bytes((data[i] ^ 0x10,)) + data[i + 1 :]).reason in {"start", "length", "check"}


def test_a_frame_is_written_in_beijing_time_from_any_zone() -> None:
    berlin = INSTANT.astimezone(timezone(timedelta(hours=1)))
    frame = Frame(2016, Command.REALTIME, VIN.decode(), Realtime(berlin, ()))
    assert encode_frame(frame) == framed(NO_BLOCKS)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (Frame(2020, Command.REALTIME, VIN.decode(), Realtime(INSTANT, ())), "version"),
        (Frame(2016, Command.REALTIME, "LFWRN0000000I0001", Realtime(INSTANT, ())), "vin"),
        (Frame(2016, Command.REALTIME, "LFWRN0000000Ä0001", Realtime(INSTANT, ())), "vin"),
        (Frame(2016, Command.LOGIN, VIN.decode(), Realtime(INSTANT, ())), "command"),
        (Frame(2016, Command.LOGOUT, VIN.decode(), Logout(INSTANT, 65536)), "65535"),
        (Frame(2016, Command.REALTIME, VIN.decode(), Realtime(INSTANT.replace(tzinfo=None), ())), "time zone"),
        (Frame(2016, Command.REALTIME, VIN.decode(), Realtime(INSTANT.replace(year=1999), ())), "2000"),
        (Frame(2016, Command.LOGIN, VIN.decode(), Login(INSTANT, 1, "1" * 21, 0, ())), "longer than 20"),
        (Frame(2016, Command.LOGIN, VIN.decode(), Login(INSTANT, 1, "1", 2, (("A", "B"),))), "pack_codes"),
        (Frame(2025, Command.LOGIN, VIN.decode(), Login(INSTANT, 1, "1", 2, ())), "code_length"),
    ],
)
def test_what_has_no_place_in_a_frame_is_refused_by_name(frame: Frame, says: str) -> None:
    with pytest.raises(NotEncodable, match=says):
        encode_frame(frame)
