"""CloudEvents 1.0 that partners push: anomalies, sessions, measurements, results of stops, forwarded OCPP.

Source: CloudEvents 1.0.2, JSON event format, structured mode. Attributes in headers (binary mode) are not read: the
signature does not cover them.
"""

import math
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, get_args

import msgspec

from alerts.charging.anomaly import Kind, Sighting
from alerts.charging.partners.occurrences import Occurrences
from alerts.charging.partners.ocpp import Forwarded, read_ocpp16, read_ocpp201
from alerts.charging.partners.partner import Partner
from alerts.charging.partners.refusals import NotUnderstood
from alerts.charging.partners.reports import Measurement, Said, SessionReport, StopResult
from alerts.charging.partners.spelling import by_name, instant, text, whole
from config.dangers import meaning

ANOMALY: Final = "forewarn.charging.anomaly.v1"
SESSION: Final = "forewarn.charging.session.v1"
MEASUREMENT: Final = "forewarn.charging.measurement.v1"
STOP_RESULT: Final = "forewarn.charging.stop_result.v1"
OCPP16: Final = "forewarn.ocpp16.call.v1"
OCPP201: Final = "forewarn.ocpp201.call.v1"
# What we send.
STOP: Final = "forewarn.charging.stop.v1"

_KINDS: frozenset[str] = frozenset(get_args(Kind))
_STATES = frozenset({"starting", "charging", "ended", "failed"})
_RESULTS = frozenset({"accepted", "confirmed", "refused", "failed"})
_PLACE = ("operator", "station_id", "station", "connector_id", "connector", "session_id", "session", "vin")
_MOST_MEASURES = 100

Reader = Callable[["Event", Partner, Occurrences, datetime], Said]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A CloudEvent as it came."""

    id: str
    source: str
    type: str
    time: datetime | None
    data: dict[str, Any]


def read_event(body: bytes) -> Event:
    """Return the event in a body.

    Raises : NotUnderstood, naming the attribute
    """
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotUnderstood("the body is no JSON: was it cut off?") from error
    if not isinstance(fields, dict):
        raise NotUnderstood("the body is no JSON object with the attributes of a CloudEvent")
    version = fields.get("specversion")
    if not isinstance(version, str) or not version.startswith("1."):
        raise NotUnderstood('specversion is not "1.0"')
    required = {name: fields.get(name) for name in ("id", "source", "type")}
    for name, value in required.items():
        if not isinstance(value, str) or not 0 < len(value) <= 400 or "\x00" in value:
            raise NotUnderstood(f"{name} is no text of 1 to 400 characters")
    time = instant(fields["time"]) if isinstance(fields.get("time"), str) else None
    if fields.get("time") is not None and time is None:
        raise NotUnderstood("time is no time: write it as 2026-01-01T12:00:00Z")
    data = fields.get("data")
    if not isinstance(data, dict):
        raise NotUnderstood("data is no JSON object")
    return Event(**required, time=time, data=data)  # type: ignore[arg-type]


def read_said(event: Event, partner: Partner, occurrences: Occurrences, *, received_at: datetime) -> Said:
    """Return what an event says.

    Raises : NotUnderstood, NotYours
    """
    reader = _READERS.get(event.type)
    if reader is None:
        raise NotUnderstood(f"type {event.type!r} is none of {', '.join(_READERS)}")
    return reader(event, partner, occurrences, received_at)


class _At(msgspec.Struct, frozen=True):
    operator: str
    station: str | None
    connector: str | None
    session_id: str | None
    vin: str | None


def _place(data: Mapping[str, Any], partner: Partner) -> _At:
    fields = by_name(data, _PLACE)

    def either(*names: str) -> str | None:
        return next((found for name in names if (found := text(fields.get(name))) is not None), None)

    at = _At(
        partner.operator_of(either("operator")),
        either("station", "station_id"),
        either("connector", "connector_id"),
        either("session_id", "session"),
        either("vin"),
    )
    partner.check_station(at.station)
    return at


def _anomaly(event: Event, partner: Partner, _: Occurrences, received_at: datetime) -> Said:
    at = _place(event.data, partner)
    fields = by_name(event.data, ("id", "code", "severity", "level", "state", "kind", "text", "measures", "ts", "time"))
    code = text(fields.get("code"))
    if code is None:
        raise NotUnderstood("data.code is missing: the code by which you call the anomaly")
    if at.station is None and at.session_id is None and at.vin is None:
        raise NotUnderstood("data names neither station, session_id nor vin: whom does it concern?")
    severity = whole(fields.get("severity", fields.get("level")))
    if severity not in (1, 2, 3):
        raise NotUnderstood("data.severity is none of 1 (personal safety), 2 (equipment), 3 (notice)")
    state = (text(fields.get("state")) or "on").casefold()
    if state not in ("on", "off"):
        raise NotUnderstood('data.state is neither "on" nor "off"')
    own_id = text(fields.get("id"))
    if state == "off" and own_id is None:
        raise NotUnderstood("data.id is missing: an anomaly goes off by the id it came on with")
    said = text(fields.get("kind"))
    at_source = instant(fields.get("ts", fields.get("time"))) or event.time or received_at
    sighting = Sighting(
        source="partner",
        channel="webhook",
        source_id=own_id or event.id,
        operator=at.operator,
        station=at.station,
        connector=at.connector,
        session_id=at.session_id,
        vin=at.vin,
        ts=at_source,
        received_at=received_at,
        code=code,
        kind=said if said in _KINDS else kind_of(code),  # type: ignore[arg-type]
        severity=severity,  # type: ignore[arg-type]
        state=state,  # type: ignore[arg-type]
        text=text(fields.get("text"), longest=500),
        measures=measures(fields.get("measures")),
    )
    return Said(sightings=(sighting,))


def kind_of(code: str) -> Kind:
    """Return the kind of danger that a code of whatever dialect means: operators forward what their piles say."""
    for table in ("ocpp16", "tcec", "ocpp201"):
        kind, _ = meaning(table, code)
        if kind != "other":
            return kind  # type: ignore[return-value]
    return "other"


def measures(value: object) -> dict[str, float | str]:
    """Return what was measured, as far as it can be kept."""
    if not isinstance(value, dict):
        return {}
    found: dict[str, float | str] = {}
    for name, measured in list(value.items())[:_MOST_MEASURES]:
        key = str(name).replace("\x00", "")[:200]
        if isinstance(measured, bool):
            found[key] = str(measured).lower()
        elif isinstance(measured, int | float) and math.isfinite(measured) and abs(measured) < 1e300:
            found[key] = float(measured)
        elif (written := text(measured)) is not None:
            found[key] = written
    return found


def _session(event: Event, partner: Partner, _: Occurrences, received_at: datetime) -> Said:
    at = _place(event.data, partner)
    fields = by_name(event.data, ("state", "status", "started_at", "ended_at", "reason"))
    if at.session_id is None:
        raise NotUnderstood("data.session_id is missing")
    state = (text(fields.get("state", fields.get("status"))) or "").casefold()
    if state not in _STATES:
        raise NotUnderstood(f"data.state is none of {', '.join(sorted(_STATES))}")
    started_at = instant(fields.get("started_at"))
    if started_at is None and (fields.get("started_at") is not None or state != "ended"):
        raise NotUnderstood("data.started_at is no time: write it as 2026-01-01T12:00:00Z")
    ended_at = instant(fields.get("ended_at"))
    if fields.get("ended_at") is not None and ended_at is None:
        raise NotUnderstood("data.ended_at is no time: write it as 2026-01-01T12:00:00Z")
    said_at = event.time or received_at
    report = SessionReport(
        operator=at.operator,
        station=at.station,
        connector=at.connector,
        session_id=at.session_id,
        vin=at.vin,
        state=state,  # type: ignore[arg-type]
        started_at=started_at,
        ended_at=ended_at if state in ("ended", "failed") else None,
        reason=text(fields.get("reason"), longest=500),
        said_at=said_at,
        received_at=received_at,
        channel="webhook",
    )
    return Said(sessions=(report,))


def _measurement(event: Event, partner: Partner, _: Occurrences, received_at: datetime) -> Said:
    at = _place(event.data, partner)
    fields = by_name(event.data, ("signals", "ts", "time"))
    if at.station is None or at.connector is None:
        raise NotUnderstood("data.station or data.connector is missing")
    signals = {name: value for name, value in measures(fields.get("signals")).items() if isinstance(value, float)}
    if not signals:
        raise NotUnderstood("data.signals has no number by the name of an OCPP measurand")
    taken = Measurement(
        operator=at.operator,
        station=at.station,
        connector=at.connector,
        session_id=at.session_id,
        ts=instant(fields.get("ts", fields.get("time"))) or event.time or received_at,
        signals=signals,
    )
    return Said(measurements=(taken,))


def _stop_result(event: Event, partner: Partner, _: Occurrences, received_at: datetime) -> Said:
    fields = by_name(event.data, ("operator", "action_id", "result", "detail"))
    result = text(fields.get("result"))
    if result not in _RESULTS:
        raise NotUnderstood(f"data.result is none of {', '.join(sorted(_RESULTS))}")
    try:
        action_id = uuid.UUID(text(fields.get("action_id")) or "")
    except ValueError as error:
        raise NotUnderstood("data.action_id is not the id of the stop request") from error
    answered = StopResult(
        operator=partner.operator_of(text(fields.get("operator"))),
        action_id=action_id,
        result=result,  # type: ignore[arg-type]
        detail=text(fields.get("detail")) or "",
    )
    return Said(results=(answered,))


def _ocpp(
    reader: Callable[[Forwarded, Occurrences], Said],
) -> Reader:
    def read(event: Event, partner: Partner, occurrences: Occurrences, received_at: datetime) -> Said:
        at = _place(event.data, partner)
        if at.station is None:
            raise NotUnderstood("data.station is missing: the identity of the charging station that sent the message")
        fields = by_name(event.data, ("call", "message", "result"))
        forwarded = Forwarded(
            operator=at.operator,
            station=at.station,
            session_id=at.session_id,
            vin=at.vin,
            call=fields.get("call", fields.get("message")),
            result=fields.get("result"),
            sent_at=event.time or received_at,
            received_at=received_at,
        )
        return reader(forwarded, occurrences)

    return read


_READERS: Mapping[str, Reader] = {
    ANOMALY: _anomaly,
    SESSION: _session,
    MEASUREMENT: _measurement,
    STOP_RESULT: _stop_result,
    OCPP16: _ocpp(read_ocpp16),
    OCPP201: _ocpp(read_ocpp201),
}
