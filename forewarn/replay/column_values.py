"""Fields of a CSV to values of signals, as a mapping has it. Pure functions made once a column."""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal, DecimalException
from typing import Any

from forewarn.replay.mapping import LARGEST_WHOLE, MappedColumn, number

Value = bool | int | float | str
_TRUTH = {"1": True, "0": False, "true": True, "false": False}


def scalar_reader(column: MappedColumn, decimal: str) -> Callable[[str], Value | None]:
    """Return a function from a field to the signal's value; None for a field that says nothing.

    The function raises ValueError, whose text says what to do, for a field that is no such value.
    """
    by_number = _by_number(column, decimal)
    kind, allowed = column.signal.type, column.signal.allowed

    def value(field: str) -> Value | None:
        text = field.strip()
        if not text or text in column.ignored_texts:
            return None
        if column.values or column.ignored_numbers:
            key = _float(text, decimal)
            if key in column.ignored_numbers:
                return None
            if text in column.values:
                return column.values[text]
            if key is not None and key in by_number:
                return by_number[key]
        if kind == "boolean":
            if text.lower() in _TRUTH:
                return _TRUTH[text.lower()]
            raise ValueError(f"{text!r:.40} is not true or false: say in values what it means")
        if kind == "text":
            if text in allowed:
                return text
            raise ValueError(f"{text!r:.40} is none of {', '.join(allowed)}: say in values what it means")
        measured = _measured(column, text, decimal)
        return _whole(measured, text) if measured is not None and kind == "integer" else measured

    return value


def list_reader(column: MappedColumn, decimal: str) -> Callable[[Sequence[str]], list[Any] | None]:
    """Return a function from fields to a list, with None for a field that says nothing; None when none says anything.

    The function raises ValueError, as that of ``scalar_reader``.
    """
    one = scalar_reader(column, decimal)
    # Cells are most of a file: those that stand as they are need no question asked of each.
    is_plain = not (column.is_converted or column.values or column.ignored_texts or decimal != ".")

    def values(fields: Sequence[str]) -> list[Any] | None:
        if is_plain:
            try:
                numbers = list(map(float, fields))
            except ValueError:
                pass
            else:
                # One that is not finite makes the sum so.
                if math.isfinite(sum(numbers)) and column.ignored_numbers.isdisjoint(numbers):
                    return numbers
        found = [one(field) for field in fields]
        return None if all(value is None for value in found) else found

    return values


def _by_number(column: MappedColumn, decimal: str) -> dict[float, Value]:
    """Return ``values`` by number: a file may say 1.0 where the mapping says 1."""
    keys = {text: _float(text, decimal) for text in column.values}
    return {key: column.values[text] for text, key in keys.items() if key is not None}


def _float(text: str, decimal: str) -> float | None:
    try:
        return float(number(text, decimal))
    except (ValueError, OverflowError):
        return None


def _measured(column: MappedColumn, text: str, decimal: str) -> float | None:
    try:
        if not column.is_converted:
            value = float(text.replace(",", ".") if decimal == "," else text)
        else:
            # Plus 0, for a zero turned round would be written "-0.0".
            value = float(number(text, decimal) * column.scale + column.offset + Decimal(0))
    except DecimalException:
        return None
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r:.40} is no number: add it to ignore, or say in values what it means") from error
    return value if math.isfinite(value) else None


def _whole(value: float, text: str) -> int:
    if not value.is_integer() or abs(value) > LARGEST_WHOLE:
        raise ValueError(f"{text!r:.40} is no whole number after scale and offset: correct them, or add it to ignore")
    return int(value)
