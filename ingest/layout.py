"""How the signal catalogue maps to the fields of a decoded sample and to the columns of the reading table."""

import math
from functools import cache
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from config.signals import Catalogue, Signal, catalogue

_FIELD_TYPES: dict[str, Any] = {
    "real": float | None,
    "double": float | None,
    # Beyond 2**53 an integer is no measurement, and float64 would not hold it.
    "integer": Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)] | None,
    "boolean": bool | None,
    "text": str | None,
    "real[]": list[float | None] | None,
    "position": float | None,
}
_NUMERIC = ("real", "double", "integer", "boolean")


class Layout:
    """Signals in the order of a decoded sample: numbers, texts, lists, position; derived ones are columns alone.

    Signals  : msgspec Struct with one field per signal, named by column, spelled as VSS path in JSON
    numeric  : signals that are a column of numbers (booleans count as 0 and 1), derived ones at the end
    texts    : signals that are a column of text, derived ones at the end
    is_single: (n_decoded,) bool, which of ``numeric`` are stored in single precision
    n_decoded, n_texts: how many of ``numeric`` and of ``texts`` a message may carry
    """

    def __init__(self, signals: Catalogue) -> None:
        outside = [signal for signal in signals.signals if not signal.derived]
        decoded = [signal for signal in outside if signal.type in _NUMERIC]
        derived = [signal for signal in signals.signals if signal.derived]
        texts = [signal for signal in outside if signal.type == "text"]
        self.texts = (*texts, *(signal for signal in derived if signal.type == "text"))
        self.n_texts = len(texts)
        self.lists = tuple(signal for signal in outside if signal.type == "real[]")
        self.positions = tuple(signal for signal in outside if signal.type == "position")
        self.numeric = (*decoded, *(signal for signal in derived if signal.type in _NUMERIC))
        self.n_decoded = len(decoded)
        self.by_path = {signal.path: signal for signal in outside}
        fields = (*decoded, *texts, *self.lists, *self.positions)
        # NaN is what NumPy wants for "not measured"; None would be slower to turn into an array.
        missing = dict.fromkeys(("real", "double", "integer", "boolean", "position"), math.nan)
        self.Signals: Any = msgspec.defstruct(
            "Signals",
            [(s.column, _FIELD_TYPES[s.type], missing.get(s.type)) for s in fields],
            rename={s.column: s.path for s in fields},
            forbid_unknown_fields=True,
            gc=False,
        )
        self.index = {signal.column: number for number, signal in enumerate(self.numeric)}
        self.is_single = np.array([signal.type == "real" for signal in decoded], dtype=bool)
        self.lowest = _bounds(self.numeric, "lowest", -math.inf)
        self.highest = _bounds(self.numeric, "highest", math.inf)

    @property
    def columns(self) -> tuple[Signal, ...]:
        """Signals in the order in which rows are written."""
        return (*self.numeric, *self.texts)

    def field_type(self, signal: Signal) -> Any:
        return _FIELD_TYPES[signal.type]


def _bounds(signals: tuple[Signal, ...], which: str, default: float) -> NDArray[np.float64]:
    bounds = [getattr(signal, which) for signal in signals]
    return np.array([default if bound is None else bound for bound in bounds], dtype=np.float64)


@cache
def layout() -> Layout:
    return Layout(catalogue())
