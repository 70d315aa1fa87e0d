"""Blocks to and from bytes: which type byte is which block under which version."""

import struct
from collections.abc import Sequence
from typing import Final

from ingest.gbt32960 import blocks, counted, layouts
from ingest.gbt32960.blocks import Block
from ingest.gbt32960.counted import Codec
from ingest.gbt32960.rejected import FrameRejected, NotEncodable
from ingest.gbt32960.wire import Layout

_HEADER_BYTES: Final = 24  # so that a message names the byte of the frame, not of its data unit
_CUSTOM: Final = range(0x80, 0xFF)
_PLATFORM: Final = {2016: range(0x0A, 0x30), 2025: range(0x09, 0x30)}


def _pack_position_2016(block: blocks.Position) -> bytes:
    return layouts.POSITION_2016.pack(_magnitudes(block))


def _pack_position_2025(block: blocks.Position) -> bytes:
    return layouts.POSITION_2025.pack(_magnitudes(block))


def _magnitudes(block: blocks.Position) -> blocks.Position:
    longitude, latitude = block.longitude_deg, block.latitude_deg
    # A coordinate on the wrong side of the status comes out negative, which no layout packs.
    if longitude is not None and block.status & 4:
        longitude = -longitude
    if latitude is not None and block.status & 2:
        latitude = -latitude
    return blocks.Position(block.status, longitude, latitude, block.datum, block.flags)


def _plain(layout: Layout) -> Codec:
    return layout.build, layout.pack


# Source: 2016 tables 8 and B.3; 2025 table 9.
_BLOCKS: Final[dict[int, dict[int, tuple[type, Codec]]]] = {
    2016: {
        0x01: (blocks.Vehicle, _plain(layouts.VEHICLE_2016)),
        0x02: (blocks.Motors, counted.MOTORS_2016),
        0x03: (blocks.FuelCell, counted.FUEL_CELL),
        0x04: (blocks.Engine, _plain(layouts.ENGINE_2016)),
        0x05: (blocks.Position, (layouts.POSITION_2016.build, _pack_position_2016)),
        0x06: (blocks.Extremes, _plain(layouts.EXTREMES)),
        0x07: (blocks.Alarms, counted.ALARMS_2016),
        0x08: (blocks.CellVoltages, counted.CELLS_2016),
        0x09: (blocks.ProbeTemperatures, counted.PROBES_2016),
    },
    2025: {
        0x01: (blocks.Vehicle, _plain(layouts.VEHICLE_2025)),
        0x02: (blocks.Motors, counted.MOTORS_2025),
        0x03: (blocks.HydrogenSystem, _plain(layouts.HYDROGEN_SYSTEM)),
        0x04: (blocks.Engine, _plain(layouts.ENGINE_2025)),
        0x05: (blocks.Position, (layouts.POSITION_2025.build, _pack_position_2025)),
        0x06: (blocks.Alarms, counted.ALARMS_2025),
        0x07: (blocks.CellVoltages, counted.CELLS_2025),
        0x08: (blocks.ProbeTemperatures, counted.PROBES_2025),
        0x30: (blocks.FuelCellStacks, counted.STACKS),
        0x31: (blocks.SuperCapacitor, counted.CAPACITOR),
        0x32: (blocks.SuperCapacitorExtremes, _plain(layouts.CAPACITOR_EXTREMES)),
        0xFF: (blocks.Signature, counted.SIGNATURE),
    },
}
_READERS: Final = {version: {kind: row[1][0] for kind, row in rows.items()} for version, rows in _BLOCKS.items()}
_PACKERS: Final = {
    version: {row[0]: (kind, row[1][1]) for kind, row in rows.items()} for version, rows in _BLOCKS.items()
}


def read_blocks(version: int, unit: bytes, at: int) -> tuple[Block, ...]:
    """Return the blocks of a data unit from byte ``at`` on; Raises FrameRejected (truncated, unknown_block)."""
    readers, platform = _READERS[version], _PLATFORM[version]
    found: list[Block] = []
    end = len(unit)
    while at < end:
        kind, start = unit[at], at
        reader = readers.get(kind)
        try:
            if reader is not None:
                block, at = reader(unit, at + 1)
                found.append(block)
            elif kind in _CUSTOM:
                data, at = counted.counted_bytes(unit, at + 1)
                found.append(blocks.Custom(kind, data))
            elif kind in platform:
                found.append(blocks.PlatformData(kind, unit[at + 1 :]))
                at = end
            else:
                raise FrameRejected("unknown_block", f"type 0x{kind:02X} at byte {start + _HEADER_BYTES}")
        except struct.error as error:
            where = f"block 0x{kind:02X} at byte {start + _HEADER_BYTES}"
            raise FrameRejected("truncated", f"{where} runs past the data unit's {end} bytes") from error
    return tuple(found)


def pack_blocks(version: int, given: Sequence[Block]) -> bytes:
    """Return the blocks as the data unit carries them; Raises NotEncodable."""
    parts: list[bytes] = []
    for i, block in enumerate(given):
        if isinstance(block, blocks.Custom):
            if block.kind not in _CUSTOM:
                raise NotEncodable(f"custom block 0x{block.kind:02X}: only 0x80 to 0xFE are the carmaker's")
            parts += (bytes((block.kind,)), counted.pack_bytes(block.data))
        elif isinstance(block, blocks.PlatformData):
            if block.kind not in _PLATFORM[version] or i != len(given) - 1:
                raise NotEncodable(f"platform block 0x{block.kind:02X}: not of this version, or not the last")
            parts += (bytes((block.kind,)), block.data)
        else:
            row = _PACKERS[version].get(type(block))
            if row is None:
                raise NotEncodable(f"{type(block).__name__}: {version} has no such block")
            parts += (bytes((row[0],)), row[1](block))
    return b"".join(parts)
