"""Everything that is decided about a car before it lives."""

from dataclasses import dataclass

import numpy as np

from forewarn.simulator.brakes import Brakes, draw_brakes
from forewarn.simulator.car_models import CarModel
from forewarn.simulator.cells import Pack, draw_pack
from forewarn.simulator.drive_unit import DriveUnit, draw_drive_unit
from forewarn.simulator.engine import Engine, draw_engine
from forewarn.simulator.faults import FaultPlan
from forewarn.simulator.habits import Habit, draw_habit
from forewarn.simulator.insulation import draw_insulation_kohm
from forewarn.simulator.lv_battery import LvBattery, draw_lv_battery
from forewarn.simulator.people import Person
from forewarn.simulator.streams import Streams
from forewarn.simulator.tyres import Tyres, draw_tyres
from forewarn.simulator.warning_level import Habit as AlarmHabit
from forewarn.simulator.warning_level import draw_alarm_habit
from ingest.store.enrolment import Enrolment

# What makes a healthy car look odd.
ODDITIES = (
    "weak_cell",
    "recovering_cell",
    "old_pack",
    "old_lv",
    "drained_lv",
    "old_engine",
    "short_trips",
    "long_idle",
    "fast_charging_taxi",
)
_NEEDS_PACK = ("weak_cell", "recovering_cell", "old_pack")


@dataclass(frozen=True)
class CarDraw:
    """One car and its owner. ``oddity`` is one of ODDITIES or None; ``seed`` is that of all it draws while it lives."""

    enrolment: Enrolment
    model: CarModel
    person: Person
    plan: FaultPlan | None
    oddity: str | None
    seed: tuple[int, ...]


@dataclass(frozen=True)
class Parts:
    """What a car is made of. pack, engine and drive unit are those of another car where the model has none."""

    habit: Habit
    pack: Pack
    lv_battery: LvBattery
    tyres: Tyres
    brakes: Brakes
    engine: Engine
    drive_unit: DriveUnit
    insulation_kohm: float
    alarm_habit: AlarmHabit
    odometer_km: float


def can_be(model: CarModel, oddity: str) -> bool:
    """Return whether a car of the model may be odd in this way."""
    if oddity == "fast_charging_taxi":
        return model.powertrain == "bev"
    if oddity == "old_engine":
        return model.has_engine
    return model.has_pack or oddity not in _NEEDS_PACK


def draw_parts(draw: CarDraw, *, car: int, days: int, streams: Streams) -> Parts:
    """Return what the car, number ``car`` of its block, is made of; the same car always gets the same."""
    odd = draw.oddity
    model = draw.model

    def rng(purpose: str) -> np.random.Generator:
        return streams.of(car, f"draw {purpose}")

    habit = draw_habit(
        rng("habit"),
        days=days,
        driver="taxi" if odd == "fast_charging_taxi" else None,
        short_trips=odd == "short_trips",
        idle=odd == "long_idle",
    )
    return Parts(
        habit=habit,
        pack=draw_pack(
            model,
            rng("pack"),
            old=odd == "old_pack",
            weak_cell=odd == "weak_cell",
            recovering=odd == "recovering_cell",
        ),
        lv_battery=draw_lv_battery(model, rng("lv"), old=odd == "old_lv", drained=odd == "drained_lv"),
        tyres=draw_tyres(model, rng("tyres")),
        brakes=draw_brakes(rng("brakes")),
        engine=draw_engine(rng("engine"), old=odd == "old_engine"),
        drive_unit=draw_drive_unit(rng("drive unit")),
        insulation_kohm=draw_insulation_kohm(rng("insulation")),
        alarm_habit=draw_alarm_habit(rng("alarm")),
        odometer_km=float(rng("odometer").uniform(2000, 90000)) * (2.5 if habit.driver == "taxi" else 1.0),
    )
