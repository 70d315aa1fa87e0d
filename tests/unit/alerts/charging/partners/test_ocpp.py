"""Messages made by the ``ocpp`` package, and such as real stations send outside its schemas."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from ocpp.charge_point import remove_nones, serialize_as_dict, snake_to_camel_case
from ocpp.messages import Call, validate_payload
from ocpp.v16 import call as call16
from ocpp.v16.enums import ChargePointErrorCode, ChargePointStatus
from ocpp.v201 import call as call201
from ocpp.v201.datatypes import ComponentType, EventDataType, EVSEType, TransactionType, VariableType
from ocpp.v201.enums import (
    EventNotificationEnumType,
    EventTriggerEnumType,
    TransactionEventEnumType,
    TriggerReasonEnumType,
)

from alerts.charging.partners.occurrences import Occurrences
from alerts.charging.partners.ocpp import Forwarded, read_ocpp16, read_ocpp201
from alerts.charging.partners.refusals import NotUnderstood
from config.dangers import meaning

AT = datetime(2026, 11, 26, 6, 30, tzinfo=UTC)
LATER = datetime(2026, 11, 26, 6, 31, tzinfo=UTC)


def _call(payload: object, *, version: str) -> list:
    """Return the call as the package sends it, checked against the schemas it ships."""
    content = snake_to_camel_case(remove_nones(serialize_as_dict(payload)))
    made = Call("19223201", type(payload).__name__, content)
    asyncio.run(validate_payload(made, version))
    return json.loads(made.to_json())


def _forwarded(call: object, **fields: object) -> Forwarded:
    values = {"operator": "star", "station": "CP01", "session_id": None, "vin": None, "result": None, "sent_at": AT}
    return Forwarded(call=call, received_at=LATER, **{**values, **fields})


def _status(error: str, status: ChargePointStatus = ChargePointStatus.faulted, **fields: object) -> list:
    payload = call16.StatusNotification(
        connector_id=1,
        error_code=ChargePointErrorCode(error),
        status=status,
        timestamp=AT.isoformat(),
        **fields,
    )
    return _call(payload, version="1.6")


@pytest.mark.parametrize("error", [code.value for code in ChargePointErrorCode if code.value != "NoError"])
def test_every_error_of_ocpp_16_is_a_sighting_with_its_meaning(error):
    (sighting,) = read_ocpp16(_forwarded(_status(error)), Occurrences()).sightings
    assert (sighting.kind, sighting.severity) == meaning("ocpp16", error)
    assert (sighting.code, sighting.channel, sighting.state) == (error, "ocpp16", "on")
    assert (sighting.operator, sighting.station, sighting.connector, sighting.ts) == ("star", "CP01", "1", AT)


def test_a_code_outside_the_list_is_kept_and_read_by_the_vendors_code():
    call = [2, "1", "StatusNotification", {"connectorId": 2, "errorCode": "FireInTheHole", "status": "Faulted"}]
    (sighting,) = read_ocpp16(_forwarded(call), Occurrences()).sightings
    assert (sighting.code, sighting.kind, sighting.severity) == ("FireInTheHole", "other", 2)
    call = _status("OtherError", vendor_error_code="9", vendor_id="maker")
    (sighting,) = read_ocpp16(_forwarded(call), Occurrences()).sightings
    assert (sighting.kind, sighting.severity, sighting.measures["vendorErrorCode"]) == ("smoke", 1, "9")


def test_no_error_ends_what_was_open_at_the_connector_and_nothing_else():
    occurrences = Occurrences()
    (hot,) = read_ocpp16(_forwarded(_status("HighTemperature")), occurrences).sightings
    (ground,) = read_ocpp16(_forwarded(_status("GroundFailure")), occurrences).sightings
    other = [2, "1", "StatusNotification", {"connectorId": 2, "errorCode": "GroundFailure", "status": "Faulted"}]
    read_ocpp16(_forwarded(other), occurrences)
    ended = read_ocpp16(_forwarded(_status("NoError", ChargePointStatus.available)), occurrences).sightings
    assert {(one.source_id, one.state) for one in ended} == {(hot.source_id, "off"), (ground.source_id, "off")}
    assert read_ocpp16(_forwarded(_status("NoError", ChargePointStatus.available)), occurrences).sightings == ()


def test_a_fault_without_an_error_is_one():
    (sighting,) = read_ocpp16(_forwarded(_status("NoError")), Occurrences()).sightings
    assert (sighting.code, sighting.severity) == ("Faulted", 2)


def test_meter_values_become_measurements_in_our_units():
    payload = call16.MeterValues(
        connector_id=1,
        transaction_id=42,
        meter_value=[
            {
                "timestamp": AT.isoformat(),
                "sampledValue": [
                    {"value": "400.5", "measurand": "Voltage", "unit": "V"},
                    {"value": "120", "measurand": "Current.Import", "unit": "A"},
                    {"value": "48000", "measurand": "Power.Active.Import", "unit": "W"},
                    {"value": "1500"},
                    {"value": "81", "measurand": "SoC", "unit": "Percent"},
                    {"value": "212", "measurand": "Temperature", "unit": "Fahrenheit", "location": "Outlet"},
                ],
            }
        ],
    )
    (measured,) = read_ocpp16(_forwarded(_call(payload, version="1.6")), Occurrences()).measurements
    assert measured.signals == {
        "Voltage": 400.5,
        "Current.Import": 120.0,
        "Power.Active.Import": 48.0,
        "Energy.Active.Import.Register": 1.5,
        "SoC": 81.0,
        "Temperature": pytest.approx(100.0),
    }
    assert (measured.session_id, measured.connector, measured.ts) == ("42", "1", AT)


def test_a_session_of_ocpp_16_begins_with_the_answer_and_ends():
    start = _call(
        call16.StartTransaction(connector_id=1, id_tag="tag", meter_start=0, timestamp=AT.isoformat()), version="1.6"
    )
    assert read_ocpp16(_forwarded(start), Occurrences()).sessions == ()
    result = [3, "19223201", {"transactionId": 42, "idTagInfo": {"status": "Accepted"}}]
    (begun,) = read_ocpp16(_forwarded(start, result=result, vin="LFWA0000000000001"), Occurrences()).sessions
    assert (begun.session_id, begun.state, begun.vin, begun.started_at) == ("42", "charging", "LFWA0000000000001", AT)
    result[2]["idTagInfo"]["status"] = "Invalid"
    (failed,) = read_ocpp16(_forwarded(start, result=result), Occurrences()).sessions
    assert (failed.state, failed.reason) == ("failed", "Invalid")
    stop = _call(call16.StopTransaction(transaction_id=42, meter_stop=9, timestamp=LATER.isoformat()), version="1.6")
    (ended,) = read_ocpp16(_forwarded(stop), Occurrences()).sessions
    assert (ended.session_id, ended.state, ended.ended_at, ended.started_at) == ("42", "ended", LATER, None)


def _event(component: str, variable: str, value: str = "true", **fields: object) -> list:
    values = {
        "event_id": 1,
        "timestamp": AT.isoformat(),
        "trigger": EventTriggerEnumType.alerting,
        "actual_value": value,
        "event_notification_type": EventNotificationEnumType.hard_wired_monitor,
        "component": ComponentType(name=component, evse=EVSEType(id=1)),
        "variable": VariableType(name=variable),
    }
    event = EventDataType(**{**values, **fields})
    payload = call201.NotifyEvent(generated_at=AT.isoformat(), seq_no=0, event_data=[event])
    return _call(payload, version="2.0.1")


def test_an_alert_of_ocpp_201_is_a_sighting_and_ends_when_it_is_cleared():
    occurrences = Occurrences()
    (on,) = read_ocpp201(_forwarded(_event("SmokeSensor", "Active", transaction_id="T1")), occurrences).sightings
    assert (on.kind, on.severity, on.code, on.session_id) == ("smoke", 1, "SmokeSensor/Active", "T1")
    assert (on.channel, on.connector) == ("ocpp201", "1")
    (off,) = read_ocpp201(_forwarded(_event("SmokeSensor", "Active", cleared=True)), occurrences).sightings
    assert (off.source_id, off.state, off.session_id) == (on.source_id, "off", "T1")


def test_the_severity_of_ocpp_21_grades_what_the_table_does_not():
    call = _event("Whatever", "Unheard", "7", tech_code="E42")
    call[3]["eventData"][0]["severity"] = 0
    (sighting,) = read_ocpp201(_forwarded(call), Occurrences()).sightings
    assert (sighting.kind, sighting.severity, sighting.code) == ("other", 1, "Whatever/Unheard")
    assert sighting.measures["techCode"] == "E42"


def test_a_change_is_an_alert_only_of_what_is_wrong_by_itself():
    delta = EventTriggerEnumType.delta
    said = read_ocpp201(_forwarded(_event("EVSE", "Power", "7200", trigger=delta)), Occurrences())
    assert (said.sightings, len(said.ignored)) == ((), 1)
    said = read_ocpp201(_forwarded(_event("EmergencyStopSensor", "Active", trigger=delta)), Occurrences())
    assert [one.kind for one in said.sightings] == ["emergency_stop"]


def test_a_transaction_of_ocpp_201_is_a_session():
    def event(kind: TransactionEventEnumType, at: datetime, **info: object) -> list:
        payload = call201.TransactionEvent(
            event_type=kind,
            timestamp=at.isoformat(),
            trigger_reason=TriggerReasonEnumType.charging_state_changed,
            seq_no=0,
            transaction_info=TransactionType(transaction_id="T1", **info),
            evse=EVSEType(id=2, connector_id=1),
        )
        return _call(payload, version="2.0.1")

    def read(call: list):
        return read_ocpp201(_forwarded(call), Occurrences()).sessions[0]

    begun = read(event(TransactionEventEnumType.started, AT, charging_state="EVConnected"))
    assert (begun.state, begun.connector, begun.started_at, begun.session_id) == ("starting", "2", AT, "T1")
    assert read(event(TransactionEventEnumType.updated, LATER, charging_state="Charging")).state == "charging"
    ended = read(event(TransactionEventEnumType.ended, LATER, stopped_reason="GroundFault"))
    assert (ended.state, ended.ended_at, ended.reason) == ("ended", LATER, "GroundFault")


@pytest.mark.parametrize(
    "call",
    [
        None,
        {},
        [],
        [3, "1", {}],
        [2, "1", "StatusNotification"],
        [2, "1", "StatusNotification", []],
        "x",
        [2, 1, 2, {}],
    ],
)
@pytest.mark.parametrize("read", [read_ocpp16, read_ocpp201])
def test_what_is_no_call_is_refused(read, call):
    with pytest.raises(NotUnderstood):
        read(_forwarded(call), Occurrences())
