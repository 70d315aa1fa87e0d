"""The signal catalogue: what may be measured, by COVESA VSS 6 path, read from ``signals.toml``."""

import re
from collections.abc import Container, Mapping
from functools import cache
from typing import Any, Literal

import msgspec

from config._files import read_toml

SignalType = Literal["real", "double", "integer", "boolean", "text", "real[]", "position"]
Powertrain = Literal["bev", "phev", "ice"]


# What tables, rollups and frames of readings have by themselves, beside the columns of signals.
_TAKEN = frozenset(
    (
        *("ts", "vehicle_id", "seq", "received_at", "quality", "extra", "readings", "day", "value"),
        *("n", "bucket", "received_on", "regime"),
        *("number", "since_last", "last_seq", "known_speed", "found"),
        *("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"),
    )
)
# PostgreSQL cuts names at 63 letters, and rollups and judgements add up to ten.
_LONGEST_COLUMN = 50
# The squares of a year's readings still have a sum.
_LARGEST_SUMMED = 1e100


class Signal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One named quantity. ``lowest``, ``highest`` and ``max_step`` are in ``unit``; None means no bound."""

    path: str
    column: str
    type: SignalType
    on: tuple[Powertrain, ...]
    zh: str
    en: str
    unit: str = ""
    lowest: float | None = None
    highest: float | None = None
    allowed: tuple[str, ...] = ()
    max_step: float | None = None
    frozen_after_s: float | None = None
    overlay: bool = False
    derived: bool = False
    rollup: bool = True

    def name(self, language: str) -> str:
        return self.zh if language.startswith("zh") else self.en


class Catalogue:
    """All signals in file order, found by path or by column."""

    def __init__(self, signals: tuple[Signal, ...]) -> None:
        self.signals = signals
        self.by_path: Mapping[str, Signal] = {signal.path: signal for signal in signals}
        self.by_column: Mapping[str, Signal] = {signal.column: signal for signal in signals}
        if len(self.by_column) != len(signals):
            raise ValueError("config/signals.toml names one column twice")
        for signal in signals:
            problem = _problem(signal, self.by_column)
            if problem is not None:
                raise ValueError(f"config/signals.toml, signal {signal.path}: {problem}")

    @property
    def columns(self) -> tuple[Signal, ...]:
        """Signals that are a column of ``telemetry.vehicle_reading``, in column order."""
        return tuple(signal for signal in self.signals if signal.type not in ("real[]", "position"))

    @property
    def lists(self) -> tuple[Signal, ...]:
        """Signals that are a column of ``telemetry.cell_reading``, in column order."""
        return tuple(signal for signal in self.signals if signal.type == "real[]")

    @property
    def rolled_up(self) -> tuple[Signal, ...]:
        """Signals that the rollups by minute, hour and day sum up, in column order."""
        return tuple(signal for signal in self.columns if signal.rollup and signal.type != "text")


def _problem(signal: Signal, columns: Container[str]) -> str | None:
    """Return why the store cannot hold a signal, None when it can."""
    column = signal.column
    if not re.fullmatch("[a-z][a-z0-9_]*", column):
        return f"column {column!r} is not made of small letters, digits and underscores"
    if len(column) > _LONGEST_COLUMN:
        return f"column {column} is longer than {_LONGEST_COLUMN} letters"
    if "__" in column:
        return f"column {column} contains two underscores in a row, as the names of the rollups do"
    if column in _TAKEN:
        return f"column {column} is one that the store's own tables have"
    whose, _, what = column.rpartition("_")
    if what in ("at", "seq") and whose in columns:
        return f"column {column} is kept of {whose} in telemetry.vehicle_state"
    bounds = (signal.lowest, signal.highest)
    if signal.type == "double" and signal.rollup and not all(_is_summed(bound) for bound in bounds):
        return "type double needs a range within ±1e100, or rollup = false: the sum of its squares would overflow"
    return None


def _is_summed(bound: float | None) -> bool:
    return bound is not None and abs(bound) <= _LARGEST_SUMMED


def parse_catalogue(tables: Mapping[str, Mapping[str, Any]]) -> Catalogue:
    """Turn the tables of ``signals.toml`` into a catalogue.

    Raises : ValueError, naming the signal and what is wrong with it
    """
    signals = []
    for path, table in tables.items():
        fields = dict(table)
        lowest, highest = fields.pop("range", (None, None))
        try:
            signal = msgspec.convert({"path": path, "lowest": lowest, "highest": highest, **fields}, Signal)
        except msgspec.ValidationError as error:
            raise ValueError(f"config/signals.toml, signal {path}: {error}") from error
        signals.append(signal)
    return Catalogue(tuple(signals))


@cache
def catalogue() -> Catalogue:
    """Return the catalogue that ships with this version."""
    return parse_catalogue(read_toml("signals.toml"))
