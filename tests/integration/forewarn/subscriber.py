"""A client that reads what others publish."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion


class Arrived:
    """What has come so far, as (topic, payload)."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self.changed = threading.Condition()

    def wait_for(self, count: int, *, within_s: float = 10) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.messages) >= count, timeout=within_s), len(self.messages)


@contextmanager
def subscribed(port: int, topic_filter: str) -> Iterator[Arrived]:
    """Subscribe, and yield what arrives."""
    arrived, ready = Arrived(), threading.Event()

    def on_message(client, userdata, message):
        with arrived.changed:
            arrived.messages.append((message.topic, bytes(message.payload)))
            arrived.changed.notify_all()

    client = Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda *_: client.subscribe(topic_filter, qos=1)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = on_message
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        assert ready.wait(10), "the subscription was not answered"
        yield arrived
    finally:
        client.disconnect()
        client.loop_stop()
