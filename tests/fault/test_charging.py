"""The watch over charging under faults: whatever is killed or away, each danger stops once and is recorded once."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from alerts.charging.partners.partner import Partner
from alerts.charging.partners.records import add, add_key
from alerts.charging.partners.sealing import load_or_make
from forewarn.embedded.ports import free_port
from forewarn.simulator.charging.operator import SimulatedOperator, simulated_operator
from forewarn.supervisor import Child, Supervisor, supervised
from ingest.store.connection import connect
from tests.fault.scene import eventually
from tests.fault.server import Server
from tests.mosquitto import Mosquitto

OPERATOR = "linhe"

# Decides like the product and dies at the moment the stop would leave.
DIES_AT_DISPATCH = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from alerts.charging.anomaly import Sighting
from alerts.charging.bindings import SaidByPiles
from alerts.charging.desk import Desk
from alerts.charging.journal import Journal

class Dies:
    def stop(self, request, *, timeout_s):
        os.kill(os.getpid(), signal.SIGKILL)
    def stopper(self, operator):
        return self
    def policy(self, operator):
        return "stop"

desk = Desk(journal=Journal(Path(sys.argv[1])), car=Dies(), bindings=SaidByPiles(), partners=Dies())
now = datetime.now(UTC)
desk.receive(Sighting(
    source="pile", channel="mqtt_alarm", source_id="st1/1/A1", operator="linhe", station="st1", connector="1",
    session_id="s1", ts=now, received_at=now, code="9", kind="smoke", severity=1))
signal.pause()
"""


class Scene:
    """A watch in a process of its own, a broker and a database that may be hurt, an operator that is asked to stop."""

    def __init__(self, folder: Path, dsn: str, broker: Mosquitto, operator: SimulatedOperator) -> None:
        self.folder = folder
        self.dsn = dsn
        self.operator = operator
        (self.port,) = broker.ports
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=f"piles-{uuid.uuid4().hex[:6]}")
        self._client.max_inflight_messages_set(1000)
        self._client.connect("127.0.0.1", self.port)
        self._client.loop_start()
        with connect(dsn, role="admin") as conn:
            contract = Partner(
                partner_id=OPERATOR,
                name="Linhe",
                operators=(OPERATOR,),
                stop_by="webhook",
                stop_url=operator.url,
                created_at=datetime.now(UTC),
            )
            add(conn, contract, now=datetime.now(UTC))
            add_key(conn, load_or_make(folder / "partners.key"), OPERATOR, "webhook", now=datetime.now(UTC))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def alarm(self, number: int, *, station: str | None = None) -> None:
        """Have a pile report smoke and wait until the broker has it."""
        sent = self.publish(number, station=station)
        sent.wait_for_publish(10)
        assert sent.is_published()

    def publish(self, number: int, *, station: str | None = None) -> Any:
        payload = {"id": f"A{number}", "ts": time.time_ns() // 1_000_000, "session_id": f"s{station or number}"}
        return self._client.publish(
            f"v1/chargers/{OPERATOR}/{station or f'st{number}'}/1/alarm",
            json.dumps(payload | {"code": "9", "severity": 1}),
            qos=1,
        )

    @contextmanager
    def watch(self) -> Iterator[Supervisor]:
        own = {
            "DATA_DIR": self.folder,
            "LOG_LEVEL": "ERROR",
            "DATABASE__DSN": self.dsn,
            "DATABASE__CONNECT_TIMEOUT_S": 2,
            "MQTT__HOST": "127.0.0.1",
            "MQTT__PORT": self.port,
            "PARTNERS__PORT": free_port(),
            "CHARGING__CONFIRM_WITHIN_S": 3,
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREWARN_")}
        environment |= {f"FOREWARN_{name}": str(value) for name, value in own.items()}
        self.ready.unlink(missing_ok=True)
        with supervised([Child("charging", ("charging", "run", "--child"))], environment=environment) as supervisor:

            def is_ready() -> bool:
                supervisor.check()
                return self.ready.exists()

            eventually(is_ready, within_s=60, what="the watch listens")
            yield supervisor

    @property
    def ready(self) -> Path:
        return self.folder / "charging" / "watcher" / "ready"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, connect_timeout=5) as conn:
            return conn.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]

    def until(self, query: str, expected: list[tuple[Any, ...]], *, within_s: float = 60) -> None:
        try:
            eventually(lambda: self.rows(query) == expected, within_s=within_s, what=f"{query}: {expected}")
        except AssertionError as error:
            raise AssertionError(f"it is {self.rows(query)}") from error


@pytest.fixture
def operator() -> Iterator[SimulatedOperator]:
    with simulated_operator() as running:
        yield running


@pytest.fixture
def scene(tmp_path: Path, database: str, broker: Mosquitto, operator: SimulatedOperator) -> Iterator[Scene]:
    running = Scene(tmp_path, database, broker, operator)
    yield running
    running.close()


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    def say(line: str) -> None:
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\n{line}", flush=True)  # noqa: T201

    return say


def test_killed_between_decision_and_dispatch(scene: Scene, operator: SimulatedOperator) -> None:
    """The stop leaves after the restart, and there is exactly one that is confirmed."""
    journal = scene.folder / "charging" / "watcher"
    died = subprocess.run(
        [sys.executable, "-c", DIES_AT_DISPATCH, str(journal)],
        check=False,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )
    assert died.returncode == -signal.SIGKILL
    assert operator.requests == []
    with scene.watch():
        assert operator.wait_for(1, within_s=20)
        scene.until("SELECT state, count(*) FROM safety.action GROUP BY state", [("confirmed", 1)])
        scene.until("SELECT count(*) FROM safety.sighting", [(1,)])
    with scene.watch():
        time.sleep(1)
    assert len(operator.stopped) == 1
    assert sum(operator.stopped.values()) == 1


def test_killed_again_and_again_while_dangers_arrive(
    scene: Scene, operator: SimulatedOperator, figures: Callable[[str], None]
) -> None:
    dangers, kills, number = 60, 4, 0
    with scene.watch() as supervisor:
        for _ in range(kills):
            for _ in range(dangers // kills):
                scene.alarm(number)
                number += 1
                time.sleep(0.02)
            killed = supervisor.pids()["charging"]
            os.kill(killed, signal.SIGKILL)
            eventually(
                lambda killed=killed: supervisor.pids().get("charging", killed) != killed,  # type: ignore[misc]
                within_s=30,
                what="the watch runs again",
            )
        scene.until("SELECT state, count(*) FROM safety.action GROUP BY state", [("confirmed", dangers)], within_s=90)
        scene.until("SELECT count(*), count(DISTINCT danger_id) FROM safety.sighting", [(dangers, dangers)])
    asked = {request.data["action_id"] for request in operator.requests}
    assert len(asked) == len(operator.stopped) == dangers
    again = sum(operator.stopped.values()) - dangers
    figures(
        f"charging, killed {kills} times: {dangers} dangers, {dangers} stops confirmed, {again} of them asked twice"
    )


def test_the_database_is_away_while_dangers_arrive(
    scene: Scene, server: Server, operator: SimulatedOperator, figures: Callable[[str], None]
) -> None:
    with scene.watch():
        scene.alarm(0)
        scene.until("SELECT count(*) FROM safety.action WHERE state = 'confirmed'", [(1,)])
        server.kill()
        began = time.monotonic()
        for number in range(1, 21):
            scene.alarm(number)
        assert operator.wait_for(21, within_s=10), "stops leave while the database is away"
        took_s = time.monotonic() - began
        server.start()
        scene.until("SELECT state, count(*) FROM safety.action GROUP BY state", [("confirmed", 21)])
        scene.until("SELECT count(*) FROM safety.sighting", [(21,)])
    assert sum(operator.stopped.values()) == 21
    figures(f"charging, database away: 20 stops left within {took_s:.1f} s, all recorded when it was back")


def test_the_watch_starts_while_the_database_is_away(scene: Scene, server: Server, operator: SimulatedOperator) -> None:
    with scene.watch():
        pass
    scene.alarm(1)
    server.kill()
    with scene.watch():
        # Nobody knows its operator's interface yet: a person has to phone, and is told so when the database is back.
        eventually(lambda: _journalled(scene) > 0, within_s=20, what="the danger is in the journal")
        server.start()
        scene.until("SELECT count(*) FROM safety.sighting", [(1,)])
    assert scene.rows("SELECT kind FROM safety.task WHERE kind = 'stop_by_phone'") == [("stop_by_phone",)] or (
        len(operator.stopped) == 1
    )


def test_ten_thousand_alarms_of_one_broken_pile(
    scene: Scene, operator: SimulatedOperator, figures: Callable[[str], None]
) -> None:
    with scene.watch():
        scene.alarm(0)
        assert operator.wait_for(1)
        began = time.monotonic()
        waits = []
        for number in range(10_000):
            waits.append(scene.publish(number, station="broken"))
            ahead_s = number / 1000 - (time.monotonic() - began)
            if ahead_s > 0.01:
                time.sleep(ahead_s)
            if number == 5000:
                sent_at = time.perf_counter()
                scene.publish(20_000, station="sound")
        for wait in waits:
            wait.wait_for_publish(30)
        sent_s = time.monotonic() - began
        eventually(
            lambda: any(request.data["station"] == "sound" for request in operator.requests),
            within_s=10,
            what="the danger at another pile is stopped",
        )
        other = next(request for request in operator.requests if request.data["station"] == "sound")
        scene.until("SELECT count(*) FROM safety.sighting", [(10_002,)], within_s=120)
    broken = [request for request in operator.requests if request.data["station"] == "broken"]
    assert len(broken) == 1, "one pile is asked once"
    cases = scene.rows("SELECT count(*) FROM safety.safety_case WHERE station = 'broken'")
    assert cases == [(1,)]
    other_ms = 1000 * (other.at_s - sent_at)
    assert other_ms < 2000
    figures(
        f"charging, one broken pile: 10,000 alarms in {sent_s:.1f} s, 1 case, 1 stop; another pile's danger in the"
        f" midst of it was stopped after {other_ms:.0f} ms"
    )


def test_a_partners_endpoint_is_down(scene: Scene, operator: SimulatedOperator) -> None:
    """Asked again, then somebody has to phone; other operators' piles wait for nobody."""
    dead = free_port()
    with connect(scene.dsn, role="admin", autocommit=True) as conn:
        contract = Partner(
            partner_id="dead",
            name="Dead",
            operators=("dead",),
            stop_by="webhook",
            stop_url=f"http://127.0.0.1:{dead}/stop",
            created_at=datetime.now(UTC),
        )
        add(conn, contract, now=datetime.now(UTC))
        add_key(conn, load_or_make(scene.folder / "partners.key"), "dead", "webhook", now=datetime.now(UTC))
    with scene.watch():
        for number in range(30):
            payload = {"id": f"A{number}", "ts": time.time_ns() // 1_000_000, "code": "9", "severity": 1}
            scene._client.publish(f"v1/chargers/dead/st{number}/1/alarm", json.dumps(payload), qos=1)
        began = time.monotonic()
        scene.alarm(1)
        assert operator.wait_for(1, within_s=5)
        assert time.monotonic() - began < 5
        scene.until("SELECT count(*) FROM safety.task WHERE kind = 'stop_by_phone'", [(30,)], within_s=40)
        attempts = scene.rows(
            "SELECT DISTINCT attempts, state FROM safety.action WHERE request ->> 'operator' = 'dead'"
        )
        assert attempts == [(2, "unconfirmed")]


@pytest.mark.parametrize("manner", ["refuse", "late", "silent"])
def test_an_operator_that_does_not_obey(tmp_path: Path, database: str, broker: Mosquitto, manner: Any) -> None:
    with simulated_operator(lambda station: manner, late_s=4.0) as operator:
        scene = Scene(tmp_path, database, broker, operator)
        try:
            with scene.watch():
                scene.alarm(1)
                end = {"refuse": "refused", "late": "confirmed", "silent": "unconfirmed"}[manner]
                scene.until("SELECT state FROM safety.action", [(end,)], within_s=40)
                by_phone = [("stop_by_phone",)] if manner != "late" else []
                scene.until("SELECT kind FROM safety.task WHERE kind = 'stop_by_phone'", by_phone)
        finally:
            scene.close()


def _journalled(scene: Scene) -> int:
    files = (scene.folder / "charging" / "watcher").glob("*.journal")
    return sum(file.read_bytes().count(b"\n") for file in files)
