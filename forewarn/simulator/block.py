"""Cars of one model that live side by side: joins usage, physics, lamps, sensors and network.

All physics works on the samples of the whole block at once, one car after the other.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from config.faults import fault_modes
from forewarn.simulator import brakes, drive_unit, engine, insulation, lamps, lv_battery, tyres
from forewarn.simulator.cells import (
    CELL_HIGHEST_V,
    CELL_HOT_C,
    CELL_LOWEST_V,
    CELLS_APART_C,
    LAMP_SPREAD_V,
    CellFaults,
    Cells,
    run_cells,
)
from forewarn.simulator.climate import Climate
from forewarn.simulator.draws import CarDraw, Parts, draw_parts
from forewarn.simulator.driving import Motion, drive
from forewarn.simulator.faults import BEYOND_D, FaultPlan, Faults
from forewarn.simulator.lamps import Lamp, lit
from forewarn.simulator.pack import PackState, engine_runs, run_packs
from forewarn.simulator.sampling import Samples, Sampling, draw_samples
from forewarn.simulator.streams import Streams
from forewarn.simulator.time import DAY_S
from forewarn.simulator.usage import Kind, Segments, joined, live

# The workshop mends a car this many days after its lamp.
_REPAIR_D = (2.0, 9.0)
# Below this share of the capacity per hour a pack is without load.
_LOAD_C = 0.12
# A fault that has come to this part of its strength is taken to show.
_SHOWS_FROM = 0.1


@dataclass(frozen=True)
class Life:
    """What one car truly went through, before its sensors and the network. Rows are those of its block's samples."""

    lamps: list[Lamp]
    plan: FaultPlan | None
    is_foreseeable: bool


@dataclass(frozen=True)
class Block:
    """The truth of a block, sample by sample; ``samples.rows`` are those of each car."""

    draws: tuple[CarDraw, ...]
    parts: tuple[Parts, ...]
    segments: Segments
    samples: Samples
    motion: Motion
    air_c: NDArray[np.float64]
    packs: PackState | None
    cells: Cells | None
    insulation_kohm: NDArray[np.float64] | None
    lv: lv_battery.LvState
    tyre_kpa: NDArray[np.float64]
    pad_pct: NDArray[np.float64]
    heat: drive_unit.DriveHeat | None
    engines: engine.EngineState | None
    engine_columns: engine.Columns
    lives: tuple[Life, ...]
    streams: Streams


def run_block(
    draws: tuple[CarDraw, ...], climates: dict[str, Climate], *, start: datetime, days: int, sampling: Sampling
) -> Block:
    """Let cars of one model live: ``days`` from ``start``, and BEYOND_D more when they are to break.

    climates : by city, known for all of that time
    """
    block = _live(draws, climates, start=start, days=days, sampling=sampling)
    plans = [_with_repair(block, car) for car in range(len(draws))]
    if all(plan is draw.plan for plan, draw in zip(plans, draws, strict=True)):
        return block
    # Lived again with the repairs in it; up to there both lives are the same.
    mended = tuple(
        CarDraw(draw.enrolment, draw.model, draw.person, plan, draw.oddity, draw.seed)
        for draw, plan in zip(draws, plans, strict=True)
    )
    return _live(mended, climates, start=start, days=days, sampling=sampling)


def _with_repair(block: Block, car: int) -> FaultPlan | None:
    plan = block.draws[car].plan
    if plan is None or plan.repair_s is not None:
        return plan
    codes = fault_modes()[plan.mode].lamps
    on_s = [lamp.on_s for lamp in block.lives[car].lamps if lamp.code in codes and lamp.on_s >= plan.onset_s]
    if not on_s:
        return plan
    after_d = block.streams.of(car, "repair").uniform(*_REPAIR_D)
    return plan.repaired_at(min(on_s) + round(after_d * DAY_S))


def _live(
    draws: tuple[CarDraw, ...], climates: dict[str, Climate], *, start: datetime, days: int, sampling: Sampling
) -> Block:
    model = draws[0].model
    streams = Streams([draw.seed for draw in draws])
    parts = tuple(draw_parts(draw, car=car, days=days, streams=streams) for car, draw in enumerate(draws))
    habits = [part.habit for part in parts]
    weather = [climates[draw.person.city.name] for draw in draws]
    # Each for its own time: what one car lives through does not depend on the others of its block.
    lived_d = [days + (BEYOND_D if draw.plan is not None else 0) for draw in draws]
    segments = joined(
        [
            live(
                model,
                habit,
                start=start,
                days=lived_d[car],
                day_mean_c=weather[car].day_mean_c(),
                departures=streams.of(car, "departures"),
                rng=streams.of(car, "usage"),
            )
            for car, habit in enumerate(habits)
        ]
    )
    samples = draw_samples(segments, cars=len(draws), sampling=sampling, streams=streams)
    faults = Faults([draw.plan for draw in draws])
    split = [samples.t_s[rows] for rows in samples.rows]
    air_c = np.concatenate([climate.air_c(t_s) for climate, t_s in zip(weather, split, strict=True)])
    motion = drive(model, np.array([habit.style for habit in habits]), segments, samples, streams)
    packs = cells = kohm = heat = engines = None
    engine_columns: engine.Columns = {}
    if model.has_pack:
        packs = run_packs(model, np.array([part.pack.soh for part in parts]), segments, samples, motion, air_c)
        cells = run_cells(
            model, [part.pack for part in parts], packs, samples, _cell_faults(faults, samples, len(draws))
        )
        humidity = np.concatenate([climate.humidity_pct(t_s) for climate, t_s in zip(weather, split, strict=True)])
        dry = np.array([part.insulation_kohm for part in parts])
        kohm = insulation.run_insulation(dry, samples, packs.temperature_c, humidity, faults)
        units = [part.drive_unit for part in parts]
        heat = drive_unit.run_drive_units(model, units, segments, samples, motion, air_c, faults)
    if model.has_engine:
        running = engine_runs(model, segments, samples, motion)
        engines, engine_columns = engine.run_engines(
            model, [part.engine for part in parts], segments, samples, motion, running, air_c, faults, streams
        )
    lv = lv_battery.run_lv_batteries(
        model,
        [part.lv_battery for part in parts],
        segments,
        samples,
        air_c,
        faults,
        streams.uniform("crank", samples.counts),
    )
    means = [climate.day_mean_c()[:lasts] for climate, lasts in zip(weather, lived_d, strict=True)]
    tyre_kpa = tyres.run_tyres(
        model, [part.tyres for part in parts], habits, means, segments, samples, motion.speed_kmh, air_c, faults
    )
    pad_pct = brakes.run_brakes(model, [part.brakes for part in parts], habits, samples, motion.driven_km, faults)
    block = Block(
        draws=draws,
        parts=parts,
        segments=segments,
        samples=samples,
        motion=motion,
        air_c=air_c,
        packs=packs,
        cells=cells,
        insulation_kohm=kohm,
        lv=lv,
        tyre_kpa=tyre_kpa,
        pad_pct=pad_pct,
        heat=heat,
        engines=engines,
        engine_columns=engine_columns,
        lives=(),
        streams=streams,
    )
    conditions = _conditions(block)
    lives = tuple(_life(block, car, conditions, lived_d[car]) for car in range(len(draws)))
    return Block(**{**block.__dict__, "lives": lives})


def _cell_faults(faults: Faults, samples: Samples, cars: int) -> CellFaults:
    leak, connection, sampling = (
        faults.severity(mode, samples.car, samples.t_s)
        for mode in ("hv_self_discharge", "hv_connection", "hv_sampling")
    )
    place, growth_s, repair_s = np.zeros(cars, dtype=np.int64), np.ones(cars), np.full(cars, np.inf)
    for mode in ("hv_self_discharge", "hv_connection", "hv_sampling"):
        for car, plan in faults.of(mode).items():
            place[car], growth_s[car] = plan.place, plan.growth_s
            repair_s[car] = np.inf if plan.repair_s is None else plan.repair_s
    return CellFaults(leak, connection, sampling, place, growth_s, repair_s)


Conditions = dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]


def _conditions(block: Block) -> Conditions:
    """Return for each lamp where its condition holds and where the car judges it."""
    samples = block.samples
    kind = block.segments.kind[samples.segment]
    parked, driving = kind == Kind.PARKED, kind == Kind.DRIVE
    awake = ~parked
    everywhere = np.ones(len(kind), dtype=bool)
    low_v = np.where(block.lv.cranking, lv_battery.LAMP_CRANK_V, lv_battery.LAMP_REST_V)
    result: Conditions = {
        # While the car is awake its charger holds the voltage up.
        "lv_battery": (block.lv.voltage_v < low_v, parked | block.lv.cranking),
        "tire_pressure": (
            block.tyre_kpa.min(axis=1) < tyres.LAMP_SHARE * block.draws[0].model.placard_kpa,
            driving,
        ),
        "brake_pad": (block.pad_pct.max(axis=1) >= brakes.LAMP_PCT, driving),
    }
    if block.packs is not None and block.cells is not None and block.insulation_kohm is not None:
        sensed, probes = block.cells.sensed_v, block.cells.probe_c
        lowest, highest = sensed.min(axis=1), sensed.max(axis=1)
        spread = highest - lowest >= LAMP_SPREAD_V
        calm = np.abs(block.packs.current_a) < _LOAD_C * block.packs.capacity_ah
        # Neighbours that are apart by as much up as down, whatever the current, are put down to the wire between them;
        # what is apart under load alone, or hot, to a joint.
        mirrored = block.cells.drift_v >= LAMP_SPREAD_V / 3
        together = _last(highest - lowest, calm) < LAMP_SPREAD_V / 2
        result["hv_sampling"] = (spread & mirrored, everywhere)
        beyond = (highest >= CELL_HIGHEST_V) | (lowest <= CELL_LOWEST_V)
        result["hv_cell_spread"] = ((spread & ~mirrored & (calm | ~together)) | beyond, everywhere)
        hot = (probes.max(axis=1) >= CELL_HOT_C) | (np.ptp(probes, axis=1) >= CELLS_APART_C)
        result["hv_connection"] = ((spread & ~mirrored & together & ~calm) | hot, everywhere)
        result["insulation"] = (block.insulation_kohm <= insulation.LAMP_KOHM, everywhere)
    if block.heat is not None:
        result["motor_overheat"] = (block.heat.motor_c >= drive_unit.MOTOR_LAMP_C, driving)
        result["inverter_overheat"] = (block.heat.inverter_c >= drive_unit.INVERTER_LAMP_C, driving)
        sags = block.lv.voltage_v < lv_battery.DCDC_LAMP_V
        result["dcdc"] = ((block.heat.dcdc_c >= drive_unit.DCDC_LAMP_C) | sags, awake)
    if block.engines is not None:
        state = block.engines
        low = (state.oil_kpa < engine.OIL_LAMP_KPA) | (
            (state.rpm > engine.OIL_FAST_RPM) & (state.oil_kpa < engine.OIL_LAMP_FAST_KPA)
        )
        result["oil_pressure"] = (low, state.running)
        hot = state.coolant_c >= engine.COOLANT_LAMP_C
        result["coolant"] = (hot | (state.coolant_left < engine.LEVEL_CRITICAL), driving)
    return result


def _last(values: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the last known value at each sample; a car begins without load, so there always is one."""
    row = np.maximum.accumulate(np.where(known, np.arange(len(values)), 0))
    result: NDArray[np.float64] = values[row]
    return result


def _life(block: Block, car: int, conditions: Conditions, lived_d: float) -> Life:
    rows = block.samples.rows[car]
    plan = block.draws[car].plan
    repair_s = None if plan is None else plan.repair_s
    t_s = block.samples.t_s[rows]
    found: dict[str, list[Lamp]] = {}
    for code, (holds, judged) in conditions.items():
        if (holds[rows] & judged[rows]).any():
            found[code] = lit(code, t_s, holds[rows], judged[rows], repair_s)
    rng = block.streams.of(car, "nuisance")
    for lamp in lamps.nuisance_lamps(tuple(conditions), t_s, lived_d, rng):
        found.setdefault(lamp.code, []).append(lamp)
    together = lamps.apart(found)
    shows = [judged[rows] for _, judged in _of(plan, conditions)]
    return Life(together, plan, _is_foreseeable(plan, together, t_s, shows))


def _of(plan: FaultPlan | None, conditions: Conditions) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    codes = () if plan is None else fault_modes()[plan.mode].lamps
    return [conditions[code] for code in codes if code in conditions]


def _is_foreseeable(
    plan: FaultPlan | None, found: list[Lamp], t_s: NDArray[np.float64], judged: list[NDArray[np.bool_]]
) -> bool:
    """Return whether a report that could show the fault was made a day before its lamp, or at all where it has none.

    judged : of each lamp of the fault, (n,) which reports show what it is about
    """
    if plan is None:
        return False
    codes = fault_modes()[plan.mode].lamps
    on_s = [lamp.on_s for lamp in found if lamp.code in codes and not lamp.nuisance and lamp.on_s >= plan.onset_s]
    until_s = min(on_s) - DAY_S if on_s else np.inf
    shows = np.logical_or.reduce(judged) if judged else np.zeros(len(t_s), dtype=bool)
    grown = plan.severity(t_s) >= _SHOWS_FROM * plan.strength
    return bool((shows & grown & (t_s < until_s)).any())
