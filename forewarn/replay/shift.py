"""A recording moved to now as a whole: every distance in it stays what it was."""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec

from forewarn.message import Message
from forewarn.publish import waits
from forewarn.replay.recording import pseudo_vin
from ingest import topics
from ingest.store.enrolment import Enrolment


class Span(NamedTuple):
    """When a recording begins and ends (epoch ms), and its replay.

    lasts_s  : how long it takes
    ahead_ms : how far ahead of its beginning the recording may end without a message dated later than it is sent
    """

    first_ms: int
    last_ms: int
    lasts_s: float
    ahead_ms: int


class Shift(NamedTuple):
    """How far a recording is moved, and when it begins and ends after that (epoch ms)."""

    by_ms: int
    begins_ms: int
    ends_ms: int


def span_of(messages: Iterable[Message], *, speed: float | None, longest_gap_s: float) -> Span:
    """Return the span of ``messages``, of which there must be one; ``speed`` None is as fast as possible."""
    wait_s = waits(speed=speed, longest_gap_s=longest_gap_s) if speed is not None else lambda _: 0.0
    times = [message.received_ms for message in messages]
    sent_s = list(accumulate(map(wait_s, times)))
    last_ms = max(times)
    ahead_ms = min(int(1000 * at_s) + last_ms - time_ms for at_s, time_ms in zip(sent_s, times, strict=True))
    return Span(min(times), last_ms, sent_s[-1], ahead_ms)


def shift_to_now(span: Span, *, now_ms: int) -> Shift:
    """Return the shift that lets the recording end at the moment its replay ends.

    So no message is dated later than it is sent. At the speed it was recorded in, without gaps that are cut short, the
    recording begins now and is sent as it happens; as fast as possible, it ends now. Slower than it was recorded it
    begins now too, for it would have to begin in the future.
    """
    by_ms = now_ms + span.ahead_ms - span.last_ms
    # Whole seconds, as frames of GB/T 32960 have them.
    by_ms -= by_ms % 1000
    return Shift(by_ms, span.first_ms + by_ms, span.last_ms + by_ms)


def shifted_car(car: Enrolment | None, shift: Shift) -> Enrolment | None:
    """Return the car of a recording that was moved: one of its own, so that two replays never mix their readings."""
    if car is None:
        return None
    return msgspec.structs.replace(car, vin=pseudo_vin("shifted", car.vin, str(shift.by_ms)))


def shifted(messages: Iterable[Message], shift: Shift, *, vin: str | None) -> Iterator[Message]:
    """Yield the messages moved, received when they are dated now, of the car ``vin``.

    A station's come from a station of its own, for the same reason: its name ends in when the recording begins now.
    """
    for message in messages:
        content: dict[str, Any] = msgspec.json.decode(message.payload)
        for sample in content["samples"]:
            sample["ts"] += shift.by_ms
        received_ms = message.received_ms + shift.by_ms
        topic = topics.parse(message.topic)
        if topic.at is not None:
            at = msgspec.structs.replace(topic.at, station=f"{topic.at.station}-{shift.begins_ms}")
            target = topics.charger(at, "telemetry")
        else:
            target = topics.telemetry(vin or topic.vin)
        yield Message(received_ms, topics.replay(received_ms, target), msgspec.json.encode(content), message.samples)
