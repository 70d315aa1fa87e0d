"""What the embedded broker keeps, and that it is ours alone. Some of the facts docs/embedded.md states."""

import os
import signal
import socket
import threading
import time

import paho.mqtt.client as mqtt
import pytest

from config.errors import UserMistake
from forewarn.embedded.broker import shared_broker, start_broker
from forewarn.embedded.ports import answers

TOPIC = "v1/vehicles/LFWA1234567890123/telemetry"


@pytest.fixture
def broker(tmp_path):
    with shared_broker(tmp_path / "broker") as listening:
        yield listening


class Consumer:
    """A client with a session of its own that acknowledges only when told."""

    def __init__(self, port: int) -> None:
        self.got: list[tuple[int, bytes]] = []
        self._ready = threading.Event()
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id="consumer", clean_session=False, manual_ack=True
        )
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_message = lambda client, data, message: self.got.append((message.mid, message.payload))
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self._ready.wait(5)

    def _on_connect(self, client: mqtt.Client, data: object, flags: mqtt.ConnectFlags, *_: object) -> None:
        client.subscribe("v1/#", 1)
        # With a full window the broker answers no subscription until something is acknowledged.
        if flags.session_present:
            self._ready.set()

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 10
        while len(self.got) < count:
            assert time.monotonic() < deadline, f"{len(self.got)} of {count} messages came"
            time.sleep(0.01)

    def acknowledge(self, start: int, stop: int) -> None:
        for mid, _ in self.got[start:stop]:
            self.client.ack(mid, 1)

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def _publish(port: int, count: int, size: int = 10) -> None:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="publisher")
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent = [client.publish(TOPIC, b"%010d" % number + b" " * (size - 10), 1) for number in range(count)]
    for message in sent:
        message.wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def _numbers(consumer: Consumer) -> list[int]:
    return [int(payload) for _, payload in consumer.got]


def test_listens_on_loopback_only(broker):
    with open("/proc/net/tcp") as table:
        listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
    assert f"0100007F:{broker.port:04X}" in listening
    assert f"00000000:{broker.port:04X}" not in listening


def test_keeps_messages_for_a_consumer_that_is_away(broker):
    Consumer(broker.port).leave()
    _publish(broker.port, 50)
    back = Consumer(broker.port)
    back.wait_for(50)
    assert _numbers(back) == list(range(50))
    back.leave()


def test_sends_again_what_was_not_acknowledged(broker):
    first = Consumer(broker.port)
    _publish(broker.port, 300)
    # Its window is 100 messages: the rest waits for acknowledgements.
    first.wait_for(100)
    first.acknowledge(0, 40)
    first.wait_for(140)
    first.client.socket().shutdown(socket.SHUT_RDWR)
    first.client.loop_stop()
    second = Consumer(broker.port)
    # Another window: acknowledge as they come, in order.
    for start in range(0, 260, 50):
        second.wait_for(min(start + 50, 260))
        second.acknowledge(start, start + 50)
    assert _numbers(second) == list(range(40, 300))
    second.leave()


def test_carries_a_message_of_the_largest_size_a_publisher_makes(broker):
    consumer = Consumer(broker.port)
    _publish(broker.port, 1, size=1_500_000)
    consumer.wait_for(1)
    assert len(consumer.got[0][1]) == 1_500_000
    consumer.leave()


def test_is_shared_and_ends_with_the_last(tmp_path):
    with shared_broker(tmp_path) as first:
        with shared_broker(tmp_path) as second:
            assert second == first
        assert answers(first.port)
    assert not answers(first.port)


def test_a_broker_that_no_longer_routes_is_replaced(tmp_path):
    deaf = start_broker(tmp_path)
    os.kill(deaf.pid, signal.SIGSTOP)
    with shared_broker(tmp_path) as replaced:
        assert replaced.pid != deaf.pid


def test_a_taken_port_is_a_mistake_said_in_one_line(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(UserMistake, match="is in use") as raised:
            start_broker(tmp_path, port=other.getsockname()[1])
    assert "\n" not in str(raised.value)
