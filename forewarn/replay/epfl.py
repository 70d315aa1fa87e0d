"""Sessions of a fast-charging station with two plugs, one row a session.

What was measured at a known time is sent: the car's state of charge when it arrived, and when it left, with the energy
of the session. What happened in between is in no row, so no curve is made of it; the highest power has no time either.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from config.errors import UserMistake
from forewarn.message import Message
from forewarn.replay.recording import Recording, charger_message
from forewarn.replay.source import check_file
from ingest.topics import Connector

ZONE = "Europe/Zurich"
OPERATOR, STATION = "epfl", "level-3"

_COLUMNS = ("Session", "CCS", "Arrival", "Departure", "Energy (Wh)", "SOC arrival", "SOC departure")
_LEFT_OUT = {
    "Pmax (W)": "the highest power has no time",
    "Preq_max (W)": "the highest power asked for has no time",
    "TotalCapacity": "10000 in most rows: a placeholder",
    "BulkCapacity": "a share of TotalCapacity",
    "Energy capacity (Wh)": "computed by the authors from energy and state of charge",
    "Controlled session (0=False, 1=True)": "of their experiment",
    "Stay (min)": "departure less arrival, both minutes counted",
}
_PLUGS = ("CCS1", "CCS2")
# What the packs of cars hold (kWh); a session that implies less or more is worth a remark.
_PACK_KWH = (20, 150)
# What openpyxl raises for what is no workbook, or one that is cut short; an XML error is a SyntaxError.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError),
    *(SyntaxError, KeyError, IndexError, ValueError, TypeError, AttributeError),
)


class _Session(NamedTuple):
    number: int
    plug: str
    arrival: datetime
    departure: datetime
    energy_kwh: float
    soc_arrival: float
    soc_departure: float


def read(path: Path) -> Recording:
    """Read the sessions; each becomes two readings of its plug, at arrival and at departure, in the order of time.

    Raises : UserMistake, when the file is not such a workbook
    """
    check_file(path)
    names, rows = _rows(path)
    missing = [name for name in _COLUMNS if name not in names]
    if missing:
        raise UserMistake(f"{path} is not an epfl recording: it lacks the columns {', '.join(missing)}")
    sessions = [_session(path, line, dict(zip(names, row, strict=False))) for line, row in rows]
    if not sessions:
        raise UserMistake(f"{path} holds no sessions")
    _check_numbers(path, sessions)
    readings = sorted(_readings(sessions), key=lambda reading: reading[0])

    def messages() -> Iterator[Message]:
        for ts_ms, session, signals in readings:
            # A car may leave in the minute in which the next one comes: the session's number keeps them apart.
            at = Connector(OPERATOR, STATION, session.plug)
            yield charger_message(at, ts_ms, session.number, str(session.number), signals)

    return Recording(None, None, len(sessions), len(readings), _notes(names, sessions), messages)


def _rows(path: Path) -> tuple[list[str], list[tuple[int, tuple[Any, ...]]]]:
    """Return the names of the columns and every row that is not empty, with its number."""
    from openpyxl import load_workbook

    try:
        # As bytes: by a path openpyxl would judge the file by its ending.
        book = load_workbook(io.BytesIO(path.read_bytes()), read_only=True, data_only=True)
        try:
            sheet = book.worksheets[0]
            # What the file says of its own size may be wrong.
            sheet.reset_dimensions()
            table = [tuple(row) for row in sheet.iter_rows(values_only=True)]
        finally:
            book.close()
    except PermissionError as error:
        raise UserMistake(f"{path} may not be read by this user: change its permissions") from error
    except _DAMAGE as error:
        raise UserMistake(
            f"{path} is no Excel workbook (.xlsx), or damaged: give the file Session_data.xlsx"
        ) from error
    names = [str(name).strip() for name in table[0]] if table else []
    return names, [(n, row) for n, row in enumerate(table[1:], 2) if any(value is not None for value in row)]


def _session(path: Path, line: int, row: Mapping[str, Any]) -> _Session:
    def number(name: str) -> float:
        value = row.get(name)
        # Beyond 1e9 there is neither a session, nor an energy, nor a percentage.
        if isinstance(value, bool) or not isinstance(value, int | float) or not -1e9 < value < 1e9:
            raise UserMistake(f"{path}: row {line} holds {value!r:.40} as {name}, which is no such number")
        return float(value)

    def instant(name: str) -> datetime:
        value = row.get(name)
        if not isinstance(value, datetime) or value.year < 1970:
            raise UserMistake(f"{path}: row {line} holds {value!r:.40} as {name}, which is no date with a time")
        return value.replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)

    plug = row.get("CCS")
    if plug not in _PLUGS:
        raise UserMistake(f"{path}: row {line} holds {plug!r:.40} as CCS, not one of {', '.join(_PLUGS)}")
    arrival, departure = instant("Arrival"), instant("Departure")
    if departure <= arrival:
        raise UserMistake(f"{path}: row {line} has a departure that is not after its arrival: correct or delete it")
    return _Session(
        int(number("Session")),
        str(plug),
        arrival,
        departure,
        number("Energy (Wh)") / 1000,
        number("SOC arrival"),
        number("SOC departure"),
    )


def _check_numbers(path: Path, sessions: list[_Session]) -> None:
    numbers: set[int] = set()
    for session in sessions:
        if session.number in numbers:
            raise UserMistake(f"{path} holds session {session.number} twice: correct or delete one")
        numbers.add(session.number)


def _readings(sessions: list[_Session]) -> Iterator[tuple[int, _Session, dict[str, Any]]]:
    for session in sessions:
        arrival_ms, departure_ms = (round(at.timestamp() * 1000) for at in (session.arrival, session.departure))
        yield arrival_ms, session, {"SoC": session.soc_arrival}
        energy = {"Energy.Active.Import.Register": session.energy_kwh}
        yield departure_ms, session, {"SoC": session.soc_departure, **energy}


def _notes(names: list[str], sessions: list[_Session]) -> list[str]:
    notes = ["a session is two readings, at arrival and at departure; nothing is known of the time between"]
    notes += [f"left out: {name} ({why})" for name, why in _LEFT_OUT.items() if name in names]
    by_plug: dict[str, list[_Session]] = {}
    for session in sorted(sessions, key=lambda one: one.arrival):
        by_plug.setdefault(session.plug, []).append(session)
    overlaps = sum(later.arrival < earlier.departure for one in by_plug.values() for earlier, later in pairwise(one))
    if overlaps:
        notes.append(f"{overlaps} sessions begin before the one before has left the plug: sent as they are")
    falling = sum(one.soc_departure <= one.soc_arrival for one in sessions)
    if falling:
        notes.append(f"{falling} sessions end with no more charge than they began with: sent as they are")
    empty = sum(one.soc_arrival == 0 for one in sessions)
    if empty:
        notes.append(f"{empty} sessions begin at a state of charge of exactly 0: sent as they are, it may mean unknown")
    implied = [
        one.energy_kwh / (one.soc_departure - one.soc_arrival) * 100
        for one in sessions
        if one.soc_departure > one.soc_arrival
    ]
    low, high = _PACK_KWH
    below, beyond = sum(kwh < low for kwh in implied), sum(kwh > high for kwh in implied)
    if below or beyond:
        notes.append(
            f"energy and state of charge imply a pack below {low} kWh in {below} sessions and beyond {high} kWh in "
            f"{beyond}: sent as they are"
        )
    return notes
