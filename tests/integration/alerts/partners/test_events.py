"""Signed CloudEvents against a server that runs; what signs them is the package of Standard Webhooks' authors."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest

from config.settings import PartnerSettings
from tests.partners import RecordingDesk, anomaly, event


@pytest.fixture(autouse=True)
def _star(world):
    world.add("star", "star")


def test_an_anomaly_is_handed_to_the_desk_as_it_came(world):
    vin = "LFWA0000000000001"
    sent = anomaly(session_id="T1", vin=vin, text="gun hot", measures={"Temperature": 97.5, "pin": "DC+"})
    answer = world.push("star", sent)
    assert answer.status_code == 200, answer.text
    (seen,) = world.desk.sightings
    assert (seen.operator, seen.station, seen.connector, seen.session_id, seen.vin) == ("star", "S1", "1", "T1", vin)
    assert (seen.source, seen.channel, seen.source_id, seen.code) == ("partner", "webhook", "A1", "18")
    assert (seen.kind, seen.severity, seen.state) == ("contact_heat", 1, "on")
    assert (seen.text, seen.measures) == ("gun hot", {"Temperature": 97.5, "pin": "DC+"})
    assert answer.json()["dangers"][0]["danger_id"]
    assert answer.json()["duplicate"] is False


def test_an_unknown_code_is_kept_and_graded_by_the_partner(world):
    assert world.push("star", anomaly(code="Z-99 ?", severity=2)).status_code == 200
    assert [(one.code, one.kind, one.severity) for one in world.desk.sightings] == [("Z-99 ?", "other", 2)]


def test_misspelt_fields_are_known(world):
    data = {"alarmId": 1, "Id": "A7", "StationID": "S9", "connectorId": 4, "code": "120", "severty": "1"}
    assert world.push("star", event("forewarn.charging.anomaly.v1", data)).status_code == 200
    (seen,) = world.desk.sightings
    assert (seen.station, seen.connector, seen.severity, seen.source_id) == ("S9", "4", 1, "A7")


def test_what_is_forged_is_refused(world):
    world.add("moon", "moon")
    for secret in (world.secret("moon"), "whsec_" + "A" * 43 + "="):
        answer = world.push("star", anomaly(), secret=secret)
        assert (answer.status_code, answer.json()["reason"]) == (401, "not_authentic")
    unsigned = httpx.post(
        f"{world.url}/v1/partners/star/events", json=anomaly(), headers={"content-type": "application/json"}
    )
    assert unsigned.status_code == 401
    assert world.push("star", anomaly(), webhook_timestamp=str(int(time.time()) + 1)).status_code == 401
    assert world.push("star", anomaly(), webhook_id="another").status_code == 401
    assert world.push("nobody", anomaly(), secret=world.secret("star")).status_code == 401
    assert world.desk.sightings == []


@pytest.mark.parametrize("ahead", [True, False])
def test_a_clock_4_minutes_off_is_accepted_and_one_6_minutes_off_is_not(world, ahead):
    sign = 1 if ahead else -1
    now = datetime.now(UTC)
    assert world.push("star", anomaly(), at=now + sign * timedelta(minutes=4)).status_code == 200
    answer = world.push("star", anomaly(id="A2"), at=now + sign * timedelta(minutes=6))
    assert (answer.status_code, answer.json()["reason"]) == (401, "stale")
    assert "min" in answer.json()["detail"]
    assert len(world.desk.sightings) == 1


def test_a_message_is_replayed_by_nobody_but_may_be_sent_anew(world):
    sent, at = anomaly(), datetime.now(UTC) - timedelta(seconds=30)
    assert world.push("star", sent, message_id="m1", at=at).status_code == 200
    replay = world.push("star", sent, message_id="m1", at=at)
    assert (replay.status_code, replay.json()["reason"]) == (409, "replayed")
    anew = world.push("star", sent, message_id="m1", at=at + timedelta(seconds=10))
    assert (anew.status_code, anew.json()["duplicate"]) == (200, True)
    other = world.push("star", anomaly(id="A9"), message_id="m1", at=at + timedelta(seconds=20))
    assert (other.status_code, other.json()["reason"]) == (409, "id_reused")
    assert len(world.desk.sightings) == 1


def test_a_replay_is_known_after_a_restart(world, world_of):
    first = world
    sent, at = anomaly(), datetime.now(UTC) - timedelta(seconds=30)
    assert first.push("star", sent, message_id="m1", at=at).status_code == 200
    second = world_of()
    second.keys = first.keys
    replay = second.push("star", sent, message_id="m1", at=at)
    assert (replay.status_code, replay.json()["reason"]) == (409, "replayed")
    assert second.push("star", sent, message_id="m1", at=at + timedelta(seconds=5)).status_code == 200


def test_one_anomaly_told_twice_is_one(world):
    at = datetime.now(UTC).isoformat()
    assert world.push("star", anomaly(ts=at)).json()["duplicate"] is False
    again = world.push("star", anomaly(ts=at))
    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    assert len(world.desk.sightings) == 1


def test_another_partners_operator_and_station_are_refused(world):
    world.add("moon", "moon", "luna", stations=("M-*", "L-7"))
    for fields in ({"operator": "star"}, {"station": "S1"}, {"station": "L-8", "operator": "luna"}):
        answer = world.push("moon", anomaly(**{"station": "M-1", **fields}))
        assert (answer.status_code, answer.json()["reason"]) == (403, "not_yours"), fields
    assert world.push("moon", anomaly(station="L-7", operator="luna")).status_code == 200
    assert [(one.operator, one.station) for one in world.desk.sightings] == [("luna", "L-7")]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "cut off"),
        (b'{"specversion":"1.0","id"', "cut off"),
        (b"[1]", "CloudEvent"),
        (b"{}", "specversion"),
        (b'{"specversion":"0.3"}', "specversion"),
        (b'{"specversion":"1.0","source":"s","type":"t","data":{}}', "id is"),
        (b'{"specversion":"1.0","id":"1","source":"s","type":"t","data":{}}', "type 't' is none of"),
        (b'{"specversion":"1.0","id":"1","source":"s","type":"t"}', "data is"),
        (b'{"a":' * 3000, "cut off"),
    ],
)
def test_what_cannot_be_read_says_why(world, body, named):
    answer = world.push("star", body)
    assert (answer.status_code, answer.json()["reason"]) == (400, "not_understood")
    assert named in answer.json()["detail"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"severity": 4}, "data.severity"),
        ({"severity": None}, "data.severity"),
        ({"code": ""}, "data.code"),
        ({"state": "maybe"}, "data.state"),
        ({"state": "off", "id": None}, "data.id"),
        ({"station": None, "session_id": None}, "whom does it concern"),
    ],
)
def test_a_field_that_is_needed_is_named(world, fields, named):
    answer = world.push("star", anomaly(**fields))
    assert answer.status_code == 400
    assert named in answer.json()["detail"]
    assert world.desk.sightings == []


def test_what_is_too_large_is_refused_before_it_is_read(world):
    most = world.settings.partners.body_kib * 1024
    assert world.push("star", anomaly(text="x" * most)).status_code == 413

    def parts():
        for _ in range(most // 1024 + 1):
            yield b"x" * 1024

    headers = {"content-type": "application/json", "webhook-id": "1"}
    assert httpx.post(f"{world.url}/v1/partners/star/events", content=parts(), headers=headers).status_code == 413


def test_a_connection_that_breaks_off_is_nothing(world):
    with socket.create_connection((world.settings.partners.host, world.settings.partners.port)) as link:
        link.sendall(
            b"POST /v1/partners/star/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b'content-length: 500\r\n\r\n{"specversion"'
        )
    assert world.push("star", anomaly()).status_code == 200
    assert len(world.desk.sightings) == 1


def test_only_json_is_read(world):
    assert world.push("star", anomaly(), content_type="text/xml").status_code == 415


def test_a_danger_that_is_new_passes_the_limit_and_its_repetition_does_not(world_of):
    world = world_of(rate_per_s=0.001, burst=2)
    world.add("sun", "sun")
    answers = [world.push("sun", anomaly(id=f"A{n}")).status_code for n in range(6)]
    assert answers == [200, 200, 429, 429, 429, 429]
    refused = world.push("sun", anomaly(id="A7"))
    assert (refused.json()["reason"], refused.headers["retry-after"]) == ("too_many", "1")
    assert world.push("sun", anomaly(id="A8", connector="2")).status_code == 200
    assert world.push("sun", anomaly(id="A9", code="9")).status_code == 200
    assert world.push("sun", anomaly(id="A0", state="off")).status_code == 200


def test_a_database_that_is_away_costs_a_503_after_the_danger_was_handed_on(world):
    world.desk.recorded = False
    sent, at = anomaly(), datetime.now(UTC)
    answer = world.push("star", sent, message_id="m1", at=at)
    assert (answer.status_code, answer.json()["reason"], answer.headers["retry-after"]) == (503, "not_recorded", "5")
    assert len(world.desk.sightings) == 1
    world.desk.recorded = True
    # The very same message: it was told to send it again.
    assert world.push("star", sent, message_id="m1", at=at).status_code == 200
    assert world.push("star", sent, message_id="m1", at=at).status_code == 409
    assert len(world.desk.sightings) == 1


def test_keys_rotate_without_a_gap_and_end_at_once_when_revoked(world):
    from alerts.charging.partners.records import revoke_keys, rotate
    from ingest.store.connection import connect

    old, now = world.secret("star"), datetime.now(UTC)
    with connect(world.settings.database.dsn, role="admin") as conn:
        new = rotate(conn, world.side.sealer, "star", "webhook", now=now, overlap=timedelta(hours=1))
    world.side.refresh()
    for secret in (old, new.shown["secret"]):
        assert world.push("star", anomaly(), secret=secret).status_code == 200
    with connect(world.settings.database.dsn, role="admin") as conn:
        assert revoke_keys(conn, "star", key_id=world.keys["star", "webhook"].key_id, now=now) == 1
    world.side.refresh()
    assert world.push("star", anomaly(), secret=old).status_code == 401
    assert world.push("star", anomaly(), secret=new.shown["secret"]).status_code == 200


def test_other_machines_are_not_served_in_the_open(world):
    from alerts.charging.partners.serving import NeedsTls, check_listening

    with pytest.raises(NeedsTls, match="cert_file"):
        check_listening(PartnerSettings(host="0.0.0.0"))
    check_listening(PartnerSettings(host="0.0.0.0", behind_proxy=True))
    check_listening(PartnerSettings(host="::1"))


def test_the_page_and_the_description_are_served(world):
    page = httpx.get(f"{world.url}/docs?lang=zh_CN")
    assert page.status_code == 200
    assert "充电" in page.text
    assert "forewarn.charging.anomaly.v1" in page.text
    assert httpx.get(f"{world.url}/openapi.json").json()["openapi"].startswith("3.")
    assert httpx.get(f"{world.url}/nothing").json()["reason"] == "no_such_address"


def test_dangers_do_not_wait_for_those_that_wait_for_the_database(world_of):
    """Forty messages that wait for a database that is away, and a danger behind them."""
    slow = threading.Event()

    class Waiting(RecordingDesk):
        def receive(self, sighting, *, wait_s=2.0):
            slow.wait(min(wait_s, 2.0))
            return msgspec.structs.replace(self.take(sighting)[0], recorded=False)

    desk = Waiting()
    world = world_of(desk=desk)
    world.add("sun", "sun")
    with ThreadPoolExecutor(60) as pool:
        asked = [pool.submit(world.push, "sun", anomaly(id=f"A{n}", connector=str(n))) for n in range(60)]
        deadline = time.monotonic() + 5
        while len(desk.sightings) < 60:
            assert time.monotonic() < deadline, f"{len(desk.sightings)} of 60 were acted on"
            time.sleep(0.005)
        slow.set()
        assert {answer.result().status_code for answer in asked} == {503}
