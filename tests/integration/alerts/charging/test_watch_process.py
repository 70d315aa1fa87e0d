"""The watch over charging against a real broker and database: from a message to a stop that is confirmed."""

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from alerts.charging.process import run_charging
from config.settings import ChargingSettings, DatabaseSettings, MqttSettings, Settings
from forewarn.message import Message
from forewarn.publish import publish
from forewarn.simulator.charging.stops import listening
from ingest import topics
from ingest.topics import Connector
from tests.integration.forewarn.subscriber import subscribed
from tests.unit.alerts.charging.test_desk import Contracts, Stopper

VIN = "LFWA0010X0T100001"
BATTERY = "Vehicle.Powertrain.TractionBattery."
AT = Connector("linhe", "sh0001", "1")


class Gateway(http.server.ThreadingHTTPServer):
    """Takes messages to owners."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.taken: list[dict[str, Any]] = []
        self.status = 202

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/send"


class _Take(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gateway

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status < 300:
            self.server.taken.append(json.loads(body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def settings(database: str, broker_port: int, tmp_path: Path, gateway: Gateway) -> Settings:
    return Settings(
        data_dir=tmp_path,
        database=DatabaseSettings(dsn=database),
        mqtt=MqttSettings(host="127.0.0.1", port=broker_port),
        charging=ChargingSettings(gateway_url=gateway.url, confirm_within_s=2, public_url="https://fw.example"),
    )


@contextmanager
def watching(settings: Settings, **others: Any) -> Iterator[None]:
    stop, failed = threading.Event(), []

    def run() -> None:
        try:
            run_charging(settings, stop=stop, **others)
        except BaseException as error:  # noqa: BLE001  # told below
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        until(lambda: (settings.data_dir / "charging/watcher/ready").exists() or bool(failed))
        assert not failed, failed
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()
    assert not failed, failed


def until(condition: Callable[[], bool], *, within_s: float = 15) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    assert settings.database.dsn is not None
    with psycopg.connect(settings.database.dsn) as conn:
        return conn.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]


def send(settings: Settings, topic: str, payload: object) -> None:
    message = Message(0, topic, msgspec.json.encode(payload), 1)
    assert settings.mqtt.host is not None
    publish([message], host=settings.mqtt.host, port=settings.mqtt.port)


def heat(settings: Settings, vin: str, *degrees: float, ago_s: int = 3) -> None:
    """Publish a second of a charging car for each hottest probe, the first ``ago_s`` ago."""
    first_ms = time.time_ns() // 1_000_000 - 1000 * ago_s
    samples = [
        {
            "ts": first_ms + 1000 * number,
            "seq": 0,
            "signals": {
                f"{BATTERY}Temperature.Probes": [25.0, value],
                f"{BATTERY}Temperature.Max": value,
                f"{BATTERY}Charging.IsCharging": True,
            },
        }
        for number, value in enumerate(degrees)
    ]
    send(settings, topics.charging(vin), {"samples": samples})


def alarm(settings: Settings, **changes: Any) -> None:
    values = {"id": "A1", "ts": time.time_ns() // 1_000_000, "code": "18", "severity": 1, "session_id": "s-1"}
    send(settings, topics.charger(AT, "alarm"), values | changes)


def test_a_hot_car_is_stopped_says_so_and_its_owner_hears_of_it(
    settings: Settings, enrolled: Callable[..., object], gateway: Gateway
) -> None:
    enrolled(VIN)
    with listening(VIN, settings.mqtt) as car, watching(settings):
        heat(settings, VIN, 40, 41, ago_s=10)
        assert car() is None
        heat(settings, VIN, 72, 72, 72)
        until(lambda: car() is not None)
        until(lambda: rows(settings, "SELECT target, state FROM safety.action") == [("car", "confirmed")])
        until(lambda: len(gateway.taken) == 1)
    (message,) = gateway.taken
    assert message["address"] == "+8613800138000"
    assert "离开车辆" in message["text"] or "远离车辆" in message["text"]
    assert message["receipt_url"].startswith("https://fw.example/safety/receipts/")
    assert rows(settings, "SELECT recipient, channel, accepted FROM safety.delivery") == [("owner", "gateway", True)]
    kinds = {kind for (kind,) in rows(settings, "SELECT kind FROM safety.sighting")}
    assert "over_temperature" in kinds


def test_a_pile_alarm_stops_the_pile_and_the_car_that_it_names(
    settings: Settings, enrolled: Callable[..., object]
) -> None:
    enrolled(VIN)
    pile = Stopper()
    with listening(VIN, settings.mqtt) as car, watching(settings, partners=Contracts(pile)):
        alarm(settings, vin=VIN)
        assert pile.wait(1)[0].session_id == "s-1"
        until(lambda: car() is not None)
        until(
            lambda: (
                rows(settings, "SELECT target, state FROM safety.action ORDER BY target")
                == [("car", "confirmed"), ("pile", "sent")]
            )
        )
        # Nobody confirms the pile: asked again, then somebody has to phone.
        until(lambda: rows(settings, "SELECT state FROM safety.action WHERE target = 'pile'") == [("unconfirmed",)])
        until(lambda: ("stop_by_phone",) in rows(settings, "SELECT kind FROM safety.task"))
    assert len(pile.asked) == 2
    assert len({request.action_id for request in pile.asked}) == 1


def test_without_consent_a_car_is_not_judged_but_a_pile_is_stopped_all_the_same(
    settings: Settings, enrolled: Callable[..., object], gateway: Gateway
) -> None:
    enrolled(VIN, purposes=frozenset())
    pile = Stopper()
    with (
        subscribed(settings.mqtt.port, "v1/vehicles/+/commands") as heard,
        watching(settings, partners=Contracts(pile)),
    ):
        heat(settings, VIN, 90, 90, 90)
        heat(settings, "LFWA0010X0T100002", 90, 90, 90)
        alarm(settings, vin=VIN)
        pile.wait(1)
        heard.wait_for(1)
        until(lambda: len(gateway.taken) == 1)
        assert len(heard.messages) == 1, "by the alarm, not by what the cars measure"
    assert {channel for (channel,) in rows(settings, "SELECT channel FROM safety.sighting")} == {"mqtt_alarm"}


def test_a_danger_that_comes_while_nobody_watches_is_judged_at_the_start(
    settings: Settings, enrolled: Callable[..., object]
) -> None:
    enrolled(VIN)
    with watching(settings):
        pass
    alarm(settings, vin=VIN)
    with listening(VIN, settings.mqtt) as car, watching(settings):
        until(lambda: car() is not None)


def test_what_cannot_be_read_stops_nothing_and_nobody(settings: Settings, enrolled: Callable[..., object]) -> None:
    enrolled(VIN)
    with listening(VIN, settings.mqtt) as car, watching(settings):
        for payload in (b"", b"{", b"##\x02", b'{"samples":[]}', b"\xff" * 900):
            publish(
                [Message(0, topics.charging(VIN), payload, 1), Message(0, topics.charger(AT, "alarm"), payload, 1)],
                host="127.0.0.1",
                port=settings.mqtt.port,
            )
        heat(settings, VIN, 72, 72, 72)
        until(lambda: car() is not None)


def test_the_owner_is_told_again_until_a_receipt_and_then_no_more(
    settings: Settings, enrolled: Callable[..., object], gateway: Gateway
) -> None:
    enrolled(VIN)
    charging = settings.charging.model_copy(update={"remind_every_s": 1})
    settings = settings.model_copy(update={"charging": charging})
    with watching(settings):
        alarm(settings, vin=VIN)
        until(lambda: len(gateway.taken) >= 3, within_s=20)
        assert settings.database.dsn is not None
        with psycopg.connect(settings.database.dsn, autocommit=True) as conn:
            conn.execute("UPDATE safety.delivery SET receipt_at = now(), receipt_by = 'owner'")
        until(
            lambda: (
                ("the owner has confirmed",)
                in rows(settings, "SELECT outcome FROM safety.rung WHERE step = 'remind_owner'")
            )
        )
        told = len(gateway.taken)
        assert not rows(settings, "SELECT FROM safety.rung WHERE step = 'remind_owner' AND done_at IS NULL")
        time.sleep(1.5)
        assert len(gateway.taken) == told


def test_a_gateway_that_is_down_is_tried_again_and_somebody_phones(
    settings: Settings, enrolled: Callable[..., object], gateway: Gateway
) -> None:
    enrolled(VIN)
    gateway.status = 503
    with watching(settings):
        alarm(settings, vin=VIN)
        until(lambda: ("call_owner",) in rows(settings, "SELECT kind FROM safety.task"))
        until(lambda: (False,) in rows(settings, "SELECT accepted FROM safety.delivery"))
        gateway.status = 202
        until(lambda: bool(gateway.taken), within_s=15)


def test_a_person_who_was_asked_decides(settings: Settings, enrolled: Callable[..., object]) -> None:
    enrolled(VIN)
    charging = settings.charging.model_copy(update={"fleet_policy": "ask"})
    settings = settings.model_copy(update={"charging": charging})
    with listening(VIN, settings.mqtt) as car, watching(settings):
        alarm(settings, vin=VIN)
        until(lambda: ("car", "asked") in rows(settings, "SELECT target, state FROM safety.action"))
        assert car() is None
        assert settings.database.dsn is not None
        with psycopg.connect(settings.database.dsn, autocommit=True) as conn:
            conn.execute(
                "UPDATE safety.action SET state = 'decided', decided_by = 'wang', decided_at = now(), state_at = now()"
                " WHERE target = 'car'"
            )
        until(lambda: car() is not None)
        until(
            lambda: (
                ("confirmed", "wang")
                in rows(settings, "SELECT state, decided_by FROM safety.action WHERE target = 'car'")
            )
        )


def test_the_process_restores_open_cases(settings: Settings, enrolled: Callable[..., object]) -> None:
    enrolled(VIN)
    pile = Stopper()
    with watching(settings, partners=Contracts(pile)):
        alarm(settings, vin=VIN)
        pile.wait(1)
        until(lambda: rows(settings, "SELECT count(*) FROM safety.safety_case") == [(1,)])
    for file in (settings.data_dir / "charging/watcher").glob("*.journal"):
        file.unlink()
    (settings.data_dir / "charging/watcher/recorded").unlink()
    with watching(settings, partners=Contracts(pile)):
        alarm(settings, id="A2", vin=VIN)
        until(lambda: rows(settings, "SELECT count(*) FROM safety.sighting") == [(2,)])
    assert rows(settings, "SELECT count(*) FROM safety.safety_case") == [(1,)]
