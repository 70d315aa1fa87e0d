"""The interface for programs: the list in every format, numbers for those who may, coupons, findings."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from openpyxl import load_workbook

from alerts.access.audit import Actor
from alerts.access.keys import make_key
from alerts.access.roles import Role, Scope
from alerts.call_list import COLUMNS
from alerts.slots import free_slots, make_slots
from alerts.web import create_app
from alerts.work.appointments import book
from config.settings import Settings
from ingest.store.connection import open_pool
from tests.asgi import Client
from tests.integration.alerts.work.conftest import NOW
from tests.signing_in import CHEAP, COOKIE, sign_in

Connection = psycopg.Connection[Any]
SOON = NOW + timedelta(minutes=1)


@pytest.fixture
def app(database: str) -> Iterator[FastAPI]:
    with open_pool(database, role="alerts", max_size=4) as pool:
        yield create_app(Settings(), pool, clock=lambda: NOW, hasher=CHEAP)


@pytest.fixture
def program(app: FastAPI, alerts_conn: Connection) -> Callable[..., Client]:
    """A program with a key of some scopes."""

    def make(*scopes: Scope, dealer_id: str | None = None) -> Client:
        by = Actor("command", "tester")
        _, key = make_key(alerts_conn, "a program", set(scopes), dealer_id=dealer_id, by=by, now=NOW)
        return Client(app, headers={"authorization": f"Bearer {key}"})

    return make


def test_the_list_has_the_same_content_in_every_format_and_page(
    program: Callable[..., Client], open_cases: Callable[..., list[int]]
) -> None:
    open_cases(5)
    open_cases(2, mode="hv_self_discharge", owner_name="=cmd|' /C calc'!A0")
    client = program(Scope.ALERTS_READ)
    as_json = client.get("/api/v1/alerts").json()
    assert len(as_json) == 7
    assert [tuple(line) for line in as_json] == [COLUMNS] * 7

    def as_text(value: Any) -> str:
        return "" if value is None else str(value)

    wanted = [[as_text(line[column]) for column in COLUMNS] for line in as_json]
    text = client.get("/api/v1/alerts?format=csv").content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    # A number with a plus, and what a spreadsheet would take for a formula, get an apostrophe there.
    assert [[cell.removeprefix("'") for cell in line] for line in rows[1:]] == wanted
    assert tuple(rows[0]) == COLUMNS
    sheet = load_workbook(io.BytesIO(client.get("/api/v1/alerts?format=xlsx").content)).active
    assert sheet is not None
    cells = list(sheet.iter_rows())
    assert tuple(cell.value for cell in cells[0]) == COLUMNS
    assert [[as_text(cell.value) for cell in line] for line in cells[1:]] == wanted
    assert {cell.data_type for line in cells for cell in line} <= {"s", "n"}

    paged, after = [], ""
    while True:
        answer = client.get(f"/api/v1/alerts?limit=3{after}")
        paged += answer.json()
        if "next-after" not in answer.headers:
            break
        after = f"&after={answer.headers['next-after']}"
    assert paged == as_json
    assert len(client.get("/api/v1/alerts?severity=1").json()) == 2
    assert client.get("/api/v1/alerts?source=loyalty").json() == []
    assert client.get("/api/v1/alerts?severity=9").status_code == 422


def test_numbers_in_full_are_for_those_who_may_and_on_record(
    app: FastAPI,
    database: str,
    alerts_conn: Connection,
    program: Callable[..., Client],
    open_cases: Callable[..., list[int]],
) -> None:
    cases = open_cases(3)
    path = "/api/v1/alerts?phones=true"
    assert program(Scope.ALERTS_READ).get(path).status_code == 403
    assert program(Scope.ALERTS_PHONES).get(path).status_code == 403
    supervisor = Client(app)
    supervisor.cookies.set(COOKIE, sign_in(database, Role.SUPERVISOR, now=NOW))
    assert supervisor.get(path).status_code == 403
    assert supervisor.get(f"{path}&reason=%20").status_code == 403
    assert alerts_conn.execute("SELECT count(*) FROM audit.event WHERE action = 'phones exported'").fetchone() == (0,)
    lines = program(Scope.ALERTS_READ, Scope.ALERTS_PHONES).get(path).json()
    assert sorted(line["phone"] for line in lines) == [f"+8613800{number:06d}" for number in range(3)]
    assert supervisor.get(f"{path}&reason=recall").status_code == 200
    events = alerts_conn.execute(
        "SELECT actor_kind, reason, array_agg(case_id ORDER BY case_id) FROM audit.event"
        " WHERE action = 'phones exported' GROUP BY 1, 2 ORDER BY 1"
    ).fetchall()
    assert events == [("account", "recall", cases), ("key", None, cases)]


def test_a_till_redeems_and_takes_back(
    alerts_conn: Connection, program: Callable[..., Client], open_cases: Callable[..., list[int]]
) -> None:
    open_cases()
    row = alerts_conn.execute("SELECT code, dealer_id FROM care.coupon JOIN care.offer USING (offer_id)").fetchone()
    assert row is not None
    code, dealer = row
    till = program(Scope.COUPONS_REDEEM, dealer_id=dealer)
    path = f"/api/v1/coupons/{code}"
    assert till.get(path).json()["redeemed_at"] is None
    first = till.post(f"{path}/redeem", json={"request_id": "a"})
    again = till.post(f"{path}/redeem", json={"request_id": "a"})
    assert (first.status_code, first.json()) == (200, again.json())
    refused = till.post(f"{path}/redeem", json={"request_id": "b"})
    assert (refused.status_code, refused.json()["detail"]["why"]) == (409, "redeemed")
    back = till.post(f"{path}/roll-back", json={"request_id": "c", "reason": "wrong car"})
    assert (back.status_code, back.json()["redeemed_at"]) == (200, None)
    assert till.get("/api/v1/coupons/7K3M-9QXT-2VA9").status_code == 422
    for body in ({}, {"request_id": ""}, {"request_id": "x y"}, {"request_id": "d", "more": 1}):
        assert till.post(f"{path}/redeem", json=body).status_code == 422
    assert program(Scope.ALERTS_READ).post(f"{path}/redeem", json={"request_id": "e"}).status_code == 403


def test_a_workshop_reports_and_dealers_are_found(
    alerts_conn: Connection, program: Callable[..., Client], open_cases: Callable[..., list[int]]
) -> None:
    make_slots(alerts_conn, now=NOW, days=2)
    [case] = open_cases()
    near = program(Scope.ALERTS_READ).get(f"/api/v1/cases/{case}/dealers").json()
    assert [one["distance_km"] for one in near] == sorted(one["distance_km"] for one in near)
    dealer = near[0]["dealer_id"]
    slot = free_slots(alerts_conn, dealer, since=SOON, until=NOW + timedelta(days=2))[0]
    workshop = program(Scope.COUPONS_REDEEM, dealer_id=dealer)
    report = {"request_id": "o-1", "result": "confirmed", "fault_mode": "lv_battery", "parts": ["battery"]}
    assert workshop.post(f"/api/v1/cases/{case}/findings", json=report).status_code == 422
    book(alerts_conn, case, dealer_id=dealer, slot_id=slot.slot_id, by="li.na", now=NOW)
    first = workshop.post(f"/api/v1/cases/{case}/findings", json=report)
    assert first.status_code == 200
    assert workshop.post(f"/api/v1/cases/{case}/findings", json=report).json() == first.json()
    assert workshop.post(f"/api/v1/cases/{case}/findings", json={**report, "result": "burnt"}).status_code == 422
    # The owner is asked two days later, by a link of the message.
    assert alerts_conn.execute("SELECT kind, next_at FROM care.message").fetchall() == [
        ("survey", NOW + timedelta(hours=48))
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"note": "a\0"},
        {"parts": ["a\0"]},
        {"fault_mode": "a\0"},
        {"note": "\ud800"},
        {"\ud800": "x"},
        {"odometer_km": float("nan")},
    ],
)
def test_what_no_database_keeps_and_no_answer_repeats_is_refused_not_broken(
    program: Callable[..., Client],
    alerts_conn: Connection,
    open_cases: Callable[..., list[int]],
    fields: dict[str, Any],
) -> None:
    [case] = open_cases()
    [(dealer,)] = alerts_conn.execute("SELECT dealer_id FROM care.offer").fetchall()
    make_slots(alerts_conn, now=NOW, days=2)
    slot = free_slots(alerts_conn, dealer, since=SOON, until=NOW + timedelta(days=2))[0]
    book(alerts_conn, case, dealer_id=dealer, slot_id=slot.slot_id, by="li.na", now=NOW)
    workshop = program(Scope.COUPONS_REDEEM, dealer_id=dealer)
    content = json.dumps({"request_id": "f1", "result": "confirmed", **fields})
    answer = workshop.post(
        f"/api/v1/cases/{case}/findings", content=content, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422
    [place] = answer.json()["detail"]
    assert set(place) == {"type", "loc", "msg"}
    for parameter in ("city", "fault_mode"):
        refused = program(Scope.ALERTS_READ).get("/api/v1/alerts", params={parameter: "\0"})
        assert refused.status_code == 422


def test_the_interface_describes_itself(program: Callable[..., Client]) -> None:
    described = program(Scope.ALERTS_READ).get("/api/v1/openapi.json").json()
    assert set(described["paths"]) == {
        "/api/v1/alerts",
        "/api/v1/cases/{case_id}/dealers",
        "/api/v1/coupons/{code}",
        "/api/v1/coupons/{code}/redeem",
        "/api/v1/coupons/{code}/roll-back",
        "/api/v1/cases/{case_id}/findings",
    }
    redeem = described["paths"]["/api/v1/coupons/{code}/redeem"]["post"]
    assert redeem["security"] == [{"key": ["coupons:redeem"]}]
    assert json.dumps(described)
