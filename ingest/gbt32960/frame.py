"""Whole frames: ``decode_frame`` and ``encode_frame``.

    0   start: ## (2016) or $$ (2025)      21  encryption: 1 none
    2   command                            22  length of the data unit, big endian
    3   answer: FE for a command           24  data unit
    4   VIN, 17 bytes                      -1  check: exclusive or of all from byte 2 to the data unit's last

Source: GB/T 32960.3-2016 and -2025, 6.2 (table 2), 6.3, 6.4 (table 5), 7.1, 7.3; B.3.3 for heartbeat and time sync.
"""

import re
import struct
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final

import msgspec

from ingest.gbt32960.blocks import Block
from ingest.gbt32960.bodies import pack_blocks, read_blocks
from ingest.gbt32960.rejected import FrameRejected, NotEncodable


class Command(IntEnum):
    """The commands that carry a vehicle's data. Source: table 3 of both versions."""

    LOGIN = 0x01
    REALTIME = 0x02
    REISSUE = 0x03
    LOGOUT = 0x04


class Login(msgspec.Struct, frozen=True, gc=False):
    """Source: 2016 table 6 (one code per storage sub-system, none when ``code_length`` is 0); 2025 table 6.

    ``pack_codes`` has a row per sub-system (2025: battery management system) with the codes of its packs, in 2025
    always of 24 characters. Text is read byte for byte (Latin-1) with the 0 bytes that fill it up taken off.
    """

    at: datetime
    sequence: int
    iccid: str
    code_length: int
    pack_codes: tuple[tuple[str, ...], ...]


class Logout(msgspec.Struct, frozen=True, gc=False):
    """Source: 2016 table 20; 2025 table 28. ``sequence`` is the log-in's."""

    at: datetime
    sequence: int


class Realtime(msgspec.Struct, frozen=True, gc=False):
    """What a car reports now, or reported earlier and re-issues. Source: table 7 of both versions; 2016 B.3.5.9."""

    at: datetime
    blocks: tuple[Block, ...]


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One frame: ``version`` 2016 or 2025, and the body that belongs to its command."""

    version: int
    command: Command
    vin: str
    body: Login | Realtime | Logout

    @property
    def at(self) -> datetime:
        """Return when the car says it is, in UTC."""
        return self.body.at


_START: Final = {b"##": 2016, b"$$": 2025}
_START_BYTES: Final = {version: start for start, version in _START.items()}
_HEADER: Final = struct.Struct(">2sBB17sBH")
_TIME: Final = struct.Struct(">6B")
_SEQUENCE: Final = struct.Struct(">6BH")
_IS_COMMAND: Final = 0xFE
_PLAIN: Final = 0x01
_CIPHERS: Final = {0x02: "RSA", 0x03: "AES", 0x04: "SM2", 0x05: "SM4"}  # SM2 and SM4 since 2025
_COMMANDS: Final = {command.value: command for command in Command}
_OTHER_COMMANDS: Final = {
    0x05: "platform log-in",
    0x06: "platform log-out",
    0x09: "activation",
    0x0A: "activation answer",
    0x0B: "key exchange",
    0x80: "parameter query",
    0x81: "parameter setting",
    0x82: "terminal control",
}
_MAX_UNIT: Final = 65531  # table 2: what is more would read as abnormal or invalid
_PACK_CODE_LENGTH: Final = 24  # GB/T 34014
_ICCID_LENGTH: Final = 20
# GB 16735: capital letters without I, O and Q, and digits. Its check digit is optional outside North America.
_VIN: Final = re.compile(rb"[A-HJ-NPR-Z0-9]{17}")
_VIN_CHARACTER: Final = re.compile(rb"[A-HJ-NPR-Z0-9]")
_BEIJING: Final = timedelta(hours=8)  # 6.4: all times are Beijing time, which knows no summer time


def check_byte(data: bytes, start: int, end: int) -> int:
    """Return the exclusive or of the bytes from ``start`` to ``end``, folded as one integer: faster than a loop."""
    folded = int.from_bytes(data[start:end], "big")
    half = 1 << max(end - start - 1, 0).bit_length()
    while half > 1:
        half >>= 1
        folded ^= folded >> (8 * half)
    return folded & 0xFF


def decode_frame(data: bytes) -> Frame:
    """Return the frame these bytes are.

    data    : exactly one frame, from its start to its check byte
    Raises  : FrameRejected and nothing else, whatever the bytes; ``reason`` is one of ``rejected.REASONS``
    """
    size = len(data)
    if size < _HEADER.size + 1:
        raise FrameRejected("length", f"{size} bytes, a frame has at least {_HEADER.size + 1}")
    start, command, answer, vin, encryption, length = _HEADER.unpack_from(data)
    version = _START.get(start)
    if version is None:
        raise FrameRejected("start", f"starts with {start.hex()}, neither 2323 nor 2424")
    if size != _HEADER.size + length + 1:
        raise FrameRejected("length", f"{size} bytes, the header announces {_HEADER.size + length + 1}")
    if (check := check_byte(data, 2, size - 1)) != data[-1]:
        raise FrameRejected("check", f"check byte {data[-1]:02X}, the bytes give {check:02X}")
    kind = _accepted(command, answer, vin, encryption, length)
    unit = bytes(data[_HEADER.size : -1])
    try:
        body = _read_body(version, kind, unit)
    except struct.error as error:
        raise FrameRejected("truncated", f"the data unit ends after {len(unit)} bytes") from error
    return Frame(version, kind, vin.decode("ascii"), body)


def _accepted(command: int, answer: int, vin: bytes, encryption: int, length: int) -> Command:
    kind = _COMMANDS.get(command)
    if answer != _IS_COMMAND:
        # An answer keeps of the data unit the time alone (6.3.2); what has more is an echo of a car's data.
        if kind in (Command.REALTIME, Command.REISSUE) and length > _TIME.size:
            raise FrameRejected("answer", f"answer flag {answer:02X}, but {length} bytes of data")
        raise FrameRejected("receipt", f"answer flag {answer:02X}: an answer to command {command:02X}, not data")
    if kind is None:
        if command == 0x07:
            raise FrameRejected("heartbeat", "a heartbeat carries no data")
        if command == 0x08:
            raise FrameRejected("time_sync", "a time request carries no data")
        raise FrameRejected("command", f"command {command:02X} ({_OTHER_COMMANDS.get(command, 'reserved')})")
    if _VIN.fullmatch(vin) is None:
        # Which byte, not the VIN: a reason is read by people who may not know whose car it is.
        at = next(i for i in range(17) if _VIN_CHARACTER.fullmatch(vin, i, i + 1) is None)
        raise FrameRejected("vin", f"byte {at} of the VIN is {vin[at]:02X}: not A-Z without I, O and Q, nor a digit")
    if encryption != _PLAIN:
        if (cipher := _CIPHERS.get(encryption)) is not None:
            raise FrameRejected("encrypted", f"the data unit is encrypted with {cipher}; there is no key for it")
        raise FrameRejected("encryption", f"encryption {encryption:02X} is abnormal, invalid or reserved")
    return kind


def _read_body(version: int, command: Command, unit: bytes) -> Login | Realtime | Logout:
    if command in (Command.REALTIME, Command.REISSUE):
        return Realtime(_read_time(*_TIME.unpack_from(unit)), read_blocks(version, unit, _TIME.size))
    *clock, sequence = _SEQUENCE.unpack_from(unit)
    at, end = _read_time(*clock), _SEQUENCE.size
    if command is Command.LOGOUT:
        body: Login | Logout = Logout(at, sequence)
    else:
        body, end = _read_login(version, at, sequence, unit)
    if end != len(unit):
        raise FrameRejected("trailing", f"{len(unit) - end} bytes after the end of the {command.name.lower()}")
    return body


def _read_time(year: int, month: int, day: int, hour: int, minute: int, second: int) -> datetime:
    try:
        if year > 99:
            raise ValueError("year must be in 0..99")
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC) - _BEIJING
    except ValueError as error:
        clock = f"{year}-{month}-{day} {hour}:{minute}:{second}"
        raise FrameRejected("time", f"{clock} is no time: {error}") from error


def _read_login(version: int, at: datetime, sequence: int, unit: bytes) -> tuple[Login, int]:
    start = _SEQUENCE.size
    iccid, systems, end = unit[start : start + _ICCID_LENGTH], start + _ICCID_LENGTH, start + _ICCID_LENGTH + 1
    if version == 2016:
        (count, length) = struct.unpack_from(">BB", unit, systems)
        end += 1
        counts = bytes([1 if length else 0]) * count
    else:
        (count,) = struct.unpack_from(">B", unit, systems)
        length, counts = _PACK_CODE_LENGTH, unit[end : end + count]
        end += count
    if end + sum(counts) * length > len(unit):
        raise FrameRejected("truncated", f"{sum(counts)} codes of {length} bytes do not fit the data unit")
    rows = []
    for packs in counts:
        codes = [_text(unit[end + i * length : end + (i + 1) * length]) for i in range(packs)]
        end += packs * length
        rows.append(tuple(codes))
    return Login(at, sequence, _text(iccid), length, tuple(rows)), end


def _text(raw: bytes) -> str:
    return raw.decode("latin-1").rstrip("\0")


def encode_frame(frame: Frame) -> bytes:
    """Return the bytes of a frame; what ``decode_frame`` returned comes back byte for byte.

    Values are rounded to the nearest step of their field, one outside the standard's valid range is written as it is.
    Raises : NotEncodable, when something has no place in a frame of this version, named field first
    """
    if frame.version not in _START_BYTES:
        raise NotEncodable(f"version: {frame.version!r} is neither 2016 nor 2025")
    try:
        vin = frame.vin.encode("ascii", "replace")
        if _VIN.fullmatch(vin) is None:
            raise NotEncodable("vin: not 17 of A-Z without I, O and Q, and digits")
        unit = _pack_body(frame)
        if len(unit) > _MAX_UNIT:
            raise NotEncodable(f"{len(unit)} bytes of data, {_MAX_UNIT} at most")
        header = (_START_BYTES[frame.version], frame.command, _IS_COMMAND, vin, _PLAIN, len(unit))
        data = _HEADER.pack(*header) + unit
    except NotEncodable:
        raise
    except (struct.error, ValueError, OverflowError) as error:
        raise NotEncodable(str(error)) from error
    return data + bytes((check_byte(data, 2, len(data)),))


def _pack_body(frame: Frame) -> bytes:
    body, command = frame.body, frame.command
    clock = _pack_time(body.at)
    if isinstance(body, Realtime) and command in (Command.REALTIME, Command.REISSUE):
        return clock + pack_blocks(frame.version, body.blocks)
    if isinstance(body, Logout) and command is Command.LOGOUT:
        return clock + struct.pack(">H", body.sequence)
    if isinstance(body, Login) and command is Command.LOGIN:
        return clock + struct.pack(">H", body.sequence) + _pack_login(frame.version, body)
    raise NotEncodable(f"command: {command!r} has no body of {type(body).__name__}")


def _pack_time(at: datetime) -> bytes:
    if at.tzinfo is None:
        raise NotEncodable(f"at: {at} has no time zone")
    local = at.astimezone(UTC) + _BEIJING
    if not 2000 <= local.year <= 2099:
        raise NotEncodable(f"at: {at} is not between 2000 and 2099")
    return bytes((local.year - 2000, local.month, local.day, local.hour, local.minute, local.second))


def _pack_login(version: int, login: Login) -> bytes:
    rows, length = login.pack_codes, login.code_length
    if version == 2016:
        if any(len(row) != (1 if length else 0) for row in rows):
            raise NotEncodable("pack_codes: 2016 has one code per sub-system, or none at all with code_length 0")
        counts = struct.pack(">BB", len(rows), length)
    else:
        if length != _PACK_CODE_LENGTH:
            raise NotEncodable(f"code_length: {length}, in 2025 it is {_PACK_CODE_LENGTH}")
        counts = struct.pack(f">B{len(rows)}B", len(rows), *(len(row) for row in rows))
    codes = b"".join([_pack_text(code, length) for row in rows for code in row])
    return _pack_text(login.iccid, _ICCID_LENGTH) + counts + codes


def _pack_text(text: str, length: int) -> bytes:
    raw = text.encode("latin-1")
    if len(raw) > length:
        raise NotEncodable(f"{text!r} is longer than {length} bytes")
    return raw.ljust(length, b"\0")
