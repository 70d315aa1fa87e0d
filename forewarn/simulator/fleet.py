"""Draws a fleet: which cars, whose, and what is going to break."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
import pandas as pd

from forewarn.simulator.car import ODDITIES, CarDraw, Lamp, simulate_car
from forewarn.simulator.car_models import CarModel, draw_model, vin
from forewarn.simulator.climate import Climate
from forewarn.simulator.faults import BEYOND_D, FaultPlan, Mode, can_have, deal_modes, draw_plan
from forewarn.simulator.people import Person, draw_person
from forewarn.simulator.readings import Readings
from forewarn.simulator.truth import truth_of
from ingest.store.enrolment import Enrolment

_ODD_SHARE = 0.5


@dataclass(frozen=True)
class SimulatedVehicle:
    """One car: who it is, what it sent, its lamps, and (for scoring only) what was wrong and what merely looked so."""

    enrolment: Enrolment
    readings: Readings
    lamps: list[Lamp]
    plan: FaultPlan | None
    oddity: str | None


@dataclass(frozen=True)
class Fleet:
    """A simulated fleet; everything it sent was received in [start, end)."""

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
    def truth(self) -> pd.DataFrame:
        return truth_of(self.vehicles, self.start)


def simulate_fleet(
    *,
    vehicles: int,
    days: int,
    seed: int,
    end: datetime,
    faulty_share: float = 0.3,
    step_s: float = 90.0,
    on_progress: Callable[[int], None] | None = None,
) -> Fleet:
    """Simulate a fleet until ``end`` (aware); the same arguments give the same fleet, to the byte.

    faulty_share : share of cars that something breaks in; half of their lamps come on before ``end``, half after
    step_s       : seconds between reports of a car that drives
    on_progress  : is told how many cars are done
    Raises       : ValueError, when there is nothing to simulate
    """
    if vehicles < 1 or days < 1 or not 0 <= faulty_share <= 1 or step_s < 1:
        raise ValueError("a fleet has at least one vehicle and one day, a share of faulty cars in 0..1, a step >= 1 s")
    end = end.astimezone(UTC).replace(microsecond=0)
    start = end - timedelta(days=days)
    climates: dict[str, Climate] = {}
    simulated = []
    for number, draw in enumerate(_draw(vehicles, days, seed, faulty_share)):
        city = draw.person.city
        climate = climates.get(city.name)
        if climate is None:
            climate = climates[city.name] = Climate(city, start=start, days=days + BEYOND_D, seed=seed)
        life = simulate_car(draw, climate, start=start, days=days, step_s=step_s)
        simulated.append(SimulatedVehicle(draw.enrolment, life.readings, life.lamps, life.plan, draw.oddity))
        if on_progress is not None:
            on_progress(number + 1)
    return Fleet(tuple(simulated), start, end)


def _draw(vehicles: int, days: int, seed: int, faulty_share: float) -> list[CarDraw]:
    root = np.random.SeedSequence(seed)
    fleet_seed, *car_seeds = root.spawn(vehicles + 1)
    rng = np.random.default_rng(fleet_seed)
    faulty = rng.permutation(vehicles)[: round(vehicles * faulty_share)]
    modes: dict[int, tuple[Mode, bool]] = {}
    dealt: dict[Mode, int] = {}
    for number, mode in zip(faulty.tolist(), deal_modes(len(faulty)), strict=True):
        # By turns before and after the end, counted per fault: a small fleet has lamps to learn and lamps to predict.
        dealt[mode] = dealt.get(mode, 0) + 1
        modes[number] = (mode, dealt[mode] % 2 == 1)
    draws = []
    for number in range(vehicles):
        # Two streams: what the car is, and how it lives.
        draw_seed, life_seed = car_seeds[number].spawn(2)
        car_rng = np.random.default_rng(draw_seed)
        draws.append(_draw_car(number, seed, days, modes.get(number), car_rng, life_seed))
    return draws


def _draw_car(
    number: int,
    seed: int,
    days: int,
    fault: tuple[Mode, bool] | None,
    rng: np.random.Generator,
    life_seed: np.random.SeedSequence,
) -> CarDraw:
    person = draw_person(rng, number=number)
    model = draw_model(rng)
    plan = None
    oddity: str | None = None
    if fault is not None:
        mode, before = fault
        while not can_have(model, mode):
            model = draw_model(rng)
        plan = draw_plan(mode, model, days=days, lamp_before_end=before, rng=rng)
    elif rng.random() < _ODD_SHARE:
        oddity = str(rng.choice([o for o in ODDITIES if model.has_pack or not o.endswith("cell")]))
    return CarDraw(_enrolment(number, seed, model, person), model, person, plan, oddity, life_seed)


def _enrolment(number: int, seed: int, model: CarModel, person: Person) -> Enrolment:
    purposes = {"care", "safety", "marketing"} if person.wants_marketing else {"care", "safety"}
    return Enrolment(
        vin=vin(model, number=number, seed=seed),
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
        purposes=frozenset(purposes),  # type: ignore[arg-type]
        replayed=False,
    )
