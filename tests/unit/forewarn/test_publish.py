"""Publishing: nothing is done before its PUBACK, no more is in flight than asked, and failures say what to do.

The broker here is thirty lines that answer, stall or refuse on demand.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from config.errors import UserMistake
from forewarn.message import Message
from forewarn.publish import PublishStalled, paced, publish

CONNECT, PUBLISH = 1, 3


@dataclass
class FakeBroker:
    """Answers CONNECT with ``refusal`` and PUBLISH with a PUBACK once ``hold`` of them are waiting, or never."""

    hold: int = 1
    answers: bool = True
    refusal: int = 0
    port: int = 0
    topics: list[str] = field(default_factory=list)
    most_waiting: int = 0

    def serve(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
            with connection:
                self._talk(connection)
        except OSError:
            return

    def _talk(self, connection: socket.socket) -> None:
        waiting: list[bytes] = []
        stream = connection.makefile("rb")
        connection.settimeout(0.2)
        while True:
            try:
                head = stream.read(1)
            except TimeoutError:
                # Nothing more comes while the publisher waits: let it go on.
                stream = connection.makefile("rb")
                waiting = self._answer(connection, waiting)
                continue
            if not head:
                return
            body = stream.read(self._length(stream))
            if head[0] >> 4 == CONNECT:
                connection.sendall(bytes([0x20, 2, 0, self.refusal]))
            elif head[0] >> 4 == PUBLISH:
                size = int.from_bytes(body[:2], "big")
                self.topics.append(body[2 : 2 + size].decode())
                waiting.append(body[2 + size : 4 + size])
                self.most_waiting = max(self.most_waiting, len(waiting))
                if len(waiting) >= self.hold:
                    waiting = self._answer(connection, waiting)

    def _answer(self, connection: socket.socket, waiting: list[bytes]) -> list[bytes]:
        if not self.answers:
            return waiting
        for packet_id in waiting:
            connection.sendall(b"\x40\x02" + packet_id)
        return []

    @staticmethod
    def _length(stream: "socket.SocketIO | object") -> int:
        value = shift = 0
        while True:
            (byte,) = stream.read(1)  # type: ignore[attr-defined]
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value


@contextmanager
def broker(**options: object) -> Iterator[FakeBroker]:
    fake = FakeBroker(**options)  # type: ignore[arg-type]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fake.port = listener.getsockname()[1]
        thread = threading.Thread(target=fake.serve, args=(listener,), daemon=True)
        thread.start()
        yield fake
    thread.join(timeout=5)


def messages(count: int, samples: int = 2) -> Iterator[Message]:
    for i in range(count):
        yield Message(1000 * i, f"v1/replay/{1000 * i}/vehicles/X/telemetry", b"{}", samples)


def test_every_message_is_published_in_order_and_its_samples_counted():
    progress: list[int] = []
    with broker() as fake:
        count = publish(messages(30), host="127.0.0.1", port=fake.port, in_flight=8, on_progress=progress.append)
    assert count == 60
    assert fake.topics == [message.topic for message in messages(30)]
    assert progress[-1] == 60


def test_no_more_than_asked_are_in_flight():
    with broker(hold=5) as fake:
        assert publish(messages(20), host="127.0.0.1", port=fake.port, in_flight=5) == 40
    assert fake.most_waiting == 5


def test_the_throttle_is_asked_before_every_message():
    asked: list[int] = []
    with broker() as fake:
        publish(messages(4), host="127.0.0.1", port=fake.port, throttle=asked.append)
    assert asked == [0, 2, 4, 6]


def test_a_broker_that_stops_answering_ends_it():
    with broker(answers=False) as fake, pytest.raises(PublishStalled, match="3 messages wait"):
        publish(messages(9), host="127.0.0.1", port=fake.port, in_flight=3, ack_timeout_s=0.3)


def test_no_broker_is_a_mistake_that_says_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free_port = listener.getsockname()[1]
    with pytest.raises(UserMistake, match="FOREWARN_MQTT__HOST"):
        publish(messages(1), host="127.0.0.1", port=free_port)


def test_a_refusal_is_a_mistake_that_says_what_to_do():
    with broker(refusal=5) as fake, pytest.raises(UserMistake, match="FOREWARN_MQTT__PASSWORD"):
        publish(messages(1), host="127.0.0.1", port=fake.port, username="who", password="wrong")


def test_pacing_keeps_the_distance_of_the_recording():
    now = 0.0
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    assert len(list(paced(messages(4), speed=10.0, clock=lambda: now, sleep=sleep))) == 4
    assert slept == pytest.approx([0.1, 0.1, 0.1])
