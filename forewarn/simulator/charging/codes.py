"""What piles call abnormal: OCPP 1.6 error codes, numbers of the city platform, codes of a maker; everyday faults.

Sources: OCPP 1.6, 7.6 ChargePointErrorCode; the alarm push of a public city platform (AlarmLevel 1 personal safety, 2
equipment, 3 notice; AlarmType 1 charger, 2 battery, 3 grid). The platform's published code names no level for a number:
levels here are what the names of the levels say. Rates are assumptions, of the order that operators complain about.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from forewarn.simulator.charging.stations import Dialect, Operator

Severity = Literal[1, 2, 3]

OCPP_16_CODES = frozenset(
    {
        "ConnectorLockFailure",
        "EVCommunicationError",
        "GroundFailure",
        "HighTemperature",
        "InternalError",
        "LocalListConflict",
        "NoError",
        "OtherError",
        "OverCurrentFailure",
        "OverVoltage",
        "PowerMeterFailure",
        "PowerSwitchFailure",
        "ReaderFailure",
        "ResetFailure",
        "UnderVoltage",
        "WeakSignal",
    }
)


@dataclass(frozen=True)
class CityCode:
    """An alarm number of the city platform with its level and type (1 charger, 2 battery, 3 grid)."""

    level: Severity
    type: Literal[1, 2, 3]
    meaning: str


CITY_CODES = {
    "2": CityCode(1, 1, "emergency stop pressed"),
    "4": CityCode(1, 1, "insulation of the output"),
    "6": CityCode(1, 1, "insulation monitor"),
    "9": CityCode(1, 1, "smoke"),
    "18": CityCode(1, 1, "gun hot"),
    "107": CityCode(1, 2, "cell over-voltage"),
    "120": CityCode(1, 2, "battery hot"),
    "121": CityCode(1, 2, "battery insulation"),
    "122": CityCode(2, 2, "charging over-current"),
}


@dataclass(frozen=True)
class Fault:
    """Something a pile reports.

    codes    : by the operator's dialect; the first of a dialect is the usual one
    severity : as the pile says it at its worst
    rate     : of an everyday fault, how many come with a session on average
    stops    : charging ends with it
    """

    name: str
    codes: dict[Dialect, tuple[str, ...]]
    severity: Severity
    text: str
    rate: float = 0.0
    stops: bool = False


def _fault(
    name: str,
    ocpp16: str,
    cec: str,
    vendor: str,
    severity: Severity,
    text: str,
    rate: float = 0.0,
    *,
    stops: bool = False,
) -> Fault:
    codes: dict[Dialect, tuple[str, ...]] = {
        "ocpp16": tuple(ocpp16.split()),
        "cec": tuple(cec.split()),
        "vendor": tuple(vendor.split()),
    }
    return Fault(name, codes, severity, text, rate, stops)


# How each danger shows. Numbers above 900 and codes with a letter are in nobody's list; real piles send such, too.
DANGER_FAULTS = {
    "battery_hot": _fault("battery_hot", "HighTemperature OtherError", "120", "BMS-T07", 1, "battery over temperature"),
    "smoke": _fault("smoke", "OtherError", "9", "E-SMK", 1, "smoke detector"),
    "insulation": _fault("insulation", "GroundFailure", "121 4 6", "ISO-02", 1, "insulation resistance low"),
    "gun_hot": _fault("gun_hot", "HighTemperature", "18", "GUN-OT", 1, "connector over temperature"),
    "over_voltage": _fault("over_voltage", "OverVoltage", "107", "BMS-V03", 1, "cell voltage high"),
    "meter": _fault("meter", "PowerMeterFailure OverCurrentFailure", "122 931", "MTR-11", 2, "metering deviates"),
}

# Everyday faults. Severity 1 among them is nuisance: a button pressed for fun, steam in front of the smoke detector.
EVERYDAY_FAULTS = (
    _fault("reader", "ReaderFailure", "903", "RFID-1", 3, "card reader", 0.012),
    _fault("lock", "ConnectorLockFailure", "905", "LCK-3", 2, "connector lock", 0.005, stops=True),
    _fault("emergency_stop", "OtherError", "2", "E-STOP", 1, "emergency stop pressed", 0.0012, stops=True),
    _fault("false_smoke", "OtherError", "9", "E-SMK", 1, "smoke detector", 0.0002),
    _fault("offline", "WeakSignal", "900", "NET-0", 3, "station was offline", 0.01),
    _fault("weak_signal", "WeakSignal", "901", "NET-4", 3, "weak mobile signal", 0.02),
    _fault("under_voltage", "UnderVoltage", "910", "GRD-2", 2, "grid under-voltage", 0.004),
    _fault("bms", "EVCommunicationError", "950", "BMS-C01", 3, "no message from the car", 0.008, stops=True),
    _fault(
        "power_switch", "PowerSwitchFailure InternalError", "912", "K1-ERR", 2, "output contactor", 0.001, stops=True
    ),
    _fault("fan", "InternalError OtherError", "960", "FAN-6 0x1F", 3, "fan speed", 0.006),
)
# Of attempts that fail, what is reported; some say nothing.
START_FAULTS = (
    _fault("start_bms", "EVCommunicationError", "950", "BMS-C01", 3, "handshake timed out"),
    _fault("start_lock", "ConnectorLockFailure", "905", "LCK-3", 3, "connector not locked"),
    _fault("start_backend", "OtherError LocalListConflict", "970", "AUTH-9", 3, "not authorised"),
)
SEVERITY_1_RATE = sum(fault.rate for fault in EVERYDAY_FAULTS if fault.severity == 1)
# Now and then a pile says a code of another dialect: firmware of different ages.
_FOREIGN_SHARE = 0.05
_DIALECTS: tuple[Dialect, ...] = ("ocpp16", "cec", "vendor")


def code_of(fault: Fault, operator: Operator, rng: np.random.Generator) -> str:
    """Return the code that a pile of ``operator`` sends for ``fault``."""
    foreign, of_dialect, which = rng.random(), int(rng.integers(len(_DIALECTS))), rng.random()
    codes = fault.codes[_DIALECTS[of_dialect] if foreign < _FOREIGN_SHARE else operator.dialect]
    return codes[0] if which < 0.75 else codes[int((which - 0.75) * 4 * len(codes))]


def draw_everyday(operator: Operator, seconds: float, rng: np.random.Generator) -> list[tuple[Fault, float]]:
    """Return the everyday faults of a session with the second of each; operators who fail more have more of them."""
    untidy = 0.5 + operator.failed_share / 0.1
    found = []
    for fault in EVERYDAY_FAULTS:
        # Buttons and steam do not depend on the operator.
        rate = fault.rate * (1.0 if fault.severity == 1 else untidy)
        happens, at = rng.random(), rng.uniform(0.02, 0.98)
        if happens < rate:
            found.append((fault, at * seconds))
    return sorted(found, key=lambda item: item[1])
