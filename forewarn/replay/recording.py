"""A recording that was read: whose it is, what is odd about it, and its messages."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from forewarn.message import Message
from ingest import topics
from ingest.store.enrolment import Enrolment

# A VIN without I, O and Q; L is China, the rest says that no maker gave it.
_VIN_LETTERS = "0123456789ABCDEFGHJKLMNPRSTUVWXY"
_VIN_PREFIX = "LREC"

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True)
class Recording:
    """One car's recording.

    n_rows   : rows of the file, each one sample of one message
    notes    : what a person should know about the file, one line each
    messages : iterates in file order, afresh at every use
    """

    vin: str
    enrolment: Enrolment
    n_rows: int
    notes: list[str]
    _produce: Callable[[], Iterator[Message]] = field(repr=False)

    @property
    def messages(self) -> Iterator[Message]:
        return self._produce()


def pseudo_vin(*parts: str) -> str:
    """Return a VIN that is always the same for the same ``parts``; recordings carry no real one."""
    number = int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:16], "big")
    letters = []
    for _ in range(17 - len(_VIN_PREFIX)):
        number, digit = divmod(number, len(_VIN_LETTERS))
        letters.append(_VIN_LETTERS[digit])
    return _VIN_PREFIX + "".join(letters)


def telemetry_message(vin: str, ts_ms: int, seq: int, signals: dict[str, Any]) -> Message:
    """Return the message of one row, received the moment it was measured."""
    payload = _encoder.encode({"samples": [{"ts": ts_ms, "seq": seq, "signals": signals}]})
    return Message(ts_ms, topics.replay(ts_ms, topics.telemetry(vin)), payload, 1)
