"""The signal catalogue: what may be measured, by COVESA VSS 6 path, read from ``signals.toml``."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import msgspec

from config._files import read_toml

SignalType = Literal["real", "double", "integer", "boolean", "text", "real[]", "position"]
Powertrain = Literal["bev", "phev", "ice"]


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

    @property
    def columns(self) -> tuple[Signal, ...]:
        """Signals that are a column of ``telemetry.vehicle_reading``, in column order."""
        return tuple(signal for signal in self.signals if signal.type not in ("real[]", "position"))

    @property
    def rolled_up(self) -> tuple[Signal, ...]:
        """Signals that the rollups by minute, hour and day sum up, in column order."""
        return tuple(signal for signal in self.columns if signal.rollup and signal.type != "text")


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
