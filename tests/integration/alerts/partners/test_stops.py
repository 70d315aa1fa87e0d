"""From a partner's message to the stop that its own server is asked for: desk, broker and database are real."""

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from standardwebhooks.webhooks import Webhook

from alerts.charging.partners.records import rotate
from alerts.charging.partners.sealing import load_or_make
from alerts.charging.partners.serving import master_key_file, partner_side
from alerts.charging.process import run_charging
from config.settings import ChargingSettings, DatabaseSettings, MqttSettings, PartnerSettings, Settings
from forewarn.embedded.ports import free_port
from ingest.store.connection import connect
from tests.partners import CLIENT, Cec, World, anomaly, event


class OperatorServer(http.server.ThreadingHTTPServer):
    """An operator's server; ``answers`` maps a path to what is answered: a function of headers and body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Operator)
        self.asked: list[tuple[float, str, dict[str, str], bytes]] = []
        self.answers: dict[str, Callable[[dict[str, str], bytes], tuple[int, object]]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def bodies(self, path: str) -> list[Any]:
        return [json.loads(body) for _, asked, _, body in self.asked if asked == path]


class _Operator(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: OperatorServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((time.monotonic(), self.path, headers, body))
        status, said = self.server.answers[self.path](headers, body)
        content = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def operator() -> Iterator[OperatorServer]:
    with OperatorServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def settings(database: str, broker_port: int, tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path,
        database=DatabaseSettings(dsn=database),
        mqtt=MqttSettings(host="127.0.0.1", port=broker_port),
        charging=ChargingSettings(confirm_within_s=2),
        partners=PartnerSettings(port=free_port(), refresh_s=60.0),
    )


@contextmanager
def running(settings: Settings) -> Iterator[World]:
    """The watch over charging with the server for partners, as ``forewarn charging run`` has them."""
    stop, failed = threading.Event(), []
    with partner_side(settings, dsn=settings.database.dsn or "") as side:

        def run() -> None:
            try:
                run_charging(
                    settings,
                    stop=stop,
                    partners=side.registry,
                    bindings=side.sessions,
                    beside=lambda desk: side.serve(desk),
                )
            except BaseException as error:  # noqa: BLE001  # told below
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            ready = settings.data_dir / "charging/watcher/ready"
            until(lambda: ready.exists() or bool(failed))
            assert not failed, failed
            yield World(settings, side, None)  # type: ignore[arg-type]
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()
        assert not failed, failed


def until(condition: Callable[[], bool], *, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(settings.database.dsn or "") as conn:
        return conn.execute(query).fetchall()


def actions(settings: Settings) -> list[tuple[Any, ...]]:
    return rows(settings, "SELECT target, state FROM safety.action ORDER BY decided_at")


def begin_session(world: World, **fields: Any) -> None:
    data = {
        "session_id": "T1",
        "station": "S1",
        "connector": "1",
        "state": "charging",
        "started_at": datetime.now(UTC).isoformat(),
        **fields,
    }
    assert world.push("star", event("forewarn.charging.session.v1", data)).status_code == 200


def test_a_webhook_becomes_a_stop_order_and_a_safety_case(settings, operator):
    with running(settings) as world:
        world.add("star", "star", stop_by="webhook", stop_url=f"{operator.url}/stop")
        operator.answers["/stop"] = lambda headers, body: (200, {"result": "accepted"})
        begin_session(world)
        answer = world.push("star", anomaly())
        assert answer.status_code == 200, answer.text
        until(lambda: len(operator.asked) == 1)
        _, _, headers, body = operator.asked[0]
        Webhook(world.secret("star")).verify(body, headers)
        order = json.loads(body)
        assert order["type"] == "forewarn.charging.stop.v1"
        assert (order["data"]["station"], order["data"]["connector"]) == ("S1", "1")
        assert order["data"]["session_id"] == "T1"
        action_id = order["data"]["action_id"]
        assert [action_id] == answer.json()["dangers"][0]["stops"]
        cases = rows(settings, "SELECT operator, station, kind, severity FROM safety.safety_case")
        assert cases == [("star", "S1", "contact_heat", 1)]
        result = {"action_id": action_id, "result": "confirmed"}
        assert world.push("star", event("forewarn.charging.stop_result.v1", result)).status_code == 200
        until(lambda: actions(settings) == [("pile", "confirmed")])


def test_an_unconfirmed_stop_is_asked_again_with_the_same_id_and_then_phoned(settings, operator):
    with running(settings) as world:
        world.add("star", "star", stop_by="webhook", stop_url=f"{operator.url}/stop")
        operator.answers["/stop"] = lambda headers, body: (500, {})
        assert world.push("star", anomaly()).status_code == 200
        until(lambda: actions(settings) == [("pile", "unconfirmed")])
        assert len({headers["webhook-id"] for _, _, headers, _ in operator.asked}) == 1
        assert len(operator.asked) == 2
        assert rows(settings, "SELECT kind FROM safety.task WHERE kind = 'stop_by_phone'") == [("stop_by_phone",)]


def test_the_end_of_the_session_confirms_a_stop(settings, operator):
    with running(settings) as world:
        world.add("star", "star", kinds=("webhook", "ocpi"), stop_by="ocpi", stop_url=f"{operator.url}/ocpi")
        with connect(settings.database.dsn or "", role="admin") as conn:
            sealer = load_or_make(master_key_file(settings))
            rotate(
                conn, sealer, "star", "ocpi_out", now=datetime.now(UTC), overlap=timedelta(0), given=b"token-of-star"
            )
        world.side.refresh()
        operator.answers["/ocpi/STOP_SESSION"] = lambda headers, body: (
            200,
            {"status_code": 1000, "timestamp": "2026-11-26T00:00:00Z", "data": {"result": "ACCEPTED", "timeout": 30}},
        )
        begin_session(world)
        assert world.push("star", anomaly()).status_code == 200
        until(lambda: len(operator.asked) == 1)
        _, _, headers, body = operator.asked[0]
        assert headers["authorization"] == "Token dG9rZW4tb2Ytc3Rhcg=="
        command = json.loads(body)
        assert command["session_id"] == "T1"
        token = {"authorization": f"Token {world.keys['star', 'ocpi'].shown['token']}"}
        later = CLIENT.post(command["response_url"], json={"result": "ACCEPTED"}, headers=token)
        assert (later.status_code, later.json()["status_code"]) == (200, 1000)
        until(lambda: actions(settings) == [("pile", "confirmed")])


def test_another_partner_confirms_nothing(settings, operator):
    with running(settings) as world:
        world.add("star", "star", stop_by="webhook", stop_url=f"{operator.url}/stop")
        world.add("moon", "moon")
        operator.answers["/stop"] = lambda headers, body: (202, {})
        answer = world.push("star", anomaly()).json()
        result = {"action_id": answer["dangers"][0]["stops"][0], "result": "confirmed"}
        assert world.push("moon", event("forewarn.charging.stop_result.v1", result)).status_code == 200
        until(lambda: actions(settings) == [("pile", "accepted")])
        assert actions(settings) == [("pile", "accepted")]


def test_an_operator_of_tcec_is_asked_for_a_token_and_then_to_stop(settings, operator):
    with running(settings) as world:
        world.add("star", "MA0000001", kinds=("tcec102",), stop_by="tcec102", stop_url=f"{operator.url}/evcs")
        theirs = world.cec("star", "MA0000001")
        said: list[Any] = []

        def answer(content: object, ret: int = 0) -> dict[str, Any]:
            sealed = theirs.sealed(content)
            text = f"{ret}{sealed['Data']}".encode()
            return {"Ret": ret, "Msg": "", "Data": sealed["Data"], "Sig": theirs.mac(text)}

        def token(headers: dict[str, str], body: bytes) -> tuple[int, object]:
            said.append(theirs.opened_request(json.loads(body)))
            content = {"OperatorID": "FOREWARN1", "SuccStat": 0, "AccessToken": "tok", "TokenAvailableTime": 7200}
            return 200, answer({**content, "FailReason": 0})

        def stop(headers: dict[str, str], body: bytes) -> tuple[int, object]:
            assert headers["authorization"] == "Bearer tok"
            said.append(theirs.opened_request(json.loads(body)))
            return 200, answer({"StartChargeSeq": "Q1", "StartChargeSeqStat": 3, "SuccStat": 0, "FailReason": 0})

        operator.answers |= {"/evcs/query_token": token, "/evcs/query_stop_charge": stop}
        theirs.log_in()
        start = {"StartChargeSeq": "Q1", "StartChargeSeqStat": 2, "StationID": "S1", "ConnectorID": "C1"}
        assert theirs.say("notification_equip_charge_status", start)["Ret"] == 0
        alarm = {
            "StationID": "S1",
            "ConnectorID": "C1",
            "AlarmStatus": 1,
            "AlarmCode": "9",
            "AlarmLevel": 1,
            "AlarmTime": (datetime.now(UTC)).astimezone(Cec.CHINA).strftime("%Y-%m-%d %H:%M:%S"),
        }
        assert theirs.say("notification_alarmInfo", {"AlarmInfos": [alarm]})["Ret"] == 0
        until(lambda: len(said) == 2)
        assert said == [
            {"OperatorID": "FOREWARN1", "OperatorSecret": theirs.keys["OperatorSecret"]},
            {"StartChargeSeq": "Q1", "ConnectorID": "C1"},
        ]
        result = {"StartChargeSeq": "Q1", "StartChargeSeqStat": 4, "ConnectorID": "C1", "SuccStat": 0, "FailReason": 0}
        answered = theirs.say("notification_stop_charge_result", result)
        assert answered["Ret"] == 0, answered
        until(lambda: actions(settings) == [("pile", "confirmed")])


def test_what_was_open_before_a_restart_still_ends(settings):
    with running(settings) as world:
        world.add("star", "MA0000001", kinds=("tcec102",))
        theirs = world.cec("star", "MA0000001")
        theirs.log_in()
        status = {"StationID": "S1", "ConnectorID": "C1", "Status": 255}
        assert theirs.say("notification_stationStatus", {"ConnectorStatusInfo": status})["Ret"] == 0
        keys = world.keys
    with running(settings) as world:
        world.keys = keys
        theirs = world.cec("star", "MA0000001")
        theirs.log_in()
        status = {"StationID": "S1", "ConnectorID": "C1", "Status": 1}
        assert theirs.say("notification_stationStatus", {"ConnectorStatusInfo": status})["Ret"] == 0
        found = rows(settings, "SELECT state, count(DISTINCT danger_id) FROM safety.sighting GROUP BY 1 ORDER BY 1")
        assert found == [("off", 1), ("on", 1)]
        assert rows(settings, "SELECT count(DISTINCT danger_id) FROM safety.sighting") == [(1,)]
