"""Messages between the network thread, which only adds, and the writer, which takes them in batches."""

import threading
import time
from collections import deque
from collections.abc import Callable

import msgspec


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message as it came. ``connection`` numbers the connection: an acknowledgement is good on no other."""

    topic: str
    payload: bytes
    mid: int
    received_ms: int
    connection: int


# A broker sends only so many messages ahead of their acknowledgements (mosquitto 20, unless told otherwise). When it
# falls silent, waiting for a full batch or for its age would be waiting for ourselves.
_IDLE_S = 0.02


class Inbox:
    """A queue that knows when it is full, in messages and in bytes.

    The network thread asks ``full`` before it reads from the socket: memory is bounded, the broker keeps the rest.
    """

    def __init__(self, *, max_messages: int, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._clock = clock
        self._messages: deque[tuple[float, Message]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._waiting_for = 0
        self._last_put = 0.0
        self._in_hand = 0

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def in_flight(self) -> int:
        """Messages that wait, and those of the last ``take`` that are not ``done``."""
        with self._changed:
            return len(self._messages) + self._in_hand

    @property
    def full(self) -> bool:
        return len(self._messages) >= self._max_messages or self._bytes >= self._max_bytes

    def put(self, messages: list[Message]) -> None:
        """Add messages; never blocks and never refuses, the reader has asked ``full`` before."""
        now = self._clock()
        with self._changed:
            self._last_put = now
            self._messages.extend([(now, message) for message in messages])
            self._bytes += sum([len(message.payload) for message in messages])
            # Waking the writer for each message would cost more than the message.
            if 0 < self._waiting_for <= len(self._messages) or self._bytes >= self._max_bytes:
                self._changed.notify()

    def done(self, count: int) -> None:
        """Say that so many messages of the last ``take`` are acknowledged."""
        with self._changed:
            self._in_hand -= count

    def take(self, *, at_most: int, at_most_bytes: int, oldest_s: float, stop: Callable[[], bool]) -> list[Message]:
        """Wait until there are enough messages, one is ``oldest_s`` old or none follows; return at most that many.

        Returns an empty list when ``stop()`` holds and nothing is left, or after ``oldest_s`` without a message.
        """
        with self._changed:
            self._in_hand = 0
            deadline = self._clock() + oldest_s
            while len(self._messages) < at_most and self._bytes < at_most_bytes and not stop() and not self.full:
                if self._messages:
                    deadline = min(self._messages[0][0] + oldest_s, self._last_put + _IDLE_S)
                remaining = deadline - self._clock()
                if remaining <= 0:
                    break
                self._waiting_for = at_most if self._messages else 1
                self._changed.wait(min(remaining, 0.1))
            self._waiting_for = 0
            taken: list[Message] = []
            taken_bytes = 0
            while self._messages and len(taken) < at_most and taken_bytes < at_most_bytes:
                message = self._messages.popleft()[1]
                taken.append(message)
                taken_bytes += len(message.payload)
            self._bytes -= taken_bytes
            self._in_hand = len(taken)
            return taken
