"""A fleet straight into the store, for training: hourly and daily rollups of all cars, every reading of a few.

The back door of ``ingest.store.given``: no broker, no gate, no dead letters. The events of all cars and the readings of
the few are written as a worker of ingest writes them; their rollups are then made by SQL like anybody's.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg

from config import sql
from config.errors import UserMistake
from config.settings import Settings
from config.signals import catalogue
from forewarn.direct import DirectWriter
from forewarn.simulator.files import combined, prepare_truth, write_truth
from forewarn.simulator.fleet import Blocks, FleetPlan, SimulatedVehicle, draw_cars, each_task, observed
from forewarn.simulator.messages import LampEvent, in_order, lamp_events
from forewarn.simulator.rollups import roll_up
from forewarn.simulator.truth import Truth, truth_of
from ingest.history import judge_changed_days
from ingest.store.connection import connect
from ingest.store.day_sums import note_changed
from ingest.store.enrolment import enrol
from ingest.store.given import Rollups, copy_rollups, encode_rollups
from ingest.store.timeseries.detect import engine_of

# Cars that come back from a process together: some 30 MB of encoded rollups.
_TASK_CAR_DAYS = 1500


class FleetIsThere(UserMistake):
    """The store has something of a fleet's cars already."""


@dataclass(frozen=True)
class Stored:
    """What was put into the store. ``readings`` were simulated, ``raw_readings`` of them are stored as they are."""

    vehicles: int
    readings: int
    events: int
    hours: int
    days: int
    raw_vehicles: int
    raw_readings: int
    checksum: str

    @property
    def in_words(self) -> str:
        return (
            f"{self.hours:,} hourly and {self.days:,} daily rollups; {self.raw_readings:,} readings of "
            f"{self.raw_vehicles} cars stored one by one"
        )


def store_fleet(
    plan: FleetPlan,
    settings: Settings,
    *,
    raw: int,
    truth: Path,
    replace: bool = False,
    processes: int | None = None,
    on_progress: Callable[[int], None] | None = None,
    say: Callable[[str], None],
) -> Stored:
    """Simulate a fleet into the database that the settings name, which gets its rollups all at once or not at all.

    raw     : cars whose every reading is stored as well; half of them faulty ones, as far as there are
    truth   : the folder for what was really wrong
    replace : remove what the store has of these cars first
    Raises  : FleetIsThere, when it has something of them and they are not to be replaced
    """
    dsn = settings.database.dsn
    assert dsn is not None
    prepare_truth(truth)
    draws = draw_cars(plan)
    with connect(dsn, role="admin") as conn:
        ids = enrol(conn, [draw.enrolment for draw in draws], chosen_at=plan.start)
    chosen = _raw_cars([draw.plan is not None for draw in draws], raw)
    work = partial(_task, ids, chosen, settings.ingest.clock_ahead_s)
    parts: list[_Part] = []
    raw_readings = hours = days = done = 0
    with connect(dsn, role="admin") as conn, connect(dsn, role="ingest") as door:
        writer = DirectWriter(door, settings.ingest, name="simulate")
        _make_room(conn, list(ids.values()), replace=replace)
        for part in each_task(plan, work, processes=processes, car_days=_TASK_CAR_DAYS):
            hours += copy_rollups(conn, "hour", part.hours)
            days += copy_rollups(conn, "day", part.days)
            raw_readings += writer.write(in_order(part.raw, [])).stored
            parts.append(part.without_data())
            done += len(part.checksums)
            if on_progress is not None:
                on_progress(done)
        note_changed(conn, ids.values())
        # Readings and events of a fleet that failed on the way do no harm: they are duplicates the next time.
        writer.write(in_order([], [event for part in parts for event in part.events]))
        conn.commit()
    if raw_readings:
        say("Rolling up the cars whose readings are stored")
        _roll_up_raw(dsn, plan.end.date() - timedelta(days=settings.store.minute_days))
    write_truth(truth, [part.truth for part in parts])
    return Stored(
        vehicles=len(draws),
        readings=sum(part.readings for part in parts),
        events=sum(len(part.events) for part in parts),
        hours=hours,
        days=days,
        raw_vehicles=len(chosen),
        raw_readings=raw_readings,
        checksum=combined({number: checksum for part in parts for number, checksum in part.checksums.items()}),
    )


def _make_room(conn: psycopg.Connection[Any], vehicle_ids: list[int], *, replace: bool) -> None:
    """See that the store has nothing of these cars, in the caller's transaction but for what is replaced."""
    values = {"vehicle_ids": vehicle_ids}
    row = conn.execute(sql.load("forewarn", "any_of_cars"), values).fetchone()
    if row is None or not row[0]:
        return
    if not replace:
        raise FleetIsThere("this fleet is in the store already: add --replace to make it anew, or take another --seed")
    engine_of(conn).erase(conn, vehicle_ids)
    for statement in ("erase_events_of_cars", "erase_states_of_cars"):
        conn.execute(sql.load("forewarn", statement), values)
    # Readings of the cars are written over another connection, which would wait for this one.
    conn.commit()


def _raw_cars(faulty: list[bool], raw: int) -> frozenset[int]:
    ill = [number for number, is_faulty in enumerate(faulty) if is_faulty][: (raw + 1) // 2]
    well = [number for number, is_faulty in enumerate(faulty) if not is_faulty]
    return frozenset([*ill, *well[: raw - len(ill)]])


@dataclass(frozen=True)
class _Part:
    hours: list[bytes]
    days: list[bytes]
    raw: list[tuple[str, Any]]
    events: list[LampEvent]
    readings: int
    checksums: dict[int, str]
    truth: Truth

    def without_data(self) -> "_Part":
        return _Part([], [], [], self.events, self.readings, self.checksums, self.truth)


def _task(ids: Mapping[str, int], raw: frozenset[int], clock_ahead_s: int, plan: FleetPlan, blocks: Blocks) -> _Part:
    hours: list[bytes] = []
    days: list[bytes] = []
    kept: list[tuple[str, Any]] = []
    events: list[LampEvent] = []
    truths: list[Truth] = []
    checksums: dict[int, str] = {}
    readings = 0
    for block, numbers in blocks:
        cars = observed(plan, block, numbers)
        truths.append(truth_of(cars.values(), plan.start, plan.days))
        for number, car in cars.items():
            vin = car.enrolment.vin
            rollups = roll_up(car.readings, clock_ahead_s=clock_ahead_s)
            readings += len(car.readings.ts_ms)
            of_car = list(lamp_events(vin, car.lamps, plan.start, plan.end))
            events += of_car
            checksums[number] = _checksum(rollups, of_car, car)
            if number in raw:
                kept.append((vin, car.readings))
            else:
                hours.append(encode_rollups(rollups[0], vehicle_id=ids[vin]))
                days.append(encode_rollups(rollups[1], vehicle_id=ids[vin]))
    return _Part(hours, days, kept, events, readings, checksums, _joined(truths))


def _checksum(rollups: tuple[Rollups, ...], events: list[LampEvent], car: SimulatedVehicle) -> str:
    """Return a checksum of what one car puts into the store, whatever its number there, and of its truth."""
    digest = hashlib.blake2b(digest_size=16)
    for rows in rollups:
        for array in (
            rows.bucket_ms,
            rows.received_on,
            rows.regime,
            *(rows.columns[key] for key in sorted(rows.columns)),
        ):
            digest.update(np.ascontiguousarray(array).data)
    digest.update(repr((events, car.plan, car.oddity)).encode())
    return digest.hexdigest()


def _joined(truths: list[Truth]) -> Truth:
    return Truth(*(pd.concat(frames) for frames in zip(*truths, strict=True)))


def _roll_up_raw(dsn: str, minutes_from: date) -> None:
    with connect(dsn, role="ingest") as conn:
        judge_changed_days(conn)
    with connect(dsn, role="admin", autocommit=True) as owner:
        engine_of(owner).refresh(owner, catalogue(), minutes_from=minutes_from)
