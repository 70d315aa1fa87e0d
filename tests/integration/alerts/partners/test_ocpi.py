"""OCPI 2.2.1 against a server that runs."""

import base64
from datetime import UTC, datetime

import pytest

from ingest.store.connection import connect
from tests.partners import CLIENT, World

SESSION = {
    "country_code": "NL",
    "party_id": "ALF",
    "id": "101",
    "start_date_time": "2026-11-26T06:00:00Z",
    "kwh": 0.0,
    "cdr_token": {"uid": "123abc", "type": "RFID", "contract_id": "NL-ALF-C12345678-S"},
    "auth_method": "WHITELIST",
    "location_id": "LOC1",
    "evse_uid": "3257",
    "connector_id": "1",
    "currency": "EUR",
    "status": "ACTIVE",
    "last_updated": "2026-11-26T06:00:05Z",
}
ADDRESS = "/ocpi/emsp/2.2.1/sessions/NL/ALF/101"


@pytest.fixture(autouse=True)
def _alf(world):
    world.add("alf", "NL-ALF", kinds=("ocpi", "read"))


def ask(world: World, method: str, path: str, content: object = None, *, token: str | None = None, plain: bool = False):
    token = token or world.keys["alf", "ocpi"].shown["token"]
    shown = token if plain else base64.b64encode(token.encode()).decode()
    return CLIENT.request(
        method, f"{world.url}{path}", json=content, headers={"authorization": f"Token {shown}", "x-request-id": "r1"}
    )


def stored(world: World) -> list[tuple]:
    query = "SELECT operator, station, connector, session_id, state, ended_at FROM telemetry.charging_session"
    with connect(world.settings.database.dsn, role="alerts") as conn:
        return conn.execute(query).fetchall()


def test_a_session_is_put_changed_and_ended(world):
    answer = ask(world, "PUT", ADDRESS, SESSION)
    assert (answer.status_code, answer.json()["status_code"], answer.headers["x-request-id"]) == (200, 1000, "r1")
    assert stored(world) == [("NL-ALF", "LOC1", "3257", "101", "charging", None)]
    assert world.side.sessions.session_at("NL-ALF", "LOC1", "3257") == "101"
    patch = {"kwh": 5.5, "last_updated": "2026-11-26T06:10:00Z"}
    assert ask(world, "PATCH", ADDRESS, patch).status_code == 200
    shown = ask(world, "GET", ADDRESS).json()["data"]
    assert (shown["id"], shown["status"], shown["location_id"]) == ("101", "ACTIVE", "LOC1")
    end = {"status": "COMPLETED", "end_date_time": "2026-11-26T07:00:00Z", "last_updated": "2026-11-26T07:00:01Z"}
    assert ask(world, "PATCH", ADDRESS, end).status_code == 200
    assert stored(world) == [("NL-ALF", "LOC1", "3257", "101", "ended", datetime(2026, 11, 26, 7, tzinfo=UTC))]
    assert world.side.sessions.session_at("NL-ALF", "LOC1", "3257") is None


def test_what_is_older_than_what_is_known_changes_nothing(world):
    ask(world, "PUT", ADDRESS, {**SESSION, "status": "COMPLETED", "last_updated": "2026-11-26T07:00:00Z"})
    assert ask(world, "PUT", ADDRESS, SESSION).status_code == 200
    assert [row[4] for row in stored(world)] == ["ended"]


def test_a_session_that_ends_before_it_charged_has_failed(world):
    ask(world, "PUT", ADDRESS, {**SESSION, "status": "PENDING"})
    ask(world, "PUT", ADDRESS, {**SESSION, "status": "COMPLETED", "last_updated": "2026-11-26T06:05:00Z"})
    assert [row[4] for row in stored(world)] == ["failed"]


def test_a_token_is_taken_as_it_is_or_in_base64_and_no_other(world):
    assert ask(world, "GET", "/ocpi/versions", plain=True).status_code == 200
    assert ask(world, "GET", "/ocpi/2.2.1").json()["data"]["version"] == "2.2.1"
    for token in ("wrong", world.keys["alf", "read"].shown["token"]):
        answer = ask(world, "PUT", ADDRESS, SESSION, token=token)
        assert (answer.status_code, answer.json()["status_code"]) == (401, 2000)
    assert CLIENT.get(f"{world.url}/ocpi/versions").status_code == 401
    assert stored(world) == []


def test_another_partys_session_is_refused(world):
    world.add("bee", "NL-BEE", kinds=("ocpi",))
    answer = ask(world, "PUT", "/ocpi/emsp/2.2.1/sessions/NL/BEE/101", {**SESSION, "party_id": "BEE"})
    assert (answer.status_code, answer.json()["status_code"]) == (403, 2000)
    bee = world.keys["bee", "ocpi"].shown["token"]
    assert ask(world, "GET", ADDRESS, token=bee).status_code == 403


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ([], "no JSON object"),
        ({"status": "ACTIVE"}, "start_date_time, location_id is missing"),
        ({**SESSION, "status": "ON_FIRE"}, "status"),
        ({**SESSION, "party_id": "BEE"}, "party_id is another"),
    ],
)
def test_what_cannot_be_read_says_why(world, content, named):
    answer = ask(world, "PUT", ADDRESS, content)
    assert (answer.status_code, answer.json()["status_code"]) == (400, 2001)
    assert named in answer.json()["status_message"]


def test_a_result_of_a_command_nobody_gave_changes_nothing(world):
    path = "/ocpi/emsp/2.2.1/commands/STOP_SESSION"
    known = "00000000-0000-4000-8000-000000000000"
    assert ask(world, "POST", f"{path}/{known}", {"result": "ACCEPTED"}).status_code == 200
    assert world.desk.answers == []
    assert ask(world, "POST", f"{path}/nothing", {"result": "ACCEPTED"}).status_code == 400
    assert ask(world, "POST", f"{path}/{known}", {"result": "MAYBE"}).status_code == 400


def test_a_method_that_is_none_is_told_those_that_are(world):
    answer = ask(world, "DELETE", ADDRESS)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PATCH, PUT")
