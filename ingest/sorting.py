"""Sorts raw messages into what can be written: readings, events, choices, dead letters, refusals."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ingest import topics
from ingest.batch import RowGatherer, Source
from ingest.charging import ChargerMessage, decode_alarm, decode_charger
from ingest.events import LONGEST_AHEAD_MS, LONGEST_BEHIND_MS, decode_consent, decode_event
from ingest.frames import FrameSample, alarm_level, decode_gbt32960
from ingest.gate import Standing
from ingest.inbox import Message
from ingest.layout import Layout
from ingest.letters import NOT_KEPT, DeadLetter, bad_topic
from ingest.rejected import FrameRejected
from ingest.reports import AlarmReport, ChargerReport, ChoiceReport, EventReport
from ingest.telemetry import Oddity, TelemetryDecoder, encode_sample


class SortedMessages(msgspec.Struct, kw_only=True):
    """Everything some messages came to. ``received`` counts samples; a message that cannot be decoded is one.

    safety   : charging samples of cars whose owners agree to safety alone
    messages : how many of the messages this is, from the first on
    """

    gatherer: RowGatherer
    safety: RowGatherer
    events: list[EventReport] = []
    choices: list[ChoiceReport] = []
    chargers: list[ChargerReport] = []
    alarms: list[AlarmReport] = []
    dead: list[DeadLetter] = []
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


def what_may_be_kept(message: Message, standings: Mapping[str, Standing | None]) -> bytes | None:
    """Return what a dead letter may hold of a message: its payload, nothing of it, or None: not even that it came.

    Nothing is kept of what an owner does not agree to; that a choice could not be read is told all the same.
    """
    try:
        topic = topics.parse(message.topic)
    except topics.TopicRejected:
        return b""
    if topic.at is not None:
        return message.payload
    standing = standings.get(topic.vin)
    if standing is None:
        return None
    if "care" in standing.purposes or (topic.kind == "charging" and "safety" in standing.purposes):
        return message.payload
    return b"" if topic.kind == "consent" else None


def sort_messages(
    messages: Sequence[Message],
    *,
    standings: Mapping[str, Standing | None],
    decoder: TelemetryDecoder,
    signals: Layout,
    at_most: int,
    chosen: Mapping[int, Mapping[str, Standing]] | None = None,
) -> SortedMessages:
    """Decode messages and check each against its car's standing, until they hold ``at_most`` samples or more.

    What the owner does not agree to, and what comes from a car nobody enrolled, is counted and forgotten.
    chosen : by position of a message, the standings that hold from there on since an owner chose in it
    """
    result = SortedMessages(gatherer=RowGatherer(signals), safety=RowGatherer(signals), messages=len(messages))
    standings = dict(standings)
    for place, message in enumerate(messages):
        if result.received >= at_most:
            result.messages = place
            break
        try:
            topic = topics.parse(message.topic)
        except topics.TopicRejected as error:
            result.received += 1
            result.dead.append(bad_topic(message.received_ms, message.topic, str(error), message.payload))
            continue
        received_ms = message.received_ms if topic.received_ms is None else topic.received_ms
        standing = standings.get(topic.vin)
        purposes = standing.purposes if standing is not None else frozenset()
        try:
            if topic.at is not None:
                _sort_charger(result, message, received_ms, topic, topic.at, standings)
            elif topic.kind == "consent":
                _sort_consent(result, message, received_ms, standing, topic.vin)
            elif standing is not None and "care" in purposes:
                _sort_car(result, message, received_ms, standing, topic, decoder, signals)
            elif standing is not None and "safety" in purposes and topic.kind == "charging":
                _sort_safety(result, message, received_ms, standing, topic, decoder, signals)
            else:
                count = _count(message, topic, decoder, signals)
                result.received += count
                result.refused += count
        except FrameRejected as rejection:
            result.received += 1
            result.dead.append(_letter(message, received_ms, rejection, standings))
        if chosen and place in chosen:
            standings.update(chosen[place])
    return result


def _letter(
    message: Message, received_ms: int, rejection: FrameRejected, standings: Mapping[str, Standing | None]
) -> DeadLetter:
    payload, detail = what_may_be_kept(message, standings) or b"", rejection.detail
    if rejection.reason == "foreign_vin":
        # It is another car's, and would be as foreign when it is sent again.
        payload = b""
    elif payload != message.payload:
        detail = NOT_KEPT
    return DeadLetter(received_ms, message.topic, rejection.reason, detail, payload)


def _sort_consent(
    result: SortedMessages, message: Message, received_ms: int, standing: Standing | None, vin: str
) -> None:
    if standing is None:
        result.received += 1
        result.refused += 1
        return
    choice = decode_consent(message.payload)
    result.received += 1
    result.choices.append(ChoiceReport(standing.vehicle_id, vin, received_ms, choice))


def _sort_car(
    result: SortedMessages,
    message: Message,
    received_ms: int,
    standing: Standing,
    topic: topics.Topic,
    decoder: TelemetryDecoder,
    signals: Layout,
) -> None:
    source = Source(standing.vehicle_id, received_ms, message.topic)
    if _holds_frame(message, topic):
        frame = _take_frame(result, message, received_ms, topic.vin, signals)
        if frame is not None:
            source = msgspec.structs.replace(source, frame=message.payload)
            oddities = {} if frame.oddity is None else {0: frame.oddity}
            result.gatherer.add(source, [frame.sample], oddities, lamps=frame.lamps)
    elif topic.kind in ("telemetry", "charging"):
        samples, oddities = _take_samples(result, message, received_ms, topic.vin, decoder)
        result.gatherer.add(source, samples, oddities)
    elif topic.kind == "events":
        event = decode_event(message.payload)
        _check_time(event.ts, received_ms)
        result.received += 1
        result.events.append(EventReport(standing.vehicle_id, received_ms, message.topic, message.payload, event))
    else:
        raise FrameRejected("not_served", f"no consumer of this version reads {topic.kind} messages")


def _sort_safety(
    result: SortedMessages,
    message: Message,
    received_ms: int,
    standing: Standing,
    topic: topics.Topic,
    decoder: TelemetryDecoder,
    signals: Layout,
) -> None:
    """Take charging samples of a car whose owner agrees to safety alone; a frame's lamps go with its sample."""
    source = Source(standing.vehicle_id, received_ms, message.topic)
    if not _holds_frame(message, topic):
        samples, oddities = _take_samples(result, message, received_ms, topic.vin, decoder)
        result.safety.add(source, samples, oddities)
        return
    frame = _take_frame(result, message, received_ms, topic.vin, signals)
    if frame is None:
        return
    oddity = frame.oddity or Oddity({}, 0)
    if frame.lamps is not None:
        lamps = {"lamps": frame.lamps.split(), "level": alarm_level(frame.sample)}
        oddity = Oddity(oddity.extra | lamps, oddity.quality)
    source = msgspec.structs.replace(source, frame=message.payload)
    result.safety.add(source, [frame.sample], {0: oddity} if oddity.extra or oddity.quality else {})


def _holds_frame(message: Message, topic: topics.Topic) -> bool:
    return topic.kind == "gbt32960" or (topic.kind == "charging" and message.payload.startswith((b"##", b"$$")))


def _take_samples(
    result: SortedMessages, message: Message, received_ms: int, vin: str, decoder: TelemetryDecoder
) -> tuple[list[Any], dict[int, Oddity]]:
    """Return the samples that can be stored and what is odd about them; the others are dead letters one by one."""
    decoded = decoder.decode(message.payload, vin=vin)
    samples, oddities = decoded.samples, decoded.oddities
    result.received += len(samples)
    if decoded.bad:
        result.received += len(decoded.bad)
        result.dead += [
            DeadLetter(received_ms, message.topic, bad.reason, bad.detail, bad.payload) for bad in decoded.bad
        ]
    # Nearly every message: a loop of its own, since it runs for every sample of a fleet.
    lowest, highest = received_ms - LONGEST_BEHIND_MS, received_ms + LONGEST_AHEAD_MS
    for sample in samples:
        if not lowest <= sample.ts <= highest:
            break
    else:
        return samples, oddities
    kept = [number for number, sample in enumerate(samples) if _is_possible(sample.ts, received_ms)]
    for number in sorted(set(range(len(samples))) - set(kept)):
        payload = encode_sample(samples[number], oddities.get(number))
        detail = _impossible(samples[number].ts, received_ms)
        result.dead.append(DeadLetter(received_ms, message.topic, "impossible_time", detail, payload))
    return [samples[number] for number in kept], {n: oddities[old] for n, old in enumerate(kept) if old in oddities}


def _take_frame(
    result: SortedMessages, message: Message, received_ms: int, vin: str, signals: Layout
) -> FrameSample | None:
    frame = decode_gbt32960(message.payload, vin=vin, signals=signals)
    if frame is None:
        # A log-in or a heartbeat holds no sample: there is nothing to count.
        return None
    _check_time(frame.sample.ts, received_ms)
    result.received += 1
    return frame


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
        vehicle_id = standing.vehicle_id if standing else None
        result.alarms.append(AlarmReport(at, received_ms, message.topic, message.payload, alarm, vehicle_id))
        result.received += 1
        return
    decoded = decode_charger(message.payload)
    result.received += len(decoded.samples) + len(decoded.bad)
    result.dead += [
        DeadLetter(received_ms, message.topic, sample.reason, sample.detail, sample.payload) for sample in decoded.bad
    ]
    samples = []
    for sample in decoded.samples:
        if _is_possible(sample.ts, received_ms):
            samples.append(sample)
            continue
        payload = msgspec.json.encode(ChargerMessage([sample], decoded.session_id))
        detail = _impossible(sample.ts, received_ms)
        result.dead.append(DeadLetter(received_ms, message.topic, "impossible_time", detail, payload))
    if samples:
        charger = ChargerMessage(samples, decoded.session_id)
        result.chargers.append(ChargerReport(at, received_ms, message.topic, charger))


def _is_possible(ts_ms: int, received_ms: int) -> bool:
    return received_ms - LONGEST_BEHIND_MS <= ts_ms <= received_ms + LONGEST_AHEAD_MS


def _impossible(ts_ms: int, received_ms: int) -> str:
    return f"ts {ts_ms} is too far from the receive time {received_ms}"


def _check_time(ts_ms: int, received_ms: int) -> None:
    if not _is_possible(ts_ms, received_ms):
        raise FrameRejected("impossible_time", _impossible(ts_ms, received_ms))


def _count(message: Message, topic: topics.Topic, decoder: TelemetryDecoder, signals: Layout) -> int:
    # Refused samples are counted like all others; nothing of them is kept, not even that they were unreadable.
    try:
        if _holds_frame(message, topic):
            return 0 if decode_gbt32960(message.payload, vin=topic.vin, signals=signals) is None else 1
        if topic.kind in ("telemetry", "charging"):
            decoded = decoder.decode(message.payload, vin=topic.vin)
            return len(decoded.samples) + len(decoded.bad)
    except FrameRejected:
        pass
    return 1
