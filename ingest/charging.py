"""Decodes what charging stations send: measurements of a connector and alarms. Pure functions."""

from typing import Annotated, Any, Literal

import msgspec

from ingest.events import EpochMs, decode_json
from ingest.telemetry import MAX_SAMPLES

# OCPP's names of what is measured, and the column each has. Source: OCPP 1.6, section 7.31 Measurand; the temperature
# is that of the gun, the insulation resistance is our own.
CHARGER_COLUMNS = {
    "Voltage": "voltage_v",
    "Current.Import": "current_a",
    "Power.Active.Import": "power_kw",
    "Energy.Active.Import.Register": "energy_kwh",
    "SoC": "soc_pct",
    "Temperature": "gun_temp_c",
    "InsulationResistance": "insulation_kohm",
}
_COLUMNS = frozenset(CHARGER_COLUMNS)

_Text = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00]*$")]
_Seq = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class ChargerSample(msgspec.Struct, frozen=True):
    """What a connector measured at one instant; values by OCPP measurand."""

    ts: EpochMs
    signals: dict[_Text, float | bool | _Text | None]
    seq: _Seq = 0


class ChargerMessage(msgspec.Struct, frozen=True):
    """Telemetry of one connector."""

    samples: Annotated[list[ChargerSample], msgspec.Meta(min_length=1, max_length=MAX_SAMPLES)]
    session_id: _Text | None = None


class Alarm(msgspec.Struct, frozen=True):
    """What an operator calls abnormal. Severity is 1 personal safety, 2 equipment, 3 notice."""

    id: Annotated[_Text, msgspec.Meta(min_length=1)]
    ts: EpochMs
    code: Annotated[_Text, msgspec.Meta(min_length=1)]
    severity: Literal[1, 2, 3]
    state: Literal["on", "off"] = "on"
    session_id: _Text | None = None
    vin: _Text | None = None
    text: _Text | None = None
    measures: dict[_Text, float | bool | _Text | None] = {}


_charger_decoder = msgspec.json.Decoder(ChargerMessage)
_alarm_decoder = msgspec.json.Decoder(Alarm)


def decode_charger(payload: bytes) -> ChargerMessage:
    """Return the measurements in ``payload``.

    Raises : FrameRejected
    """
    return decode_json(_charger_decoder, payload, "bad_charger_sample")


def decode_alarm(payload: bytes) -> Alarm:
    """Return the alarm in ``payload``.

    Raises : FrameRejected
    """
    return decode_json(_alarm_decoder, payload, "bad_alarm")


def charger_row(sample: ChargerSample) -> dict[str, Any]:
    """Return the columns of a sample; what has none, or is no number, is in ``extra``."""
    row: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in sample.signals.items():
        if name in _COLUMNS and (value is None or (isinstance(value, float | int) and not isinstance(value, bool))):
            row[CHARGER_COLUMNS[name]] = value
        else:
            extra[name] = value
    return {**row, "extra": extra or None}
