"""Quantities worked out of signals: names and units, read from ``quantities.toml``; ``models`` has the formulas."""

from collections.abc import Mapping
from functools import cache
from typing import Literal

import msgspec

from config._files import read_toml
from config.signals import Signal, catalogue


class Quantity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One quantity; ``column`` stands where the column of a reading would.

    worst_of : it is the lowest or highest of these, feature by feature; none where it has a formula of its own
    limit    : in ``unit``, about where the lamp comes on; None where nothing can be said
    """

    column: str
    zh: str
    en: str
    unit: str = ""
    worst_of: tuple[str, ...] = ()
    worst: Literal["low", "high"] = "low"
    limit: float | None = None

    def name(self, language: str) -> str:
        return self.zh if language.startswith("zh") else self.en


@cache
def quantities() -> Mapping[str, Quantity]:
    """Return every quantity by its column, in file order.

    Raises : ValueError, when one has the column of a signal
    """
    tables = read_toml("quantities.toml")
    found = {column: msgspec.convert({"column": column, **table}, Quantity) for column, table in tables.items()}
    for column in found.keys() & catalogue().by_column.keys():
        raise ValueError(f"config/quantities.toml names {column}, which is a signal's column")
    return found


def named(column: str) -> Signal | Quantity | None:
    """Return the signal or quantity that a column is, None when this version knows neither."""
    return catalogue().by_column.get(column) or quantities().get(column)
