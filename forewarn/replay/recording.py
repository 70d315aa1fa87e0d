"""A recording that was read: whose it is, what is odd about it, and its messages."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from config.errors import UserMistake
from forewarn.message import Message
from ingest import topics
from ingest.store.enrolment import Enrolment

# A VIN without I, O and Q; L is China, the rest says that no maker gave it.
_VIN_LETTERS = "0123456789ABCDEFGHJKLMNPRSTUVWXY"
_VIN_PREFIX = "LREC"

# The receive time of a replay topic has at most 13 digits: up to the year 2286.
LATEST_MS = 9_999_999_999_999

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True)
class Recording:
    """What one car, or one charging station, recorded.

    vin       : the car's; None of a station
    enrolment : the car and who owns it; None of a station, which needs no consent
    n_rows    : rows of the file
    n_samples : samples in all messages
    notes     : what a person should know about the file, one line each
    messages  : iterates in the order in which they were received, afresh at every use
    """

    vin: str | None
    enrolment: Enrolment | None
    n_rows: int
    n_samples: int
    notes: list[str]
    _produce: Callable[[], Iterator[Message]] = field(repr=False)

    @property
    def messages(self) -> Iterator[Message]:
        return self._produce()


class SequenceNumbers:
    """Keeps samples of one time apart when they differ; equal ones share a number and are counted as duplicates."""

    def __init__(self) -> None:
        self._first: dict[int, int] = {}
        self._others: dict[int, list[int]] = {}
        self._copies = 0
        self._apart = 0

    def number(self, ts_ms: int, signals: dict[str, Any]) -> int:
        """Return the number of the next sample of the recording."""
        content = hash(_encoder.encode(signals))
        if ts_ms not in self._first:
            self._first[ts_ms] = content
            return 0
        others = self._others.setdefault(ts_ms, [])
        if content != self._first[ts_ms] and content not in others:
            self._apart += 1
            others.append(content)
        else:
            self._copies += 1
        return 0 if content == self._first[ts_ms] else others.index(content) + 1

    @property
    def notes(self) -> list[str]:
        """Return what was found so far, one line each."""
        notes = []
        if self._apart:
            notes.append(f"{self._apart} rows have the time of an earlier row and differ from it: kept apart by seq")
        if self._copies:
            notes.append(f"exact copies of an earlier row: {self._copies}, sent again to be counted as duplicates")
        return notes


def check_times(path: Path, times_ms: Sequence[int], advice: str) -> None:
    """Raise UserMistake, when a reading cannot be published as received at its time."""
    if min(times_ms) < 0 or max(times_ms) > LATEST_MS:
        raise UserMistake(f"{path} has times that are not between 1970 and 2286: {advice}")


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


def charger_message(at: topics.Connector, ts_ms: int, seq: int, session_id: str, signals: dict[str, Any]) -> Message:
    """Return the message of one reading of a connector, received the moment it was measured."""
    samples = [{"ts": ts_ms, "seq": seq, "signals": signals}]
    payload = _encoder.encode({"samples": samples, "session_id": session_id})
    return Message(ts_ms, topics.replay(ts_ms, topics.charger(at, "telemetry")), payload, 1)
