"""OCPI 2.2.1 credentials against a server that runs: an operator registers by itself, rotates, and ends it."""

import base64
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from alerts.charging.partners.records import add_key
from alerts.charging.stopping import StopRequest
from ingest.store.connection import connect
from tests.integration.alerts.partners.test_ocpi import ADDRESS, SESSION
from tests.ocpi_operator import OcpiOperator, ocpi_operator
from tests.partners import CLIENT, World

PATH = "/ocpi/2.2.1/credentials"


@pytest.fixture(autouse=True)
def _alf(world: World) -> None:
    world.add("alf", "NL-ALF", kinds=("ocpi_register",))


@pytest.fixture
def operator() -> Iterator[OcpiOperator]:
    with ocpi_operator("token-b", "token-b2") as running:
        yield running


def ask(world: World, method: str, path: str, token: str, content: object = None) -> httpx.Response:
    shown = base64.b64encode(token.encode()).decode()
    return CLIENT.request(method, f"{world.url}{path}", json=content, headers={"authorization": f"Token {shown}"})


def code(answer: httpx.Response) -> tuple[int, int]:
    return answer.status_code, answer.json()["status_code"]


def token_a(world: World) -> str:
    return world.keys["alf", "ocpi_register"].shown["token"]


def registered(world: World, operator: OcpiOperator, token: str = "token-b") -> str:
    answer = ask(world, "POST", PATH, token_a(world), operator.credentials(token))
    assert code(answer) == (200, 1000), answer.text
    return str(answer.json()["data"]["token"])


def keys(world: World) -> list[tuple[Any, ...]]:
    query = "SELECT kind, expires_at IS NULL, revoked_at IS NULL FROM safety.partner_key ORDER BY key_id"
    with connect(world.settings.database.dsn or "", role="admin") as conn:
        return conn.execute(query).fetchall()


def later(world: World, **by: float) -> None:
    """Have so much time passed for the keys, and the server know it."""
    query = "UPDATE safety.partner_key SET expires_at = expires_at - %s, spent_at = spent_at - %s"
    with connect(world.settings.database.dsn or "", role="admin") as conn:
        conn.execute(query, (timedelta(**by), timedelta(**by)))
    world.side.refresh()


def test_an_operator_registers_with_nothing_but_the_first_token(world: World, operator: OcpiOperator) -> None:
    (version,) = ask(world, "GET", "/ocpi/versions", token_a(world)).json()["data"]
    assert version["version"] == "2.2.1"
    details = ask(world, "GET", version["url"].removeprefix(world.url), token_a(world)).json()["data"]
    at = {one["identifier"]: one["url"] for one in details["endpoints"]}
    assert at["credentials"] == f"{world.url}{PATH}"

    answer = ask(world, "POST", PATH, token_a(world), operator.credentials("token-b"))

    assert code(answer) == (200, 1000)
    ours = answer.json()["data"]
    assert ours["url"] == f"{world.url}/ocpi/versions"
    assert [(one["role"], one["country_code"], one["party_id"]) for one in ours["roles"]] == [("EMSP", "CN", "FWN")]
    # Asked with the operator's token, its highest version that we speak.
    assert operator.asked == [("/versions", "token-b"), ("/2.2.1", "token-b")]
    # From this moment on the exchanged token opens everything, and the first one no more.
    assert code(ask(world, "PUT", ADDRESS, ours["token"], SESSION)) == (200, 1000)
    assert code(ask(world, "GET", PATH, ours["token"])) == (200, 1000)
    assert ask(world, "GET", PATH, ours["token"]).json()["data"] == ours
    assert code(ask(world, "PUT", ADDRESS, token_a(world), SESSION)) == (401, 2000)


def test_who_registered_is_asked_to_stop_where_it_said_with_its_token(world: World, operator: OcpiOperator) -> None:
    ours = registered(world, operator)
    ask(world, "PUT", ADDRESS, ours, SESSION)
    stopper = world.side.registry.stopper("NL-ALF")
    assert stopper is not None
    answer = stopper.stop(stop_request(), timeout_s=5)
    assert answer.result == "accepted"
    assert operator.asked[-1] == ("/cpo/2.2.1/commands/STOP_SESSION", "token-b")
    assert operator.posted[0]["session_id"] == "101"


def stop_request() -> StopRequest:
    now = datetime.now(UTC)
    return StopRequest(
        action_id=uuid.uuid4(),
        danger_id=uuid.uuid4(),
        operator="NL-ALF",
        station="LOC1",
        connector="3257",
        session_id="101",
        vin=None,
        kind="thermal_runaway",
        severity=1,
        reason="hot",
        issued_at=now,
        expires_at=now + timedelta(minutes=2),
    )


def test_the_first_token_is_good_once_but_an_answer_that_got_lost_can_be_had_again(
    world: World, operator: OcpiOperator
) -> None:
    ours = registered(world, operator)
    before = keys(world)
    assert registered(world, operator) == ours
    assert keys(world) == before
    # Another token than the one that came first is another registration: for that it is spent.
    assert code(ask(world, "POST", PATH, token_a(world), operator.credentials("token-b2"))) == (401, 2000)
    later(world, minutes=10)
    assert code(ask(world, "POST", PATH, token_a(world), operator.credentials("token-b"))) == (401, 2000)
    assert code(ask(world, "GET", "/ocpi/versions", token_a(world))) == (401, 2000)


def test_a_put_rotates_both_tokens_without_a_gap(world: World, operator: OcpiOperator) -> None:
    first = registered(world, operator)
    answer = ask(world, "PUT", PATH, first, operator.credentials("token-b2"))
    assert code(answer) == (200, 1000)
    second = answer.json()["data"]["token"]
    assert second != first
    assert operator.asked[-1] == ("/2.2.1", "token-b2")
    for token in (first, second):
        assert code(ask(world, "PUT", ADDRESS, token, SESSION)) == (200, 1000)
    # The same again, by the token before: the same answer.
    assert ask(world, "PUT", PATH, first, operator.credentials("token-b2")).json()["data"]["token"] == second
    stopper = world.side.registry.stopper("NL-ALF")
    assert stopper is not None
    stopper.stop(stop_request(), timeout_s=5)
    assert operator.asked[-1][1] == "token-b2"
    # Whoever found the one before cannot put its owner out.
    assert code(ask(world, "PUT", PATH, first, operator.credentials("token-b3"))) == (401, 2000)
    assert code(ask(world, "DELETE", PATH, first)) == (401, 2000)
    assert code(ask(world, "PUT", ADDRESS, second, SESSION)) == (200, 1000)
    later(world, hours=1)
    assert code(ask(world, "PUT", ADDRESS, first, SESSION)) == (401, 2000)
    assert code(ask(world, "PUT", ADDRESS, second, SESSION)) == (200, 1000)


def test_a_registration_that_ends_takes_its_tokens_with_it(world: World, operator: OcpiOperator) -> None:
    ours = registered(world, operator)
    assert code(ask(world, "DELETE", PATH, ours)) == (200, 1000)
    assert code(ask(world, "DELETE", PATH, ours)) == (401, 2000)
    assert code(ask(world, "PUT", ADDRESS, ours, SESSION)) == (401, 2000)
    assert all(not is_valid for _, _, is_valid in keys(world))
    assert world.side.registry.stopper("NL-ALF") is None
    with connect(world.settings.database.dsn or "", role="alerts") as conn:
        told = conn.execute(
            "SELECT actor, action, detail ->> 'commands_url' FROM audit.event ORDER BY event_id DESC LIMIT 2"
        ).fetchall()
    number_of_a = world.keys["alf", "ocpi_register"].key_id
    assert [row[1] for row in told] == ["ocpi registration ended", "ocpi credentials exchanged"]
    assert told[1][::2] == (f"partner alf key {number_of_a}", f"{operator.url}/cpo/2.2.1/commands")


def test_a_new_first_token_lets_who_lost_theirs_begin_again(world: World, operator: OcpiOperator) -> None:
    first = registered(world, operator)
    with connect(world.settings.database.dsn or "", role="admin") as conn:
        world.keys["alf", "ocpi_register"] = add_key(
            conn, world.side.sealer, "alf", "ocpi_register", now=datetime.now(UTC)
        )
    world.side.refresh()
    assert registered(world, operator, "token-b2") != first


def test_what_a_registered_operator_posts_and_an_unregistered_one_puts_is_405(
    world: World, operator: OcpiOperator
) -> None:
    ours = registered(world, operator)
    answer = ask(world, "POST", PATH, ours, operator.credentials("token-b2"))
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PUT, DELETE")
    world.add("bee", "NL-BEE", kinds=("ocpi",))
    by_hand = world.keys["bee", "ocpi"].shown["token"]
    role = {"role": "CPO", "country_code": "NL", "party_id": "BEE"}
    bees = operator.credentials("token-b", roles=[role])
    for method, content in (("PUT", bees), ("DELETE", None)):
        answer = ask(world, method, PATH, by_hand, content)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    # Who was given a token by hand registers with that.
    assert code(ask(world, "POST", PATH, by_hand, bees)) == (200, 1000)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_token_that_is_none_of_these_is_refused(world: World, operator: OcpiOperator, method: str) -> None:
    world.add("bee", "NL-BEE", kinds=("read",))
    for token in ("wrong", world.keys["bee", "read"].shown["token"]):
        answer = ask(world, method, PATH, token, operator.credentials("token-b"))
        assert code(answer) == (401, 2000)
    assert CLIENT.request(method, f"{world.url}{PATH}").status_code == 401
    assert operator.asked == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_the_first_token_does_nothing_but_register(world: World, operator: OcpiOperator, method: str) -> None:
    assert code(ask(world, method, PATH, token_a(world), operator.credentials("token-b"))) == (401, 2000)


@pytest.mark.parametrize(
    ("change", "expected", "named"),
    [
        ({"token": ""}, (400, 2001), "token"),
        ({"token": "a b"}, (400, 2001), "token"),
        ({"url": "ftp://127.0.0.1/versions"}, (400, 2001), "url"),
        ({"url": None}, (400, 2001), "url"),
        ({"roles": []}, (400, 2001), "roles"),
        ({"roles": [{"role": "CPO", "country_code": "NL", "party_id": "BEE"}]}, (403, 2000), "NL-BEE"),
        ({"roles": [{"role": "EMSP", "country_code": "NL", "party_id": "ALF"}]}, (403, 2000), "no CPO"),
        ({"token": "unknown-there"}, (400, 3001), "HTTP 401"),
    ],
)
def test_credentials_that_are_of_no_use_spend_no_token(
    world: World, operator: OcpiOperator, change: dict[str, Any], expected: tuple[int, int], named: str
) -> None:
    before = keys(world)
    answer = ask(world, "POST", PATH, token_a(world), operator.credentials("token-b", **change))
    assert code(answer) == expected
    assert named in answer.json()["status_message"]
    assert keys(world) == before
    registered(world, operator)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ({"versions": [{"version": "2.1.1", "url": "http://127.0.0.1/2.1.1"}]}, (400, 3002)),
        ({"versions": "none"}, (400, 3002)),
        ({"versions": [{"version": "2.2.1", "url": "file:///etc/passwd"}]}, (400, 2001)),
        ({"endpoints": []}, (400, 3003)),
        ({"endpoints": [{"identifier": "commands", "role": "SENDER", "url": "http://127.0.0.1/"}]}, (400, 3003)),
    ],
)
def test_an_interface_that_we_cannot_use_is_told_what_is_wrong(
    world: World, operator: OcpiOperator, listed: dict[str, Any], expected: tuple[int, int]
) -> None:
    good = {name: getattr(operator, name) for name in listed}
    vars(operator).update(listed)
    assert code(ask(world, "POST", PATH, token_a(world), operator.credentials("token-b"))) == expected
    vars(operator).update(good)
    registered(world, operator)


def test_who_stops_in_another_way_needs_no_commands_and_keeps_that_way(world: World, operator: OcpiOperator) -> None:
    world.add("bee", "NL-BEE", kinds=("ocpi_register",), stop_by="webhook", stop_url="https://bee.example/stop")
    operator.endpoints = []
    role = {"role": "CPO", "country_code": "NL", "party_id": "BEE"}
    token = world.keys["bee", "ocpi_register"].shown["token"]
    assert code(ask(world, "POST", PATH, token, operator.credentials("token-b", roles=[role]))) == (200, 1000)
    bee = world.side.registry.partner("bee")
    assert bee is not None
    assert (bee.stop_by, bee.stop_url) == ("webhook", "https://bee.example/stop")


def test_two_registrations_at_once_spend_the_token_once(world: World, operator: OcpiOperator) -> None:
    operator.held.clear()
    answers: list[httpx.Response] = []

    def post() -> None:
        answers.append(ask(world, "POST", PATH, token_a(world), operator.credentials("token-b")))

    first = threading.Thread(target=post)
    first.start()
    deadline = datetime.now(UTC) + timedelta(seconds=10)
    while not operator.asked and datetime.now(UTC) < deadline:
        first.join(0.01)
    second = ask(world, "POST", PATH, token_a(world), operator.credentials("token-b2"))
    # While an interface does not answer, everything else is served.
    assert ask(world, "GET", "/ocpi/versions", token_a(world)).status_code == 200
    operator.held.set()
    first.join(10)
    assert (second.status_code, "retry-after" in second.headers) == (429, True)
    assert code(answers[0]) == (200, 1000)
    assert [kind for kind, _, _ in keys(world)] == ["ocpi_register", "ocpi", "ocpi_out"]


def test_past_this_machine_an_interface_without_tls_is_not_asked(world_of: Any, operator: OcpiOperator) -> None:
    world = world_of(public_url="https://forewarn.example")
    local = f"http://127.0.0.1:{world.settings.partners.port}"
    world.add("cee", "NL-CEE", kinds=("ocpi_register",))
    role = {"role": "CPO", "country_code": "NL", "party_id": "CEE"}
    shown = base64.b64encode(world.keys["cee", "ocpi_register"].shown["token"].encode()).decode()
    answer = CLIENT.post(
        f"{local}{PATH}",
        json=operator.credentials("token-b", roles=[role]),
        headers={"authorization": f"Token {shown}"},
    )
    assert code(answer) == (400, 2001)
    assert operator.asked == []
