"""How a car is used: drives, charges and stands, one after the other without a gap."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.car_models import CarModel
from forewarn.simulator.climate import CHINA_OFFSET_S
from forewarn.simulator.faults import DAY_S


class Kind(IntEnum):
    """What a car does during a segment."""

    PARKED = 0
    DRIVE = 1
    AC = 2
    DC = 3


@dataclass(frozen=True)
class Habit:
    """How an owner uses a car. Hours are local; shares are of the pack's charge."""

    depart_h: float
    return_h: float
    trip_min: float
    speed_kmh: float
    weekend_trips: float
    charge_at: float
    charge_to: float
    charger_kw: float
    idle_days: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Segments:
    """A car's life, arrays of one length: seconds since the start, Kind, km/h, km, state of charge 0..1."""

    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    kind: NDArray[np.int64]
    speed_kmh: NDArray[np.float64]
    distance_km: NDArray[np.float64]
    soc_start: NDArray[np.float64]
    soc_end: NDArray[np.float64]

    @property
    def hours(self) -> NDArray[np.float64]:
        return (self.end_s - self.start_s) / 3600


# A plug-in hybrid starts its engine at this charge; a driver looks for a fast charger before that of an electric car.
_HYBRID_FLOOR = 0.18
_RESERVE = 0.13
_DC_KW = 70.0
_DC_TO = 0.82
_AUXILIARY = 1.08  # heating, cooling and electronics on top of what moves the car


def draw_habit(rng: np.random.Generator, *, days: int, short_trips: bool = False, long_idle: bool = False) -> Habit:
    idle = (0, 0)
    if long_idle and days > 12:
        first = int(rng.integers(4, days - 8))
        idle = (first, first + int(rng.integers(6, 13)))
    return Habit(
        depart_h=rng.normal(7.8, 0.5),
        return_h=rng.normal(18.2, 0.8),
        trip_min=rng.uniform(6, 10) if short_trips else float(np.clip(rng.lognormal(3.35, 0.35), 14, 75)),
        speed_kmh=rng.uniform(24, 52),
        weekend_trips=rng.uniform(0.4, 2.2),
        charge_at=rng.uniform(0.3, 0.65),
        charge_to=rng.choice((0.8, 0.9, 1.0), p=(0.25, 0.35, 0.4)),
        charger_kw=rng.choice((3.3, 7.0, 11.0), p=(0.3, 0.6, 0.1)),
        idle_days=idle,
    )


class _Diary:
    """Collects segments in time order."""

    def __init__(self, soc: float) -> None:
        self.rows: list[tuple[float, float, int, float, float, float, float]] = []
        self.now_s = 0.0
        self.soc = soc

    def add(self, kind: Kind, until_s: float, *, soc: float | None = None, speed: float = 0.0, km: float = 0.0) -> None:
        if until_s <= self.now_s:
            return
        after = self.soc if soc is None else soc
        self.rows.append((self.now_s, until_s, int(kind), speed, km, self.soc, after))
        self.now_s, self.soc = until_s, after


def live(model: CarModel, habit: Habit, *, start: datetime, days: int, rng: np.random.Generator) -> Segments:
    """Return what a car does in ``days`` days from ``start``."""
    diary = _Diary(float(rng.uniform(0.5, 0.95)) if model.has_pack else 0.0)
    pack_kwh = model.cells * 3.65 * model.capacity_ah / 1000
    for depart_s, minutes in _departures(habit, start, days, rng):
        if depart_s < diary.now_s + 600 or depart_s + minutes * 60 > days * DAY_S:
            continue
        speed = float(np.clip(rng.normal(habit.speed_kmh, 6), 12, 110))
        km = speed * minutes / 60
        needed = km * model.kwh_per_100km * _AUXILIARY / 100 / pack_kwh if model.has_pack else 0.0
        _stand_and_charge(diary, model, habit, pack_kwh, depart_s, needed, rng)
        left = diary.soc - needed
        if model.powertrain == "phev":
            left = max(left, min(diary.soc, _HYBRID_FLOOR))
        elif model.powertrain == "bev" and left < 0.05:
            continue
        diary.add(Kind.DRIVE, depart_s + minutes * 60, soc=left, speed=speed, km=km)
    diary.add(Kind.PARKED, days * DAY_S)
    begins, ends, kind, speeds, km, before, after = np.array(diary.rows, dtype=np.float64).T
    return Segments(begins, ends, kind.astype(np.int64), speeds, km, before, after)


def _departures(habit: Habit, start: datetime, days: int, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Return departures as (seconds, minutes under way), in time order."""
    # Local midnight of the first day lies before the start.
    midnight_s = -((start.hour * 3600 + start.minute * 60 + start.second + CHINA_OFFSET_S) % DAY_S)
    weekday = start.weekday()
    trips: list[tuple[float, float]] = []
    for day in range(days + 1):
        if habit.idle_days[0] <= day < habit.idle_days[1]:
            continue
        base = midnight_s + day * DAY_S
        if (weekday + day) % 7 < 5:
            hours = [rng.normal(habit.depart_h, 0.35), rng.normal(habit.return_h, 0.6)]
            if rng.random() < 0.18:
                hours.append(rng.normal(20.5, 0.4))
        else:
            hours = list(rng.uniform(9, 21, rng.poisson(habit.weekend_trips)))
        trips += [(base + h * 3600, float(habit.trip_min * rng.lognormal(0, 0.22))) for h in hours]
    return sorted((round(s), m) for s, m in trips if s > 0)


def _stand_and_charge(
    diary: _Diary, model: CarModel, habit: Habit, kwh: float, until_s: float, needed: float, rng: np.random.Generator
) -> None:
    """Fill the time until the next departure with standing, and with charging when the owner would."""
    if model.has_pack and diary.soc < habit.charge_at and until_s - diary.now_s > 5 * 3600:
        plugged_s = diary.now_s + rng.uniform(300, 5400)
        full_s = plugged_s + (habit.charge_to - diary.soc) * kwh / habit.charger_kw * 3600
        stop_s = min(full_s, until_s - 900)
        gained = (stop_s - plugged_s) / 3600 * habit.charger_kw / kwh
        diary.add(Kind.PARKED, round(plugged_s))
        diary.add(Kind.AC, round(stop_s), soc=min(diary.soc + gained, 1.0))
    elif model.powertrain == "bev" and diary.soc - needed < _RESERVE:
        hours = (_DC_TO - diary.soc) * kwh / _DC_KW
        if until_s - diary.now_s > hours * 3600 + 900:
            diary.add(Kind.PARKED, round(until_s - hours * 3600 - 600))
            diary.add(Kind.DC, round(until_s - 600), soc=_DC_TO)
    diary.add(Kind.PARKED, until_s)
