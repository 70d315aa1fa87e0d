"""OCPP messages that an operator forwards: calls of its charging stations, as they came. Pure but for what is open.

Source: OCPP 1.6 edition 2 (JSON 1.6: a call is ``[2, id, action, payload]``), OCPP 2.0.1 edition 2, part 2; of 2.1 the
severity of an event. A station's errors that are outside the lists are kept as they came.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from alerts.charging.anomaly import Kind, Severity, Sighting
from alerts.charging.partners.occurrences import Occurrences, Where
from alerts.charging.partners.refusals import NotUnderstood
from alerts.charging.partners.reports import Measurement, Said, SessionReport, SessionState
from alerts.charging.partners.spelling import by_name, instant, number, text, whole
from config.dangers import meaning

_CALL = 2
_CALL_RESULT = 3
# OCPP 1.6, 4.9 and 7.7: what a connector says when nothing is wrong, and the status that is an error by itself.
_NO_ERROR = "NoError"
_FAULTED = "Faulted"
# Variables that say by their value whether something is wrong. Source: OCPP 2.0.1, appendix 3.2.
_SWITCHES = frozenset({"Active", "Problem", "Tripped", "Overload"})
_MOST_EVENTS = 200
# Sampled values by their unit; the unit that is meant when none is named comes first. Source: OCPP 1.6, 7.38 and 7.31.
_SCALE: Mapping[str, Mapping[str, float]] = {
    "Voltage": {"V": 1.0},
    "Current.Import": {"A": 1.0},
    "Power.Active.Import": {"W": 0.001, "kW": 1.0},
    "Energy.Active.Import.Register": {"Wh": 0.001, "kWh": 1.0},
    "SoC": {"Percent": 1.0, "%": 1.0},
}
_FAILED_STATUS = frozenset({"Blocked", "Expired", "Invalid", "ConcurrentTx"})


class Forwarded(msgspec.Struct, frozen=True, kw_only=True):
    """One OCPP call of a station and, where the operator forwards that as well, its own answer.

    session_id, vin : as the operator knows them; OCPP's own id of the transaction wins
    """

    operator: str
    station: str
    session_id: str | None
    vin: str | None
    call: Any
    result: Any
    sent_at: datetime
    received_at: datetime


def read_ocpp16(forwarded: Forwarded, occurrences: Occurrences) -> Said:
    """Return what an OCPP 1.6 call says.

    Raises : NotUnderstood
    """
    action, payload = _call(forwarded)
    if action == "StatusNotification":
        return _status16(forwarded, payload, occurrences)
    if action == "MeterValues":
        return _meter_values(forwarded, payload, _connector16(payload))
    if action == "StartTransaction":
        return _start16(forwarded, payload)
    if action == "StopTransaction":
        return _stop16(forwarded, payload)
    return Said(ignored=(f"{action} says nothing about a danger",))


def read_ocpp201(forwarded: Forwarded, occurrences: Occurrences) -> Said:
    """Return what an OCPP 2.0.1 or 2.1 call says.

    Raises : NotUnderstood
    """
    action, payload = _call(forwarded)
    if action == "NotifyEvent":
        return _events201(forwarded, payload, occurrences)
    if action == "StatusNotification":
        return _status201(forwarded, payload, occurrences)
    if action == "TransactionEvent":
        return _transaction201(forwarded, payload)
    if action == "MeterValues":
        return _meter_values(forwarded, payload, _name(whole(payload.get("evseId"))))
    return Said(ignored=(f"{action} says nothing about a danger",))


def _call(forwarded: Forwarded) -> tuple[str, dict[str, Any]]:
    call = forwarded.call
    if not isinstance(call, list) or len(call) != 4 or call[0] != _CALL or not isinstance(call[2], str):
        raise NotUnderstood('data.call is no OCPP call: [2, "id", "Action", {…}]')
    if not isinstance(call[3], dict):
        raise NotUnderstood("the fourth part of data.call is no JSON object")
    return call[2], call[3]


def _result(forwarded: Forwarded) -> dict[str, Any]:
    result = forwarded.result
    is_one = isinstance(result, list) and len(result) == 3 and result[0] == _CALL_RESULT and isinstance(result[2], dict)
    return result[2] if is_one else {}


def _connector16(payload: Mapping[str, Any]) -> str | None:
    """Return the connector; number 0 is the station as a whole."""
    return _name(whole(payload.get("connectorId")))


def _name(number_of: int | None) -> str | None:
    return str(number_of) if number_of else None


def _status16(forwarded: Forwarded, payload: dict[str, Any], occurrences: Occurrences) -> Said:
    fields = by_name(
        payload, ("connectorId", "errorCode", "status", "info", "timestamp", "vendorId", "vendorErrorCode")
    )
    error, status = text(fields.get("errorCode")), text(fields.get("status"))
    if error is None:
        raise NotUnderstood("StatusNotification has no errorCode")
    connector, at = _connector16(fields), instant(fields.get("timestamp")) or forwarded.sent_at
    if error.casefold() == _NO_ERROR.casefold():
        if status != _FAULTED:
            return Said(sightings=_ended("ocpp16", forwarded, connector, at, occurrences))
        error = _FAULTED
    kind, severity = meaning("ocpp16", error)
    vendor = text(fields.get("vendorErrorCode"))
    if kind == "other" and vendor is not None:
        # What is no error of OCPP's list stands in the vendor's code, which may be one of another list.
        kind, severity = _of_vendor(vendor) or (kind, severity)
    said = {"vendorErrorCode": vendor, "vendorId": text(fields.get("vendorId")), "status": status}
    sighting = _sighting(
        "ocpp16",
        forwarded,
        occurrences,
        connector=connector,
        code=error,
        kind=kind,
        severity=severity,
        at=at,
        info=text(fields.get("info"), longest=500),
        said=said,
    )
    return Said(sightings=(sighting,))


def _of_vendor(code: str) -> tuple[str, Severity] | None:
    for table in ("ocpp16", "tcec"):
        kind, severity = meaning(table, code)
        if kind != "other":
            return kind, severity
    return None


def _events201(forwarded: Forwarded, payload: dict[str, Any], occurrences: Occurrences) -> Said:
    events = payload.get("eventData")
    if not isinstance(events, list):
        raise NotUnderstood("NotifyEvent has no eventData")
    sightings: list[Sighting] = []
    ignored: list[str] = []
    for number_of, event in enumerate(events[:_MOST_EVENTS]):
        found = _event201(forwarded, event, occurrences) if isinstance(event, dict) else None
        if found is None:
            ignored.append(f"event {number_of} is no alert")
        else:
            sightings += found
    if len(events) > _MOST_EVENTS:
        ignored.append(f"{len(events) - _MOST_EVENTS} events after the first {_MOST_EVENTS}")
    return Said(sightings=tuple(sightings), ignored=tuple(ignored))


def _event201(forwarded: Forwarded, event: dict[str, Any], occurrences: Occurrences) -> Sequence[Sighting] | None:
    component, variable = event.get("component"), event.get("variable")
    if not isinstance(component, dict) or not isinstance(variable, dict):
        return None
    parts = text(component.get("name")), text(variable.get("name"))
    if None in parts:
        return None
    code = "/".join(part for part in parts if part)
    value = (text(event.get("actualValue")) or "").casefold()
    is_switch = parts[1] in _SWITCHES
    if event.get("trigger") != "Alerting" and not (is_switch and value in ("true", "false")):
        return None
    evse = component.get("evse")
    connector = _name(whole(evse.get("id"))) if isinstance(evse, dict) else None
    at = instant(event.get("timestamp")) or forwarded.sent_at
    if event.get("cleared") is True or (is_switch and value == "false"):
        return _ended("ocpp201", forwarded, connector, at, occurrences, code)
    kind, severity = meaning("ocpp201", code, level=whole(event.get("severity")))
    session = text(event.get("transactionId"))
    said = {
        "actualValue": text(event.get("actualValue")),
        "techCode": text(event.get("techCode")),
        "component.instance": text(component.get("instance")),
    }
    return [
        _sighting(
            "ocpp201",
            forwarded,
            occurrences,
            connector=connector,
            code=code,
            kind=kind,
            severity=severity,
            at=at,
            info=text(event.get("techInfo"), longest=500),
            said=said,
            session_id=session,
        )
    ]


def _status201(forwarded: Forwarded, payload: dict[str, Any], occurrences: Occurrences) -> Said:
    status = text(payload.get("connectorStatus"))
    if status is None:
        raise NotUnderstood("StatusNotification has no connectorStatus")
    connector, at = _name(whole(payload.get("evseId"))), instant(payload.get("timestamp")) or forwarded.sent_at
    if status != _FAULTED:
        return Said(sightings=_ended("ocpp201", forwarded, connector, at, occurrences, _FAULTED))
    kind, severity = meaning("ocpp201", status)
    sighting = _sighting(
        "ocpp201",
        forwarded,
        occurrences,
        connector=connector,
        code=status,
        kind=kind,
        severity=severity,
        at=at,
        info=None,
        said={},
    )
    return Said(sightings=(sighting,))


def _sighting(
    channel: str,
    forwarded: Forwarded,
    occurrences: Occurrences,
    *,
    connector: str | None,
    code: str,
    kind: str,
    severity: Severity,
    at: datetime,
    info: str | None,
    said: Mapping[str, str | None],
    session_id: str | None = None,
) -> Sighting:
    session = session_id or forwarded.session_id
    where = Where(channel, forwarded.operator, forwarded.station, connector or "")
    found: Kind = kind  # type: ignore[assignment]
    return Sighting(
        source="partner",
        channel=channel,
        source_id=occurrences.begin(where, code, at=at, session_id=session, kind=found, severity=severity),
        operator=forwarded.operator,
        station=forwarded.station,
        connector=connector,
        session_id=session,
        vin=forwarded.vin,
        ts=at,
        received_at=forwarded.received_at,
        code=code,
        kind=found,
        severity=severity,
        text=info,
        measures={name: value for name, value in said.items() if value is not None},
    )


def _ended(
    channel: str,
    forwarded: Forwarded,
    connector: str | None,
    at: datetime,
    occurrences: Occurrences,
    code: str | None = None,
) -> tuple[Sighting, ...]:
    where = Where(channel, forwarded.operator, forwarded.station, connector or "")
    return tuple(
        Sighting(
            source="partner",
            channel=channel,
            source_id=ended.source_id,
            operator=forwarded.operator,
            station=forwarded.station,
            connector=connector,
            session_id=ended.session_id,
            vin=forwarded.vin,
            ts=at,
            received_at=forwarded.received_at,
            code=ended.code,
            kind=ended.kind,
            severity=ended.severity,
            state="off",
        )
        for ended in occurrences.end(where, code)
    )


def _start16(forwarded: Forwarded, payload: dict[str, Any]) -> Said:
    result = _result(forwarded)
    session = text(result.get("transactionId")) or forwarded.session_id
    if session is None:
        return Said(ignored=("StartTransaction without its answer has no transactionId: forward that as data.result",))
    tag = result.get("idTagInfo")
    status = text(tag.get("status")) if isinstance(tag, dict) else None
    failed = status in _FAILED_STATUS
    at = instant(payload.get("timestamp")) or forwarded.sent_at
    report = _session(
        "ocpp16",
        forwarded,
        session,
        connector=_connector16(payload),
        state="failed" if failed else "charging",
        at=at,
        started_at=at,
        reason=status if failed else None,
    )
    return Said(sessions=(report,))


def _stop16(forwarded: Forwarded, payload: dict[str, Any]) -> Said:
    session = text(payload.get("transactionId"))
    if session is None:
        raise NotUnderstood("StopTransaction has no transactionId")
    at = instant(payload.get("timestamp")) or forwarded.sent_at
    report = _session(
        "ocpp16",
        forwarded,
        session,
        connector=None,
        state="ended",
        at=at,
        started_at=None,
        reason=text(payload.get("reason")),
    )
    return Said(sessions=(report,))


def _transaction201(forwarded: Forwarded, payload: dict[str, Any]) -> Said:
    info = payload.get("transactionInfo")
    session = text(info.get("transactionId")) if isinstance(info, dict) else None
    if not isinstance(info, dict) or session is None:
        raise NotUnderstood("TransactionEvent has no transactionInfo.transactionId")
    kind, at = payload.get("eventType"), instant(payload.get("timestamp")) or forwarded.sent_at
    evse = payload.get("evse")
    connector = _name(whole(evse.get("id"))) if isinstance(evse, dict) else None
    state: SessionState = "charging" if info.get("chargingState") == "Charging" else "starting"
    if kind == "Ended":
        state = "ended"
    elif kind == "Updated" and info.get("chargingState") in (None, "SuspendedEV", "SuspendedEVSE"):
        state = "charging"
    report = _session(
        "ocpp201",
        forwarded,
        session,
        connector=connector,
        state=state,
        at=at,
        started_at=at if kind == "Started" else None,
        reason=text(info.get("stoppedReason")),
    )
    measured = _meter_values(forwarded, payload, connector, session).measurements
    return Said(sessions=(report,), measurements=measured)


def _session(
    channel: str,
    forwarded: Forwarded,
    session_id: str,
    *,
    connector: str | None,
    state: SessionState,
    at: datetime,
    started_at: datetime | None,
    reason: str | None,
) -> SessionReport:
    return SessionReport(
        operator=forwarded.operator,
        station=forwarded.station,
        connector=connector,
        session_id=session_id,
        vin=forwarded.vin,
        state=state,
        started_at=started_at,
        ended_at=at if state in ("ended", "failed") else None,
        reason=reason,
        said_at=at,
        received_at=forwarded.received_at,
        channel=channel,
    )


def _meter_values(
    forwarded: Forwarded, payload: dict[str, Any], connector: str | None, session_id: str | None = None
) -> Said:
    session = session_id or text(payload.get("transactionId")) or forwarded.session_id
    values = payload.get("meterValue")
    if connector is None or not isinstance(values, list):
        return Said(ignored=("no connector or no meterValue",))
    taken = []
    for value in values[:_MOST_EVENTS]:
        at = instant(value.get("timestamp")) if isinstance(value, dict) else None
        sampled = value.get("sampledValue") if isinstance(value, dict) else None
        signals = _signals(sampled) if isinstance(sampled, list) else {}
        if at is not None and signals:
            taken.append(
                Measurement(
                    operator=forwarded.operator,
                    station=forwarded.station,
                    connector=connector,
                    session_id=session,
                    ts=at,
                    signals=signals,
                )
            )
    return Said(measurements=tuple(taken))


def _signals(sampled: Sequence[Any]) -> dict[str, float]:
    """Return what was sampled in the units of the catalogue of measurands; of several phases the first."""
    found: dict[str, float] = {}
    for one in sampled[:_MOST_EVENTS]:
        if not isinstance(one, dict):
            continue
        measurand = text(one.get("measurand")) or "Energy.Active.Import.Register"
        # OCPP 2.0.1 has the unit in an object with a power of ten.
        unit = one.get("unitOfMeasure")
        factor = 10.0 ** min(max(whole(unit.get("multiplier")) or 0, -12), 12) if isinstance(unit, dict) else 1.0
        named = text(unit.get("unit")) if isinstance(unit, dict) else text(one.get("unit"))
        value = number(one.get("value"))
        if value is None or measurand in found:
            continue
        if measurand == "Temperature":
            # That of the battery, which the car tells the station, is no temperature of the station's.
            if one.get("location") != "EV":
                found[measurand] = _celsius(value * factor, named)
        elif measurand in _SCALE:
            scale = _SCALE[measurand]
            usual = next(iter(scale.values()))
            found[measurand] = value * factor * (scale.get(named, usual) if named is not None else usual)
    return found


def _celsius(value: float, unit: str | None) -> float:
    if unit == "K":
        return value - 273.15
    if unit == "Fahrenheit":
        return (value - 32) * 5 / 9
    return value
