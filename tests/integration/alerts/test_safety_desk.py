"""The safety desk's page: what is open, live, and what a person does there."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from alerts.access.roles import Role
from alerts.charging.anomaly import Receipt
from alerts.charging.bindings import SaidByPiles
from alerts.charging.desk import Desk
from alerts.charging.journal import Journal, Place, Told
from alerts.charging.keeper import Keeper
from alerts.charging.recorder import record
from alerts.charging.stopping import Policy, StopAnswer
from alerts.charging.teller import OwnerTeller
from alerts.dealers import all_dealers, load_sample_dealers
from config.i18n import translator
from config.settings import ChargingSettings
from ingest.store.connection import connect, open_pool
from tests.integration.alerts.test_web import NOW, serving
from tests.signing_in import COOKIE, sign_in
from tests.unit.alerts.charging.test_anomaly import sighting as made
from tests.unit.alerts.charging.test_desk import Contracts, Stopper, until

VIN = "LFWA0010X0T100001"


class Scene:
    """A desk whose journal is recorded when a test says so."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self.journal = Journal(folder)
        self._folder = folder
        self.dsn = dsn
        self.car, self.pile = Stopper(StopAnswer("confirmed", "by the car")), Stopper()
        self._policy: Policy = "stop"
        self.desk = self._desk()

    def _desk(self) -> Desk:
        return Desk(
            journal=self.journal,
            car=self.car,
            bindings=SaidByPiles(),
            partners=Contracts(self.pile, self._policy),
        )

    def danger(self, *, ask: bool = False, **changes: object) -> Receipt:
        self._policy = "ask" if ask else "stop"
        if ask:
            self.desk.close()
            self.desk = self._desk()
        now = datetime.now(UTC)
        values: dict[str, object] = {
            "station": "sh0001",
            "connector": "1",
            "session_id": "s-1",
            "vin": VIN,
            "ts": now,
            "received_at": now,
            "code": "120",
            "kind": "over_temperature",
            "severity": 1,
            "measures": {"hottest_c": 74.0},
            "text": "hottest probe <b>74</b> C",
        }
        receipt = self.desk.receive(made(**(values | changes)))
        if not ask:
            self.pile.wait(1)
        until(lambda: all(action.state != "decided" for action in self.desk.open_stops()))
        self.write()
        return receipt

    def write(self) -> None:
        entries = [entry for entry, _ in self.journal.read(Place(0, 0))]
        with connect(self.dsn, role="alerts", autocommit=True) as conn:
            record(conn, entries, settings=ChargingSettings())
            teller = OwnerTeller(_Nobody(), [], self.desk.write, language="en")
            Keeper(lambda: conn, self.desk, teller, settings=ChargingSettings()).look(conn)
            teller.close()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as conn:
            return conn.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]

    def close(self) -> None:
        self.desk.close()
        self.journal.close()


class _Nobody:
    def get(self, vin: str, *, wait_s: float = 0.0) -> None:
        return None


@pytest.fixture
def scene(tmp_path: Path, database: str, enrolled: Callable[..., object]) -> Iterator[Scene]:
    enrolled(VIN, owner_name="欧阳娜娜", phone="+8613812345678")
    scene = Scene(tmp_path / "journal", database)
    yield scene
    scene.close()


@pytest.fixture
def client(database: str) -> Iterator[httpx.Client]:
    """The browser of Wang, who works at the desk."""
    with open_pool(database, role="alerts", max_size=4) as pool, serving(pool) as client:
        at_the_desk(client, database, "wang")
        yield client


@pytest.fixture
def li(client: httpx.Client, database: str) -> Iterator[httpx.Client]:
    """The browser of Li, who works there too."""
    with httpx.Client(base_url=client.base_url, timeout=10) as other:
        at_the_desk(other, database, "li")
        yield other


def at_the_desk(client: httpx.Client, database: str, name: str, role: Role = Role.SAFETY) -> None:
    client.cookies.set(COOKIE, sign_in(database, role, now=NOW, name=name))
    client.headers["X-CSRF-Token"] = client.get("/safety").text.partition('data-csrf="')[2].partition('"')[0]


def test_an_empty_board_says_so(client: httpx.Client) -> None:
    assert "No danger that anybody knows of" in client.get("/safety").text


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_the_board_shows_what_is_known_of_car_pile_place_people_and_stops(
    scene: Scene, client: httpx.Client, language: str
) -> None:
    scene.danger()
    client.cookies.set("language", language)
    page = client.get("/safety").text
    t = translator(language)
    for text in (
        "linhe / sh0001 / 1",
        "+8613812345678",
        "欧阳**",
        t("has stopped"),
        t("asked, no answer yet"),
        t("Call the owner"),
        t("Send a specialist"),
        "hottest_c 74.0",
        t("The owner has confirmed nothing."),
    ):
        assert text in page
    assert "<b>74</b>" not in page, "what a source says is text"
    assert VIN not in page


def test_one_person_takes_a_case_and_the_next_is_told(scene: Scene, client: httpx.Client, li: httpx.Client) -> None:
    case = scene.danger().case_id
    assert 'data-open="true"' in client.get("/safety").text
    assert client.post(f"/safety/cases/{case}/acknowledge", json={}).status_code == 204
    assert li.post(f"/safety/cases/{case}/acknowledge", json={}).status_code == 409
    page = client.get("/safety").text
    assert "wang has it" in page
    assert 'data-open="true"' not in page
    assert client.post(f"/safety/cases/{case}/close", json={"outcome": "false_alarm"}).status_code == 204
    assert "No danger that anybody knows of" in client.get("/safety").text
    assert client.post(f"/safety/cases/{case}/close", json={"outcome": "fire"}).status_code == 409


def test_after_a_case_was_closed_the_next_danger_opens_another(scene: Scene, client: httpx.Client) -> None:
    first = scene.danger()
    client.post(f"/safety/cases/{first.case_id}/close", json={"outcome": "stopped"})
    scene.write()
    second = scene.danger(source_id="another")
    assert second.case_id != first.case_id


def test_an_owner_who_was_reached_by_phone_has_received_the_message(
    scene: Scene, client: httpx.Client, li: httpx.Client
) -> None:
    case = scene.danger().case_id
    assert case is not None
    told = _told(case)
    scene.desk.write(told)
    scene.write()
    ((task,),) = scene.rows("SELECT task_id FROM safety.task WHERE kind = 'call_owner'")
    assert client.post(f"/safety/tasks/{task}/done", json={"result": "reached"}).status_code == 204
    assert scene.rows("SELECT receipt_by FROM safety.delivery") == [("phone: wang",)]
    assert "The owner has confirmed, just now" in client.get("/safety").text
    assert li.post(f"/safety/tasks/{task}/done", json={"result": "reached"}).status_code == 409


def test_a_stop_that_was_asked_about_leaves_when_a_person_says_so(
    scene: Scene, client: httpx.Client, li: httpx.Client
) -> None:
    scene.danger(ask=True)
    ((action,),) = scene.rows("SELECT action_id FROM safety.action WHERE target = 'pile'")
    assert scene.pile.asked == []
    answer = client.post(f"/safety/stops/{action}/decide", json={"stop": True})
    assert answer.status_code == 204
    assert li.post(f"/safety/stops/{action}/decide", json={"stop": False}).status_code == 409
    scene.write()
    assert scene.pile.wait(1)[0].action_id == action
    assert scene.rows("SELECT done_by, result FROM safety.task WHERE kind = 'decide_stop'") == [("wang", "stop")]


def test_a_person_who_decides_against_a_stop_is_written_down(scene: Scene, client: httpx.Client) -> None:
    scene.danger(ask=True)
    ((action,),) = scene.rows("SELECT action_id FROM safety.action WHERE target = 'pile'")
    client.post(f"/safety/stops/{action}/decide", json={"stop": False})
    scene.write()
    assert scene.pile.asked == []
    assert scene.rows("SELECT state, decided_by FROM safety.action WHERE target = 'pile'") == [("refused", "wang")]


def test_what_is_no_json_of_ours_changes_nothing(scene: Scene, client: httpx.Client) -> None:
    case = scene.danger().case_id
    for kind, body in (("application/x-www-form-urlencoded", b"by=evil"), ("text/plain", b'{"by":"evil"}')):
        answer = client.post(
            f"/safety/cases/{case}/acknowledge",
            content=body,
            headers={"Content-Type": kind, "Origin": "https://evil.example"},
        )
        assert answer.status_code >= 400
    assert client.post(f"/safety/cases/{case}/close", json={"outcome": "stopped", "by": "evil"}).status_code >= 400
    without = {"X-CSRF-Token": ""}
    assert client.post(f"/safety/cases/{case}/acknowledge", headers=without).status_code == 403
    assert client.post("/safety/cases/nonsense/acknowledge", json={}).status_code >= 400
    assert scene.rows("SELECT count(*) FROM safety.case_handling") == [(0,)]


@pytest.mark.parametrize("role", [Role.AGENT, Role.DEALER, None])
def test_the_desk_is_for_those_who_work_there(
    scene: Scene, client: httpx.Client, database: str, role: Role | None
) -> None:
    case = scene.danger().case_id
    client.cookies.clear()
    if role is not None:
        dealer_id = None
        if role is Role.DEALER:
            with connect(database, role="alerts", autocommit=True) as conn:
                load_sample_dealers(conn)
                dealer_id = all_dealers(conn)[0].dealer_id
        client.cookies.set(COOKIE, sign_in(database, role, now=NOW, dealer_id=dealer_id))
    for path in ("/safety", "/safety/stream"):
        answer = client.get(path)
        assert answer.status_code in (303, 401, 403)
        assert "sh0001" not in answer.text
    assert client.post(f"/safety/cases/{case}/acknowledge").status_code in (303, 401, 403)
    assert scene.rows("SELECT count(*) FROM safety.case_handling") == [(0,)]


def test_an_owner_confirms_by_a_button_and_not_by_opening_the_page(scene: Scene, client: httpx.Client) -> None:
    case = scene.danger().case_id
    assert case is not None
    told = _told(case)
    scene.desk.write(told)
    scene.write()
    address = f"/safety/receipts/{told.delivery_id}"
    page = client.get(address).text
    assert "我已阅读" in page
    assert "动力电池温度过高" in page
    assert scene.rows("SELECT receipt_at FROM safety.delivery") == [(None,)]
    assert client.post(address).status_code == 303
    assert scene.rows("SELECT receipt_by FROM safety.delivery") == [("owner",)]
    assert "谢谢" in client.get(address).text
    assert client.get(f"/safety/receipts/{uuid.uuid4()}").status_code == 404


def test_the_board_arrives_by_itself_when_something_changes(scene: Scene, client: httpx.Client) -> None:
    boards: list[dict[str, Any]] = []
    changed = threading.Condition()
    with client.stream("GET", "/safety/stream") as stream:

        def read() -> None:
            try:
                for line in stream.iter_lines():
                    if line.startswith("data: "):
                        with changed:
                            boards.append(json.loads(line.removeprefix("data: ")))
                            changed.notify_all()
            except (httpx.StreamError, httpx.TransportError):
                return

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        with changed:
            assert changed.wait_for(lambda: bool(boards), 10)
        assert boards[-1]["loud"] == 0
        began = time.monotonic()
        case = scene.danger().case_id
        with changed:
            assert changed.wait_for(lambda: boards[-1]["loud"] == 1, 10)
        took_s = time.monotonic() - began
        client.post(f"/safety/cases/{case}/acknowledge", json={})
        with changed:
            assert changed.wait_for(lambda: boards[-1]["loud"] == 0, 10)
    assert took_s < 5
    assert "sh0001" in boards[-1]["html"]


def _told(case: uuid.UUID) -> Told:
    return Told(
        at=datetime.now(UTC),
        delivery_id=uuid.uuid4(),
        case_id=case,
        recipient="owner",
        channel="gateway",
        contact_id=None,
        round=0,
        accepted=True,
    )
