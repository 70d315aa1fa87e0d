"""What every source of a danger becomes: one sighting, and the ids that follow from it."""

import math
import uuid
from datetime import datetime
from typing import Literal

import msgspec

Source = Literal["car", "pile", "partner", "forewarn"]
Severity = Literal[1, 2, 3]
Kind = Literal[
    "thermal_runaway",
    "over_temperature",
    "temperature_rise",
    "cell_collapse",
    "cell_spread",
    "insulation",
    "over_charge",
    "contact_heat",
    "disagreement",
    "data_gap",
    "smoke",
    "emergency_stop",
    "over_current",
    "other",
]

_TEXTS = ("channel", "source_id", "operator", "station", "connector", "session_id", "vin", "code", "text")
# Ids follow from what they are about, so that whoever works one out again, after a restart or in another process,
# comes to the same.
_DANGERS = uuid.UUID("5a0f6f5e-27c7-4a4e-9d51-6f4c2f7f4a10")


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """One abnormal thing that somebody saw, whoever it was.

    source     : "forewarn" is our own rules, judging what a car or a pile measured
    channel    : the way it came: "mqtt_alarm", "car_1hz", "pile_telemetry", "webhook", "tcec102", "ocpp16",
                 "ocpp201" or "ocpi"
    source_id  : what the source calls this anomaly, unique within channel and operator; a repeat has the same
    operator, station, connector : in the operator's own names, None where nobody said
    vin        : as the source said it
    ts         : by the source's clock, UTC
    code       : the source's own, as it came, e.g. "18" or "HighTemperature"
    severity   : 1 personal safety, 2 equipment, 3 notice
    measures   : what was measured, by OCPP measurand or signal path
    """

    source: Source
    channel: str
    source_id: str
    operator: str | None = None
    station: str | None = None
    connector: str | None = None
    session_id: str | None = None
    vin: str | None = None
    ts: datetime
    received_at: datetime
    code: str
    kind: Kind
    severity: Severity
    state: Literal["on", "off"] = "on"
    text: str | None = None
    measures: dict[str, float | str] = {}


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a sighting.

    case_id  : the safety case it belongs to; None: it went off and there is no case it could end
    is_new   : False, when this very report was received before
    stops    : the stop requests that left because of it, by action id
    recorded : whether it is in the database; False: it is in the journal and follows when the database is back
    """

    danger_id: uuid.UUID
    case_id: uuid.UUID | None
    is_new: bool
    stops: tuple[uuid.UUID, ...] = ()
    recorded: bool = False


def danger_id(sighting: Sighting) -> uuid.UUID:
    """Return the id of the anomaly: the same for each report of it, on, worse or off."""
    return uuid.uuid5(_DANGERS, _joined(sighting.channel, sighting.operator or "", sighting.source_id))


def report_id(sighting: Sighting) -> uuid.UUID:
    """Return the id of this report of the anomaly: the same only when it says the same again."""
    moment = str(int(sighting.ts.timestamp() * 1000))
    return uuid.uuid5(danger_id(sighting), _joined(sighting.state, sighting.code, str(sighting.severity), moment))


def case_id(danger: uuid.UUID) -> uuid.UUID:
    """Return the id of the safety case that an anomaly opens, when none is open that it belongs to."""
    return uuid.uuid5(danger, "case")


def action_id(danger: uuid.UUID, target: Literal["pile", "car"]) -> uuid.UUID:
    """Return the id of the stop request to pile or car; a repeat has the same, so that it stops once."""
    return uuid.uuid5(danger, _joined("stop", target))


def cleaned(sighting: Sighting) -> Sighting:
    """Return the sighting without what no journal and no database can hold: NUL, half surrogates, NaN, infinities."""
    changes: dict[str, object] = {}
    for name in _TEXTS:
        value = getattr(sighting, name)
        if value is not None and (clean := _text(value)) != value:
            changes[name] = clean
    measures = {
        _text(name): _text(value) if isinstance(value, str) else float(value)
        for name, value in sighting.measures.items()
        if isinstance(value, str) or math.isfinite(value)
    }
    if measures != sighting.measures:
        changes["measures"] = measures
    return msgspec.structs.replace(sighting, **changes) if changes else sighting


def _text(value: str) -> str:
    return value.replace("\0", "").encode(errors="replace").decode()


def _joined(*parts: str) -> str:
    # Lengths keep ("a", "bc") and ("ab", "c") apart, whatever a source calls its things.
    return "".join(f"{len(part)}:{part}" for part in parts)
