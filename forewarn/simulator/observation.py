"""What a block's cars sent: every quantity through its sensor, and through the network."""

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from config.signals import catalogue
from forewarn.simulator.block import Block
from forewarn.simulator.brakes import fluid_low
from forewarn.simulator.drive_unit import drive_columns
from forewarn.simulator.engine import LEVEL_CRITICAL, LEVEL_LOW
from forewarn.simulator.network import send
from forewarn.simulator.readings import STATES, TEXTS, Readings, cut_short, measure, measure_cells
from forewarn.simulator.usage import Kind
from forewarn.simulator.warning_level import warning_level

Columns = dict[str, NDArray[np.float64]]

_BATTERY = "Vehicle.Powertrain.TractionBattery"
_AXLES = "Vehicle.Chassis.Axle"
_WHEELS = ("Row1.Wheel.Left", "Row1.Wheel.Right", "Row2.Wheel.Left", "Row2.Wheel.Right")
# Of the voltage that the load takes, how much more or less it is at the end of a scan.
_SCAN_SWING = 0.8
_COOLANT_LEVEL = "Vehicle.Powertrain.CombustionEngine.EngineCoolant.Level"


def observe(block: Block, *, start: datetime, days: int) -> list[Readings]:
    """Return what each car of the block sent that was received within ``days`` from ``start``."""
    samples, streams = block.samples, block.streams
    cell_mv = probe_c = None
    true = _common(block) | block.engine_columns
    if block.cells is not None:
        cell_mv = measure_cells(block.cells.sensed_v, streams, samples.counts, _scan_swing_v(block))
        probe_c = np.rint(block.cells.probe_c).astype(np.int16)
        true |= _pack_columns(block, cell_mv, probe_c)
    if block.heat is not None:
        true |= drive_columns(block.heat, block.segments, samples, block.motion)
    if block.engines is not None:
        # A float and its two contacts.
        level = 2.0 - (block.engines.coolant_left < LEVEL_LOW) - (block.engines.coolant_left < LEVEL_CRITICAL)
        true[_COOLANT_LEVEL] = np.where(_driving(block), level, np.nan)
    assert len(TEXTS[_COOLANT_LEVEL]) == 3
    columns = {
        path: measure(path, true[path], streams, samples.counts, samples.car)
        for path in catalogue().by_path
        if path in true
    }
    return [_sent(block, car, columns, cell_mv, probe_c, start, days) for car in range(len(block.draws))]


def _scan_swing_v(block: Block) -> NDArray[np.float64]:
    """Return how far cell voltages move during one scan (V): under way the current swings by its own size meanwhile."""
    packs = block.packs
    assert packs is not None
    drop = np.abs(packs.current_a) * packs.resistance * block.draws[0].model.cell_mohm / 1000
    return np.where(block.motion.speed_kmh > 0, _SCAN_SWING * drop, 0.0)


def _driving(block: Block) -> NDArray[np.bool_]:
    driving: NDArray[np.bool_] = block.segments.kind[block.samples.segment] == Kind.DRIVE
    return driving


def _common(block: Block) -> Columns:
    """Return the signals that every car has."""
    samples = block.samples
    kind = block.segments.kind[samples.segment]
    parked, driving = kind == Kind.PARKED, kind == Kind.DRIVE
    state = np.where(parked, STATES.index("OFF"), STATES.index("ON"))
    state = np.where(block.lv.cranking, STATES.index("START"), state)
    odometer = np.array([part.odometer_km for part in block.parts])[samples.car] + block.motion.driven_km
    latitude, longitude = _parked_places(block)
    columns = {
        "Vehicle.Speed": block.motion.speed_kmh,
        "Vehicle.TraveledDistance": odometer,
        "Vehicle.Exterior.AirTemperature": block.air_c,
        "Vehicle.LowVoltageSystemState": state.astype(np.float64),
        "Vehicle.LowVoltageBattery.CurrentVoltage": block.lv.voltage_v,
        "Vehicle.LowVoltageBattery.CurrentCurrent": block.lv.current_a,
        "Vehicle.CurrentLocation.Latitude": np.where(parked, latitude, np.nan),
        "Vehicle.CurrentLocation.Longitude": np.where(parked, longitude, np.nan),
        f"{_AXLES}.Row1.Wheel.Left.Brake.PadWear": np.where(driving, block.pad_pct[:, 0], np.nan),
        f"{_AXLES}.Row2.Wheel.Left.Brake.PadWear": np.where(driving, block.pad_pct[:, 1], np.nan),
        f"{_AXLES}.Row1.Wheel.Left.Brake.IsFluidLevelLow": np.where(driving, fluid_low(block.pad_pct), np.nan),
    }
    for number, wheel in enumerate(_WHEELS):
        # Sensors in wheels sleep while the car stands.
        columns[f"{_AXLES}.{wheel}.Tire.Pressure"] = np.where(driving, block.tyre_kpa[:, number], np.nan)
    return columns


def _parked_places(block: Block) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the cars are at each sample (WGS-84 degrees): at home and at work by turns."""
    segments = block.segments
    drives = np.cumsum(segments.kind == Kind.DRIVE)
    away = ((drives - drives[segments.first_of_car][segments.car]) % 2).astype(bool)
    counts = np.bincount(segments.car, minlength=len(block.draws))
    ones = np.ones(len(block.draws), dtype=np.int64)
    places = []
    for name, homes in (
        ("latitude", [draw.person.home_latitude for draw in block.draws]),
        ("longitude", [draw.person.home_longitude for draw in block.draws]),
    ):
        work = 0.05 * block.streams.normal(f"work {name}", ones)
        near = 0.0008 * block.streams.normal(f"near {name}", counts)
        place = np.array(homes)[segments.car] + np.where(away, work[segments.car], 0.0) + near
        places.append(place[block.samples.segment])
    return places[0], places[1]


def _pack_columns(block: Block, cell_mv: NDArray[np.int16], probe_c: NDArray[np.int16]) -> Columns:
    packs, samples = block.packs, block.samples
    assert packs is not None
    assert block.cells is not None
    assert block.insulation_kohm is not None
    kind = block.segments.kind[samples.segment]
    charging = kind >= Kind.AC
    lowest, highest = cell_mv.argmin(axis=1), cell_mv.argmax(axis=1)
    row = np.arange(len(cell_mv))
    soh = np.array([part.pack.soh for part in block.parts])[samples.car]
    noise = block.streams.normal("insulation", samples.counts)
    level = np.zeros(len(kind))
    for car, (part, life) in enumerate(zip(block.parts, block.lives, strict=True)):
        rows = block.samples.rows[car]
        level[rows] = warning_level(
            part.alarm_habit,
            life.lamps,
            samples.t_s[rows],
            block.motion.speed_kmh[rows],
            charging[rows],
            block.streams.of(car, "alarm"),
        )
    return {
        f"{_BATTERY}.StateOfCharge.Current": np.clip(packs.soc * 100, 0, 100),
        f"{_BATTERY}.StateOfHealth": soh * 100,
        f"{_BATTERY}.CurrentVoltage": block.cells.true_v.sum(axis=1, dtype=np.float64),
        f"{_BATTERY}.CurrentCurrent": packs.current_a,
        f"{_BATTERY}.InsulationResistance": np.where(
            kind == Kind.PARKED, np.nan, block.insulation_kohm * (1.0 + 0.015 * noise)
        ),
        f"{_BATTERY}.CellVoltage.Min": cell_mv[row, lowest] / 1000,
        f"{_BATTERY}.CellVoltage.Max": cell_mv[row, highest] / 1000,
        f"{_BATTERY}.CellVoltage.IdMin": lowest + 1.0,
        f"{_BATTERY}.CellVoltage.IdMax": highest + 1.0,
        f"{_BATTERY}.Temperature.Min": probe_c.min(axis=1).astype(np.float64),
        f"{_BATTERY}.Temperature.Max": probe_c.max(axis=1).astype(np.float64),
        f"{_BATTERY}.Temperature.Average": packs.temperature_c,
        f"{_BATTERY}.WarningLevel": level,
        f"{_BATTERY}.Charging.IsCharging": charging.astype(np.float64),
    }


def _sent(
    block: Block,
    car: int,
    columns: Columns,
    cell_mv: NDArray[np.int16] | None,
    probe_c: NDArray[np.int16] | None,
    start: datetime,
    days: int,
) -> Readings:
    rows = block.samples.rows[car]
    samples = block.samples
    sent = send(
        samples.t_s[rows],
        samples.segment[rows],
        samples.number[rows],
        days=days,
        rng=block.streams.of(car, "network"),
    )
    start_ms = int(start.timestamp() * 1000)
    row = sent.row + rows.start
    if cell_mv is None or probe_c is None:
        cells = np.zeros((0, 0), dtype=np.int16)
        probes, cell_row = cells, np.full(len(row), -1)
    else:
        # Rows of samples that were sent twice are the same rows.
        with_cells = np.flatnonzero(samples.with_cells[rows]) + rows.start
        place = np.full(int(samples.counts[car]), -1)
        place[with_cells - rows.start] = np.arange(len(with_cells))
        cells = cut_short(cell_mv[with_cells], block.streams.of(car, "cut short"))
        probes, cell_row = probe_c[with_cells], place[sent.row]
    return Readings(
        ts_ms=start_ms + (sent.ts_s * 1000).astype(np.int64),
        seq=sent.row + 1,
        received_ms=start_ms + (sent.received_s * 1000).astype(np.int64),
        message=sent.message,
        columns={path: values[row] for path, values in columns.items()},
        cell_mv=cells,
        probe_c=probes,
        cell_row=cell_row,
    )
