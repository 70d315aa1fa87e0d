"""Publishes a load at QoS 1 and counts as sent what the broker acknowledged, across restarts of the broker."""

import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.fault.load import Batch

_WINDOW = 200
_LOOK_EVERY_S = 0.05


class Publisher(threading.Thread):
    """Publishes ``batches`` from a thread of its own; ``finish`` waits for the last PUBACK.

    a_second : messages a second, None is as fast as they are acknowledged
    """

    def __init__(self, port: int, batches: Sequence[Batch], *, a_second: float | None = None) -> None:
        super().__init__(name="publisher", daemon=True)
        self._port = port
        self._batches = batches
        self._a_second = a_second
        self._give_up = threading.Event()
        self._acknowledged_mids: deque[int] = deque()
        self._acknowledged = threading.Event()
        self._failure: BaseException | None = None
        # Positions in ``batches`` that were acknowledged.
        self.sent: set[int] = set()
        self.start()

    def finish(self, *, within_s: float) -> list[Batch]:
        """Wait until everything is acknowledged and return it."""
        self.join(within_s)
        if self.is_alive():
            self._give_up.set()
            self.join(10)
            raise AssertionError(f"{len(self.sent)} of {len(self._batches)} messages acknowledged in {within_s} s")
        if self._failure is not None:
            raise AssertionError("the publisher failed") from self._failure
        return [self._batches[number] for number in sorted(self.sent)]

    def run(self) -> None:
        client = Client(CallbackAPIVersion.VERSION2, client_id=f"load-{uuid.uuid4().hex[:8]}", clean_session=False)
        client.max_inflight_messages_set(_WINDOW)
        # Back as soon as the broker answers, like the first cars of a fleet: before the workers, if they wait longer.
        client.reconnect_delay_set(_LOOK_EVERY_S, _LOOK_EVERY_S)  # type: ignore[arg-type]
        client.on_publish = self._on_publish
        try:
            client.connect("127.0.0.1", self._port)
            client.loop_start()
            self._publish(client)
        except BaseException as error:  # noqa: BLE001  # told by finish
            self._failure = error
        finally:
            client.disconnect()
            client.loop_stop()

    def _publish(self, client: Client) -> None:
        waiting: dict[int, int] = {}
        began = time.monotonic()
        for number, batch in enumerate(self._batches):
            if self._a_second is not None:
                self._give_up.wait(max(0.0, began + number / self._a_second - time.monotonic()))
            while len(waiting) >= _WINDOW and not self._give_up.is_set():
                self._settle(waiting)
            if self._give_up.is_set():
                return
            # While the broker is away paho keeps it and sends it after the reconnect.
            waiting[client.publish(batch.topic, batch.payload, qos=1).mid] = number
        while waiting and not self._give_up.is_set():
            self._settle(waiting)

    def _settle(self, waiting: dict[int, int]) -> None:
        self._acknowledged.wait(0.2)
        self._acknowledged.clear()
        while self._acknowledged_mids:
            # Only this thread takes them, so a number is looked up after it was noted.
            self.sent.add(waiting.pop(self._acknowledged_mids.popleft()))

    def _on_publish(self, _client: Client, _data: Any, mid: int, _reason: Any, _properties: Any) -> None:
        self._acknowledged_mids.append(mid)
        self._acknowledged.set()
