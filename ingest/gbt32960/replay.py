"""Signals to frames (``from_signals``): a recording sent the way a GB/T 32960.3 car would send it.

What a frame cannot say is left out: ``RESOLUTION`` lists every path it can, with the step the value is rounded to.
Further limits, all of the standard's making:

- time has whole seconds: the fraction is cut off, never rounded into the future;
- a value outside the standard's valid range is sent as abnormal (2016: 1000 V, +-1000 A, 220 km/h; temperatures -40
  to 210 C);
- ``LowVoltageSystemState``: ON and START are "started", OFF and LOCK "off", all else "other"; "other" comes back as
  nothing;
- 2016 gives the extremes one-byte numbers: a cell number above 250 is sent as abnormal; 2025 has no extremes, they are
  taken from the lists again on arrival, so without the lists they are lost, and beside them they follow the lists;
- the gear is not among the signals: neutral in 2016, "not valid" in 2025.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from ingest.gbt32960 import blocks, layouts
from ingest.gbt32960.alarms import ALARMS, alarm_bits
from ingest.gbt32960.blocks import Block
from ingest.gbt32960.frame import Command, Frame, Realtime
from ingest.gbt32960.rejected import NotEncodable
from ingest.gbt32960.signals import (
    CELLS,
    CHARGING,
    CURRENT,
    ENGINE_SPEED,
    EXTREMES_PATHS,
    IGNITION,
    LATITUDE,
    LONGITUDE,
    MOTOR_PATHS,
    NUMBER_PATHS,
    PROBES,
    VEHICLE_PATHS,
    WARNING_LEVEL,
)
from ingest.gbt32960.wire import nearest_list

# Path -> step of the value on the wire, in the catalogue's unit; 0 where it is a state or a number of something.
RESOLUTION: Final[dict[str, float]] = {
    VEHICLE_PATHS["speed_kmh"]: 0.1,
    VEHICLE_PATHS["odometer_km"]: 0.1,
    VEHICLE_PATHS["pack_v"]: 0.1,
    VEHICLE_PATHS["soc_pct"]: 1,
    VEHICLE_PATHS["insulation_kohm"]: 1,
    CURRENT: 0.1,
    CHARGING: 0,
    IGNITION: 0,
    MOTOR_PATHS["motor_c"]: 1,
    MOTOR_PATHS["controller_c"]: 1,
    MOTOR_PATHS["speed_rpm"]: 1,
    MOTOR_PATHS["torque_nm"]: 0.1,
    ENGINE_SPEED: 1,
    LATITUDE: 0.000001,
    LONGITUDE: 0.000001,
    EXTREMES_PATHS["max_cell_v"]: 0.001,
    EXTREMES_PATHS["min_cell_v"]: 0.001,
    NUMBER_PATHS["max_cell_v"]: 0,
    NUMBER_PATHS["min_cell_v"]: 0,
    EXTREMES_PATHS["max_temp_c"]: 1,
    EXTREMES_PATHS["min_temp_c"]: 1,
    CELLS: 0.001,
    PROBES: 1,
    WARNING_LEVEL: 0,
}

_WGS84: Final = 1
_pack_probes: Callable[..., blocks.PackProbes] = blocks.PackProbes
_CELLS_A_PART: Final = 200  # 2016 table B.6: what is more is split
_IGNITION: Final = {"ON": 1, "START": 1, "OFF": 2, "LOCK": 2}
_OTHER_STATE: Final = 3
_GEAR_UNKNOWN: Final = {2016: 0x00, 2025: 0x80}


def from_signals(
    vin: str,
    ts: datetime,
    signals: Mapping[str, object],
    version: int,
    reissue: bool = False,
    *,
    alarms: Collection[str] = (),
) -> Frame:
    """Return the frame nearest to these signals; ``decode_frame(encode_frame(it)) == it``.

    signals : values by VSS path in the catalogue's units and signs; unknown paths are passed over
    alarms  : names of ``alarms.ALARMS`` that are on; an alarm block is sent when there are any, or a warning level
    Raises  : NotEncodable, for a version, time or alarm that no frame has
    """
    if version not in ALARMS:
        raise NotEncodable(f"version: {version!r} is neither 2016 nor 2025")
    if ts.tzinfo is None:
        raise NotEncodable(f"ts: {ts} has no time zone")
    vehicle = _vehicle(signals, version)
    found: list[Block] = [vehicle]
    if any(path in signals for path in MOTOR_PATHS.values()):
        layout = layouts.MOTOR_2016 if version == 2016 else layouts.MOTOR_2025
        motor = {name: _number(signals.get(path)) for name, path in MOTOR_PATHS.items()}
        found.append(blocks.Motors((layout.nearest({"number": 1, **motor}),)))
    if ENGINE_SPEED in signals:
        layout = layouts.ENGINE_2016 if version == 2016 else layouts.ENGINE_2025
        found.append(layout.nearest({"speed_rpm": _number(signals[ENGINE_SPEED])}))
    found += _position(signals, version)
    if version == 2016:
        found += _extremes(signals)
    found += _alarms(signals, version, frozenset(alarms))
    found += _cells(_list(signals.get(CELLS)), vehicle, version)
    if probes := _list(signals.get(PROBES)):
        degrees, flags = nearest_list(probes, "probe_c", "B")
        found.append(blocks.ProbeTemperatures((_pack_probes(1, degrees, flags),)))
    at = ts.astimezone(UTC).replace(microsecond=0)
    return Frame(version, Command.REISSUE if reissue else Command.REALTIME, vin, Realtime(at, tuple(found)))


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) else None


def _list(value: object) -> list[float | None]:
    return [_number(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else []


def _vehicle(signals: Mapping[str, object], version: int) -> blocks.Vehicle:
    given = {name: _number(signals.get(path)) for name, path in VEHICLE_PATHS.items()}
    current, charging = _number(signals.get(CURRENT)), signals.get(CHARGING)
    given["pack_a"] = None if current is None else -current
    if isinstance(charging, bool):
        given["charging"] = (2 if (given["speed_kmh"] or 0) > 0 else 1) if charging else 3
    ignition = signals.get(IGNITION)
    if isinstance(ignition, str):
        given["state"] = _IGNITION.get(ignition, _OTHER_STATE)
    given["gear"] = _GEAR_UNKNOWN[version]
    layout = layouts.VEHICLE_2016 if version == 2016 else layouts.VEHICLE_2025
    vehicle: blocks.Vehicle = layout.nearest(given)
    return vehicle


def _position(signals: Mapping[str, object], version: int) -> list[Block]:
    longitude, latitude = _number(signals.get(LONGITUDE)), _number(signals.get(LATITUDE))
    if longitude is None or latitude is None:
        return []
    layout = layouts.POSITION_2016 if version == 2016 else layouts.POSITION_2025
    given: dict[str, float | None] = {"longitude_deg": abs(longitude), "latitude_deg": abs(latitude)}
    given["status"] = (2 if latitude < 0 else 0) | (4 if longitude < 0 else 0)
    return [layout.nearest({**given, "datum": _WGS84})]


def _extremes(signals: Mapping[str, object]) -> list[Block]:
    given: dict[str, float | None] = {name: _number(signals.get(path)) for name, path in EXTREMES_PATHS.items()}
    for name, path in NUMBER_PATHS.items():
        given[f"{name}_number"] = _number(signals.get(path))
    if all(value is None for value in given.values()):
        return []
    # One pack is all a recording knows of, and where it names an extreme, the extreme is in it.
    return [layouts.EXTREMES.nearest({**given, **{f"{name}_pack": 1 for name in EXTREMES_PATHS}})]


def _alarms(signals: Mapping[str, object], version: int, names: frozenset[str]) -> list[Block]:
    level = _number(signals.get(WARNING_LEVEL))
    if level is None and not names:
        return []
    if unknown := names.difference(ALARMS[version]):
        raise NotEncodable(f"alarms: {version} has no {', '.join(sorted(unknown))}")
    layout = layouts.ALARMS_2016 if version == 2016 else layouts.ALARMS_2025
    known, flag = layout.fields[0].nearest(level)
    value = None if known is None else int(known)
    return [blocks.Alarms(value, alarm_bits(version, names), flags=(flag,) if flag else ())]


def _cells(cells: list[float | None], vehicle: blocks.Vehicle, version: int) -> list[Block]:
    if not cells:
        return []
    size = _CELLS_A_PART if version == 2016 else len(cells)
    # A pack voltage or current that the vehicle block calls abnormal is abnormal here too.
    head = tuple(flag for flag in vehicle.flags if flag.partition(":")[0] in ("pack_v", "pack_a"))
    parts = []
    for first in range(0, len(cells), size):
        volts, flags = nearest_list(cells[first : first + size], "cell_v", "H")
        parts.append(blocks.PackCells(1, vehicle.pack_v, vehicle.pack_a, len(cells), first + 1, volts, head + flags))
    return [blocks.CellVoltages(tuple(parts))]
