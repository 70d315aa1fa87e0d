"""Units that recordings come in, and how they become the catalogue's. Decimal, so that 3658 mV are 3.658 V exactly."""

from decimal import Decimal
from typing import NamedTuple


class Conversion(NamedTuple):
    """``value * scale + offset`` is in the catalogue's unit."""

    scale: Decimal
    offset: Decimal = Decimal(0)


_SAME = Conversion(Decimal(1))
# By the catalogue's unit. Sources: the SI brochure; a mile is 1609.344 m, a psi 6.894757293168 kPa (NIST SP 811).
_INTO: dict[str, dict[str, Conversion]] = {
    "km/h": {"m/s": Conversion(Decimal("3.6")), "mph": Conversion(Decimal("1.609344"))},
    "km": {"m": Conversion(Decimal("0.001")), "mi": Conversion(Decimal("1.609344"))},
    "degC": {
        "K": Conversion(Decimal(1), Decimal("-273.15")),
        "degF": Conversion(Decimal(5) / Decimal(9), Decimal(-160) / Decimal(9)),
    },
    "V": {"mV": Conversion(Decimal("0.001"))},
    "A": {"mA": Conversion(Decimal("0.001"))},
    "kOhm": {"Ohm": Conversion(Decimal("0.001")), "MOhm": Conversion(Decimal(1000))},
    "kPa": {
        "Pa": Conversion(Decimal("0.001")),
        "hPa": Conversion(Decimal("0.1")),
        "mbar": Conversion(Decimal("0.1")),
        "bar": Conversion(Decimal(100)),
        "psi": Conversion(Decimal("6.894757293168")),
    },
    "percent": {"ratio": Conversion(Decimal(100))},
    "g/s": {"kg/h": Conversion(Decimal(1000) / Decimal(3600))},
    "rpm": {"1/s": Conversion(Decimal(60))},
}


def conversion(unit: str, into: str) -> Conversion | None:
    """Return how values in ``unit`` become values in ``into``, None when they cannot."""
    return _SAME if unit == into else _INTO.get(into, {}).get(unit)


def units_for(into: str) -> list[str]:
    """Return the units that can become ``into``, itself first."""
    return [into, *_INTO.get(into, {})]
