"""T/CEC 102 against a server that runs; the client in ``tests.partners`` is written from the text."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.partners import Cec

ALARM = {
    "StationID": "S1",
    "EquipmentID": "E1",
    "ConnectorID": "C1",
    "AlarmStatus": 1,
    "AlarmCode": "120",
    "AlarmType": 2,
    "AlarmLevel": 1,
    "AlarmTime": "2026-11-26 14:30:00",
    "BmsInfo": {"TatalVoltage": "380.5", "TemptureH": 61, "Soc": 80},
}


@pytest.fixture
def cec(world) -> Cec:
    world.add("star", "MA0000001", kinds=("tcec102",))
    client = world.cec("star", "MA0000001")
    client.log_in()
    return client


def test_an_alarm_is_handed_to_the_desk(world, cec):
    answer = cec.say("notification_alarmInfo", {"AlarmInfos": [ALARM]})
    assert (answer["Ret"], cec.opened(answer)) == (0, {"Status": 0})
    (seen,) = world.desk.sightings
    assert (seen.operator, seen.station, seen.connector, seen.code) == ("MA0000001", "S1", "C1", "120")
    assert (seen.kind, seen.severity, seen.state, seen.channel) == ("over_temperature", 1, "on", "tcec102")
    assert seen.ts == datetime(2026, 11, 26, 6, 30, tzinfo=UTC)
    assert seen.measures == {
        "TotalVoltage": 380.5,
        "TemperatureH": 61.0,
        "Soc": 80.0,
        "AlarmType": "2",
        "AlarmLevel": "1",
        "EquipmentID": "E1",
    }
    cec.say("notification_alarmInfo", {"AlarmInfos": [{**ALARM, "AlarmStatus": 0, "AlarmTime": "2026-11-26 14:33:00"}]})
    assert [(one.state, one.source_id) for one in world.desk.sightings] == [
        ("on", seen.source_id),
        ("off", seen.source_id),
    ]


def test_unknown_codes_are_kept_and_graded_by_the_partners_level(world, cec):
    for code, level in (("931", 3), ("X-1", 2), ("77", 1)):
        cec.say("notification_alarmInfo", {"AlarmInfos": [{**ALARM, "AlarmCode": code, "AlarmLevel": level}]})
    assert [(one.code, one.kind, one.severity) for one in world.desk.sightings] == [
        ("931", "other", 3),
        ("X-1", "other", 2),
        ("77", "other", 1),
    ]


def test_one_bad_alarm_costs_none_of_the_others(world, cec):
    answer = cec.say("notification_alarmInfo", {"AlarmInfos": [ALARM, {"StationID": "S1"}, 7]})
    assert answer["Ret"] == 4004
    assert "AlarmInfos[1]: AlarmCode is missing" in answer["Msg"]
    assert "the rest is taken" in answer["Msg"]
    assert len(world.desk.sightings) == 1


def test_a_token_is_needed_and_has_to_be_this_partners(world, cec):
    world.add("moon", "MB0000002", kinds=("tcec102",))
    other = world.cec("moon", "MB0000002")
    other.log_in()
    for token in (None, "rubbish", other.token, cec.token[:-1], cec.token + "x"):
        answer = cec.post("notification_alarmInfo", cec.sealed({"AlarmInfos": [ALARM]}), token=token).json()
        assert answer["Ret"] == 4002, token
    assert world.desk.sightings == []


def test_a_wrong_operator_secret_gets_no_token(world, cec):
    answer = cec.say("query_token", {"OperatorID": "MA0000001", "OperatorSecret": "wrong"})
    opened = cec.opened(answer)
    assert (opened["SuccStat"], opened["FailReason"], opened["AccessToken"]) == (1, 2, "")


def test_the_signature_is_verified_before_anything_is_decrypted(world, cec):
    forged = cec.sealed({"AlarmInfos": [ALARM]}, sig_secret="0000000000000000")
    answer = cec.post("notification_alarmInfo", forged).json()
    assert (answer["Ret"], answer["Data"], answer["Sig"]) == (4001, "", "")
    unknown = {**cec.sealed({}), "OperatorID": "MZ9999999"}
    assert cec.post("notification_alarmInfo", unknown).json()["Ret"] == 4001
    tampered = cec.sealed({"AlarmInfos": [ALARM]})
    tampered["Data"] = tampered["Data"][:-8] + "AAAAAAA="
    assert cec.post("notification_alarmInfo", tampered).json()["Ret"] == 4001


def test_what_is_wrongly_encrypted_says_so(world, cec):
    answer = cec.say("notification_alarmInfo", {"AlarmInfos": [ALARM]}, data_secret="0000000000000000")
    assert answer["Ret"] == 4003
    assert "Data" in answer["Msg"]
    assert cec.opened(answer)["Status"] == 1


def test_a_replay_is_refused(world, cec):
    body = cec.sealed({"AlarmInfos": [ALARM]})
    assert cec.post("notification_alarmInfo", body).json()["Ret"] == 0
    replay = cec.post("notification_alarmInfo", body).json()
    assert (replay["Ret"], "before" in replay["Msg"]) == (4003, True)
    other = cec.sealed({"AlarmInfos": [{**ALARM, "AlarmCode": "9"}]}, seq=int(body["Seq"]))
    if other["TimeStamp"] == body["TimeStamp"]:
        assert cec.post("notification_alarmInfo", other).json()["Ret"] == 4003
    assert len([one for one in world.desk.sightings if one.code == "120"]) == 1


@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_4_minutes_off_is_accepted_and_one_6_minutes_off_is_not(world, cec, sign):
    now = datetime.now(UTC)
    body = {"AlarmInfos": [ALARM]}
    assert cec.say("notification_alarmInfo", body, at=now + sign * timedelta(minutes=4))["Ret"] == 0
    answer = cec.say("notification_alarmInfo", body, at=now + sign * timedelta(minutes=6))
    assert (answer["Ret"], "TimeStamp" in answer["Msg"]) == (4003, True)


def test_another_partners_station_is_refused(world, cec):
    world.add("moon", "MB0000002", kinds=("tcec102",), stations=("M-*",))
    moon = world.cec("moon", "MB0000002")
    moon.log_in()
    for fields in ({"StationID": "S1"}, {"StationID": "M-1", "OperatorID": "MA0000001"}):
        answer = moon.say("notification_alarmInfo", {"AlarmInfos": [{**ALARM, **fields}]})
        assert answer["Ret"] == 4004, answer
    assert world.desk.sightings == []


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"[]", 400), (b"{}", 200), (b"\xff", 400), (b'{"OperatorID":"MA0000001"}', 200)],
)
def test_what_is_no_request_is_answered_in_the_protocol(cec, body, status):
    answer = cec.post("notification_alarmInfo", body)
    assert (answer.status_code, answer.json()["Ret"]) == (status, 4003)


def test_too_large_a_request_is_refused(world, cec):
    answer = cec.post("notification_alarmInfo", b"x" * (world.settings.partners.body_kib * 1024 + 1))
    assert (answer.status_code, answer.json()["Ret"]) == (413, 4003)


def test_a_connector_with_a_fault_is_a_sighting_until_it_has_none(world, cec):
    for status in (3, 255, 255, 1, 1):
        answer = cec.say(
            "notification_stationStatus",
            {"ConnectorStatusInfo": {"StationID": "S1", "ConnectorID": "C1", "Status": status}},
        )
        assert (answer["Ret"], cec.opened(answer)) == (0, {"Status": 0})
    said = [(one.code, one.severity, one.state) for one in world.desk.sightings]
    assert (set(said[:-1]), said[-1]) == ({("Status/255", 2, "on")}, ("Status/255", 2, "off"))
    assert len({one.source_id for one in world.desk.sightings}) == 1


def test_battery_data_beyond_the_batterys_own_limits_is_a_danger(world, cec):
    def push(**fields: object) -> None:
        battery = {"ConnectorID": "C1", "StationID": "S1", "MaxTemp": "55", "MaxChargeCellVoltage": "220", **fields}
        answer = cec.say("notification_bmsInfo", {"BmsInfo": battery})
        assert answer["Ret"] == 0, answer

    push(TemptureH="54", VoltageH="4.2")
    assert world.desk.sightings == []
    push(TemptureH="55", VoltageH="4.2")
    push(TemptureH="53", VoltageH="4.2")
    push(TemptureH="52", VoltageH="4.2")
    assert [(one.kind, one.severity, one.state) for one in world.desk.sightings] == [
        ("over_temperature", 1, "on"),
        ("over_temperature", 1, "off"),
    ]


def test_a_session_binds_a_car_to_a_connector(world, cec):
    cec.say(
        "notification_stationStatus", {"ConnectorStatusInfo": {"StationID": "S1", "ConnectorID": "C1", "Status": 3}}
    )
    start = {"StartChargeSeq": "MA000000100001", "StartChargeSeqStat": 2, "ConnectorID": "C1", "StationID": "S1"}
    session = {**start, "ConnectorStatus": 3, "StartTime": "2026-11-26 14:00:00", "VIN": "LFWA0000000000001", "Soc": 50}
    answer = cec.say("notification_equip_charge_status", session)
    assert cec.opened(answer) == {"StartChargeSeq": "MA000000100001", "SuccStat": 0, "FailReason": 0}
    assert world.side.sessions.vin_at("MA0000001", "S1", "C1", None) == "LFWA0000000000001"
    # An order's later messages name the connector alone.
    cec.say("notification_equip_charge_status", {"StartChargeSeq": "MA000000100001", "StartChargeSeqStat": 4})
    assert world.side.sessions.vin_at("MA0000001", "S1", "C1", None) is None


def test_a_start_that_fails_is_a_failed_session(world, cec, database):
    from ingest.store.connection import connect

    cec.say(
        "notification_start_charge_result",
        {"StartChargeSeq": "Q1", "StartChargeSeqStat": 5, "ConnectorID": "C1", "SuccStat": 1, "FailReason": 3},
    )
    with connect(database, role="alerts") as conn:
        assert conn.execute("SELECT state, reason FROM telemetry.charging_session").fetchall() == [("failed", "3")]


def test_keys_of_a_rotated_set_still_open_and_tokens_end_with_their_key(world, cec):
    from alerts.charging.partners.records import revoke_keys, rotate
    from ingest.store.connection import connect

    now = datetime.now(UTC)
    with connect(world.settings.database.dsn, role="admin") as conn:
        made = rotate(conn, world.side.sealer, "star", "tcec102", now=now, overlap=timedelta(hours=1))
    world.side.refresh()
    fresh = Cec(world.url, "MA0000001", made.shown)
    fresh.log_in()
    assert fresh.say("notification_alarmInfo", {"AlarmInfos": [ALARM]}, seq=5001)["Ret"] == 0
    assert cec.say("notification_alarmInfo", {"AlarmInfos": [{**ALARM, "AlarmCode": "9"}]})["Ret"] == 0
    with connect(world.settings.database.dsn, role="admin") as conn:
        revoke_keys(conn, "star", key_id=world.keys["star", "tcec102"].key_id, now=now)
    world.side.refresh()
    assert cec.say("notification_alarmInfo", {"AlarmInfos": [ALARM]})["Ret"] == 4001
    old = fresh.post("notification_alarmInfo", fresh.sealed({"AlarmInfos": [ALARM]}, seq=5002), token=cec.token)
    assert old.json()["Ret"] == 4002


def test_a_database_that_is_away_is_told_after_the_danger_was_handed_on(world, cec):
    world.desk.recorded = False
    answer = cec.post("notification_alarmInfo", cec.sealed({"AlarmInfos": [ALARM]}))
    assert (answer.status_code, answer.json()["Ret"]) == (503, -1)
    assert len(world.desk.sightings) == 1
    assert json.loads(answer.text)["Msg"]


def test_a_token_is_had_while_the_database_is_away(world, cec):
    world.side._pool.close()
    assert cec.log_in()["AccessToken"]
    answer = cec.post("notification_alarmInfo", cec.sealed({"AlarmInfos": [ALARM]}))
    assert (answer.status_code, answer.json()["Ret"]) == (503, -1)
    assert len(world.desk.sightings) == 1
