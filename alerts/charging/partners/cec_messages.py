"""What T/CEC 102 messages say once they are decrypted: alarms, battery data, states, sessions, results.

Sources: T/CEC 102.3 (notification_stationStatus, notification_equip_charge_status and the results of start and stop);
the alarm and battery push of a public city platform, whose published code names the fields: AlarmStatus 1 has begun, 0
is over; AlarmLevel 1 personal safety, 2 equipment, 3 notice; MaxTemp and MaxChargeCellVoltage are what the battery may
have at most, TemptureH [sic] and VoltageH what it has.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from alerts.charging.anomaly import Kind, Severity, Sighting
from alerts.charging.partners.occurrences import Occurrences, Where
from alerts.charging.partners.partner import Partner
from alerts.charging.partners.refusals import NotUnderstood, NotYours
from alerts.charging.partners.reports import Measurement, Said, SessionReport, SessionState, StopResult
from alerts.charging.partners.spelling import CHINA, by_name, instant, number, text, whole
from config.dangers import Table, meaning

_CHANNEL = "tcec102"
_TABLE: Table = "tcec"
_PLACE = ("OperatorID", "StationID", "EquipmentID", "ConnectorID", "StartChargeSeq", "VIN")
_BATTERY = (
    *_PLACE,
    *("Status", "MaxTemp", "MaxChargeCellVoltage", "TotalVoltage", "TotalCurrent", "Soc"),
    *("VoltageH", "VoltageL", "TemperatureH", "TemperatureL", "StartTime", "EndTime"),
)
_FAULT = 255
# Limits that no battery has are slips: published examples have a cell of 220 V.
_TEMPERATURE_LIMITS_C = (30.0, 90.0)
_CELL_LIMITS_V = (2.0, 5.0)
# What went over a limit is over when it is so far below it again: readings flutter.
_COOLED_C = 3.0
_RELAXED_V = 0.02
_MOST_ITEMS = 1_000
# T/CEC 102.3, StartChargeSeqStat. 5 is unknown: it says nothing.
_STATES: Mapping[int, SessionState] = {1: "starting", 2: "charging", 3: "charging", 4: "ended"}
_ENDED = 4

StationOf = Callable[[str, str], str | None]


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What reading a message takes besides the message.

    operator   : the envelope's
    station_of : the station of an operator's connector, where a message names only that
    sent_at    : TimeStamp of the envelope
    """

    partner: Partner
    operator: str
    occurrences: Occurrences
    station_of: StationOf
    sent_at: datetime
    received_at: datetime


class _At(msgspec.Struct, frozen=True):
    operator: str
    station: str | None
    connector: str | None
    session_id: str | None
    vin: str | None


def read_alarms(content: Mapping[str, Any], context: Context) -> Said:
    """Return what ``notification_alarmInfo`` says.

    Raises : NotUnderstood, when nothing in it is an alarm
    """
    found = by_name(content, ("AlarmInfos",)).get("AlarmInfos")
    return _each(found, "AlarmInfos", lambda item: _alarm(item, context))


def read_battery(content: Mapping[str, Any], context: Context) -> Said:
    """Return what ``notification_bmsInfo`` says: what was measured, and what is beyond the battery's own limits."""
    found = by_name(content, ("BmsInfo",)).get("BmsInfo", content)
    outer = by_name(content, _PLACE)
    return _each(found, "BmsInfo", lambda item: _battery({**outer, **item}, context))


def read_status(content: Mapping[str, Any], context: Context) -> Said:
    """Return what ``notification_stationStatus`` says: a connector has a fault, or has none any more."""
    found = by_name(content, ("ConnectorStatusInfo",)).get("ConnectorStatusInfo", content)
    outer = by_name(content, _PLACE)
    return _each(found, "ConnectorStatusInfo", lambda item: _status({**outer, **item}, context))


def read_session(content: Mapping[str, Any], context: Context) -> Said:
    """Return what ``notification_equip_charge_status`` says of a session and its connector."""
    at = _place(content, context)
    fields = by_name(content, ("StartChargeSeqStat", "ConnectorStatus", "StartTime", "EndTime", *_BATTERY))
    if at.session_id is None:
        raise NotUnderstood("StartChargeSeq is missing")
    state = _STATES.get(whole(fields.get("StartChargeSeqStat")) or 0)
    sessions: tuple[SessionReport, ...] = ()
    if state is not None:
        started_at = instant(fields.get("StartTime"), zone=CHINA)
        ended_at = instant(fields.get("EndTime"), zone=CHINA)
        sessions = (_session(at, context, state, started_at=started_at, ended_at=ended_at, reason=None),)
    sightings: tuple[Sighting, ...] = ()
    status = whole(fields.get("ConnectorStatus"))
    if status is not None:
        sightings = _of_status(status, at, context)
    results: tuple[StopResult, ...] = ()
    if state == "ended":
        results = (_result(at, "confirmed", "the operator says that the session has ended"),)
    return Said(sessions=sessions, sightings=sightings, results=results)


def read_start_result(content: Mapping[str, Any], context: Context) -> Said:
    """Return what ``notification_start_charge_result`` says: a session, or a start that failed."""
    at = _place(content, context)
    fields = by_name(content, ("SuccStat", "FailReason", "StartTime", "StartChargeSeqStat"))
    if at.session_id is None:
        raise NotUnderstood("StartChargeSeq is missing")
    failed = whole(fields.get("SuccStat")) == 1
    reason = text(fields.get("FailReason")) if failed else None
    state: SessionState = "failed" if failed else _STATES.get(whole(fields.get("StartChargeSeqStat")) or 1, "starting")
    started_at = instant(fields.get("StartTime"), zone=CHINA) or context.sent_at
    return Said(sessions=(_session(at, context, state, started_at=started_at, ended_at=None, reason=reason),))


def read_stop_result(content: Mapping[str, Any], context: Context) -> Said:
    """Return what ``notification_stop_charge_result`` says of a stop."""
    at = _place(content, context)
    fields = by_name(content, ("SuccStat", "FailReason", "StartChargeSeqStat"))
    if at.session_id is None:
        raise NotUnderstood("StartChargeSeq is missing")
    if whole(fields.get("SuccStat")) == 0:
        ended = whole(fields.get("StartChargeSeqStat")) == _ENDED
        state = (_session(at, context, "ended", started_at=None, ended_at=None, reason="stopped"),) if ended else ()
        return Said(results=(_result(at, "confirmed", "the operator says that charging stopped"),), sessions=state)
    reason = text(fields.get("FailReason")) or "no reason"
    return Said(results=(_result(at, "refused", f"the operator could not stop it (FailReason {reason})"),))


def _each(found: object, name: str, read: Callable[[dict[str, Any]], Said]) -> Said:
    """Read one item or a list of them; a bad one costs none of the others."""
    items: Iterable[object] = found if isinstance(found, list) else [found]
    said: list[Said] = []
    problems: list[str] = []
    for place, item in enumerate(items):
        if place == _MOST_ITEMS:
            problems.append(f"{name} has more than {_MOST_ITEMS} items: send the rest in another message")
            break
        try:
            if not isinstance(item, dict):
                raise NotUnderstood("it is missing or no JSON object")
            said.append(read(item))
        except (NotUnderstood, NotYours) as refusal:
            problems.append(f"{name}[{place}]: {refusal.detail}")
            if not isinstance(found, list):
                raise type(refusal)(problems[0]) from refusal
    if not said:
        raise NotUnderstood("; ".join(problems) or f"{name} is empty")
    return Said(
        sightings=tuple(one for each in said for one in each.sightings),
        sessions=tuple(one for each in said for one in each.sessions),
        measurements=tuple(one for each in said for one in each.measurements),
        results=tuple(one for each in said for one in each.results),
        ignored=tuple(one for each in said for one in each.ignored),
        problems=tuple(problems),
    )


def _place(item: Mapping[str, Any], context: Context) -> _At:
    fields = by_name(item, _PLACE)
    said = text(fields.get("OperatorID"))
    operator = context.operator if said is None else context.partner.operator_of(said)
    connector = text(fields.get("ConnectorID"))
    station = text(fields.get("StationID"))
    if station is None and connector is not None:
        station = context.station_of(operator, connector)
    context.partner.check_station(station)
    return _At(operator, station, connector, text(fields.get("StartChargeSeq")), text(fields.get("VIN")))


def _alarm(item: dict[str, Any], context: Context) -> Said:
    at = _place(item, context)
    fields = by_name(
        item, ("AlarmStatus", "AlarmCode", "AlarmType", "AlarmLevel", "AlarmTime", "NoteString", "BmsInfo")
    )
    code = text(fields.get("AlarmCode"))
    if code is None:
        raise NotUnderstood("AlarmCode is missing")
    if at.station is None and at.connector is None:
        raise NotUnderstood("StationID and ConnectorID are missing")
    level = whole(fields.get("AlarmLevel"))
    kind, severity = meaning(_TABLE, code, level=level)
    at_source = instant(fields.get("AlarmTime"), zone=CHINA) or context.sent_at
    battery = fields.get("BmsInfo")
    measures: dict[str, float | str] = {}
    if isinstance(battery, dict):
        measures |= {
            name: value for name in _BATTERY if (value := number(by_name(battery, _BATTERY).get(name))) is not None
        }
    for name in ("AlarmType", "AlarmLevel"):
        if (written := text(fields.get(name))) is not None:
            measures[name] = written
    if (equipment := text(by_name(item, _PLACE).get("EquipmentID"))) is not None:
        measures["EquipmentID"] = equipment
    note = text(fields.get("NoteString"), longest=500)
    if whole(fields.get("AlarmStatus")) == 0:
        return Said(sightings=_over(at, context, code, at_source))
    # What is not said to be over has begun: the safe way to read a status that is missing.
    return Said(sightings=(_begun(at, context, code, at_source, kind, severity, note, measures),))


def _battery(item: dict[str, Any], context: Context) -> Said:
    at = _place(item, context)
    fields = by_name(item, _BATTERY)
    values = {name: value for name in _BATTERY if (value := number(fields.get(name))) is not None}
    if not values:
        raise NotUnderstood("no value of it is a number")
    if at.connector is None:
        raise NotUnderstood("ConnectorID is missing")
    measures: dict[str, float | str] = dict(values)
    sightings = (
        *_beyond(
            "BmsInfo/TemptureH",
            values.get("TemperatureH"),
            values.get("MaxTemp"),
            _TEMPERATURE_LIMITS_C,
            _COOLED_C,
            ("over_temperature", 1),
            at,
            context,
            measures,
        ),
        *_beyond(
            "BmsInfo/VoltageH",
            values.get("VoltageH"),
            values.get("MaxChargeCellVoltage"),
            _CELL_LIMITS_V,
            _RELAXED_V,
            ("over_charge", 2),
            at,
            context,
            measures,
        ),
    )
    signals = {
        measurand: values[name]
        for measurand, name in (("Voltage", "TotalVoltage"), ("Current.Import", "TotalCurrent"), ("SoC", "Soc"))
        if name in values
    }
    measured: tuple[Measurement, ...] = ()
    if signals and at.station is not None:
        measured = (
            Measurement(
                operator=at.operator,
                station=at.station,
                connector=at.connector,
                session_id=at.session_id,
                ts=context.sent_at,
                signals=signals,
            ),
        )
    return Said(sightings=sightings, measurements=measured)


def _beyond(
    code: str,
    value: float | None,
    limit: float | None,
    sensible: tuple[float, float],
    margin: float,
    danger: tuple[Kind, Severity],
    at: _At,
    context: Context,
    measures: dict[str, float | str],
) -> tuple[Sighting, ...]:
    """Return what a value says that the battery's own limit is known for."""
    if value is None or limit is None or not sensible[0] <= limit <= sensible[1]:
        return ()
    if value >= limit:
        return (_begun(at, context, code, context.sent_at, *danger, None, measures),)
    return _over(at, context, code, context.sent_at) if value <= limit - margin else ()


def _status(item: dict[str, Any], context: Context) -> Said:
    at = _place(item, context)
    status = whole(by_name(item, ("Status",)).get("Status"))
    if status is None:
        raise NotUnderstood("Status is missing or no number")
    if at.connector is None:
        raise NotUnderstood("ConnectorID is missing")
    return Said(sightings=_of_status(status, at, context))


def _of_status(status: int, at: _At, context: Context) -> tuple[Sighting, ...]:
    code = f"Status/{_FAULT}"
    if status != _FAULT:
        return _over(at, context, code, context.sent_at)
    kind, severity = meaning(_TABLE, code)
    return (_begun(at, context, code, context.sent_at, kind, severity, None, {}),)


def _begun(
    at: _At,
    context: Context,
    code: str,
    at_source: datetime,
    kind: str,
    severity: Severity,
    note: str | None,
    measures: dict[str, float | str],
) -> Sighting:
    found: Kind = kind  # type: ignore[assignment]
    return Sighting(
        source="partner",
        channel=_CHANNEL,
        source_id=context.occurrences.begin(
            _where(at), code, at=at_source, session_id=at.session_id, kind=found, severity=severity
        ),
        operator=at.operator,
        station=at.station,
        connector=at.connector,
        session_id=at.session_id,
        vin=at.vin,
        ts=at_source,
        received_at=context.received_at,
        code=code,
        kind=found,
        severity=severity,
        text=note,
        measures=measures,
    )


def _over(at: _At, context: Context, code: str, at_source: datetime) -> tuple[Sighting, ...]:
    return tuple(
        Sighting(
            source="partner",
            channel=_CHANNEL,
            source_id=ended.source_id,
            operator=at.operator,
            station=at.station,
            connector=at.connector,
            session_id=ended.session_id,
            vin=at.vin,
            ts=at_source,
            received_at=context.received_at,
            code=code,
            kind=ended.kind,
            severity=ended.severity,
            state="off",
        )
        for ended in context.occurrences.end(_where(at), code)
    )


def _where(at: _At) -> Where:
    return Where(_CHANNEL, at.operator, at.station or "", at.connector or "")


def _session(
    at: _At,
    context: Context,
    state: SessionState,
    *,
    started_at: datetime | None,
    ended_at: datetime | None,
    reason: str | None,
) -> SessionReport:
    assert at.session_id is not None
    over = state in ("ended", "failed")
    return SessionReport(
        operator=at.operator,
        station=at.station,
        connector=at.connector,
        session_id=at.session_id,
        vin=at.vin,
        state=state,
        started_at=started_at,
        ended_at=(ended_at or context.sent_at) if over else None,
        reason=reason,
        said_at=context.sent_at,
        received_at=context.received_at,
        channel=_CHANNEL,
    )


def _result(at: _At, result: Any, detail: str) -> StopResult:
    return StopResult(operator=at.operator, session_id=at.session_id, result=result, detail=detail)
