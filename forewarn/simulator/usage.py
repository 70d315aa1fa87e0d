"""How a car is used: drives, charges and stands, one after the other without a gap."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.car_models import CarModel
from forewarn.simulator.charge_curve import charging_hours
from forewarn.simulator.habits import Habit
from forewarn.simulator.time import CHINA_OFFSET_S, DAY_S


class Kind(IntEnum):
    """What a car does during a segment."""

    PARKED = 0
    DRIVE = 1
    AC = 2
    DC = 3


@dataclass(frozen=True)
class Segments:
    """What the cars of a block do, one car after the other; arrays of one length.

    car                : number of the car in its block
    start_s, end_s     : seconds since the fleet began
    kind               : Kind
    speed_kmh          : mean of a drive
    distance_km        : of a drive
    soc_start, soc_end : charge of the pack, share
    charger_kw         : what the charger gives, 0 where there is none
    """

    car: NDArray[np.int64]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    kind: NDArray[np.int64]
    speed_kmh: NDArray[np.float64]
    distance_km: NDArray[np.float64]
    soc_start: NDArray[np.float64]
    soc_end: NDArray[np.float64]
    charger_kw: NDArray[np.float64]

    @property
    def hours(self) -> NDArray[np.float64]:
        return (self.end_s - self.start_s) / 3600

    @property
    def first_of_car(self) -> NDArray[np.bool_]:
        first: NDArray[np.bool_] = np.diff(self.car, prepend=-1) != 0
        return first


# A plug-in hybrid starts its engine at this charge; a driver looks for a fast charger before that of an electric car.
HYBRID_FLOOR = 0.18
_HYBRID_GAIN_PER_H = 0.15
_RESERVE = 0.13
_LEAST_LEFT = 0.05
# One owner's drives: through the town one day, along a motorway the next.
_ROADS_DIFFER = 0.24
_DC_KW = (60.0, 90.0, 120.0)
# Recorded sessions at fast chargers end at 83 % in the median, a quarter of them beyond 93 %.
_DC_TO = (0.7, 1.0)
_MOST_C = 1.5  # no pack takes more than this multiple of what it holds
# A public charger is given back when the car is full, which takes the owner some minutes to see.
_LEAVES_S = 900
# A pack that stands loses a thousandth of its charge a day to the car's own electronics.
_STANDBY_PER_S = 0.001 / DAY_S
# Electronics on top of what moves the car, and heating and cooling by degrees below and above what is pleasant.
_AUXILIARY_KW = 0.35
_HEATING_KW_PER_C = 0.11
_COOLING_KW_PER_C = 0.07


def auxiliary_kw(air_c: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what electronics, heating and cooling take from an electric car's pack."""
    colder, warmer = np.clip(17.0 - air_c, 0, 35), np.clip(air_c - 24.0, 0, 20)
    result: NDArray[np.float64] = _AUXILIARY_KW + _HEATING_KW_PER_C * colder + _COOLING_KW_PER_C * warmer
    return result


class _Diary:
    """Collects one car's segments in time order."""

    def __init__(self, soc: float) -> None:
        self.rows: list[tuple[float, float, int, float, float, float, float, float]] = []
        self.now_s = 0.0
        self.soc = soc

    def add(
        self,
        kind: Kind,
        until_s: float,
        *,
        soc: float | None = None,
        speed: float = 0.0,
        km: float = 0.0,
        kw: float = 0,
    ) -> None:
        if until_s <= self.now_s:
            return
        after = self.soc if soc is None else soc
        if kind is Kind.PARKED and self.soc > 0:
            after = max(0.02, self.soc - _STANDBY_PER_S * (until_s - self.now_s))
        self.rows.append((self.now_s, until_s, int(kind), speed, km, self.soc, after, kw))
        self.now_s, self.soc = until_s, after


def live(
    model: CarModel,
    habit: Habit,
    *,
    start: datetime,
    days: int,
    day_mean_c: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return what a car does in ``days`` days from ``start``.

    day_mean_c : (at least days + 1,) mean air temperature of each day
    Returns    : (n_segments, 8) the fields of Segments without the car
    """
    diary = _Diary(float(rng.uniform(0.5, 0.95)) if model.has_pack else 0.0)
    burden_kw = auxiliary_kw(day_mean_c).tolist()
    for depart_s, minutes in _departures(habit, start, days, rng):
        if depart_s < diary.now_s + 600 or depart_s + minutes * 60 > days * DAY_S:
            continue
        speed = float(np.clip(habit.speed_kmh * rng.lognormal(0.0, _ROADS_DIFFER), 8, 75))
        km = speed * minutes / 60
        needed = 0.0
        if model.has_pack:
            moving = model.kwh_per_100km * (0.9 + 0.1 * habit.style) * km / 100
            needed = (moving + burden_kw[int(depart_s // DAY_S)] * minutes / 60) / model.pack_kwh
        _stand_and_charge(diary, model, habit, depart_s, needed, rng)
        left = diary.soc - needed
        if model.powertrain == "phev":
            # The engine keeps the charge at the floor, and brings it back there after long standing.
            left = max(left, min(HYBRID_FLOOR, diary.soc + _HYBRID_GAIN_PER_H * minutes / 60))
        elif model.powertrain == "bev" and left < _LEAST_LEFT:
            continue
        diary.add(Kind.DRIVE, round(depart_s + minutes * 60), soc=left, speed=speed, km=km)
    diary.add(Kind.PARKED, days * DAY_S)
    return np.array(diary.rows, dtype=np.float64)


def joined(lives: list[NDArray[np.float64]]) -> Segments:
    """Return the segments of a block; ``lives`` are what ``live`` returned of each of its cars."""
    car = np.repeat(np.arange(len(lives)), [len(rows) for rows in lives])
    begins, ends, kind, speeds, km, before, after, kw = np.concatenate(lives).T
    return Segments(car, begins, ends, kind.astype(np.int64), speeds, km, before, after, kw)


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
        hours = _hours(habit, workday=(weekday + day) % 7 < 5, rng=rng)
        minutes = habit.trip_min * rng.lognormal(0, 0.22, len(hours))
        trips += [(base + h * 3600, m) for h, m in zip(hours, minutes.tolist(), strict=True)]
    return sorted((round(s), m) for s, m in trips if s > 0)


def _hours(habit: Habit, *, workday: bool, rng: np.random.Generator) -> list[float]:
    if habit.driver == "taxi":
        # The gap to the next departure is what decides whether a fare fits in.
        fares: list[float] = rng.uniform(6.5, 23.0, rng.poisson(habit.trips[0 if workday else 1])).tolist()
        return fares
    if habit.driver == "commuter" and workday:
        hours = [rng.normal(habit.depart_h, 0.35), rng.normal(habit.return_h, 0.6)]
        return [*hours, rng.normal(20.5, 0.4)] if rng.random() < habit.trips[0] - 2 else hours
    free: list[float] = rng.uniform(9, 21, rng.poisson(habit.trips[0 if workday else 1])).tolist()
    return free


def _stand_and_charge(
    diary: _Diary, model: CarModel, habit: Habit, until_s: float, needed: float, rng: np.random.Generator
) -> None:
    """Fill the time until the next departure with standing, and with charging when the owner would."""
    free_s = until_s - diary.now_s
    wants = habit.charger_kw > 0 and diary.soc < habit.charge_at and free_s > 5 * 3600
    if model.has_pack and wants:
        plugged_s = round(diary.now_s + rng.uniform(300, 5400))
        _charge(diary, model, Kind.AC, plugged_s, until_s - _LEAVES_S, habit.charger_kw, habit.charge_to)
    elif model.powertrain == "bev" and diary.soc - needed < _RESERVE + 0.1 * (habit.charger_kw == 0):
        kw, to = min(float(rng.choice(_DC_KW)), _MOST_C * model.pack_kwh), float(rng.uniform(*_DC_TO))
        hours = charging_hours(model.pack_kwh, kw, diary.soc, to, fast=True)
        begins = until_s - hours * 3600 - _LEAVES_S
        if begins > diary.now_s + 300:
            _charge(diary, model, Kind.DC, round(begins), until_s - 300, kw, to)
    diary.add(Kind.PARKED, until_s)


def _charge(diary: _Diary, model: CarModel, kind: Kind, begins_s: float, latest_s: float, kw: float, to: float) -> None:
    """Stand until ``begins_s``, then charge until the pack is as full as wanted or the car is needed."""
    diary.add(Kind.PARKED, begins_s)
    hours = charging_hours(model.pack_kwh, kw, diary.soc, to, fast=kind is Kind.DC)
    full_s = begins_s + hours * 3600
    if hours <= 0 or latest_s <= begins_s:
        return
    if full_s > latest_s:
        # Not full: as far as it came by then.
        low, high = diary.soc, to
        for _ in range(24):
            middle = (low + high) / 2
            fits = (
                charging_hours(model.pack_kwh, kw, diary.soc, middle, fast=kind is Kind.DC) * 3600
                <= latest_s - begins_s
            )
            low, high = (middle, high) if fits else (low, middle)
        full_s, to = latest_s, low
    diary.add(kind, round(full_s), soc=to, kw=kw)
