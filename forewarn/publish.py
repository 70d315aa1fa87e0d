"""Publishes messages over MQTT, no faster than the broker acknowledges them."""

import math
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from config.errors import UserMistake
from forewarn.message import Message

if TYPE_CHECKING:
    from paho.mqtt.client import Client

# A broker on the same machine answers in milliseconds; half a minute is a restart and the reconnect after it.
ACK_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10.0
# A progress bar shows nothing that is faster.
_PROGRESS_EVERY_S = 0.1


class PublishStalled(Exception):
    """The broker stopped acknowledging messages."""


def publish(
    messages: Iterable[Message],
    *,
    host: str,
    port: int,
    username: str | None = None,
    password: str | None = None,
    in_flight: int = 200,
    on_progress: Callable[[int], None] | None = None,
    throttle: Callable[[int], None] | None = None,
    ack_timeout_s: float = ACK_TIMEOUT_S,
) -> int:
    """Publish every message at QoS 1 and return how many samples were acknowledged, after the last PUBACK.

    in_flight   : messages that may wait for their PUBACK at one time
    on_progress : is told the samples published so far, some ten times a second
    throttle    : is told the samples published so far before each message and may block, until ingest has caught up
    Raises      : UserMistake, when the broker cannot be reached or refuses us
                  PublishStalled, when no message is acknowledged for ``ack_timeout_s``
    """
    window = _Window(in_flight, ack_timeout_s)
    client = _connect(host, port, username, password, window)
    published = 0
    shown_at = 0.0
    try:
        for message in messages:
            if throttle is not None:
                throttle(published)
            window.enter()
            client.publish(message.topic, message.payload, qos=1)
            published += message.samples
            if on_progress is not None and time.monotonic() - shown_at >= _PROGRESS_EVERY_S:
                shown_at = time.monotonic()
                on_progress(published)
        window.drain()
        if on_progress is not None:
            on_progress(published)
    finally:
        # Without a disconnect paho's thread would wait for acknowledgements that never come.
        client.disconnect()
        client.loop_stop()
    return published


def paced(
    messages: Iterable[Message],
    *,
    speed: float,
    longest_gap_s: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Message]:
    """Yield messages as far apart as they were received, ``speed`` times faster.

    longest_gap_s : no wait between two messages is longer; a car that was parked for a week is not waited for
    """
    began = clock()
    waits_s = waits(speed=speed, longest_gap_s=longest_gap_s)
    due_s = 0.0
    for message in messages:
        due_s += waits_s(message.received_ms)
        # Against the clock since the beginning, so that what publishing costs does not add up.
        late_s = clock() - began - due_s
        if late_s < 0:
            sleep(-late_s)
        yield message


def when_due(
    messages: Iterable[Message],
    *,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Message]:
    """Yield each message when it is to have been received, and at once what is late already."""
    for message in messages:
        early_s = message.received_ms / 1000 - clock()
        if early_s > 0:
            sleep(early_s)
        yield message


def waits(*, speed: float, longest_gap_s: float) -> Callable[[int], float]:
    """Return a function that is told each message's time (epoch ms) and answers how long it waits for its turn (s)."""
    furthest_ms: int | None = None

    def wait_s(received_ms: int) -> float:
        nonlocal furthest_ms
        # What is older than what came before it is late already.
        gap_ms = max(0, received_ms - furthest_ms) if furthest_ms is not None else 0
        furthest_ms = received_ms if furthest_ms is None else max(furthest_ms, received_ms)
        return min(gap_ms / 1000 / speed, longest_gap_s)

    return wait_s


class _Window:
    """Counts messages that wait for their PUBACK, so that neither paho nor the broker has to queue them."""

    def __init__(self, size: int, timeout_s: float) -> None:
        self._size = size
        self._timeout_s = timeout_s
        self._waiting = 0
        self._changed = threading.Condition()

    def enter(self) -> None:
        """Wait for a free place and take it."""
        with self._changed:
            self._wait_until_at_most(self._size - 1)
            self._waiting += 1

    def leave(self) -> None:
        with self._changed:
            self._waiting -= 1
            self._changed.notify()

    def drain(self) -> None:
        """Wait until nothing waits any more."""
        with self._changed:
            self._wait_until_at_most(0)

    def _wait_until_at_most(self, most: int) -> None:
        while self._waiting > most:
            # Every PUBACK starts the clock anew: a slow broker is no stalled one.
            if not self._changed.wait(self._timeout_s):
                raise PublishStalled(f"no acknowledgement for {self._timeout_s:g} s, {self._waiting} messages wait")


def _connect(host: str, port: int, username: str | None, password: str | None, window: _Window) -> "Client":
    # paho is slow to import and `forewarn --help` never publishes.
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    client = Client(CallbackAPIVersion.VERSION2, client_id=f"forewarn-publish-{uuid.uuid4().hex[:12]}")
    # No limit of paho's: it would look through everything that waits at each acknowledgement, and the window counts.
    client.max_inflight_messages_set(0)
    if username is not None:
        client.username_pw_set(username, password)
    answered = threading.Event()
    refusals: list[str] = []

    def on_connect(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            refusals.append(str(reason))
        answered.set()

    def on_publish(_client: Any, _data: Any, _mid: int, _reason: Any, _properties: Any) -> None:
        window.leave()

    client.on_connect = on_connect
    client.on_publish = on_publish
    try:
        client.connect(host, port)
    except (OSError, ValueError) as error:
        raise UserMistake(
            f"no MQTT broker answers at {host}:{port} ({error}): start one or set FOREWARN_MQTT__HOST and _PORT"
        ) from error
    client.loop_start()
    if not answered.wait(CONNECT_TIMEOUT_S):
        client.disconnect()
        client.loop_stop()
        raise UserMistake(f"{host}:{port} accepts connections but does not speak MQTT: check FOREWARN_MQTT__PORT")
    if refusals:
        client.disconnect()
        client.loop_stop()
        raise UserMistake(
            f"the MQTT broker at {host}:{port} refuses us ({refusals[0]}): "
            "check FOREWARN_MQTT__USERNAME and FOREWARN_MQTT__PASSWORD"
        )
    return client
