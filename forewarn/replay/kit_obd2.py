"""Trips of a diesel car through its diagnostic plug, as a telephone logged them.

The logger asks for one quantity after another, about eleven answers a second, and writes a row an answer: the new
value with the last ones of all other columns. So a row measures one thing, that whose turn it is, also when its value
is the old one; the rest of it is repetition. Rows carry the time of day of Germany; the date is in the file's name.
"""

import csv
import io
import math
import re
from array import array
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from config.errors import UserMistake
from forewarn.message import Message
from forewarn.replay.recording import Recording, SequenceNumbers, check_times, pseudo_vin, telemetry_message
from forewarn.replay.source import Table, open_table
from ingest.store.enrolment import Enrolment

ZONE = "Europe/Berlin"

_ENGINE = "Vehicle.Powertrain.CombustionEngine"
# By the column's name without its unit, for the degree sign is spelled in several encodings.
_SIGNALS = {
    "Engine Coolant Temperature": f"{_ENGINE}.EngineCoolant.Temperature",
    "Intake Manifold Absolute Pressure": f"{_ENGINE}.MAP",
    "Engine RPM": f"{_ENGINE}.Speed",
    "Vehicle Speed Sensor": "Vehicle.Speed",
    "Intake Air Temperature": "Vehicle.OBD.IntakeTemp",
    "Air Flow Rate from Mass Flow Sensor": "Vehicle.OBD.MAF",
    "Absolute Throttle Position": f"{_ENGINE}.TPS",
    "Ambient Air Temperature": "Vehicle.Exterior.AirTemperature",
}
# <yyyy-mm-dd>_<brand>_<model>_<from>_<to>_<condition>
_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:_([^_]+)_([^_]+))?.*")
# A clock that goes back by more than half a day has passed midnight.
_MIDNIGHT = timedelta(hours=12)


def read(path: Path, *, trip: str | None = None, start: datetime | None = None, vin: str | None = None) -> Recording:
    """Read one trip; every answer to a question that has a signal becomes one sample.

    start  : the instant of the first row, for a file whose name has no date
    Raises : UserMistake, when the file is not such a recording
    """
    table = open_table(path, name=trip)
    names, lines = _lines(path, table)
    known = [name for name in names if name in _SIGNALS]
    if names[:1] != ["Time"] or not known:
        raise UserMistake(f"{path} is not a kit-obd2 recording: it has no column Time first, or none that we know")
    if not lines:
        raise UserMistake(f"{path} holds no rows in {table.name}")
    named = _NAME.fullmatch(table.name)
    if start is None and named is None:
        raise UserMistake(f"{path}: its name does not begin with its date, as 2017-07-05_…: rename it or give --start")
    began = start.astimezone(ZoneInfo(ZONE)) if start is not None else _date(path, str(named and named[1]))
    notes: list[str] = []
    times = _times(path, lines, began, start=start, notes=notes)
    asked = _asked(path, lines, len(names), notes)
    columns = [_SIGNALS.get(name) for name in names]
    ts_ms, values, places = array("q"), array("d"), array("b")
    for at, (number, row), (place, others) in zip(times, lines, asked, strict=True):
        for column in (place, *others):
            value = _number(path, number, row[column])
            if columns[column] is not None and value is not None:
                ts_ms.append(at)
                values.append(value)
                places.append(column)
    unmapped = [name for name in names[1:] if name not in _SIGNALS]
    if unmapped:
        notes.append(f"not in the signal catalogue, left out: {', '.join(unmapped)}")
    brand, model = (named[2], named[3]) if named is not None and named[3] else ("Recorded", "diesel car")
    # All files of one brand and model are trips of one car.
    chosen_vin = vin or pseudo_vin("kit-obd2", brand, model)
    enrolment = Enrolment(
        vin=chosen_vin,
        model=f"{brand} {model}",
        powertrain="ice",
        owner_name="Recorded trips",
        language="en",
        time_zone=ZONE,
        phone="+490000000000",
        replayed=True,
    )

    def messages() -> Iterator[Message]:
        numbers = SequenceNumbers()
        for at, value, place in zip(ts_ms, values, places, strict=True):
            signals = {str(columns[place]): value}
            yield telemetry_message(chosen_vin, at, numbers.number(at, signals), signals)

    return Recording(chosen_vin, enrolment, len(lines), len(ts_ms), notes, messages)


def _lines(path: Path, table: Table) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the columns' names without units, and every row with the number of its line."""
    try:
        text = table.content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Only the degree sign in the header is beyond ASCII, and every byte is a letter of Latin-1.
        text = table.content.decode("latin-1")
    try:
        lines = csv.reader(io.StringIO(text, newline=""))
        names = [name.partition("[")[0].strip() for name in next(lines, [])]
        rows = [(lines.line_num, row) for row in lines if any(field.strip() for field in row)]
    except csv.Error as error:
        raise UserMistake(f"{path} is not a table of comma-separated values: {error}") from error
    for number, row in rows:
        if len(row) != len(names):
            raise UserMistake(f"{path}: line {number} has {len(row)} fields, not {len(names)}: is it cut short?")
    return names, rows


def _date(path: Path, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE))
    except ValueError as error:
        raise UserMistake(
            f"{path}: its name begins with {text}, which is no date: rename it or give --start"
        ) from error


def _times(
    path: Path, lines: list[tuple[int, list[str]]], began: datetime, *, start: datetime | None, notes: list[str]
) -> list[int]:
    """Return epoch ms per row: the clock of the day on the date of ``began``, and on the next past midnight."""
    zone = ZoneInfo(ZONE)
    day = began.date()
    last: datetime | None = None
    went_back = nights = 0
    times = []
    for number, row in lines:
        try:
            clock = time.fromisoformat(row[0].strip())
            if clock.tzinfo is not None:
                raise ValueError("the clock of the day has a time zone")
            local = datetime.combine(day, clock)
            if last is not None and last - local > _MIDNIGHT:
                nights += 1
                day += timedelta(days=1)
                local += timedelta(days=1)
        except (ValueError, OverflowError) as error:
            raise UserMistake(
                f"{path}: line {number} begins with {row[0]!r:.40}, not with a time as 07:16:30"
            ) from error
        went_back += last is not None and local < last
        last = local
        times.append(round(local.replace(tzinfo=zone).timestamp() * 1000))
    if nights:
        notes.append("the clock passes midnight: the rows after it are of the next day")
    if went_back:
        notes.append(f"the clock goes back {went_back} times: sent in the order of the file")
    # A given start is the instant of the first row, whatever the telephone's clock said.
    offset = round(start.timestamp() * 1000) - times[0] if start is not None else 0
    moved = [at + offset for at in times]
    check_times(path, moved, "correct the date in its name, or give another --start")
    return moved


def _asked(path: Path, lines: list[tuple[int, list[str]]], width: int, notes: list[str]) -> list[tuple[int, list[int]]]:
    """Return, per row, the column whose turn it was, and further columns that changed.

    Columns take turns in their order. A change elsewhere tells that answers are missing: the turns go on from there.
    """
    turn, missed = 1, 0
    before = [""] * width
    asked: list[tuple[int, list[int]]] = []
    for _, row in lines:
        changed = [i for i in range(1, width) if row[i] != before[i]]
        if changed and turn not in changed:
            missed += 1
            turn = changed[0]
        asked.append((turn, [i for i in changed if i != turn]))
        turn = turn % (width - 1) + 1
        before = row
    if missed:
        notes.append(f"answers are missing in {missed} places: the turns of the columns go on from what changed")
    if max(missed, sum(bool(others) for _, others in asked)) > len(lines) / 2:
        raise UserMistake(f"{path} is not a kit-obd2 recording: its columns do not change in turns, one a row")
    return asked


def _number(path: Path, line: int, text: str) -> float | None:
    try:
        value = float(text) if text.strip() else math.nan
    except ValueError as error:
        raise UserMistake(f"{path}: line {line} holds {text!r:.40} where a number belongs") from error
    return value if math.isfinite(value) else None
