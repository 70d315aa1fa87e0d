"""What mosquitto keeps, with its defaults and with the limits of deploy/, and what the checks say of it."""

import socket
import threading
import time
from pathlib import Path

import pytest
from paho.mqtt import subscribe
from paho.mqtt.enums import MQTTProtocolVersion

from config.settings import MqttSettings
from forewarn.embedded.ports import free_ports
from ingest.broker_check import BrokerLimits, broker_warnings, read_limits, warnings_about
from ingest.probe_session import BrokerSilent, ProbeSession
from ingest.queue_probe import ProbeResult, probe_queue
from tests.mosquitto import Mosquitto, mosquitto

LIFTED = "max_queued_messages 0\nmax_queued_bytes 0\nmax_inflight_messages 10000"


def settings(broker: Mosquitto, **changes: object) -> MqttSettings:
    return MqttSettings(**{"host": "127.0.0.1", "port": broker.port, **changes})


@pytest.mark.parametrize("protocol", ["5", "3.1.1", "auto"])
def test_the_probe_finds_the_default_queue_limit(tmp_path: Path, protocol: str) -> None:
    with mosquitto(tmp_path) as broker:
        result = probe_queue(settings(broker, protocol=protocol), messages=1500)
        assert (result.refused, result.acknowledged, result.session_kept) == (None, 1500, True)
        assert result.delivered == 1000
        assert result.lost == 500


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_the_probe_finds_nothing_lost_where_the_limits_are_lifted(tmp_path: Path, protocol: str) -> None:
    with mosquitto(tmp_path, LIFTED) as broker:
        result = probe_queue(settings(broker, protocol=protocol), messages=5000)
        assert (result.acknowledged, result.delivered) == (5000, 5000)


def test_a_default_mosquitto_is_warned_of(tmp_path: Path) -> None:
    with mosquitto(tmp_path, "sys_interval 1") as broker:
        lines = broker_warnings(settings(broker))
        assert len(lines) == 1
        assert "max_queued_messages 0" in lines[0]
        # What has been lost already is told as well, as soon as the broker has counted it.
        probe_queue(settings(broker), messages=1100)
        deadline = time.monotonic() + 10
        while not any("has dropped 100 messages" in line for line in broker_warnings(settings(broker))):
            assert time.monotonic() < deadline


@pytest.mark.parametrize("in_flight", [0, 1000, 10_000])
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_start_up_measures_a_queue_that_nobody_lifted(tmp_path: Path, in_flight: int, protocol: str) -> None:
    with mosquitto(tmp_path, f"max_inflight_messages {in_flight}") as broker:
        began = time.monotonic()
        (line,) = broker_warnings(settings(broker, protocol=protocol))
        assert time.monotonic() - began < 4
        assert "kept 1,000 of 1,200 messages" in line
        assert "max_queued_messages 0" in line


def test_start_up_says_when_it_could_not_measure_in_time(tmp_path: Path) -> None:
    with mosquitto(tmp_path, LIFTED) as broker:
        limits = read_limits(settings(broker), within_s=5)
    result = ProbeResult("5", 1200, acknowledged=700, delivered=300, session_kept=True)
    (line,) = warnings_about(limits, shared=False, queue=result)
    assert "could not be measured in time" in line


def test_a_mosquitto_with_its_limits_lifted_is_not_warned_of(tmp_path: Path) -> None:
    with mosquitto(tmp_path, LIFTED) as broker:
        assert broker_warnings(settings(broker)) == []


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_the_check_leaves_no_session_behind(tmp_path: Path, protocol: str) -> None:
    with mosquitto(tmp_path, f"{LIFTED}\nsys_interval 1") as broker:
        broker_warnings(settings(broker, protocol=protocol))
        probe_queue(settings(broker, protocol=protocol), messages=10)
        # One is left on purpose, to see that the broker's count is of after the check.
        left = ProbeSession(settings(broker), client_id="left", version=MQTTProtocolVersion.MQTTv5)
        left.open(deadline=time.monotonic() + 5)
        left.close(keep=True)
        deadline = time.monotonic() + 10
        while (count := subscribe.simple("$SYS/broker/clients/disconnected", port=broker.port).payload) == b"0":
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert count == b"1"


def test_a_small_packet_limit_is_warned_of(tmp_path: Path) -> None:
    with mosquitto(tmp_path, f"{LIFTED}\nmax_packet_size 65536") as broker:
        (line,) = broker_warnings(settings(broker))
        assert "65,536 bytes" in line
        assert "max_packet_size" in line


def test_a_broker_that_says_nothing_takes_no_longer_than_it_may() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        begin = time.monotonic()
        (line,) = broker_warnings(MqttSettings(host="127.0.0.1", port=deaf.getsockname()[1]), within_s=0.5)
        assert time.monotonic() - begin < 1.0
        assert "not known" in line
    (port,) = free_ports(1)
    (line,) = broker_warnings(MqttSettings(host="127.0.0.1", port=port))
    assert "refused" in line
    with pytest.raises(BrokerSilent):
        probe_queue(MqttSettings(host="127.0.0.1", port=port), messages=1)


def test_an_embedded_broker_of_mqtt_311_is_told_apart(broker_port: int) -> None:
    assert read_limits(MqttSettings(host="127.0.0.1", port=broker_port), within_s=5).protocol == "3.1.1"
    # It tells nothing of its queue; that it keeps more than others do by default is measured.
    assert broker_warnings(MqttSettings(host="127.0.0.1", port=broker_port)) == []


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        (BrokerLimits(protocol="5", session_s=7200), "forgets our session after 2 h"),
        (BrokerLimits(protocol="5", maximum_qos=0), "QoS 0 only"),
        (BrokerLimits(protocol="5", shared_subscriptions=False), "ingest.workers to 1"),
        (BrokerLimits(protocol="5", wildcards=False), "wildcard"),
        (BrokerLimits(protocol="5", renamed_to="x"), "another id"),
        (BrokerLimits(protocol="5", version="5.8.6"), "mqtt.max_mqueue_len"),
        (BrokerLimits(protocol="5", version="mosquitto version 2.0.11", receive_maximum=1000), "is not known"),
        (BrokerLimits(protocol="3.1.1"), "is not known"),
        (BrokerLimits(protocol="5", version="mosquitto version 2.0.11", dropped=7), "dropped 7 messages"),
    ],
)
def test_each_limit_has_its_line(limits: BrokerLimits, wanted: str) -> None:
    lines = warnings_about(limits, shared=True)
    assert sum(wanted in line for line in lines) == 1
    assert all("\n" not in line for line in lines)


def test_threads_end_with_the_check(tmp_path: Path) -> None:
    before = threading.active_count()
    with mosquitto(tmp_path, LIFTED) as broker:
        for _ in range(5):
            broker_warnings(settings(broker))
    deadline = time.monotonic() + 5
    while threading.active_count() > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
