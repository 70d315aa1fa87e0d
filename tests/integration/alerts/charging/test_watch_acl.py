"""The watch over charging behind the deployed broker: its name may do all that the process does, and nothing else."""

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alerts.charging.partners.measuring import pile_readings
from alerts.charging.partners.reports import Measurement
from config.settings import ChargingSettings, DatabaseSettings, Settings
from ingest import topics
from tests.integration.alerts.charging.test_watch_process import BATTERY, rows, until, watching
from tests.integration.ingest.test_mosquitto_acl import DEPLOYED, OPERATOR, Party, Site
from tests.integration.ingest.test_mosquitto_acl import broker as broker
from tests.integration.ingest.test_mosquitto_acl import party as party
from tests.integration.ingest.test_mosquitto_acl import site as site
from tests.mosquitto import Mosquitto

# paho leaves the socket of a handshake that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

NAME = "forewarn-safety"
VIN = "LFWA0010X0T100001"
AT = topics.Connector(OPERATOR, "s1", "1")
READ = (
    topics.charging(VIN),
    f"v1/vehicles/{VIN}/commands/ack",
    topics.charger(AT, "telemetry"),
    topics.charger(AT, "alarm"),
)
WRITTEN = (topics.commands(VIN), topics.charger(AT, "telemetry"))
OTHERS = (
    f"v1/vehicles/{VIN}/telemetry",
    f"v1/vehicles/{VIN}/gbt32960",
    f"v1/vehicles/{VIN}/events",
    f"v1/vehicles/{VIN}/consent",
    f"v1/vehicles/{VIN}/charging/more",
    f"v1/vehicles/{VIN}/commands/ack/more",
    f"v1/chargers/{OPERATOR}/s1/1/telemetry/more",
    f"v1/chargers/{OPERATOR}/s1/telemetry",
    f"v1/replay/1/vehicles/{VIN}/charging",
    "v1/probe/x",
    "v2/vehicles",
)


def test_the_acl_grants_what_the_code_subscribes_to_and_publishes_and_not_a_line_more() -> None:
    _, _, after = (DEPLOYED / "acl-services").read_text(encoding="utf-8").partition(f"user {NAME}\n")
    lines = {line for line in after.partition("\nuser ")[0].splitlines() if line and not line.startswith("#")}
    read = {f"topic read {one}" for one in (*topics.CHARGING_FILTERS, topics.COMMAND_ANSWERS)}
    anywhere = topics.Connector("+", "+", "+")
    written = {f"topic write {one}" for one in (topics.commands("+"), topics.charger(anywhere, "telemetry"))}
    assert lines == read | written


def test_a_danger_is_stopped_and_confirmed_through_the_deployed_broker(
    site: Site,
    party: Callable[..., Party],
    database: str,
    tmp_path: Path,
    enrolled: Callable[..., object],
) -> None:
    enrolled(VIN)
    settings = Settings(
        data_dir=tmp_path,
        database=DatabaseSettings(dsn=database),
        mqtt=site.settings(NAME),
        charging=ChargingSettings(confirm_within_s=5),
    )
    car, pile, ingest = (
        party(VIN, door="vehicles"),
        party(OPERATOR, door="partners"),
        party("forewarn-ingest", door="services"),
    )
    car.subscribe(topics.commands(VIN))
    ingest.subscribe("v1/chargers/+/+/+/telemetry")
    with watching(settings), pile_readings(settings.mqtt) as measured:
        # The car's own seconds are heard, the command reaches it, and its answer is heard.
        car.publish(topics.charging(VIN), hot_seconds())
        until(lambda: bool(car.got))
        command = msgspec.json.decode(car.got[0][1])
        assert command["command"] == "stop_charging"
        answer = {"id": command["id"], "ts": time.time_ns() // 1_000_000, "result": "done"}
        car.publish(f"v1/vehicles/{VIN}/commands/ack", msgspec.json.encode(answer))
        until(lambda: ("confirmed",) in rows(settings, "SELECT state FROM safety.action WHERE target = 'car'"))
        # The pile's alarm is heard.
        pile.publish(topics.charger(AT, "alarm"), alarm())
        until(lambda: (OPERATOR,) in rows(settings, "SELECT operator FROM safety.sighting"))
        # What a partner measured goes where all piles' telemetry is read.
        measured([measurement()])
        until(lambda: bool(ingest.got))
    assert ingest.got[0][0] == topics.charger(AT, "telemetry")


def hot_seconds() -> bytes:
    first_ms = time.time_ns() // 1_000_000 - 3000
    samples = [
        {
            "ts": first_ms + 1000 * second,
            "seq": 0,
            "signals": {
                f"{BATTERY}Temperature.Probes": [25.0, 72.0],
                f"{BATTERY}Temperature.Max": 72.0,
                f"{BATTERY}Charging.IsCharging": True,
            },
        }
        for second in range(3)
    ]
    return msgspec.json.encode({"samples": samples})


def alarm() -> bytes:
    said = {"id": uuid.uuid4().hex, "ts": time.time_ns() // 1_000_000, "code": "18", "severity": 2, "state": "on"}
    return msgspec.json.encode({**said, "measures": {}})


def measurement() -> Measurement:
    return Measurement(
        operator=AT.operator,
        station=AT.station,
        connector=AT.connector,
        session_id="T1",
        ts=datetime.now(UTC),
        signals={"SoC": 50.0},
    )


def test_it_hears_nothing_that_it_has_no_need_of(party: Callable[..., Party]) -> None:
    watch = party(NAME, door="services")
    for topic_filter in (
        "#",
        "$SYS/#",
        "v1/replay/#",
        "v1/vehicles/+/events",
        "$share/forewarn/v1/vehicles/+/telemetry",
    ):
        watch.subscribe(topic_filter)
    car, pile = party(VIN, door="vehicles"), party(OPERATOR, door="partners")
    replay, probe = party("forewarn-replay", door="services"), party("forewarn-probe", door="services")
    for topic in OTHERS:
        for sender in (car, pile, replay, probe):
            sender.forge(topic)
    party(NAME, door="services").publish(topics.commands(VIN))
    for topic in READ:
        (car if "/vehicles/" in topic else pile).publish(topic)
    until(lambda: {topic for topic, _ in watch.got} >= set(READ))
    # What came last is behind everything that was sent before it.
    pile.publish(READ[-1], b"last")
    until(lambda: (READ[-1], b"last") in watch.got)
    assert {topic for topic, _ in watch.got} == set(READ)


def test_it_says_nothing_but_stop_and_what_piles_measured(party: Callable[..., Party]) -> None:
    readers: list[Party] = []
    for name in ("forewarn-ingest", "forewarn-probe", NAME):
        reader = party(name, door="services")
        reader.subscribe("#")
        readers.append(reader)
    car = party(VIN, door="vehicles")
    car.subscribe(topics.commands(VIN))
    watch = party(NAME, door="services")
    for topic in (*OTHERS, *(set(READ) - set(WRITTEN))):
        watch.forge(topic, b"forged")
    for topic in WRITTEN:
        watch.publish(topic, b"right")
    until(lambda: bool(car.got) and (WRITTEN[1], b"right") in readers[0].got)
    assert car.got == [(WRITTEN[0], b"right")]
    heard: list[Any] = [got for reader in readers for got in reader.got if not got[0].startswith("$SYS")]
    assert set(heard) == {(WRITTEN[1], b"right")}


@pytest.mark.parametrize("door", ["vehicles", "partners"])
def test_its_name_at_another_door_stops_no_car(party: Callable[..., Party], broker: Mosquitto, door: str) -> None:
    car = party(VIN, door="vehicles")
    car.subscribe(topics.commands(VIN))
    party(NAME, door=door).forge(topics.commands(VIN), b"forged")
    party(NAME, door="services").publish(topics.commands(VIN), b"right")
    until(lambda: bool(car.got))
    assert car.got == [(topics.commands(VIN), b"right")]
