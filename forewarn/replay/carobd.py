"""Trips of one petrol car through its diagnostic plug.

Rows carry no calendar date and end in a comma. The engine's own clock ticks every two seconds or so and stands still
over the rows between; they are spread evenly up to the next tick. (The data is announced as 1 Hz; the clock and the
minutes since trouble codes were cleared agree that about two rows came a second.)
"""

import csv
import hashlib
import io
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from config.errors import UserMistake
from forewarn.message import Message
from forewarn.replay.recording import Recording, check_times, pseudo_vin, telemetry_message
from forewarn.replay.source import Table, open_table
from ingest.store.enrolment import Enrolment

# Trips carry no date: this one is ours, so that a trip replayed twice is stored once.
DEFAULT_START = "2018-06-01T08:00:00-03:00"

# Thirty years: more is no clock of an engine.
_LONGEST_S = 1e9

# The first is how the files spell it.
_CLOCKS = ("ENGINE_RUN_TINE", "ENGINE_RUN_TIME")
_ENGINE = "Vehicle.Powertrain.CombustionEngine"
_SIGNALS = {
    "ENGINE_RPM": f"{_ENGINE}.Speed",
    "VEHICLE_SPEED": "Vehicle.Speed",
    "THROTTLE": f"{_ENGINE}.TPS",
    "ENGINE_LOAD": "Vehicle.OBD.EngineLoad",
    "COOLANT_TEMPERATURE": f"{_ENGINE}.EngineCoolant.Temperature",
    "LONG_TERM_FUEL_TRIM_BANK_1": "Vehicle.OBD.LongTermFuelTrim1",
    "SHORT_TERM_FUEL_TRIM_BANK_1": "Vehicle.OBD.ShortTermFuelTrim1",
    "INTAKE_MANIFOLD_PRESSURE": f"{_ENGINE}.MAP",
    "FUEL_TANK": "Vehicle.OBD.FuelLevel",
    "INTAKE_AIR_TEMP": "Vehicle.OBD.IntakeTemp",
    "TIMING_ADVANCE": "Vehicle.OBD.TimingAdvance",
    "CONTROL_MODULE_VOLTAGE": "Vehicle.LowVoltageBattery.CurrentVoltage",
}


def read(path: Path, *, trip: str | None = None, start: datetime | None = None, vin: str | None = None) -> Recording:
    """Read one trip.

    start  : when it began; by default DEFAULT_START plus one day per place of the trip in its archive, so that
             trips of the one car never overlap
    Raises : UserMistake, when the file is not such a recording
    """
    if start is not None and start.tzinfo is None:
        raise UserMistake(f"--start {start.isoformat()} has no time zone: add one, as in {DEFAULT_START}")
    table = open_table(path, name=trip)
    names, rows = _parse(path, table)
    clock = next((name for name in _CLOCKS if name in names), None)
    if clock is None or not any(name in _SIGNALS for name in names):
        raise UserMistake(f"{path} is not a carobd recording: it has no column {_CLOCKS[0]} or none that we know")
    if not rows:
        raise UserMistake(f"{path} holds no rows in {table.name}")
    notes: list[str] = []
    began = start or datetime.fromisoformat(DEFAULT_START) + timedelta(days=table.place)
    clock_s = [row[names.index(clock)] for row in rows]
    if any(abs(value) > _LONGEST_S for value in clock_s if value is not None):
        raise UserMistake(f"{path}: {clock} holds seconds that no engine ran: correct it in {table.name}")
    times = _spread(clock_s, int(began.timestamp() * 1000), notes)
    check_times(path, times, f"correct {clock}, or give another --start")
    blank = sum(value is None for row in rows for value in row)
    if blank:
        notes.append(f"{blank} values are blank or missing: left out")
    unmapped = [name for name in names if name not in _SIGNALS and name != clock]
    if unmapped:
        notes.append(f"not in the signal catalogue, left out: {', '.join(unmapped)}")
    # Trips of an archive are of one car; a table on its own may be of any.
    identity = "trips" if table.archived else hashlib.sha256(table.content).hexdigest()
    chosen_vin = vin or pseudo_vin("carobd", identity)
    enrolment = Enrolment(
        vin=chosen_vin,
        model="Recorded petrol car",
        powertrain="ice",
        owner_name="Recorded trips",
        language="en",
        time_zone="America/Recife",
        phone="+550000000000",
        replayed=True,
    )
    used = [(i, _SIGNALS[name]) for i, name in enumerate(names) if name in _SIGNALS]

    def messages() -> Iterator[Message]:
        for ts_ms, row in zip(times, rows, strict=True):
            signals = {signal: row[i] for i, signal in used if row[i] is not None}
            yield telemetry_message(chosen_vin, ts_ms, 0, signals)

    return Recording(chosen_vin, enrolment, len(rows), len(rows), notes, messages)


def _parse(path: Path, table: Table) -> tuple[list[str], list[list[float | None]]]:
    try:
        lines = csv.reader(io.StringIO(table.content.decode("utf-8-sig"), newline=""))
        header = next(lines, [])
        names = [name.strip().removesuffix("()").strip() for name in header]
        # A row may be longer than the header (its trailing comma) or shorter (a report cut short).
        rows = [[_number(row[i]) if i < len(row) else None for i in range(len(names))] for row in lines if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserMistake(f"{path} is not a table of comma-separated values: {error}") from error
    except ValueError as error:
        raise UserMistake(f"{path}: {table.name} holds something that is no number: {error}") from error
    return names, rows


def _number(text: str) -> float | None:
    stripped = text.strip()
    value = float(stripped) if stripped else math.nan
    return value if math.isfinite(value) else None


def _spread(clock_s: list[float | None], start_ms: int, notes: list[str]) -> list[int]:
    """Return a time per row: rows of one tick of the clock are spread evenly up to the next tick.

    clock_s : seconds; where it goes back or is missing, the time goes on from where it was
    Returns : epoch ms, strictly increasing
    """
    ticks: list[tuple[float, int]] = []  # seconds since the first row, and how many rows it lasts
    elapsed, last, went_back = 0.0, None, 0
    for value in clock_s:
        if last is not None and value is not None:
            went_back += value < last
            elapsed += max(0.0, value - last)
        last = value if value is not None else last
        if ticks and ticks[-1][0] == elapsed:
            ticks[-1] = (elapsed, ticks[-1][1] + 1)
        else:
            ticks.append((elapsed, 1))
    longest = max(count for _, count in ticks)
    if longest > 1:
        notes.append(f"the engine's clock stands still over up to {longest} rows: they are spread to its next tick")
    if went_back:
        notes.append(f"the engine's clock goes back {went_back} times: time goes on from there")
    # After the last tick rows come as fast as they did on average.
    rate = ticks[-1][0] / (len(clock_s) - ticks[-1][1]) if len(ticks) > 1 else 1.0
    ends = [tick for tick, _ in ticks[1:]] + [ticks[-1][0] + rate * ticks[-1][1]]
    times: list[int] = []
    for (tick, count), end in zip(ticks, ends, strict=True):
        for i in range(count):
            ts_ms = start_ms + round(1000 * (tick + (end - tick) * i / count))
            times.append(max(ts_ms, times[-1] + 1) if times else ts_ms)
    return times
