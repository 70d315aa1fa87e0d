"""Sorts raw messages into what can be written: readings, events, choices, dead letters, refusals."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ingest import topics
from ingest.batch import RowGatherer, Source
from ingest.charging import Alarm, ChargerMessage, decode_alarm, decode_charger
from ingest.events import ConsentChoice, Event, decode_consent, decode_event
from ingest.frames import decode_gbt32960
from ingest.gate import Standing
from ingest.inbox import Message
from ingest.layout import Layout
from ingest.rejected import FrameRejected
from ingest.telemetry import TelemetryDecoder

# A clock may be a year ahead and a car may be silent for a year; beyond that the time says nothing. The bound also
# keeps the daily partitions that messages can bring about well below the locks a query over all of them may take.
_LONGEST_AHEAD_MS = 400 * 86_400_000
_LONGEST_BEHIND_MS = 400 * 86_400_000


class DeadLetter(msgspec.Struct, frozen=True):
    """What could not be stored, why, and the bytes, so that it can be replayed after a fix."""

    received_ms: int
    topic: str
    reason: str
    detail: str
    payload: bytes
    samples: int = 1


class ChargerReport(msgspec.Struct, frozen=True):
    """Measurements of one connector, and the message they came in."""

    at: topics.Connector
    received_ms: int
    topic: str
    message: ChargerMessage


class AlarmReport(msgspec.Struct, frozen=True):
    """An alarm of one connector; ``vehicle_id`` is None when the operator names no car, or none we know."""

    at: topics.Connector
    received_ms: int
    alarm: Alarm
    vehicle_id: int | None


class SafetyReport(msgspec.Struct, frozen=True):
    """Charging samples of a car whose owner agrees to safety alone."""

    vehicle_id: int
    received_ms: int
    samples: list[Any]


class SortedMessages(msgspec.Struct, kw_only=True):
    """Everything some messages came to. ``received`` counts samples; a message that cannot be decoded is one.

    messages : how many of the messages this is, from the first on
    """

    gatherer: RowGatherer
    events: list[tuple[int, int, Event]]
    choices: list[tuple[int, str, ConsentChoice]]
    chargers: list[ChargerReport]
    alarms: list[AlarmReport]
    safety: list[SafetyReport]
    dead: list[DeadLetter]
    messages: int = 0
    received: int = 0
    refused: int = 0


def vins_of(messages: Iterable[Message]) -> set[str]:
    """Return the VINs that the topics of these messages name."""
    vins = set()
    for message in messages:
        try:
            topic = topics.parse(message.topic)
            vins.add(decode_alarm(message.payload).vin or "" if topic.kind == "alarm" else topic.vin)
        except (topics.TopicRejected, FrameRejected):
            continue
    return vins - {""}


def may_keep(message: Message, standings: Mapping[str, Standing | None]) -> bool:
    """Say whether a dead letter may hold this message: nothing is kept of what an owner does not agree to."""
    try:
        topic = topics.parse(message.topic)
    except topics.TopicRejected:
        return True
    if topic.at is not None:
        return True
    standing = standings.get(topic.vin)
    if standing is None or topic.kind == "consent":
        return standing is not None
    return "care" in standing.purposes or (topic.kind == "charging" and "safety" in standing.purposes)


def sort_messages(
    messages: Sequence[Message],
    *,
    standings: Mapping[str, Standing | None],
    decoder: TelemetryDecoder,
    signals: Layout,
    at_most: int,
) -> SortedMessages:
    """Decode messages and check each against its car's standing, until they hold ``at_most`` samples or more.

    What the owner does not agree to, and what comes from a car nobody enrolled, is counted and forgotten.
    """
    result = SortedMessages(
        gatherer=RowGatherer(signals), events=[], choices=[], chargers=[], alarms=[], safety=[], dead=[]
    )
    result.messages = len(messages)
    for number, message in enumerate(messages):
        if result.received >= at_most:
            result.messages = number
            break
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
            elif topic.at is not None:
                _sort_charger(result, message, received_ms, topic, topic.at, standings)
            elif topic.kind == "charging" and standing is not None and "care" not in standing.purposes:
                _sort_safety(result, message, received_ms, standing, decoder, signals, topic.vin)
            elif standing is None or "care" not in standing.purposes:
                count = _count(message, topic, decoder, signals)
                result.received += count
                result.refused += count
            elif topic.kind == "telemetry" or (topic.kind == "charging" and not _is_frame(message.payload)):
                _sort_telemetry(result, message, received_ms, standing, decoder, topic.vin)
            elif topic.kind in ("gbt32960", "charging"):
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


def _is_frame(payload: bytes) -> bool:
    return payload.startswith((b"##", b"$$"))


def _sort_charger(
    result: SortedMessages,
    message: Message,
    received_ms: int,
    topic: topics.Topic,
    at: topics.Connector,
    standings: Mapping[str, Standing | None],
) -> None:
    # A danger that an operator reports is acted on whatever the owner agreed to, so no consent is asked for here.
    if topic.kind == "alarm":
        alarm = decode_alarm(message.payload)
        _check_time(alarm.ts, received_ms)
        standing = standings.get(alarm.vin or "")
        result.alarms.append(AlarmReport(at, received_ms, alarm, standing.vehicle_id if standing else None))
        result.received += 1
        return
    charger = decode_charger(message.payload)
    for sample in charger.samples:
        _check_time(sample.ts, received_ms)
    result.received += len(charger.samples)
    result.chargers.append(ChargerReport(at, received_ms, message.topic, charger))


def _sort_safety(
    result: SortedMessages,
    message: Message,
    received_ms: int,
    standing: Standing,
    decoder: TelemetryDecoder,
    signals: Layout,
    vin: str,
) -> None:
    """Take charging samples of a car without ``care``: kept apart when its owner agrees to ``safety``, else refused."""
    samples: list[Any] = []
    try:
        if _is_frame(message.payload):
            frame = decode_gbt32960(message.payload, vin=vin, signals=signals)
            samples = [] if frame is None else [frame.sample]
        else:
            samples = decoder.decode(message.payload, vin=vin).samples
        for sample in samples:
            _check_time(sample.ts, received_ms)
    except FrameRejected:
        if "safety" in standing.purposes:
            raise
        samples = []
        result.received += 1
        result.refused += 1
    result.received += len(samples)
    if "safety" in standing.purposes:
        if samples:
            result.safety.append(SafetyReport(standing.vehicle_id, received_ms, samples))
    else:
        result.refused += len(samples)


def _sort_frame(
    result: SortedMessages, message: Message, received_ms: int, standing: Standing, signals: Layout, vin: str
) -> None:
    frame = decode_gbt32960(message.payload, vin=vin, signals=signals)
    if frame is None:
        # A log-in or a heartbeat holds no sample: there is nothing to count.
        return
    _check_time(frame.sample.ts, received_ms)
    result.received += 1
    oddities = {} if frame.oddity is None else {0: frame.oddity}
    source = Source(standing.vehicle_id, received_ms, message.topic)
    result.gatherer.add(source, [frame.sample], oddities, lamps=frame.lamps)


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
