"""A recording sent as GB/T 32960.3 frames, the way a Chinese electric car would have sent it."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Literal

import msgspec

from forewarn.message import Message
from ingest import topics
from ingest.gbt32960 import encode_frame, from_signals
from ingest.topics import TopicRejected

Wire = Literal["json", "gbt32960", "gbt32960-2025"]
WIRES: tuple[Wire, ...] = ("json", "gbt32960", "gbt32960-2025")


def over_wire(messages: Iterable[Message], wire: Wire) -> Iterator[Message]:
    """Yield the messages with telemetry turned into frames, one a sample; events go as they are.

    A frame has whole seconds and no sequence number: rows that share a second become one key, and those that differ
    end as ``key_conflict`` dead letters. What a frame has no field for is left out (``ingest.gbt32960.RESOLUTION``).
    """
    if wire == "json":
        yield from messages
        return
    version = 2025 if wire == "gbt32960-2025" else 2016
    for message in messages:
        topic = _topic(message.topic)
        if topic is None or topic.kind != "telemetry":
            yield message
            continue
        for sample in msgspec.json.decode(message.payload)["samples"]:
            at = datetime.fromtimestamp(sample["ts"] / 1000, tz=UTC)
            frame = encode_frame(from_signals(topic.vin, at, sample["signals"], version))
            target = topics.gbt32960(topic.vin)
            if topic.received_ms is not None:
                target = topics.replay(topic.received_ms, target)
            yield Message(message.received_ms, target, frame, 1)


def _topic(topic: str) -> topics.Topic | None:
    try:
        return topics.parse(topic)
    except TopicRejected:
        return None
