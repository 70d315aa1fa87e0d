"""Sorts raw messages into what can be written: readings, events, choices, dead letters, refusals."""

from collections.abc import Iterable, Mapping

import msgspec

from ingest import topics
from ingest.batch import RowGatherer, Source
from ingest.events import ConsentChoice, Event, decode_consent, decode_event
from ingest.frames import decode_gbt32960
from ingest.gate import Standing
from ingest.inbox import Message
from ingest.layout import Layout
from ingest.rejected import FrameRejected
from ingest.telemetry import TelemetryDecoder

# A car's clock may be wrong by a year or a decade; beyond that the time says nothing, and every day has a partition.
_LONGEST_AHEAD_MS = 400 * 86_400_000
_LONGEST_BEHIND_MS = 20 * 366 * 86_400_000


class DeadLetter(msgspec.Struct, frozen=True):
    """What could not be stored, why, and the bytes, so that it can be replayed after a fix."""

    received_ms: int
    topic: str
    reason: str
    detail: str
    payload: bytes
    samples: int = 1


class LampReport(msgspec.Struct, frozen=True):
    """Which lamps of a car were on and off at one instant, as an alarm frame says."""

    vehicle_id: int
    ts_ms: int
    received_ms: int
    lamps: dict[str, bool]
    level: int


class SortedMessages(msgspec.Struct, kw_only=True):
    """Everything some messages came to. ``received`` counts samples; a message that cannot be decoded is one."""

    gatherer: RowGatherer
    events: list[tuple[int, int, Event]]
    choices: list[tuple[int, str, ConsentChoice]]
    lamps: list[LampReport]
    dead: list[DeadLetter]
    received: int = 0
    refused: int = 0


def vins_of(messages: Iterable[Message]) -> set[str]:
    """Return the VINs that the topics of these messages name."""
    vins = set()
    for message in messages:
        try:
            vins.add(topics.parse(message.topic).vin)
        except topics.TopicRejected:
            continue
    return vins


def sort_messages(
    messages: Iterable[Message],
    *,
    standings: Mapping[str, Standing | None],
    decoder: TelemetryDecoder,
    signals: Layout,
) -> SortedMessages:
    """Decode messages and check each against its car's standing.

    What the owner does not agree to, and what comes from a car nobody enrolled, is counted and forgotten.
    """
    result = SortedMessages(gatherer=RowGatherer(signals), events=[], choices=[], lamps=[], dead=[])
    for message in messages:
        try:
            topic = topics.parse(message.topic)
        except topics.TopicRejected as error:
            result.received += 1
            result.dead.append(DeadLetter(message.received_ms, message.topic, "bad_topic", str(error), message.payload))
            continue
        received_ms = message.received_ms if topic.received_ms is None else topic.received_ms
        standing = standings.get(topic.vin)
        try:
            if topic.kind == "consent":
                _sort_consent(result, message, received_ms, standing, topic.vin)
            elif standing is None or "care" not in standing.purposes:
                count = _count(message, topic, decoder, signals)
                result.received += count
                result.refused += count
            elif topic.kind == "telemetry":
                _sort_telemetry(result, message, received_ms, standing, decoder, topic.vin)
            elif topic.kind == "gbt32960":
                _sort_frame(result, message, received_ms, standing, signals, topic.vin)
            elif topic.kind == "events":
                event = decode_event(message.payload)
                _check_time(event.ts, received_ms)
                result.received += 1
                result.events.append((standing.vehicle_id, received_ms, event))
            else:
                raise FrameRejected("not_served", f"no consumer of this version reads {topic.kind} messages")
        except FrameRejected as rejection:
            result.received += 1
            result.dead.append(
                DeadLetter(received_ms, message.topic, rejection.reason, rejection.detail, message.payload)
            )
    return result


def _sort_consent(
    result: SortedMessages, message: Message, received_ms: int, standing: Standing | None, vin: str
) -> None:
    if standing is None:
        result.received += 1
        result.refused += 1
        return
    choice = decode_consent(message.payload)
    _check_time(choice.ts, received_ms)
    result.received += 1
    result.choices.append((standing.vehicle_id, vin, choice))


def _sort_telemetry(
    result: SortedMessages,
    message: Message,
    received_ms: int,
    standing: Standing,
    decoder: TelemetryDecoder,
    vin: str,
) -> None:
    decoded = decoder.decode(message.payload, vin=vin)
    result.received += len(decoded.samples) + len(decoded.bad)
    result.dead += [
        DeadLetter(received_ms, message.topic, sample.reason, sample.detail, sample.payload) for sample in decoded.bad
    ]
    samples, oddities = decoded.samples, decoded.oddities
    lowest, highest = received_ms - _LONGEST_BEHIND_MS, received_ms + _LONGEST_AHEAD_MS
    if not all(lowest <= sample.ts <= highest for sample in samples):
        kept = [number for number, sample in enumerate(samples) if lowest <= sample.ts <= highest]
        for number in set(range(len(samples))) - set(kept):
            payload = msgspec.json.encode({"samples": [samples[number]]})
            detail = f"ts {samples[number].ts} is too far from the receive time {received_ms}"
            result.dead.append(DeadLetter(received_ms, message.topic, "impossible_time", detail, payload))
        oddities = {new: oddities[old] for new, old in enumerate(kept) if old in oddities}
        samples = [samples[number] for number in kept]
    result.gatherer.add(Source(standing.vehicle_id, received_ms, message.topic), samples, oddities)


def _sort_frame(
    result: SortedMessages, message: Message, received_ms: int, standing: Standing, signals: Layout, vin: str
) -> None:
    frame = decode_gbt32960(message.payload, vin=vin, signals=signals)
    if frame is None:
        # A log-in or a heartbeat holds no sample: there is nothing to count.
        return
    ts_ms = frame.sample.ts
    _check_time(ts_ms, received_ms)
    result.received += 1
    oddities = {} if frame.oddity is None else {0: frame.oddity}
    result.gatherer.add(Source(standing.vehicle_id, received_ms, message.topic), [frame.sample], oddities)
    if frame.lamps:
        result.lamps.append(LampReport(standing.vehicle_id, ts_ms, received_ms, frame.lamps, frame.level))


def _check_time(ts_ms: int, received_ms: int) -> None:
    if not received_ms - _LONGEST_BEHIND_MS <= ts_ms <= received_ms + _LONGEST_AHEAD_MS:
        raise FrameRejected("impossible_time", f"ts {ts_ms} is too far from the receive time {received_ms}")


def _count(message: Message, topic: topics.Topic, decoder: TelemetryDecoder, signals: Layout) -> int:
    # Refused samples are counted like all others; nothing of them is kept, not even that they were unreadable.
    if topic.kind == "gbt32960":
        return _count_frame(message.payload, topic.vin, signals)
    if topic.kind != "telemetry":
        return 1
    try:
        decoded = decoder.decode(message.payload, vin=topic.vin)
    except FrameRejected:
        return 1
    return len(decoded.samples) + len(decoded.bad)


def _count_frame(payload: bytes, vin: str, signals: Layout) -> int:
    try:
        return 0 if decode_gbt32960(payload, vin=vin, signals=signals) is None else 1
    except FrameRejected:
        return 1
