"""Fault modes: what breaks, read from ``faults.toml``."""

from collections.abc import Mapping
from functools import cache

import msgspec

from config._files import read_toml
from config.signals import Powertrain


class FaultMode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way a car fails. ``horizon_d`` is in days; severity is 1 personal safety, 2 equipment, 3 notice."""

    key: str
    lamps: tuple[str, ...]
    horizon_d: int
    severity: int
    capability: str
    on: tuple[Powertrain, ...]
    chart: str
    zh: str
    en: str

    def name(self, language: str) -> str:
        return self.zh if language.startswith("zh") else self.en


@cache
def fault_modes() -> Mapping[str, FaultMode]:
    """Return every fault mode by its key, in file order."""
    tables = read_toml("faults.toml")
    return {key: msgspec.convert({"key": key, **table}, FaultMode) for key, table in tables.items()}


@cache
def _by_lamp() -> Mapping[str, FaultMode]:
    return {lamp: mode for mode in fault_modes().values() for lamp in mode.lamps}


def fault_of_lamp(code: str) -> FaultMode | None:
    """Return the fault mode a lamp speaks of, or None for a lamp that no mode explains."""
    return _by_lamp().get(code)
