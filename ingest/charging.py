"""Decodes what charging stations send: measurements of a connector and alarms. Pure functions."""

from typing import Annotated, Any, Literal

import msgspec

from ingest.events import EpochMs, decode_json
from ingest.quality import Quality
from ingest.rejected import FrameRejected
from ingest.telemetry import MAX_SAMPLES, BadSample


class Measurand(msgspec.Struct, frozen=True):
    """The column of what a connector measures, and what a working sensor of any station there is can report."""

    column: str
    lowest: float
    highest: float


# By OCPP's names. Source: OCPP 1.6, section 7.31 Measurand; the temperature is that of the gun, the insulation
# resistance is our own. A station that takes power from cars reports negative current and power; the largest chargers
# there are (MCS, 1250 V and 3000 A) fit in.
MEASURANDS = {
    "Voltage": Measurand("voltage_v", 0, 2_000),
    "Current.Import": Measurand("current_a", -4_000, 4_000),
    "Power.Active.Import": Measurand("power_kw", -5_000, 5_000),
    "Energy.Active.Import.Register": Measurand("energy_kwh", -1e9, 1e9),
    "SoC": Measurand("soc_pct", 0, 100),
    "Temperature": Measurand("gun_temp_c", -60, 300),
    "InsulationResistance": Measurand("insulation_kohm", 0, 1e6),
}

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


class DecodedCharger(msgspec.Struct, frozen=True):
    """What a connector's telemetry says: the usable samples, the unusable ones, the session both belong to."""

    samples: list[ChargerSample]
    bad: list[BadSample]
    session_id: str | None


class _RawMessage(msgspec.Struct, frozen=True):
    samples: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=MAX_SAMPLES)]
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
_sample_decoder = msgspec.json.Decoder(ChargerSample)
_raw_decoder = msgspec.json.Decoder(_RawMessage)
_alarm_decoder = msgspec.json.Decoder(Alarm)


def decode_charger(payload: bytes) -> DecodedCharger:
    """Return the measurements in ``payload``.

    Raises : FrameRejected, when nothing in the message can be used
    """
    try:
        message = decode_json(_charger_decoder, payload, "bad_charger_sample")
    except FrameRejected:
        return _decode_with_care(payload)
    return DecodedCharger(message.samples, [], message.session_id)


def _decode_with_care(payload: bytes) -> DecodedCharger:
    message = decode_json(_raw_decoder, payload, "bad_charger_sample")
    samples: list[ChargerSample] = []
    bad: list[BadSample] = []
    for raw in message.samples:
        try:
            samples.append(decode_json(_sample_decoder, bytes(raw), "bad_charger_sample"))
        except FrameRejected as rejection:
            alone = msgspec.json.encode(_RawMessage([raw], message.session_id))
            bad.append(BadSample("bad_charger_sample", rejection.detail, alone))
    return DecodedCharger(samples, bad, message.session_id)


def decode_alarm(payload: bytes) -> Alarm:
    """Return the alarm in ``payload``.

    Raises : FrameRejected
    """
    return decode_json(_alarm_decoder, payload, "bad_alarm")


def charger_row(sample: ChargerSample) -> dict[str, Any]:
    """Return the columns of a sample and its quality; what has none, or is no measurement, is in ``extra``."""
    row: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    quality = Quality(0)
    for name, value in sample.signals.items():
        measurand = MEASURANDS.get(name)
        if measurand is None:
            quality |= Quality.UNKNOWN_SIGNAL
        elif value is None:
            continue
        elif isinstance(value, bool | str):
            quality |= Quality.WRONG_TYPE
        elif not measurand.lowest <= value <= measurand.highest:
            quality |= Quality.OUT_OF_RANGE
        else:
            row[measurand.column] = value
            continue
        extra[name] = value
    return {**row, "extra": extra or None, "quality": int(quality)}
