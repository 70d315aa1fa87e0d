"""Draws a fleet: which cars, whose, and what is going to break. Then lets it live, block by block."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import groupby
from typing import TypeVar

import numpy as np
import pandas as pd

from forewarn.in_processes import each_in_order
from forewarn.simulator.block import Block, run_block
from forewarn.simulator.car_models import CarModel, draw_model, vin
from forewarn.simulator.charging import Visit
from forewarn.simulator.climate import Climate
from forewarn.simulator.draws import ODDITIES, CarDraw, can_be
from forewarn.simulator.faults import BEYOND_D, DEAL, FaultPlan, Mode, can_have, deal_modes, draw_plan
from forewarn.simulator.lamps import Lamp
from forewarn.simulator.observation import observe
from forewarn.simulator.people import Person, draw_person
from forewarn.simulator.piles import visits_of
from forewarn.simulator.readings import Readings
from forewarn.simulator.sampling import Sampling
from forewarn.simulator.truth import Truth, truth_of
from ingest.store.enrolment import Enrolment, Purpose

DEFAULT_FAULTY_SHARE = 0.02
LONGEST_STEP_S = 3600
# Before and after that somebody's clock has no date.
EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_ODD_SHARE = 0.4
# A block this large fills the caches' second level and a few hundred MB: some 400 reports a day and car.
_BLOCK_CAR_DAYS = 360
_MOST_IN_BLOCK = 64

T = TypeVar("T")


@dataclass(frozen=True)
class FleetPlan:
    """Which fleet: the same plan gives the same fleet, to the byte.

    end          : aware; everything is received before it
    faulty_share : share of cars that something breaks in
    modes        : which faults they are dealt, in turn
    """

    vehicles: int
    days: int
    seed: int
    end: datetime
    faulty_share: float = DEFAULT_FAULTY_SHARE
    sampling: Sampling = field(default_factory=Sampling)
    modes: tuple[Mode, ...] = DEAL

    def __post_init__(self) -> None:
        step_s = self.sampling.drive_s
        if self.vehicles < 1 or self.days < 1 or not 0 <= self.faulty_share <= 1 or not self.modes:
            raise ValueError(
                "a fleet has at least one vehicle, one day and one fault, and a share of faulty cars in 0..1"
            )
        steps = (step_s or 1.0, self.sampling.charge_s, self.sampling.cells_s)
        if not all(1 <= step <= LONGEST_STEP_S for step in steps):
            raise ValueError(f"cars report once a second at most, and every {LONGEST_STEP_S} s at least")
        if not EARLIEST <= self.start <= self.end <= LATEST:
            raise ValueError(f"a fleet lives between {EARLIEST:%Y} and {LATEST:%Y}")

    @property
    def name(self) -> str:
        """What tells its cars from those of another fleet; one with more cars has the same and some."""
        return f"{self.seed} {self.days} {self.end.astimezone(UTC).isoformat()} {self.sampling}"

    @property
    def start(self) -> datetime:
        return self.end.astimezone(UTC).replace(microsecond=0) - timedelta(days=self.days)


@dataclass(frozen=True)
class SimulatedVehicle:
    """One car: who it is, what it sent, its lamps, and (for scoring only) what was wrong and what merely looked so."""

    enrolment: Enrolment
    readings: Readings
    lamps: list[Lamp]
    visits: list[Visit]
    plan: FaultPlan | None
    oddity: str | None
    is_foreseeable: bool


@dataclass(frozen=True)
class Fleet:
    """A simulated fleet in memory; everything it sent was received in [start, end)."""

    vehicles: tuple[SimulatedVehicle, ...]
    start: datetime
    end: datetime

    @property
    def enrolments(self) -> list[Enrolment]:
        return [vehicle.enrolment for vehicle in self.vehicles]

    @property
    def n_readings(self) -> int:
        return sum(len(vehicle.readings.ts_ms) for vehicle in self.vehicles)

    @cached_property
    def truth(self) -> Truth:
        return truth_of(self.vehicles, self.start, (self.end - self.start).days)


def simulate_fleet(
    *,
    vehicles: int,
    days: int,
    seed: int,
    end: datetime,
    faulty_share: float = 0.3,
    sampling: Sampling | None = None,
    modes: Sequence[Mode] = DEAL,
    processes: int = 1,
    on_progress: Callable[[int], None] | None = None,
) -> Fleet:
    """Simulate a fleet that fits into memory, until ``end`` (aware); see FleetPlan and ``each_task``.

    Raises : ValueError, when there is nothing to simulate
    """
    plan = FleetPlan(vehicles, days, seed, end, faulty_share, sampling or Sampling(), tuple(modes))
    simulated: dict[int, SimulatedVehicle] = {}
    for cars in each_task(plan, _all_observed, processes=processes):
        simulated.update(cars)
        if on_progress is not None:
            on_progress(len(simulated))
    return Fleet(tuple(simulated[number] for number in range(vehicles)), plan.start, plan.end.astimezone(UTC))


def observed(plan: FleetPlan, block: Block, numbers: Sequence[int]) -> dict[int, SimulatedVehicle]:
    """Return the cars of a block by their number in the fleet."""
    readings = observe(block, start=plan.start, days=plan.days)
    return {
        number: SimulatedVehicle(
            draw.enrolment,
            sent,
            life.lamps,
            visits_of(block, car, plan.start, plan.days),
            life.plan,
            draw.oddity,
            life.is_foreseeable,
        )
        for car, (number, draw, sent, life) in enumerate(zip(numbers, block.draws, readings, block.lives, strict=True))
    }


def _all_observed(plan: FleetPlan, blocks: "Blocks") -> dict[int, SimulatedVehicle]:
    return {number: car for block, numbers in blocks for number, car in observed(plan, block, numbers).items()}


Blocks = Iterator[tuple[Block, Sequence[int]]]
_Task = Sequence[Sequence[tuple[int, CarDraw]]]


def each_task(
    plan: FleetPlan, work: Callable[[FleetPlan, Blocks], T], *, processes: int | None = None, car_days: int = 0
) -> Iterator[T]:
    """Yield what ``work`` makes of the fleet, some blocks at a time, in a fixed order.

    work      : a function of a module, called in a process of its own with blocks and the numbers of their cars
    processes : None is one for each processor; 1 stays in this one
    car_days  : a task is at least this much, unless the fleet is smaller
    """
    tasks = [(plan, part, work) for part in _tasks(_blocks(plan), plan.days, car_days)]
    yield from each_in_order(_run, tasks, processes=processes)


def _run(task: tuple[FleetPlan, _Task, Callable[[FleetPlan, Blocks], T]]) -> T:
    plan, blocks, work = task
    return work(plan, _lived(plan, blocks))


def _lived(plan: FleetPlan, blocks: _Task) -> Blocks:
    for cars in blocks:
        climates = {
            name: Climate(city, start=plan.start, days=plan.days + BEYOND_D, seed=plan.seed)
            for name, city in {draw.person.city.name: draw.person.city for _, draw in cars}.items()
        }
        draws = tuple(draw for _, draw in cars)
        block = run_block(draws, climates, start=plan.start, days=plan.days, sampling=plan.sampling)
        yield block, [number for number, _ in cars]


def _blocks(plan: FleetPlan) -> list[list[tuple[int, CarDraw]]]:
    """Return the cars by blocks of one model each; which of them break is not to be told from their order."""
    size = max(1, min(_MOST_IN_BLOCK, _BLOCK_CAR_DAYS // plan.days))

    def kind(car: tuple[int, CarDraw]) -> str:
        return car[1].model.name

    cars = sorted(enumerate(draw_cars(plan)), key=lambda car: (kind(car), car[0]))
    blocks = []
    for _, same in groupby(cars, key=kind):
        some = list(same)
        blocks += [some[begin : begin + size] for begin in range(0, len(some), size)]
    return blocks


def _tasks(blocks: _Task, days: int, car_days: int) -> Iterator[_Task]:
    some: list[Sequence[tuple[int, CarDraw]]] = []
    for block in blocks:
        some.append(block)
        if sum(map(len, some)) * days >= car_days:
            yield some
            some = []
    if some:
        yield some


def draw_cars(plan: FleetPlan) -> list[CarDraw]:
    """Return every car of the fleet before it lives."""
    rng = np.random.default_rng((plan.seed, 0))
    faulty = rng.permutation(plan.vehicles)[: round(plan.vehicles * plan.faulty_share)]
    modes: dict[int, tuple[Mode, int]] = {}
    dealt: dict[Mode, int] = {}
    for number, mode in zip(faulty.tolist(), deal_modes(len(faulty), plan.modes), strict=True):
        # Lamps are spread over time fault by fault: a small fleet has some to learn and some to predict.
        modes[number] = (mode, dealt.get(mode, 0))
        dealt[mode] = dealt.get(mode, 0) + 1
    return [_draw_car(number, plan, modes.get(number)) for number in range(plan.vehicles)]


def _draw_car(number: int, plan: FleetPlan, fault: tuple[Mode, int] | None) -> CarDraw:
    seed = (plan.seed, 1, number)
    rng = np.random.default_rng(seed)
    person = draw_person(rng, number=number)
    model = draw_model(rng)
    fault_plan = None
    oddity: str | None = None
    if fault is not None:
        mode, nth = fault
        while not can_have(model, mode):
            model = draw_model(rng)
        fault_plan = draw_plan(mode, model, days=plan.days, nth=nth, rng=rng)
    elif rng.random() < _ODD_SHARE:
        oddity = str(rng.choice([odd for odd in ODDITIES if can_be(model, odd)]))
    return CarDraw(_enrolment(number, plan.name, model, person), model, person, fault_plan, oddity, seed)


def _enrolment(number: int, fleet: str, model: CarModel, person: Person) -> Enrolment:
    purposes: set[Purpose] = {"care", "safety", "marketing"} if person.wants_marketing else {"care", "safety"}
    return Enrolment(
        vin=vin(model, number=number, fleet=fleet),
        model=model.name,
        powertrain=model.powertrain,
        chemistry=model.chemistry,
        cells=model.cells or None,
        city=person.city.name,
        owner_name=person.name,
        language="en" if person.language == "en" else "zh_CN",
        phone=person.phone,
        home_latitude=person.home_latitude,
        home_longitude=person.home_longitude,
        purposes=frozenset(purposes),
        replayed=False,
    )


def vehicles_frame(enrolments: Sequence[Enrolment]) -> pd.DataFrame:
    """Return vin, model, powertrain, chemistry, cells, city: what may be known of cars by everybody."""
    columns = ("vin", "model", "powertrain", "chemistry", "cells", "city")
    frame = pd.DataFrame([[getattr(car, name) for name in columns] for car in enrolments], columns=list(columns))
    return frame.astype({"cells": "Int16"})
