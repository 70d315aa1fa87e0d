"""Frames to signals by VSS path (``to_signals``): what a GB/T 32960.3 car says in the words of config/signals.toml.

Conventions where the two differ:

- Current: a frame's is positive on discharge, the catalogue's on charging.
- Several motors: the hottest motor and inverter; speed and torque of the first motor listed.
- Several packs: cells and probes one after another in the order of the pack numbers; a cell's number counts through.
  A part that starts at cell N goes to its place, and what this frame does not carry is None and flagged
  ``cells:partial``.
- Extremes come from their block (2016). 2025 has none: they are taken from the cells and probes that are valid.
- Lamp-like states (gear, DC-DC, motor states), fuel cells, capacitors and custom blocks have no path: read the frame.
- A position without a fix, or in "other" coordinates, is left out; GCJ-02 is passed on and flagged
  ``position.datum:gcj02`` (2016 has no datum: WGS-84 is what its cars send).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from ingest.gbt32960 import blocks
from ingest.gbt32960.frame import Frame, Realtime

SignalValue = float | int | bool | str | list[float | None]
Signals = dict[str, SignalValue]

BATTERY: Final = "Vehicle.Powertrain.TractionBattery"
MOTOR: Final = "Vehicle.Powertrain.ElectricMotor"
CELLS: Final = f"{BATTERY}.CellVoltage.CellVoltages"
PROBES: Final = f"{BATTERY}.Temperature.Probes"
LATITUDE: Final = "Vehicle.CurrentLocation.Latitude"
LONGITUDE: Final = "Vehicle.CurrentLocation.Longitude"
IGNITION: Final = "Vehicle.LowVoltageSystemState"
CHARGING: Final = f"{BATTERY}.Charging.IsCharging"
CURRENT: Final = f"{BATTERY}.CurrentCurrent"
WARNING_LEVEL: Final = f"{BATTERY}.WarningLevel"
ENGINE_SPEED: Final = "Vehicle.Powertrain.CombustionEngine.Speed"

# attribute of blocks.Vehicle, .Motor or .Extremes -> path, where the value goes over as it is
VEHICLE_PATHS: Final = {
    "speed_kmh": "Vehicle.Speed",
    "odometer_km": "Vehicle.TraveledDistance",
    "pack_v": f"{BATTERY}.CurrentVoltage",
    "soc_pct": f"{BATTERY}.StateOfCharge.Current",
    "insulation_kohm": f"{BATTERY}.InsulationResistance",
}
MOTOR_PATHS: Final = {
    "motor_c": f"{MOTOR}.Temperature",
    "controller_c": f"{MOTOR}.InverterTemperature",
    "speed_rpm": f"{MOTOR}.Speed",
    "torque_nm": f"{MOTOR}.Torque",
}
_HOTTEST: Final = ("motor_c", "controller_c")
EXTREMES_PATHS: Final = {
    "max_cell_v": f"{BATTERY}.CellVoltage.Max",
    "min_cell_v": f"{BATTERY}.CellVoltage.Min",
    "max_temp_c": f"{BATTERY}.Temperature.Max",
    "min_temp_c": f"{BATTERY}.Temperature.Min",
}
NUMBER_PATHS: Final = {"max_cell_v": f"{BATTERY}.CellVoltage.IdMax", "min_cell_v": f"{BATTERY}.CellVoltage.IdMin"}

# What signals and alarms are made of, by the prefix of its flags.
_TOLD: Final[dict[str, frozenset[str]]] = {
    "vehicle": frozenset({*VEHICLE_PATHS, "pack_a", "charging", "state"}),
    "motors": frozenset({*MOTOR_PATHS, "motors"}),
    "engine": frozenset({"speed_rpm"}),
    "position": frozenset({"longitude_deg", "latitude_deg", "datum"}),
    "extremes": frozenset({*EXTREMES_PATHS, *(f"{end}_{what}" for end in NUMBER_PATHS for what in ("pack", "number"))}),
    "alarms": frozenset({"level", "bits"}),
    "cells": frozenset({"packs", "cell_v", "first_cell"}),
    "probes": frozenset({"packs", "probe_c"}),
}

_GCJ02: Final = 2
_OTHER_DATUM: Final = 3
# A part may claim any place up to 65535 in any of 250 packs; no car has more cells than this.
_MAX_CELLS: Final = 5000


def to_signals(frame: Frame) -> list[tuple[datetime, Signals, tuple[str, ...]]]:
    """Return one (instant, signals by path, flags) for a realtime or re-issued frame, none for log-in and log-out.

    A signal the car called abnormal or invalid is absent (in a list: None), and a flag says where and which:
    ``vehicle.speed_kmh:abnormal``, ``motors[2].torque_nm:invalid``, ``cells[1].cell_v:invalid`` (once a list). Flags of
    fields that no signal or alarm is made of stay with the frame's blocks: most cars send some of those as invalid.
    """
    if not isinstance(frame.body, Realtime):
        return []
    signals: Signals = {}
    flags: list[str] = []
    cells: list[blocks.PackCells] = []
    probes: list[blocks.PackProbes] = []
    extremes: blocks.Extremes | None = None
    for block in frame.body.blocks:
        match block:
            case blocks.Vehicle():
                _vehicle(block, signals)
                _flag(flags, "vehicle", block.flags)
            case blocks.CellVoltages():
                cells += block.packs
                _flag_items(flags, "cells", block.flags, block.packs)
            case blocks.ProbeTemperatures():
                probes += block.packs
                _flag_items(flags, "probes", block.flags, block.packs)
            case blocks.Motors():
                _motors(block.motors, signals)
                _flag_items(flags, "motors", block.flags, block.motors)
            case blocks.Extremes():
                extremes = block
                _flag(flags, "extremes", block.flags)
            case blocks.Alarms():
                if block.level is not None:
                    signals[WARNING_LEVEL] = block.level
                _flag(flags, "alarms", block.flags)
            case blocks.Position():
                _position(block, signals, flags)
            case blocks.Engine():
                if block.speed_rpm is not None:
                    signals[ENGINE_SPEED] = block.speed_rpm
                _flag(flags, "engine", block.flags)
            case blocks.PlatformData():
                flags.append("platform:unread")
            case _:
                pass
    firsts = _cells(cells, signals, flags)
    probe_c = [degrees for pack in sorted(probes, key=_number) for degrees in pack.probe_c]
    if probe_c:
        signals[PROBES] = list(probe_c)
    if extremes is not None:
        _extremes(extremes, firsts, signals, flags)
    elif frame.version == 2025:
        _derived_extremes(signals)
    return [(frame.body.at, signals, tuple(dict.fromkeys(flags)))]


def _flag(flags: list[str], prefix: str, found: Iterable[str], place: str = "") -> None:
    for flag in found:
        field, _, kind = flag.partition(":")
        name = field.partition("[")[0]
        if name in _TOLD[prefix]:
            flags.append(f"{prefix}{place}.{name}:{kind}")


def _flag_items(
    flags: list[str],
    prefix: str,
    found: tuple[str, ...],
    items: Sequence[blocks.Motor | blocks.PackCells | blocks.PackProbes],
) -> None:
    if found:
        _flag(flags, prefix, found)
    for i, item in enumerate(items, 1):
        if item.flags:
            _flag(flags, prefix, item.flags, f"[{i}]")


def _vehicle(block: blocks.Vehicle, signals: Signals) -> None:
    for name, path in VEHICLE_PATHS.items():
        if (value := getattr(block, name)) is not None:
            signals[path] = value
    if block.pack_a is not None:
        signals[CURRENT] = 0.0 - block.pack_a  # so that no current is 0.0, not -0.0
    if block.charging is not None:
        signals[CHARGING] = block.charging in (1, 2)
    if block.state in (1, 2):
        signals[IGNITION] = "ON" if block.state == 1 else "OFF"


def _motors(motors: tuple[blocks.Motor, ...], signals: Signals) -> None:
    for name, path in MOTOR_PATHS.items():
        values = [value for motor in motors if (value := getattr(motor, name)) is not None]
        if name in _HOTTEST and values:
            signals[path] = max(values)
        elif motors and (value := getattr(motors[0], name)) is not None:
            signals[path] = value


def _position(block: blocks.Position, signals: Signals, flags: list[str]) -> None:
    _flag(flags, "position", block.flags)
    if not block.fixed:
        flags.append("position:no_fix")
    elif block.datum == _OTHER_DATUM:
        flags.append("position.datum:other")
    elif block.longitude_deg is not None and block.latitude_deg is not None:
        signals[LONGITUDE], signals[LATITUDE] = block.longitude_deg, block.latitude_deg
        if block.datum == _GCJ02:
            flags.append("position.datum:gcj02")


def _number(pack: blocks.PackCells | blocks.PackProbes) -> int:
    return 256 if pack.number is None else pack.number


def _start(pack: blocks.PackCells) -> int:
    return max(pack.first_cell or 1, 1) - 1


def _cells(packs: list[blocks.PackCells], signals: Signals, flags: list[str]) -> dict[int, int]:
    """Put the cells in their places; return how many cells stand before each pack's first."""
    if len(packs) == 1 and packs[0].first_cell == 1 and packs[0].cell_total in (None, len(packs[0].cell_v)):
        if packs[0].cell_v:
            signals[CELLS] = list(packs[0].cell_v)
        return {_number(packs[0]): 0}
    sizes: dict[int, int] = {}
    for pack in packs:
        end = _start(pack) + len(pack.cell_v)
        sizes[_number(pack)] = max(sizes.get(_number(pack), 0), pack.cell_total or 0, end)
    if sum(sizes.values()) > _MAX_CELLS:
        flags.append("cells:unplaced")
        return {}
    firsts: dict[int, int] = {}
    total = 0
    for number in sorted(sizes):
        firsts[number] = total
        total += sizes[number]
    volts: list[float | None] = [None] * total
    placed = [False] * total
    for pack in packs:
        start = firsts[_number(pack)] + _start(pack)
        volts[start : start + len(pack.cell_v)] = pack.cell_v
        placed[start : start + len(pack.cell_v)] = [True] * len(pack.cell_v)
    if any(placed):
        signals[CELLS] = volts
        if not all(placed):
            flags.append("cells:partial")
    return firsts


def _extremes(block: blocks.Extremes, firsts: dict[int, int], signals: Signals, flags: list[str]) -> None:
    for name, path in EXTREMES_PATHS.items():
        if (value := getattr(block, name)) is not None:
            signals[path] = value
    for name, path in NUMBER_PATHS.items():
        pack, number = getattr(block, f"{name}_pack"), getattr(block, f"{name}_number")
        if pack is None or number is None:
            continue
        # Without its cells the place of a second pack is unknown; the first starts at 1 whatever its cells are.
        first = firsts.get(pack, 0 if pack == 1 else None)
        if first is None:
            flags.append(f"extremes.{name}_number:unplaced")
        else:
            signals[path] = first + number


def _derived_extremes(signals: Signals) -> None:
    cells, probes = signals.get(CELLS), signals.get(PROBES)
    if isinstance(cells, list) and (volts := [value for value in cells if value is not None]):
        for end, value in (("max", max(volts)), ("min", min(volts))):
            signals[EXTREMES_PATHS[f"{end}_cell_v"]] = value
            signals[NUMBER_PATHS[f"{end}_cell_v"]] = cells.index(value) + 1
    if isinstance(probes, list) and (degrees := [value for value in probes if value is not None]):
        signals[EXTREMES_PATHS["max_temp_c"]] = max(degrees)
        signals[EXTREMES_PATHS["min_temp_c"]] = min(degrees)
