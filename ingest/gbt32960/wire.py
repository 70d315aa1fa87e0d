"""Raw words and bytes to physical values and back: scales, offsets, the two all-ones marks, and lists.

A fixed run of fields is a ``Layout``: one precompiled ``struct.Struct`` and a row per field. A raw value of all ones is
"invalid" (0xFF, 0xFFFF, 0xFFFFFFFF), one less is "abnormal": both become None and a flag ``name:invalid`` or
``name:abnormal``. A raw value between the standard's highest valid one and those marks is kept and flagged
``name:out_of_range``: judging it is not the decoder's business.

Source: GB/T 32960.3-2016 and -2025, 6.1.2 (big endian) and "description and requirements" of the tables in 7.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import compress
from operator import gt, itemgetter, sub
from typing import Any, Final, NamedTuple

from ingest.gbt32960.rejected import FrameRejected, NotEncodable

_ABNORMAL: Final = {"B": 0xFE, "H": 0xFFFE, "I": 0xFFFFFFFE}
_WORD_ABNORMAL: Final = 0xFFFE
_BYTE_ABNORMAL: Final = 0xFE

# Beyond any raw value: for bit fields, in which all ones is a value like any other.
_NEVER: Final = 1 << 32

TEMPERATURE_OFFSET: Final = 40  # raw 0 is -40 C in every one-byte temperature of both versions
TEMPERATURE_TOP: Final = 250
CELL_DIVISOR: Final = 1000  # mV on the wire
CELL_TOP: Final = 60000  # 60 V, because a "cell" may be a module or a capacitor

# Every cell voltage there is, by raw value: 2 MB a process, and as a tuple nothing the garbage collector has to walk.
_VOLTS: Final[tuple[float | None, ...]] = (*(raw / CELL_DIVISOR for raw in range(_WORD_ABNORMAL)), None, None)

Flags = tuple[str, ...]


class Field(NamedTuple):
    """One number on the wire: ``value = (raw - offset) / divisor``, valid from raw 0 to ``top``."""

    name: str
    code: str
    top: int
    divisor: int = 1
    offset: int = 0
    marks: bool = True  # whether all ones means invalid

    @property
    def abnormal(self) -> int:
        return _ABNORMAL[self.code] if self.marks else _NEVER

    def raw(self, value: float) -> int:
        """Return the nearest raw value; Raises NotEncodable for what no number of this width says."""
        try:
            raw = round(value * self.divisor) + self.offset
        except (TypeError, ValueError, OverflowError) as error:
            raise NotEncodable(f"{self.name}: {value!r} is not a number") from error
        if not 0 <= raw < min(self.abnormal, 1 << (8 * struct.calcsize(self.code))):
            raise NotEncodable(f"{self.name}: {value!r} does not fit")
        return raw

    def value(self, raw: int) -> float:
        return raw - self.offset if self.divisor == 1 else (raw - self.offset) / self.divisor

    def nearest(self, value: float | None) -> tuple[float | None, str | None]:
        """Return the value a frame can carry and a flag: None is invalid, what is out of the valid range abnormal."""
        if value is None:
            return None, f"{self.name}:invalid" if self.marks else None
        try:
            raw = self.raw(value)
        except NotEncodable:
            return None, f"{self.name}:abnormal"
        return (self.value(raw), None) if raw <= self.top else (None, f"{self.name}:abnormal")


class Layout:
    """A fixed run of fields that fills one struct class (in the order of its attributes) or a part of one."""

    def __init__(self, make: Callable[..., Any] | None, *fields: Field, absent: int = 0) -> None:
        self.fields = fields
        self._struct = struct.Struct(">" + "".join(field.code for field in fields))
        self._tops = tuple(field.top for field in fields)
        self._offsets = tuple(field.offset for field in fields)
        self._divisors = tuple((i, field.divisor) for i, field in enumerate(fields) if field.divisor != 1)
        self._marks = tuple(
            (field.abnormal, tuple(f"{field.name}:{kind}" for kind in ("out_of_range", "abnormal", "invalid")))
            for field in fields
        )
        self._make = make
        self._absent = (None,) * absent  # attributes that only the other version sends
        self.size = self._struct.size

    def read(self, unit: bytes, at: int) -> tuple[list[Any], Flags]:
        raws = self._struct.unpack_from(unit, at)
        # Loops that run inside the interpreter, because few fields need a second look.
        values: list[Any] = list(map(sub, raws, self._offsets))
        for i, divisor in self._divisors:
            values[i] /= divisor
        over = tuple(map(gt, raws, self._tops))
        return values, self._judge(raws, over, values) if True in over else ()

    def _judge(self, raws: Sequence[int], over: Sequence[bool], values: list[Any]) -> Flags:
        flags = []
        for i in compress(range(len(over)), over):
            abnormal, names = self._marks[i]
            if raws[i] < abnormal:
                flags.append(names[0])
            else:
                values[i] = None
                flags.append(names[raws[i] - abnormal + 1])
        return tuple(flags)

    def build(self, unit: bytes, at: int) -> tuple[Any, int]:
        values, flags = self.read(unit, at)
        assert self._make is not None
        return self._make(*values, *self._absent, flags), at + self.size

    def pack(self, block: Any) -> bytes:
        flags = block.flags
        raws = []
        for field in self.fields:
            value = getattr(block, field.name)
            raws.append(_mark(field, flags) if value is None else field.raw(value))
        return self._struct.pack(*raws)

    def nearest(self, given: Mapping[str, float | None]) -> Any:
        """Return the struct nearest to the given values that a frame can carry."""
        assert self._make is not None
        pairs = [field.nearest(given.get(field.name)) for field in self.fields]
        return self._make(*(value for value, _ in pairs), *self._absent, tuple(flag for _, flag in pairs if flag))


def _mark(field: Field, flags: Flags) -> int:
    if not field.marks:
        raise NotEncodable(f"{field.name}: there is no way to leave it out")
    return field.abnormal if f"{field.name}:abnormal" in flags else field.abnormal + 1


@lru_cache(maxsize=1024)
def _words(count: int) -> struct.Struct:
    return struct.Struct(f">{count}H")


def _judged(raws: Sequence[int], name: str, top: int, abnormal: int) -> Flags:
    return tuple(f"{name}[{i}]:{_kind(raw, abnormal)}" for i, raw in enumerate(raws) if raw > top)


def _kind(raw: int, abnormal: int) -> str:
    if raw < abnormal:
        return "out_of_range"
    return "abnormal" if raw == abnormal else "invalid"


def read_cells(unit: bytes, at: int, count: int, name: str) -> tuple[tuple[float | None, ...], Flags, int]:
    """Return ``count`` voltages in V (or None), the flags of those that need one, and where they end."""
    words = _words(count)
    raws = words.unpack_from(unit, at)
    # One look-up for all is three times as fast as dividing each; of one item itemgetter makes no tuple.
    volts = itemgetter(*raws)(_VOLTS) if count > 1 else tuple([_VOLTS[raw] for raw in raws])
    flags = _judged(raws, name, CELL_TOP, _WORD_ABNORMAL) if raws and max(raws) > CELL_TOP else ()
    return volts, flags, at + words.size


def read_temperatures(unit: bytes, at: int, count: int, name: str) -> tuple[tuple[int | None, ...], Flags, int]:
    """Return ``count`` temperatures in C (or None), the flags of those that need one, and where they end."""
    end = at + count
    raws = take(unit, at, end)
    if not raws or max(raws) <= TEMPERATURE_TOP:
        return tuple([raw - TEMPERATURE_OFFSET for raw in raws]), (), end
    degrees = tuple(None if raw >= _BYTE_ABNORMAL else raw - TEMPERATURE_OFFSET for raw in raws)
    return degrees, _judged(raws, name, TEMPERATURE_TOP, _BYTE_ABNORMAL), end


_ITEMS: Final = {
    "H": Field("", "H", CELL_TOP, CELL_DIVISOR),
    "B": Field("", "B", TEMPERATURE_TOP, 1, TEMPERATURE_OFFSET),
}


def _raw_items(values: Sequence[float | None], item: Field, top: int) -> list[int] | None:
    """Return the raw values, or None when one of them has none up to ``top``."""
    try:
        raws = [round(value * item.divisor) + item.offset for value in values]  # type: ignore[operator]
    except (TypeError, ValueError, OverflowError):
        return None
    return raws if not raws or (min(raws) >= 0 and max(raws) <= top) else None


def pack_list(values: Sequence[float | None], flags: Flags, name: str, code: str) -> bytes:
    """Return cell voltages (``code`` H) or temperatures (``code`` B) as bytes."""
    item = _ITEMS[code]
    raws = _raw_items(values, item, item.abnormal - 1)
    if raws is None:
        fields = [item._replace(name=f"{name}[{i}]") for i in range(len(values))]
        pairs = zip(fields, values, strict=True)
        raws = [_mark(field, flags) if value is None else field.raw(value) for field, value in pairs]
    return struct.pack(f">{len(raws)}{code}", *raws)


def nearest_list(values: Sequence[float | None], name: str, code: str) -> tuple[tuple[float | None, ...], Flags]:
    """Return the list nearest to the given one that a frame can carry, and the flags of what it cannot."""
    item = _ITEMS[code]
    raws = _raw_items(values, item, item.top)
    if raws is not None:
        return tuple([item.value(raw) for raw in raws]), ()
    near = [item._replace(name=f"{name}[{i}]").nearest(value) for i, value in enumerate(values)]
    return tuple(value for value, _ in near), tuple(flag for _, flag in near if flag)


def take(unit: bytes, at: int, end: int) -> bytes:
    if end > len(unit):
        raise FrameRejected(
            "truncated", f"{end - at} bytes wanted at byte {at} of the data unit, {len(unit) - at} left"
        )
    return unit[at:end]


_COUNTS: Final = {"B": struct.Struct(">B"), "H": struct.Struct(">H")}


def read_count(unit: bytes, at: int, name: str, code: str) -> tuple[int, Flags, int]:
    """Return how many follow: none, with a flag that names the list, when the count itself is abnormal or invalid."""
    layout = _COUNTS[code]
    (count,) = layout.unpack_from(unit, at)
    at += layout.size
    abnormal = _ABNORMAL[code]
    if count >= abnormal:
        return 0, (f"{name}:{'abnormal' if count == abnormal else 'invalid'}",), at
    return count, (), at


def pack_count(items: Sequence[Any], flags: Flags, name: str, code: str) -> bytes:
    count, abnormal = len(items), _ABNORMAL[code]
    if not items and f"{name}:abnormal" in flags:
        count = abnormal
    elif not items and f"{name}:invalid" in flags:
        count = abnormal + 1
    elif count >= abnormal:
        raise NotEncodable(f"{name}: {count} of them, more than the count can say")
    return _COUNTS[code].pack(count)
