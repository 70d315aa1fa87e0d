"""A mapping file: what the columns of any CSV mean. Every mistake in it is one line that names the file and the key."""

import difflib
import math
import tomllib
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from config.errors import UserMistake
from config.signals import Powertrain, Signal, catalogue
from forewarn.replay.units import conversion, units_for
from ingest.topics import VIN

# Those with an encoder in every Python, of the places that cars are recorded in.
Encoding = Literal["utf-8", "utf-16", "latin-1", "cp1250", "cp1251", "cp1252", "gb18030", "big5", "shift_jis", "euc_kr"]

# Beyond it a number of JSON may lose its last digits.
LARGEST_WHOLE = 2**53

_Table = TypeVar("_Table", bound=msgspec.Struct)


class FileTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the CSV is written. ``skip_lines`` lines come before the one with the names."""

    delimiter: str = ","
    encoding: Encoding = "utf-8"
    decimal: Literal[".", ","] = "."
    skip_lines: int = 0


class TimeTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which column is the time and how it is written; ``ignore`` are texts whose rows are left out."""

    column: str
    format: str | None = None
    zone: str | None = None
    epoch: Literal["s", "ms", "us", "ns"] | None = None
    elapsed: Literal["s", "ms"] | None = None
    start: datetime | None = None
    ignore: list[str] = []


class VehicleTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the car is."""

    powertrain: Powertrain
    model: str = "Recorded car"
    chemistry: Literal["NMC", "LFP"] | None = None
    cells: int | None = None
    vin: str | None = None


class _ColumnTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    signal: str
    unit: str | None = None
    scale: int | float = 1
    offset: int | float = 0
    ignore: list[int | float | str] = []
    values: dict[str, bool | int | float | str] = {}


class MappedColumn(msgspec.Struct, frozen=True):
    """One column, or with ``*`` in its name a list of columns, and what becomes of its values.

    scale, offset : ``value * scale + offset`` is in the catalogue's unit
    ignore        : what stands for nothing: texts, and numbers in the file's own unit
    values        : what texts and numbers of the file mean
    """

    name: str
    signal: Signal
    scale: Decimal
    offset: Decimal
    ignored_texts: frozenset[str]
    ignored_numbers: frozenset[float]
    values: Mapping[str, bool | int | float | str]

    @property
    def is_converted(self) -> bool:
        return self.scale != 1 or self.offset != 0


class CsvMapping(msgspec.Struct, frozen=True):
    """A mapping file, checked. ``content`` is all it says, in one order: other words, another recording."""

    path: Path
    file: FileTable
    time: TimeTable
    vehicle: VehicleTable
    columns: tuple[MappedColumn, ...]
    content: bytes


def read_mapping(path: Path) -> CsvMapping:
    """Read a mapping file.

    Raises : UserMistake, naming the file, the key and what to do
    """
    said = _toml(path)
    unknown = [key for key in said if key not in ("file", "time", "vehicle", "columns")]
    if unknown:
        raise UserMistake(
            f"{path}: {shown(unknown[0])} is no table of a mapping file: use file, time, vehicle and columns"
        )
    for key in ("time", "vehicle", "columns"):
        if not isinstance(said.get(key), dict) or not said[key]:
            raise UserMistake(f"{path}: the table [{key}] is missing: add it, as docs/replay.md shows")
    file = _table(path, "file", said.get("file", {}), FileTable)
    if len(file.delimiter) != 1 or file.delimiter in '"\r\n\0' or file.delimiter == file.decimal:
        raise UserMistake(
            f"{path}: file.delimiter {file.delimiter!r} cannot be: give one character, and not the decimal one"
        )
    if not 0 <= file.skip_lines <= 10_000:
        raise UserMistake(
            f"{path}: file.skip_lines {file.skip_lines} cannot be: give how many lines come before the names"
        )
    time = _table(path, "time", said["time"], TimeTable)
    _check_time(path, time)
    vehicle = _table(path, "vehicle", said["vehicle"], VehicleTable)
    _check_vehicle(path, vehicle)
    columns = tuple(_column(path, name, table) for name, table in said["columns"].items())
    _check_columns(path, time, columns)
    return CsvMapping(path, file, time, vehicle, columns, repr(_sorted(said)).encode(errors="replace"))


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise UserMistake(f"{path} does not exist: give --map the path of the mapping file") from error
    except IsADirectoryError as error:
        raise UserMistake(f"{path} is a folder: give --map the path of the mapping file in it") from error
    except UnicodeDecodeError as error:
        raise UserMistake(f"{path} is not UTF-8, as TOML has to be: save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise UserMistake(f"{path} is no TOML: {error}") from error
    except (RecursionError, ValueError, OverflowError) as error:
        raise UserMistake(f"{path} is no TOML that can be read ({type(error).__name__}): see docs/replay.md") from error
    except OSError as error:
        raise UserMistake(
            f"{path} cannot be read ({error.strerror}): give --map the path of the mapping file"
        ) from error


def _table(path: Path, key: str, said: object, kind: type[_Table]) -> _Table:
    try:
        return msgspec.convert(said, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        problem, _, where = shown(str(error)).partition(" - at `$")
        raise UserMistake(
            f"{path}: {key}{where.rstrip('`')}: {problem}: see docs/replay.md for what it may be"
        ) from error


def _check_time(path: Path, time: TimeTable) -> None:
    ways = [way for way in (time.format, time.epoch, time.elapsed) if way is not None]
    if len(ways) != 1:
        raise UserMistake(f"{path}: [time] needs one of format, epoch and elapsed: it has {len(ways)}")
    if time.start is not None and time.start.tzinfo is None:
        raise UserMistake(f"{path}: time.start has no time zone: add it, as in 2018-06-01T08:00:00-03:00")
    if time.start is not None and time.elapsed is None:
        raise UserMistake(f"{path}: time.start is for elapsed time only: leave it out")
    if time.zone is not None and time.format is None:
        raise UserMistake(f"{path}: time.zone is for times with a format only: leave it out")


def _check_vehicle(path: Path, vehicle: VehicleTable) -> None:
    if vehicle.vin is not None and not VIN.fullmatch(vehicle.vin):
        raise UserMistake(f"{path}: vehicle.vin is not 17 characters of A-Z and 0-9 without I, O, Q: correct it")
    if vehicle.cells is not None and not 1 <= vehicle.cells <= 1000:
        raise UserMistake(f"{path}: vehicle.cells {vehicle.cells} cannot be: give a number from 1 to 1000")
    if not 0 < len(vehicle.model) <= 100 or not vehicle.model.isprintable():
        raise UserMistake(f"{path}: vehicle.model is a name of 1 to 100 characters on one line: correct it")


def _column(path: Path, name: str, said: object) -> MappedColumn:
    key = f'columns."{shown(name)}"'
    table = _table(path, key, {"signal": said} if isinstance(said, str) else said, _ColumnTable)
    signal = catalogue().by_path.get(table.signal)
    if signal is None:
        near = difflib.get_close_matches(table.signal, catalogue().by_path, n=1)
        advice = f"did you mean {near[0]}?" if near else "see config/signals.toml"
        raise UserMistake(f"{path}: {key}.signal: there is no signal {table.signal!r:.100}: {advice}")
    if signal.derived:
        raise UserMistake(f"{path}: {key}.signal: {signal.path} is derived from others and never sent: leave it out")
    if name.count("*") > 1 or ("*" in name) != (signal.type == "real[]"):
        needs = "a list: give one name with one *, as V_*" if signal.type == "real[]" else "one value: name one column"
        raise UserMistake(f"{path}: {key}: {signal.path} is {needs}")
    is_number = signal.type not in ("boolean", "text")
    if not is_number and (table.unit is not None or table.scale != 1 or table.offset != 0):
        raise UserMistake(f"{path}: {key}: {signal.path} is no number: leave unit, scale and offset out")
    if not (_is_finite(table.scale) and _is_finite(table.offset)) or table.scale == 0:
        raise UserMistake(f"{path}: {key}: scale and offset are finite numbers, and scale is not 0: correct them")
    into = conversion(table.unit if table.unit is not None else signal.unit, signal.unit)
    if into is None:
        known = ", ".join(units_for(signal.unit))
        raise UserMistake(f"{path}: {key}.unit: {table.unit!r:.40} is none of {known}: use scale and offset instead")
    ignored = [value for value in table.ignore if not isinstance(value, str)]
    if not all(map(_is_finite, ignored)):
        raise UserMistake(f"{path}: {key}.ignore: what is not finite is left out anyway: keep finite numbers and texts")
    for text, value in table.values.items():
        _check_value(path, f'{key}.values."{shown(text)}"', signal, value)
    scale, offset = Decimal(str(table.scale)), Decimal(str(table.offset))
    return MappedColumn(
        name,
        signal,
        scale * into.scale,
        offset * into.scale + into.offset,
        frozenset(value for value in table.ignore if isinstance(value, str)),
        frozenset(map(float, ignored)),
        table.values,
    )


def _check_value(path: Path, key: str, signal: Signal, value: bool | int | float | str) -> None:
    if signal.type == "boolean":
        fits, wanted = isinstance(value, bool), "true or false"
    elif signal.type == "text":
        fits = isinstance(value, str) and (not signal.allowed or value in signal.allowed)
        wanted = f"one of {', '.join(signal.allowed)}" if signal.allowed else "a text"
    elif signal.type == "integer":
        fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_WHOLE
        wanted = "a whole number"
    else:
        fits = not isinstance(value, bool | str) and _is_finite(value)
        wanted = "a number"
    if not fits:
        raise UserMistake(f"{path}: {key}: {signal.path} takes {wanted}, not {value!r:.40}")


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _check_columns(path: Path, time: TimeTable, columns: tuple[MappedColumn, ...]) -> None:
    by_signal: dict[str, str] = {}
    for column in columns:
        if column.name == time.column:
            raise UserMistake(f'{path}: columns."{shown(column.name)}" is the time already: leave it out of [columns]')
        other = by_signal.setdefault(column.signal.path, column.name)
        if other != column.name:
            both = f'columns."{shown(other)}" and columns."{shown(column.name)}"'
            raise UserMistake(f"{path}: {both} are both {column.signal.path}: keep one")


def shown(text: str) -> str:
    """Return a name out of a file as one line can show it."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def number(text: str, decimal: str) -> Decimal:
    """Return the number that ``text`` is. Raises ValueError, when it is none."""
    try:
        return Decimal(text.replace(",", ".") if decimal == "," else text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r:.40} is no number") from error


def _sorted(said: Any) -> Any:
    if isinstance(said, dict):
        return sorted((key, _sorted(value)) for key, value in said.items())
    return [_sorted(value) for value in said] if isinstance(said, list) else said
