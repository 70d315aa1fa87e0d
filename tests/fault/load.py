"""Telemetry as a benchmark of time series shapes it (TSBS, use case IoT): gaps, samples out of order, batches late."""

import random
import time
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from ingest import topics

SOC = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"
CELLS = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"

SAMPLES_A_MESSAGE = 10
MISSING = 0.10
OUT_OF_ORDER = 0.30
LATE = 0.05
YEAR_MS = 365 * 86_400_000
_DAY_MS = 86_400_000
# A sample out of order comes up to this many samples after its turn, a late batch this many batches.
_MOST_OUT_OF_ORDER = 30
_MOST_LATE = 200


class Key(NamedTuple):
    """What makes a reading itself and no other."""

    vin: str
    ts_ms: int
    seq: int


class Batch(NamedTuple):
    """One message and what it says: the state of charge under every key, and which keys carry cells."""

    topic: str
    payload: bytes
    soc_pct: dict[Key, float]
    with_cells: frozenset[Key]


def vin_of(car: int) -> str:
    return f"LFWF{car:013d}"


def fleet_load(
    messages: int,
    *,
    cars: int = 50,
    seed: int = 20_260,
    year_ahead: Collection[int] = (),
    samples_a_message: int = SAMPLES_A_MESSAGE,
) -> list[Batch]:
    """Return at least ``messages`` messages in the order in which they are published.

    Two samples of a car share an instant and differ in ``seq``. The same arguments give the same load on one day.
    year_ahead : cars whose clock is a year ahead
    """
    chance = random.Random(seed)
    # Yesterday, so that nothing but the cars of ``year_ahead`` is ahead of the clock.
    start_ms = (int(time.time() * 1000) // _DAY_MS - 1) * _DAY_MS
    per_car = int(messages * samples_a_message / cars / (1 - MISSING)) + 2 * samples_a_message
    batches: list[tuple[float, Batch]] = []
    for car in range(cars):
        offset_ms = start_ms + (YEAR_MS if car in year_ahead else 0)
        turns = []
        for number in range(per_car):
            if chance.random() < MISSING:
                continue
            delayed = chance.random() < OUT_OF_ORDER
            turns.append((number + chance.uniform(1, _MOST_OUT_OF_ORDER) * delayed, number))
        numbers = [number for _, number in sorted(turns)]
        for begin in range(0, len(numbers), samples_a_message):
            late = chance.uniform(1, _MOST_LATE) * (chance.random() < LATE)
            turn = begin / samples_a_message * cars + car + late
            batches.append((turn, _batch(car, numbers[begin : begin + samples_a_message], offset_ms)))
    return [batch for _, batch in sorted(batches, key=lambda entry: entry[0])]


def _batch(car: int, numbers: list[int], offset_ms: int) -> Batch:
    samples, soc_pct, with_cells = [], {}, set()
    for number in numbers:
        key = Key(vin_of(car), offset_ms + number // 2 * 1000, number % 2)
        soc_pct[key] = (number * 7 + car * 13) % 1001 / 10
        signals: dict[str, object] = {
            SOC: soc_pct[key],
            "Vehicle.Speed": number % 120,
            "Vehicle.TraveledDistance": 1000 + number / 10,
            "Vehicle.Exterior.AirTemperature": 20.5,
            "Vehicle.LowVoltageBattery.CurrentVoltage": 13.75,
            "Vehicle.Powertrain.TractionBattery.CurrentVoltage": 380.5,
            "Vehicle.Powertrain.TractionBattery.CurrentCurrent": -12.25,
        }
        if number % 10 == 0:
            signals[CELLS] = [3.7, 3.71, 3.69, 3.7]
            with_cells.add(key)
        samples.append({"ts": key.ts_ms, "seq": key.seq, "signals": signals})
    return Batch(
        topics.telemetry(vin_of(car)), msgspec.json.encode({"samples": samples}), soc_pct, frozenset(with_cells)
    )
