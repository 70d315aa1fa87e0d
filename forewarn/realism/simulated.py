"""Simulated cars as traces: some made for the comparison, or those of a fleet that was written to files."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from forewarn.realism.trace import Trace, trace_of
from forewarn.simulator import FleetPlan, Sampling
from forewarn.simulator.block import run_block
from forewarn.simulator.car_models import MODELS, CarModel
from forewarn.simulator.climate import Climate
from forewarn.simulator.filed import days_of, read_day
from forewarn.simulator.fleet import draw_cars, observed
from forewarn.simulator.readings import Readings

# Cars of this many numbers are drawn to find those of the models that are wanted.
_DRAWN_FOR_ONE = 12
# A recorded car is compared with models whose pack has about as many cells.
_CELLS_APART = 10
_LIKE = {model.name: model for model in MODELS}


@dataclass(frozen=True)
class Request:
    """Which cars are to be simulated. step_s : between two reports, driving and charging; each has all cells."""

    cars: int
    days: int
    seed: int
    end: datetime
    step_s: float


def nickel_electric(cells: int | None = None) -> Callable[[CarModel], bool]:
    """Return what is true of electric models with cells of NMC, of about ``cells`` of them when that is given."""
    return lambda model: (
        model.powertrain == "bev"
        and model.chemistry == "NMC"
        and (cells is None or abs(model.cells - cells) <= _CELLS_APART)
    )


def petrol(model: CarModel) -> bool:
    return model.powertrain == "ice"


def simulate(request: Request, wanted: Callable[[CarModel], bool]) -> list[Trace]:
    """Return healthy cars of the models that are ``wanted``; the same request gives the same cars."""
    sampling = Sampling(request.step_s, request.step_s, request.step_s)
    drawn = request.cars * _DRAWN_FOR_ONE
    plan = FleetPlan(drawn, request.days, request.seed, request.end, faulty_share=0.0, sampling=sampling)
    chosen = [(number, draw) for number, draw in enumerate(draw_cars(plan)) if wanted(draw.model)][: request.cars]
    climates = {
        draw.person.city.name: Climate(draw.person.city, start=plan.start, days=plan.days, seed=plan.seed)
        for _, draw in chosen
    }
    traces = {}
    for _, group in groupby(sorted(chosen, key=lambda car: (car[1].model.name, car[0])), lambda car: car[1].model):
        cars = list(group)
        draws = tuple(draw for _, draw in cars)
        block = run_block(draws, climates, start=plan.start, days=plan.days, sampling=sampling)
        for number, vehicle in observed(plan, block, [number for number, _ in cars]).items():
            traces[number] = trace_of_readings(vehicle.enrolment.vin, vehicle.readings, step_s=request.step_s)
    return [traces[number] for number, _ in chosen]


def of_fleet(directory: Path, wanted: Callable[[CarModel], bool], *, most: int) -> list[Trace]:
    """Return up to ``most`` cars of a fleet in files whose models are ``wanted``.

    Raises : UserMistake, when the folder is no fleet
    """
    days = days_of(directory)
    vehicles = pd.read_parquet(directory / "vehicles.parquet")
    vins = [
        str(vin)
        for vin, name in zip(vehicles["vin"], vehicles["model"], strict=True)
        if name in _LIKE and wanted(_LIKE[name])
    ][:most]
    parts: dict[str, list[Trace]] = {vin: [] for vin in vins}
    for day in days:
        for vin, readings in read_day(directory, day)[0]:
            if vin in parts:
                parts[vin].append(trace_of_readings(vin, readings))
    return [_joined(of_car) for of_car in parts.values() if of_car]


def trace_of_readings(name: str, readings: Readings, *, step_s: float | None = None) -> Trace:
    """Return what a car sent, without the copies of what was sent twice."""
    _, first = np.unique(readings.seq, return_index=True)
    frame = pd.DataFrame({"ts_s": readings.ts_ms[first] / 1000} | {k: v[first] for k, v in readings.columns.items()})
    width = readings.cell_mv.shape[1] if readings.cell_mv.size else 0
    cells = np.full((len(first), width), np.nan, dtype=np.float32)
    if width:
        row = readings.cell_row[first]
        cells[row >= 0] = readings.cell_mv[row[row >= 0]] / np.float32(1000)
    return trace_of(name, frame, cells, step_s=step_s)


def _joined(parts: list[Trace]) -> Trace:
    frames = [pd.DataFrame({"ts_s": part.ts_s} | part.values) for part in parts]
    width = max(part.cells_v.shape[1] for part in parts)
    cells = [
        part.cells_v if part.cells_v.shape[1] == width else np.full((len(part.ts_s), width), np.nan, dtype=np.float32)
        for part in parts
    ]
    return trace_of(parts[0].name, pd.concat(frames, ignore_index=True), np.concatenate(cells))
