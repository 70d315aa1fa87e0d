"""A telephone number is seen by those who need it, and it is on record who saw it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI

from alerts.access.audit import Actor
from alerts.access.keys import make_key, revoke_key
from alerts.access.roles import Role, Scope
from alerts.jobs import triage
from alerts.web import create_app
from config.settings import Settings
from ingest.store.connection import connect, open_pool
from tests.asgi import Client
from tests.signing_in import CHEAP, COOKIE, sign_in

NOW = datetime(2026, 3, 1, 3, tzinfo=UTC)
VIN, PHONE = "LFWA0000000004321", "+8613812345678"
BY = Actor("command", "tester")


@pytest.fixture
def case(
    alerts_conn: psycopg.Connection[Any], enrolled: Callable[..., dict[str, int]], flag: Callable[..., Any]
) -> int:
    flag(enrolled(VIN, phone=PHONE)[VIN])
    triage(alerts_conn, now=NOW)
    row = alerts_conn.execute("SELECT case_id FROM care.case").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def app(database: str) -> Iterator[FastAPI]:
    with open_pool(database, role="alerts", max_size=2) as pool:
        yield create_app(Settings(), pool, clock=lambda: NOW, hasher=CHEAP)


def signed_in(app: FastAPI, database: str, role: Role) -> Client:
    client = Client(app, headers={"accept": "text/html"})
    client.cookies.set(COOKIE, sign_in(database, role, now=NOW))
    return client


def csrf(client: Client) -> str:
    return client.get("/").text.partition('name="csrf" value="')[2].partition('"')[0]


def seen(conn: psycopg.Connection[Any]) -> list[Any]:
    query = "SELECT actor_kind, actor, case_id, reason, at FROM audit.event WHERE action = 'phone revealed'"
    return conn.execute(query).fetchall()


def test_an_agent_sees_the_number_of_a_case_and_it_is_recorded(
    app: FastAPI, database: str, case: int, alerts_conn: psycopg.Connection[Any]
) -> None:
    client = signed_in(app, database, Role.AGENT)
    assert PHONE not in client.get(f"/cases/{case}").text
    assert seen(alerts_conn) == []
    page = client.post(f"/cases/{case}/phone", data={"csrf": csrf(client)})
    assert page.status_code == 200
    assert f'href="tel:{PHONE}"' in page.text
    assert page.headers["cache-control"] == "no-store"
    assert seen(alerts_conn) == [("account", "agent", case, None, NOW)]
    # The next look at the page is masked again, and so is the list.
    assert PHONE not in client.get(f"/cases/{case}").text + client.get("/").text


def test_a_supervisor_says_why(app: FastAPI, database: str, case: int, alerts_conn: psycopg.Connection[Any]) -> None:
    client = signed_in(app, database, Role.SUPERVISOR)
    token = csrf(client)
    page = client.post(f"/cases/{case}/phone", data={"csrf": token, "reason": "  "})
    assert page.status_code == 422
    assert PHONE not in page.text
    assert "Why you need the number" in page.text
    assert seen(alerts_conn) == []
    page = client.post(f"/cases/{case}/phone", data={"csrf": token, "reason": "the owner asked to be called back"})
    assert PHONE in page.text
    assert [row[3] for row in seen(alerts_conn)] == ["the owner asked to be called back"]


def test_nobody_sees_it_without_a_form_of_the_session(
    app: FastAPI, database: str, case: int, alerts_conn: psycopg.Connection[Any]
) -> None:
    client = signed_in(app, database, Role.AGENT)
    for data in ({}, {"csrf": "x"}):
        answer = client.post(f"/cases/{case}/phone", data=data)
        assert answer.status_code == 403
        assert PHONE not in answer.text
    assert client.get(f"/cases/{case}/phone").status_code == 405
    assert seen(alerts_conn) == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE care.case SET state = 'closed', closed_at = now()",
        "UPDATE pii.owner SET do_not_call = true",
        (
            "INSERT INTO pii.consent (vehicle_id, purpose, granted, policy_version, source, chosen_at)"
            " SELECT vehicle_id, 'care', false, '1', 'car', now() FROM care.case"
        ),
        "DELETE FROM pii.contact",
    ],
    ids=["closed", "do-not-call", "withdrawn", "no number"],
)
def test_a_number_that_may_not_be_called_is_not_shown(
    app: FastAPI, database: str, case: int, alerts_conn: psycopg.Connection[Any], change: str
) -> None:
    client = signed_in(app, database, Role.AGENT)
    token = csrf(client)
    with connect(database, role="admin") as admin:
        admin.execute(change)  # type: ignore[call-overload]
    answer = client.post(f"/cases/{case}/phone", data={"csrf": token})
    assert answer.status_code == 404
    assert PHONE not in answer.text
    assert seen(alerts_conn) == []


def test_a_key_opens_what_its_scope_names_until_it_is_revoked(
    app: FastAPI, database: str, case: int, alerts_conn: psycopg.Connection[Any]
) -> None:
    key_id, secret = make_key(alerts_conn, "crm", {Scope.ALERTS_READ}, by=BY, now=NOW)
    client = Client(app, headers={"authorization": f"Bearer {secret}"})
    (line,) = client.get("/call-list.json").json()
    assert line["phone_masked"] == "138****5678"
    assert client.get("/call-list.csv").status_code == 200
    for path in ("/", f"/cases/{case}", f"/cases/{case}/chart.json"):
        assert client.get(path).status_code == 403
    assert client.post(f"/cases/{case}/phone").status_code == 403
    assert alerts_conn.execute("SELECT used_at FROM access.key").fetchone() == (NOW,)
    revoke_key(alerts_conn, key_id, by=BY, now=NOW)
    assert client.get("/call-list.json").status_code == 401


def test_a_key_ends_when_it_was_said_to(app: FastAPI, alerts_conn: psycopg.Connection[Any], case: int) -> None:
    def status(lasts: timedelta, made: datetime) -> int:
        _, secret = make_key(alerts_conn, "crm", {Scope.ALERTS_READ}, lasts=lasts, by=BY, now=made)
        client = Client(app, headers={"authorization": f"Bearer {secret}"})
        return client.get("/call-list.json").status_code

    assert status(timedelta(days=1), NOW - timedelta(hours=23)) == 200
    assert status(timedelta(days=1), NOW - timedelta(hours=24)) == 401
