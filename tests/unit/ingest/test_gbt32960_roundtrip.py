"""Generated frames: whatever a frame can say comes back as it was, value by value and byte by byte."""

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import xor
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.gbt32960 import (
    Command,
    Frame,
    Login,
    Logout,
    Realtime,
    alarm_events,
    decode_frame,
    encode_frame,
    lamp_states,
    to_signals,
)
from ingest.gbt32960 import blocks as b
from ingest.gbt32960 import layouts as lay
from ingest.gbt32960.wire import Field, Layout

Draw = Callable[[st.SearchStrategy[Any]], Any]
Part = tuple[dict[str, Any], tuple[str, ...]]

VINS = st.text("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", min_size=17, max_size=17)
# The years a frame can say, in Beijing's; whole seconds.
INSTANTS = st.integers(0, 36525 * 86400 - 1).map(
    lambda second: datetime(1999, 12, 31, 16, tzinfo=UTC) + timedelta(seconds=second)
)


def judged(raw: int, field: Field) -> tuple[float | None, str | None]:
    width = 8 * struct.calcsize(field.code)
    if field.marks and raw == 2**width - 1:
        return None, "invalid"
    if field.marks and raw == 2**width - 2:
        return None, "abnormal"
    value = raw - field.offset if field.divisor == 1 else (raw - field.offset) / field.divisor
    return value, "out_of_range" if raw > field.top else None


def raws(field: Field) -> st.SearchStrategy[int]:
    last = 2 ** (8 * struct.calcsize(field.code)) - 1
    return st.one_of(
        st.integers(0, field.top), st.sampled_from([0, field.top, min(field.top + 1, last), last - 1, last])
    )


@st.composite
def parts(draw: Draw, layout: Layout) -> Part:
    values, flags = {}, []
    for field in layout.fields:
        values[field.name], kind = judged(draw(raws(field)), field)
        if kind is not None:
            flags.append(f"{field.name}:{kind}")
    return values, tuple(flags)


@st.composite
def lists(draw: Draw, name: str, code: str, count: str | None, most: int = 6) -> Part:
    """Return a list of cells (H) or temperatures (B), or none at all with a marked count of that width."""
    field = Field("", "H", 60000, 1000) if code == "H" else Field("", "B", 250, 1, 40)
    kind = draw(st.sampled_from(["list"] * 6 + ["abnormal", "invalid"])) if count else "list"
    if kind != "list":
        return {name: ()}, (f"{name}:{kind}",)
    found = [judged(raw, field) for raw in draw(st.lists(raws(field), max_size=most))]
    flags = tuple(f"{name}[{i}]:{kind}" for i, (_, kind) in enumerate(found) if kind is not None)
    return {name: tuple(value for value, _ in found)}, flags


def block(make: Any, *pieces: st.SearchStrategy[Part], **fixed: Any) -> st.SearchStrategy[Any]:
    def join(drawn: tuple[Part, ...]) -> Any:
        values: dict[str, Any] = dict(fixed)
        flags: tuple[str, ...] = ()
        for more, named in drawn:
            values |= more
            flags += named
        return make(**values, flags=flags)

    return st.tuples(*pieces).map(join)


@st.composite
def several(draw: Draw, make: Any, name: str, items: st.SearchStrategy[Any]) -> Any:
    kind = draw(st.sampled_from(["list"] * 6 + ["abnormal", "invalid"]))
    if kind != "list":
        return make((), (f"{name}:{kind}",))
    return make(tuple(draw(st.lists(items, max_size=3))))


@st.composite
def positions(draw: Draw, layout: Layout) -> b.Position:
    values, flags = draw(parts(layout))
    for name, bit in (("longitude_deg", 4), ("latitude_deg", 2)):
        if values[name] is not None and values["status"] & bit:
            values[name] = -values[name]
    return b.Position(**values, flags=flags)


@st.composite
def alarms(draw: Draw, layout: Layout, levelled: bool) -> b.Alarms:
    values, flags = draw(parts(layout))
    words, octets = st.integers(0, 2**32 - 1), st.integers(0, 255)
    kinds: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(
        ("battery_faults", "motor_faults", "engine_faults", "other_faults"), words
    )
    for name, item in (kinds | ({"levels": st.tuples(octets, octets)} if levelled else {})).items():
        kind = draw(st.sampled_from(["list"] * 6 + ["abnormal", "invalid"]))
        values[name] = tuple(draw(st.lists(item, max_size=4))) if kind == "list" else ()
        flags += () if kind == "list" else (f"{name}:{kind}",)
    return b.Alarms(**values, flags=flags)


@st.composite
def packs_2025(draw: Draw) -> b.PackCells:
    head, flags = draw(parts(lay.PACK_2025))
    cells, more = draw(lists("cell_v", "H", "H"))
    marked = any(flag.startswith("cell_v:") for flag in more)
    total = None if marked else len(cells["cell_v"])
    return b.PackCells(**head, **cells, cell_total=total, first_cell=1, flags=flags + more)


PROBES = lists("probe_c", "B", "H")
CUSTOM = st.builds(b.Custom, st.integers(0x80, 0xFE), st.binary(max_size=20))
BLOCKS: dict[int, st.SearchStrategy[Any]] = {
    2016: st.one_of(
        block(b.Vehicle, parts(lay.VEHICLE_2016)),
        several(b.Motors, "motors", block(b.Motor, parts(lay.MOTOR_2016))),
        block(b.FuelCell, parts(lay.FUEL_CELL_HEAD), PROBES, parts(lay.FUEL_CELL_TAIL)),
        block(b.Engine, parts(lay.ENGINE_2016)),
        positions(lay.POSITION_2016),
        block(b.Extremes, parts(lay.EXTREMES)),
        alarms(lay.ALARMS_2016, levelled=False),
        several(b.CellVoltages, "packs", block(b.PackCells, parts(lay.PACK_2016), lists("cell_v", "H", None, 255))),
        several(b.ProbeTemperatures, "packs", block(b.PackProbes, parts(lay.PROBES_2016), PROBES)),
        CUSTOM,
    ),
    2025: st.one_of(
        block(b.Vehicle, parts(lay.VEHICLE_2025)),
        several(b.Motors, "motors", block(b.Motor, parts(lay.MOTOR_2025))),
        block(b.HydrogenSystem, parts(lay.HYDROGEN_SYSTEM)),
        block(b.Engine, parts(lay.ENGINE_2025)),
        positions(lay.POSITION_2025),
        alarms(lay.ALARMS_2025, levelled=True),
        several(b.CellVoltages, "packs", packs_2025()),
        several(b.ProbeTemperatures, "packs", block(b.PackProbes, parts(lay.PROBES_2025), PROBES)),
        several(b.FuelCellStacks, "stacks", block(b.FuelCellStack, parts(lay.STACK), lists("coolant_c", "B", "H"))),
        block(b.SuperCapacitor, parts(lay.CAPACITOR), lists("cell_v", "H", "H"), PROBES),
        block(b.SuperCapacitorExtremes, parts(lay.CAPACITOR_EXTREMES)),
        st.builds(b.Signature, st.integers(0, 255), st.binary(max_size=20), st.binary(max_size=20)),
        CUSTOM,
    ),
}
PLATFORM = {2016: st.integers(0x0A, 0x2F), 2025: st.integers(0x09, 0x2F)}
TEXT = st.text(st.characters(max_codepoint=255), max_size=20).filter(lambda text: not text.endswith("\0"))


@st.composite
def realtime(draw: Draw) -> Frame:
    version = draw(st.sampled_from([2016, 2025]))
    found = draw(st.lists(BLOCKS[version], max_size=5))
    if draw(st.integers(0, 9)) == 0:
        found.append(b.PlatformData(draw(PLATFORM[version]), draw(st.binary(max_size=20))))
    command = draw(st.sampled_from([Command.REALTIME, Command.REISSUE]))
    return Frame(version, command, draw(VINS), Realtime(draw(INSTANTS), tuple(found)))


@st.composite
def sessions(draw: Draw) -> Frame:
    version, at, sequence = draw(st.sampled_from([2016, 2025])), draw(INSTANTS), draw(st.integers(0, 65535))
    if draw(st.booleans()):
        return Frame(version, Command.LOGOUT, draw(VINS), Logout(at, sequence))
    length = 24 if version == 2025 else draw(st.sampled_from([0, 20, 50, 255]))
    least, most = (0, 3) if version == 2025 else (1, 1) if length else (0, 0)
    rows = st.lists(st.lists(TEXT, min_size=least, max_size=most).map(tuple), max_size=4)
    login = Login(at, sequence, draw(TEXT), length, tuple(draw(rows)))
    return Frame(version, Command.LOGIN, draw(VINS), login)


@settings(max_examples=1000, deadline=None)
@given(st.one_of(realtime(), realtime(), sessions()))
def test_a_frame_comes_back_as_it_was(frame: Frame) -> None:
    data = encode_frame(frame)
    assert decode_frame(data) == frame
    assert encode_frame(decode_frame(data)) == data
    assert reduce(xor, data[2:]) == 0


@settings(max_examples=300, deadline=None)
@given(realtime())
def test_whatever_a_frame_says_can_be_told_in_signals_and_alarms(frame: Frame) -> None:
    ((at, signals, flags),) = to_signals(frame)
    assert at == frame.at
    assert all(value is not None for value in signals.values())
    assert len(set(flags)) == len(flags)
    names = [name for name, _ in alarm_events(frame)]
    assert len(set(names)) == len(names)
    assert all(isinstance(on, bool) for on in lamp_states(frame).values())
