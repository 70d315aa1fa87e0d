"""The blocks whose length the frame itself says: counted motors, packs, stacks, faults, cells, probes and plain bytes.

Where a count is abnormal or invalid nothing follows it and the empty list is flagged, as sunsky74 reads it;
EMQX and rtm_con take 254 and 255 for counts. The text defines those marks for every count but three: 2016's motors,
its packs' cells of this frame, and log-in's; the cells' count is taken as it is, as every decoder does.
"""

import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from ingest.gbt32960 import blocks, layouts
from ingest.gbt32960.rejected import NotEncodable
from ingest.gbt32960.wire import (
    Flags,
    Layout,
    pack_count,
    pack_list,
    read_cells,
    read_count,
    read_temperatures,
    take,
)

Reader = Callable[[bytes, int], tuple[Any, int]]
Packer = Callable[[Any], bytes]
Codec = tuple[Reader, Packer]

_FAULT_LISTS: Final = ("battery_faults", "motor_faults", "engine_faults", "other_faults")
_NO_FAULTS: Final = bytes(len(_FAULT_LISTS))


def _listed(make: Callable[..., Any], name: str, item: Reader) -> Reader:
    """Return a reader for a byte that counts the items and the items themselves."""

    def read(unit: bytes, at: int) -> tuple[Any, int]:
        count, flags, at = read_count(unit, at, name, "B")
        items = []
        for _ in range(count):
            one, at = item(unit, at)
            items.append(one)
        return make(tuple(items), flags), at

    return read


def _pack_listed(name: str, item: Packer) -> Packer:
    def pack(block: Any) -> bytes:
        items = getattr(block, name)
        return pack_count(items, block.flags, name, "B") + b"".join([item(one) for one in items])

    return pack


def _temperatures(unit: bytes, at: int, name: str) -> tuple[tuple[int | None, ...], Flags, int]:
    count, count_flags, at = read_count(unit, at, name, "H")
    degrees, flags, at = read_temperatures(unit, at, count, name)
    return degrees, count_flags + flags, at


def _pack_temperatures(values: Sequence[float | None], flags: Flags, name: str) -> bytes:
    return pack_count(values, flags, name, "H") + pack_list(values, flags, name, "B")


def _read_fuel_cell(unit: bytes, at: int) -> tuple[blocks.FuelCell, int]:
    head, head_flags = layouts.FUEL_CELL_HEAD.read(unit, at)
    probe_c, probe_flags, at = _temperatures(unit, at + layouts.FUEL_CELL_HEAD.size, "probe_c")
    tail, tail_flags = layouts.FUEL_CELL_TAIL.read(unit, at)
    make: Callable[..., blocks.FuelCell] = blocks.FuelCell
    return make(*head, probe_c, *tail, head_flags + probe_flags + tail_flags), at + layouts.FUEL_CELL_TAIL.size


def _pack_fuel_cell(block: blocks.FuelCell) -> bytes:
    probes = _pack_temperatures(block.probe_c, block.flags, "probe_c")
    return layouts.FUEL_CELL_HEAD.pack(block) + probes + layouts.FUEL_CELL_TAIL.pack(block)


def _read_alarms(unit: bytes, at: int, layout: Layout, levelled: bool) -> tuple[blocks.Alarms, int]:
    head, flags = layout.read(unit, at)
    at += layout.size
    lists: list[tuple[int, ...]] = []
    if unit.startswith(_NO_FAULTS, at):  # nearly always; a list of none is its count alone
        lists, at = [()] * len(_FAULT_LISTS), at + len(_FAULT_LISTS)
    for name in _FAULT_LISTS[len(lists) :]:
        count, more, at = read_count(unit, at, name, "B")
        lists.append(struct.unpack_from(f">{count}I", unit, at) if count else ())
        flags += more
        at += 4 * count
    levels: tuple[tuple[int, int], ...] = ()
    if levelled:
        count, more, at = read_count(unit, at, "levels", "B")
        pairs = take(unit, at, at + 2 * count)
        levels = tuple(zip(pairs[::2], pairs[1::2], strict=True))
        flags += more
        at += 2 * count
    make: Callable[..., blocks.Alarms] = blocks.Alarms
    return make(*head, *lists, levels, flags), at


def _pack_alarms(block: blocks.Alarms, layout: Layout, levelled: bool) -> bytes:
    parts = [layout.pack(block)]
    for name in _FAULT_LISTS:
        codes = getattr(block, name)
        parts += (pack_count(codes, block.flags, name, "B"), struct.pack(f">{len(codes)}I", *codes))
    if levelled:
        parts.append(pack_count(block.levels, block.flags, "levels", "B"))
        parts += (bytes(pair) for pair in block.levels)
    elif block.levels:
        raise NotEncodable("levels: 2016 has no list of alarm levels")
    return b"".join(parts)


def _alarms(layout: Layout, levelled: bool) -> Codec:
    return partial(_read_alarms, layout=layout, levelled=levelled), partial(
        _pack_alarms, layout=layout, levelled=levelled
    )


def _read_pack_2016(unit: bytes, at: int) -> tuple[blocks.PackCells, int]:
    head, flags = layouts.PACK_2016.read(unit, at)
    at += layouts.PACK_2016.size
    # Table B.6 gives this one count no marks, and no decoder reads any: 254 and 255 are numbers of cells.
    cell_v, more, at = read_cells(unit, at + 1, take(unit, at, at + 1)[0], "cell_v")
    make: Callable[..., blocks.PackCells] = blocks.PackCells
    return make(*head, cell_v, flags + more), at


def _pack_pack_2016(pack: blocks.PackCells) -> bytes:
    if len(pack.cell_v) > 255:
        raise NotEncodable(f"cell_v: {len(pack.cell_v)} cells in one part, 255 at most")
    cells = pack_list(pack.cell_v, pack.flags, "cell_v", "H")
    return layouts.PACK_2016.pack(pack) + bytes((len(pack.cell_v),)) + cells


def _read_pack_2025(unit: bytes, at: int) -> tuple[blocks.PackCells, int]:
    head, flags = layouts.PACK_2025.read(unit, at)
    count, count_flags, at = read_count(unit, at + layouts.PACK_2025.size, "cell_v", "H")
    cell_v, more, at = read_cells(unit, at, count, "cell_v")
    make: Callable[..., blocks.PackCells] = blocks.PackCells
    return make(*head, None if count_flags else count, 1, cell_v, flags + count_flags + more), at


def _pack_pack_2025(pack: blocks.PackCells) -> bytes:
    if pack.first_cell != 1 or pack.cell_total not in (None, len(pack.cell_v)):
        raise NotEncodable("cell_v: 2025 has no frames that carry a part of the cells")
    return (
        layouts.PACK_2025.pack(pack)
        + pack_count(pack.cell_v, pack.flags, "cell_v", "H")
        + pack_list(pack.cell_v, pack.flags, "cell_v", "H")
    )


def _probes(make: Callable[..., Any], layout: Layout, name: str) -> tuple[Reader, Packer]:
    """Return reader and packer of something whose fixed part is followed by counted temperatures."""

    def read(unit: bytes, at: int) -> tuple[Any, int]:
        head, flags = layout.read(unit, at)
        degrees, more, at = _temperatures(unit, at + layout.size, name)
        return make(*head, degrees, flags + more), at

    def pack(item: Any) -> bytes:
        return layout.pack(item) + _pack_temperatures(getattr(item, name), item.flags, name)

    return read, pack


def _read_capacitor(unit: bytes, at: int) -> tuple[blocks.SuperCapacitor, int]:
    head, flags = layouts.CAPACITOR.read(unit, at)
    count, count_flags, at = read_count(unit, at + layouts.CAPACITOR.size, "cell_v", "H")
    cell_v, cell_flags, at = read_cells(unit, at, count, "cell_v")
    probe_c, probe_flags, at = _temperatures(unit, at, "probe_c")
    make: Callable[..., blocks.SuperCapacitor] = blocks.SuperCapacitor
    return make(*head, cell_v, probe_c, flags + count_flags + cell_flags + probe_flags), at


def _pack_capacitor(block: blocks.SuperCapacitor) -> bytes:
    cells = pack_count(block.cell_v, block.flags, "cell_v", "H") + pack_list(block.cell_v, block.flags, "cell_v", "H")
    return layouts.CAPACITOR.pack(block) + cells + _pack_temperatures(block.probe_c, block.flags, "probe_c")


def counted_bytes(unit: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from(">H", unit, at)
    end = at + 2 + size
    return take(unit, at + 2, end), end


def pack_bytes(data: bytes) -> bytes:
    if len(data) > 0xFFFF:
        raise NotEncodable(f"{len(data)} bytes in one block, 65535 at most")
    return len(data).to_bytes(2, "big") + data


def _read_signature(unit: bytes, at: int) -> tuple[blocks.Signature, int]:
    algorithm = take(unit, at, at + 1)[0]
    r, at = counted_bytes(unit, at + 1)
    s, at = counted_bytes(unit, at)
    return blocks.Signature(algorithm, r, s), at


def _pack_signature(block: blocks.Signature) -> bytes:
    return bytes((block.algorithm,)) + pack_bytes(block.r) + pack_bytes(block.s)


def _list_of(make: Callable[..., Any], name: str, item: Codec) -> Codec:
    return _listed(make, name, item[0]), _pack_listed(name, item[1])


def _plain(layout: Layout) -> Codec:
    return layout.build, layout.pack


FUEL_CELL: Final[Codec] = (_read_fuel_cell, _pack_fuel_cell)
ALARMS_2016: Final = _alarms(layouts.ALARMS_2016, levelled=False)
ALARMS_2025: Final = _alarms(layouts.ALARMS_2025, levelled=True)
MOTORS_2016: Final = _list_of(blocks.Motors, "motors", _plain(layouts.MOTOR_2016))
MOTORS_2025: Final = _list_of(blocks.Motors, "motors", _plain(layouts.MOTOR_2025))
CELLS_2016: Final = _list_of(blocks.CellVoltages, "packs", (_read_pack_2016, _pack_pack_2016))
CELLS_2025: Final = _list_of(blocks.CellVoltages, "packs", (_read_pack_2025, _pack_pack_2025))
PROBES_2016: Final = _list_of(
    blocks.ProbeTemperatures, "packs", _probes(blocks.PackProbes, layouts.PROBES_2016, "probe_c")
)
PROBES_2025: Final = _list_of(
    blocks.ProbeTemperatures, "packs", _probes(blocks.PackProbes, layouts.PROBES_2025, "probe_c")
)
STACKS: Final = _list_of(blocks.FuelCellStacks, "stacks", _probes(blocks.FuelCellStack, layouts.STACK, "coolant_c"))
CAPACITOR: Final[Codec] = (_read_capacitor, _pack_capacitor)
SIGNATURE: Final[Codec] = (_read_signature, _pack_signature)
