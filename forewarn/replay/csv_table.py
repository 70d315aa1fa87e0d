"""Any CSV, read as a mapping file says."""

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from config.errors import UserMistake
from forewarn.message import Message
from forewarn.replay.column_values import list_reader, scalar_reader
from forewarn.replay.mapping import CsvMapping, MappedColumn, read_mapping, shown
from forewarn.replay.recording import Recording, SequenceNumbers, pseudo_vin, telemetry_message
from forewarn.replay.source import open_table
from forewarn.replay.timestamps import time_reader
from ingest.store.enrolment import Enrolment

# One column, or several for a list: where they are, and what makes a value of their fields.
_Reader = tuple[MappedColumn, list[int], Callable[[Sequence[str]], Any]]


def read(
    path: Path, *, mapping: Path, trip: str | None = None, start: datetime | None = None, vin: str | None = None
) -> Recording:
    """Read one car's recording; every row that says anything becomes one sample.

    mapping : the mapping file
    start   : when elapsed time is 0; takes the place of the mapping's
    Raises  : UserMistake, when a file is missing, the mapping is wrong, or a row is not what the mapping says
    """
    meant = read_mapping(mapping)
    table = open_table(path, name=trip)
    rows = _Rows(path, table.content, meant, start)
    # Once over everything, so that a bad row is found before anything is published.
    tally = Counter[str]()
    numbers = SequenceNumbers()
    last_ms = 0
    for ts_ms, signals in rows.samples(tally):
        numbers.number(ts_ms, signals)
        tally["back"] += ts_ms < last_ms
        last_ms = ts_ms
        tally["samples"] += 1
    if not tally["samples"]:
        raise UserMistake(f"{path} holds no row in {table.name} that says anything of the columns that {mapping} maps")
    # Another mapping is another recording: its readings would stand against those of the first under one key.
    identity = hashlib.sha256(table.content + meant.content).hexdigest()
    chosen_vin = vin or meant.vehicle.vin or pseudo_vin("csv", identity)

    def messages() -> Iterator[Message]:
        again = SequenceNumbers()
        for ts_ms, signals in rows.samples(Counter()):
            yield telemetry_message(chosen_vin, ts_ms, again.number(ts_ms, signals), signals)

    notes = _notes(tally, rows.unmapped) + numbers.notes
    enrolment = _enrolment(meant, chosen_vin, rows.n_cells)
    return Recording(chosen_vin, enrolment, tally["rows"], tally["samples"], notes, messages)


class _Rows:
    """The table's rows, read anew at every use: as values they would take many times the memory of the file."""

    def __init__(self, path: Path, content: bytes, mapping: CsvMapping, start: datetime | None) -> None:
        self._path, self._mapping = path, mapping
        self._text = _decoded(path, content, mapping)
        names = _header(path, self._lines(), mapping)
        self._width = len(names)
        self._time_place = _place(path, mapping, names, "time.column", mapping.time.column)
        self._ts_ms = time_reader(mapping.path, mapping.time, start=start, decimal=mapping.file.decimal)
        self._readers = [_reader(path, mapping, names, column) for column in mapping.columns]
        used = {self._time_place, *(place for _, places, _ in self._readers for place in places)}
        self.unmapped = [shown(name) for i, name in enumerate(names) if i not in used and name]
        cells = [places for column, places, _ in self._readers if column.signal.column == "cell_v"]
        self.n_cells = len(cells[0]) if cells else None

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        skipped = self._mapping.file.skip_lines
        source = io.StringIO(self._text, newline="")
        for _ in range(skipped):
            source.readline()
        lines = csv.reader(source, delimiter=self._mapping.file.delimiter)
        try:
            for fields in lines:
                yield lines.line_num + skipped, fields
        except csv.Error as error:
            line = lines.line_num + skipped
            raise UserMistake(f"{self._path}: line {line} is no line of a table ({error}): correct it") from error

    def samples(self, tally: Counter[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield time and signals of every row that has any; ``tally`` counts what was met."""
        lines = self._lines()
        next(lines)
        for number, fields in lines:
            if not any(map(str.strip, fields)):
                continue
            tally["rows"] += 1
            if len(fields) < self._width:
                tally["short"] += 1
                fields += [""] * (self._width - len(fields))
            elif any(map(str.strip, fields[self._width :])):
                raise UserMistake(
                    f"{self._path}: line {number} has {len(fields)} fields, but there are {self._width} columns: "
                    f"correct it, or file.delimiter in {self._mapping.path}"
                )
            if fields[self._time_place].strip() in self._mapping.time.ignore:
                tally["timeless"] += 1
                continue
            ts_ms = self._at(number, fields[self._time_place])
            signals = {}
            for column, places, read_value in self._readers:
                try:
                    value = read_value([fields[place] for place in places])
                except ValueError as error:
                    where = f"line {number}, column {shown(column.name)}"
                    raise UserMistake(f"{self._path}: {where}: {error}, in {self._mapping.path}") from error
                if value is not None:
                    signals[column.signal.path] = value
                else:
                    tally["blank"] += 1
            if signals:
                yield ts_ms, signals
            else:
                tally["empty"] += 1

    def _at(self, number: int, field: str) -> int:
        try:
            return self._ts_ms(field)
        except ValueError as error:
            raise UserMistake(
                f"{self._path}: line {number}, column {shown(self._mapping.time.column)}: {error}: "
                f"correct [time] in {self._mapping.path}, or add the text to time.ignore"
            ) from error


def _decoded(path: Path, content: bytes, mapping: CsvMapping) -> str:
    encoding = "utf-8-sig" if mapping.file.encoding == "utf-8" else mapping.file.encoding
    try:
        return content.decode(encoding)
    except UnicodeError as error:
        raise UserMistake(
            f"{path} is not {mapping.file.encoding}: set file.encoding in {mapping.path}, for instance to latin-1"
        ) from error


def _header(path: Path, lines: Iterator[tuple[int, list[str]]], mapping: CsvMapping) -> list[str]:
    _, header = next(lines, (0, []))
    names = [name.strip() for name in header]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise UserMistake(f"{path} has no line with the names of its columns: see file.skip_lines in {mapping.path}")
    return names


def _place(path: Path, mapping: CsvMapping, names: list[str], key: str, name: str) -> int:
    places = [i for i, other in enumerate(names) if other == name.strip()]
    if len(places) == 1:
        return places[0]
    some = shown(", ".join(names[:8])) + (" and more" if len(names) > 8 else "")
    what = f"has {len(places)} columns {name!r:.60}" if places else f"has no column {name!r:.60}, it has {some:.200}"
    raise UserMistake(f"{path} {what}: correct {key} in {mapping.path}, or file.delimiter")


def _reader(path: Path, mapping: CsvMapping, names: list[str], column: MappedColumn) -> _Reader:
    decimal = mapping.file.decimal
    key = f'columns."{shown(column.name)}"'
    if "*" not in column.name:
        one = scalar_reader(column, decimal)
        return column, [_place(path, mapping, names, key, column.name)], lambda fields: one(fields[0])
    before, after = (re.escape(part.strip()) for part in column.name.split("*"))
    pattern = re.compile(before + "([0-9]+)" + after)
    found = [(int(match[1][:18]), i) for i, name in enumerate(names) if (match := pattern.fullmatch(name))]
    if not found:
        raise UserMistake(
            f"{path} has no columns {column.name!r:.60} with a number for *: correct {key} in {mapping.path}"
        )
    return column, [i for _, i in sorted(found)], list_reader(column, decimal)


def _enrolment(mapping: CsvMapping, vin: str, n_cells: int | None) -> Enrolment:
    car = mapping.vehicle
    return Enrolment(
        vin=vin,
        model=car.model,
        powertrain=car.powertrain,
        chemistry=car.chemistry,
        cells=car.cells if car.cells is not None else n_cells,
        owner_name="Recorded data",
        language="en",
        phone="+861000000000",
        replayed=True,
    )


def _notes(tally: Counter[str], unmapped: list[str]) -> list[str]:
    said = {
        "short": "rows are shorter than the line of names: what they lack is left out",
        "timeless": "rows have a time that the mapping ignores: left out",
        "empty": "rows say nothing of the mapped columns: left out",
        "blank": "values are blank, ignored or not finite: left out",
        "back": "rows are older than the row before them: sent in the order of the file",
    }
    notes = [f"{tally[key]} {what}" for key, what in said.items() if tally[key]]
    if unmapped:
        notes.append(f"not in the mapping, left out: {', '.join(unmapped)}")
    return notes
