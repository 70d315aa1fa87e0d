"""One simulated car, from its draw to what it sent: joins usage, physics, sensors and network."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.car_models import CarModel
from forewarn.simulator.climate import Climate
from forewarn.simulator.drivetrain import Columns, draw_speed, run_engine, run_motor
from forewarn.simulator.faults import BEYOND_D, DAY_S, FaultPlan
from forewarn.simulator.lv_battery import cranks, draw_lv_battery, lv_lamp_s, run_lv_battery
from forewarn.simulator.network import send
from forewarn.simulator.pack import PackState, draw_pack, run_pack, spread_lamp_s
from forewarn.simulator.people import Person
from forewarn.simulator.readings import STATES, Readings, cut_short, measure, measure_cells
from forewarn.simulator.sampling import Samples, draw_samples
from forewarn.simulator.tyres import draw_tyres, run_tyres, tyre_lamp_s
from forewarn.simulator.usage import Kind, Segments, draw_habit, live
from ingest.store.enrolment import Enrolment

_BATTERY = "Vehicle.Powertrain.TractionBattery"
_AXLES = "Vehicle.Chassis.Axle"
_WHEELS = ("Row1.Wheel.Left", "Row1.Wheel.Right", "Row2.Wheel.Left", "Row2.Wheel.Right")
# Under way every so many reports carry all cells; at rest and on the charger each does.
_CELLS_EVERY = 4
# The workshop mends a car this many days after its lamp.
_REPAIR_D = (2.0, 9.0)
_NUISANCE_SHARE = 0.004
_PAD_KM_FROM_NEW = 45000.0

LAMPS = {"hv_self_discharge": "hv_cell_spread", "lv_battery": "lv_battery", "tyre_leak": "tire_pressure"}
LAMP_LEVELS = {"hv_cell_spread": 3, "lv_battery": 2, "tire_pressure": 2}
# What makes a healthy car look odd; half of the healthy cars have one.
ODDITIES = ("weak_cell", "recovering_cell", "old_lv", "drained_lv", "short_trips", "long_idle")


class Lamp(NamedTuple):
    """A warning lamp; seconds since the start."""

    code: str
    on_s: float
    off_s: float | None


@dataclass(frozen=True)
class CarDraw:
    """Everything that is decided about a car before it lives. ``oddity`` is one of ODDITIES or None."""

    enrolment: Enrolment
    model: CarModel
    person: Person
    plan: FaultPlan | None
    oddity: str | None
    seed: np.random.SeedSequence


@dataclass(frozen=True)
class CarLife:
    """What a car sent until the fleet's end, and its lamps, those after the end included."""

    readings: Readings
    lamps: list[Lamp]
    plan: FaultPlan | None


def simulate_car(draw: CarDraw, climate: Climate, *, start: datetime, days: int, step_s: float) -> CarLife:
    """Let one car live: ``days`` from ``start``, and BEYOND_D more when something is going to break."""
    streams = draw.seed.spawn(9)
    lived_d = days + (BEYOND_D if draw.plan is not None else 0)
    habit_rng, usage_rng = np.random.default_rng(streams[0]), np.random.default_rng(streams[1])
    habit = draw_habit(
        habit_rng, days=days, short_trips=draw.oddity == "short_trips", long_idle=draw.oddity == "long_idle"
    )
    segments = live(draw.model, habit, start=start, days=lived_d, rng=usage_rng)
    samples = draw_samples(segments, step_s=step_s, rng=np.random.default_rng(streams[2]))
    state = _run(draw, draw.plan, segments, samples, climate, streams)
    lamps = _lamps(state, draw.model, segments, samples)
    plan = draw.plan
    if plan is not None and (lamp_s := lamps.get(LAMPS[plan.mode])) is not None:
        # Lived again with the repair in it; up to there both lives are the same.
        repair_s = lamp_s + np.random.default_rng(streams[3]).uniform(*_REPAIR_D) * DAY_S
        plan = plan.repaired_at(repair_s)
        state = _run(draw, plan, segments, samples, climate, streams)
    off = {LAMPS[plan.mode]: plan.repair_s} if plan is not None else {}
    found = [Lamp(code, on_s, off.get(code)) for code, on_s in lamps.items()]
    readings = _read(draw, state, segments, samples, climate, found, start, days, streams)
    return CarLife(readings, found, plan)


class _State(NamedTuple):
    pack: PackState | None
    lv_v: NDArray[np.float64]
    lv_a: NDArray[np.float64]
    tyre_kpa: NDArray[np.float64]
    lv_lamp_s: float | None


def _run(
    draw: CarDraw,
    plan: FaultPlan | None,
    segments: Segments,
    samples: Samples,
    climate: Climate,
    streams: list[np.random.SeedSequence],
) -> _State:
    """Run all physics; the same streams give the same car."""
    rng = np.random.default_rng(streams[4])
    lv_draw = draw_lv_battery(draw.model, rng, old=draw.oddity == "old_lv", drained=draw.oddity == "drained_lv")
    lv = run_lv_battery(lv_draw, draw.model, segments, samples, climate, plan)
    tyres = run_tyres(draw_tyres(draw.model, rng), draw.model, segments, samples, climate, plan)
    pack_state = None
    if draw.model.has_pack:
        pack_rng = np.random.default_rng(streams[5])
        pack = draw_pack(
            draw.model,
            pack_rng,
            weak_cell=draw.oddity == "weak_cell",
            recovering=draw.oddity == "recovering_cell",
        )
        pack_state = run_pack(pack, segments, samples, climate, plan, rng=pack_rng)
    return _State(pack_state, lv.voltage_v, lv.current_a, tyres, lv_lamp_s(lv, draw.model, segments, samples))


def _lamps(state: _State, model: CarModel, segments: Segments, samples: Samples) -> dict[str, float]:
    times = {
        "hv_cell_spread": spread_lamp_s(state.pack, samples) if state.pack is not None else None,
        "lv_battery": state.lv_lamp_s,
        "tire_pressure": tyre_lamp_s(state.tyre_kpa, model, segments, samples),
    }
    return {code: time for code, time in times.items() if time is not None}


def _read(
    draw: CarDraw,
    state: _State,
    segments: Segments,
    samples: Samples,
    climate: Climate,
    lamps: list[Lamp],
    start: datetime,
    days: int,
    streams: list[np.random.SeedSequence],
) -> Readings:
    rng = np.random.default_rng(streams[6])
    air_c = climate.air_c(samples.t_s)
    speed = draw_speed(segments, samples, rng)
    true = _common(draw, state, segments, samples, speed, air_c, rng)
    cell_mv: NDArray[np.int16] = np.zeros((len(samples.t_s), 0), dtype=np.int16)
    if state.pack is not None:
        cell_mv = measure_cells(state.pack.cell_v, rng)
        true |= _pack_signals(state.pack, cell_mv, segments, samples, lamps, rng)
        true |= run_motor(segments, samples, speed, state.pack.current_a, air_c, rng)
    if draw.model.has_engine:
        soc = state.pack.soc if state.pack is not None else np.zeros_like(speed)
        true |= run_engine(draw.model, segments, samples, speed, soc, air_c, rng)
    sensor_rng = np.random.default_rng(streams[7])
    columns = {path: measure(path, values, sensor_rng) for path, values in true.items()}
    arrives, message, received_s = send(samples, days=days, rng=np.random.default_rng(streams[8]))
    kept = arrives & (samples.t_s < days * DAY_S) & (received_s < days * DAY_S)
    with_cells = (segments.kind[samples.segment] != Kind.DRIVE) | (samples.number % _CELLS_EVERY == 0)
    with_cells = with_cells[kept] & (cell_mv.shape[1] > 0)
    start_ms = int(start.timestamp() * 1000)
    return Readings(
        ts_ms=start_ms + (samples.t_s[kept] * 1000).astype(np.int64),
        received_ms=start_ms + (received_s[kept] * 1000).astype(np.int64),
        message=message[kept],
        seq=np.zeros(int(kept.sum()), dtype=np.int64),
        columns={path: values[kept] for path, values in columns.items()},
        cell_mv=cut_short(cell_mv[kept][with_cells], sensor_rng),
        cell_row=np.where(with_cells, np.cumsum(with_cells) - 1, -1),
    )


def _common(
    draw: CarDraw,
    state: _State,
    segments: Segments,
    samples: Samples,
    speed: NDArray[np.float64],
    air_c: NDArray[np.float64],
    rng: np.random.Generator,
) -> Columns:
    """Return the signals that every car has."""
    at = samples.segment
    kind = segments.kind[at]
    parked, driving = kind == Kind.PARKED, kind == Kind.DRIVE
    part = (samples.t_s - segments.start_s[at]) / np.maximum(segments.end_s[at] - segments.start_s[at], 1.0)
    before_km = np.cumsum(segments.distance_km) - segments.distance_km
    odometer = rng.uniform(4000, 90000) + before_km[at] + part * segments.distance_km[at]
    ignition = np.where(parked, STATES.index("OFF"), STATES.index("ON"))
    ignition = np.where(cranks(draw.model, segments, samples), STATES.index("START"), ignition)
    latitude, longitude = _parked_places(draw.person, segments, rng)
    worn_km = odometer % _PAD_KM_FROM_NEW
    columns = {
        "Vehicle.Speed": speed,
        "Vehicle.TraveledDistance": odometer,
        "Vehicle.Exterior.AirTemperature": air_c,
        "Vehicle.LowVoltageSystemState": ignition.astype(np.float64),
        "Vehicle.LowVoltageBattery.CurrentVoltage": state.lv_v,
        "Vehicle.LowVoltageBattery.CurrentCurrent": state.lv_a,
        "Vehicle.CurrentLocation.Latitude": np.where(parked, latitude[at], np.nan),
        "Vehicle.CurrentLocation.Longitude": np.where(parked, longitude[at], np.nan),
        f"{_AXLES}.Row1.Wheel.Left.Brake.PadWear": np.where(driving, worn_km / _PAD_KM_FROM_NEW * 75, np.nan),
        f"{_AXLES}.Row2.Wheel.Left.Brake.PadWear": np.where(driving, worn_km / _PAD_KM_FROM_NEW * 55, np.nan),
        f"{_AXLES}.Row1.Wheel.Left.Brake.IsFluidLevelLow": np.where(driving, 0.0, np.nan),
    }
    for number, wheel in enumerate(_WHEELS):
        # Sensors in wheels sleep while the car stands.
        columns[f"{_AXLES}.{wheel}.Tire.Pressure"] = np.where(driving, state.tyre_kpa[:, number], np.nan)
    return columns


def _parked_places(
    person: Person, segments: Segments, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the car is during each segment (WGS-84 degrees): at home and at work by turns."""
    away = (np.cumsum(segments.kind == Kind.DRIVE) % 2).astype(bool)
    work = rng.normal(0.0, 0.05, 2)
    near = rng.normal(0.0, 0.0008, (2, len(away)))
    return (
        person.home_latitude + np.where(away, work[0], 0.0) + near[0],
        person.home_longitude + np.where(away, work[1], 0.0) + near[1],
    )


def _pack_signals(
    pack: PackState,
    cell_mv: NDArray[np.int16],
    segments: Segments,
    samples: Samples,
    lamps: list[Lamp],
    rng: np.random.Generator,
) -> Columns:
    kind = segments.kind[samples.segment]
    lowest, highest = cell_mv.argmin(axis=1), cell_mv.argmax(axis=1)
    row = np.arange(len(cell_mv))
    level = np.where(rng.random(len(row)) < _NUISANCE_SHARE, 1.0, 0.0)
    for lamp in lamps:
        if lamp.code == "hv_cell_spread":
            shines = (samples.t_s >= lamp.on_s) & (samples.t_s < (lamp.off_s or np.inf))
            level[shines] = LAMP_LEVELS[lamp.code]
    return {
        f"{_BATTERY}.StateOfCharge.Current": np.clip(pack.soc * 100, 0, 100),
        f"{_BATTERY}.CurrentVoltage": pack.cell_v.sum(axis=1),
        f"{_BATTERY}.CurrentCurrent": pack.current_a,
        f"{_BATTERY}.CellVoltage.Min": cell_mv[row, lowest] / 1000,
        f"{_BATTERY}.CellVoltage.Max": cell_mv[row, highest] / 1000,
        f"{_BATTERY}.CellVoltage.IdMin": lowest + 1.0,
        f"{_BATTERY}.CellVoltage.IdMax": highest + 1.0,
        f"{_BATTERY}.Temperature.Min": pack.temperature_c - 1.2,
        f"{_BATTERY}.Temperature.Max": pack.temperature_c + 1.6,
        f"{_BATTERY}.Temperature.Average": pack.temperature_c,
        f"{_BATTERY}.WarningLevel": level,
        f"{_BATTERY}.Charging.IsCharging": ((kind == Kind.AC) | (kind == Kind.DC)).astype(np.float64),
    }


def lamp_time(start: datetime, seconds: float) -> datetime:
    """Return the instant ``seconds`` after the start, in whole milliseconds."""
    return start + timedelta(milliseconds=int(seconds * 1000))
