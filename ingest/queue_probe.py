"""Measures how many messages a broker keeps for a consumer that is away."""

import secrets
import time

import msgspec

from config.settings import MqttSettings
from ingest.probe_session import IN_FLIGHT, OWN_TOPICS, BrokerSilent, ProbeSession, protocol_versions

# As many as a quarter of a million cars send in a second; more would be a load test of somebody's production broker.
MOST_MESSAGES = 250_000
_CONTROL_WITHIN_S = 3.0


class ProbeResult(msgspec.Struct, frozen=True):
    """What came back. ``refused`` says why nothing could be measured; otherwise what is missing is lost.

    complete : whether everything came or nothing more did; if not, the time was up
    """

    protocol: str
    messages: int
    acknowledged: int = 0
    delivered: int = 0
    session_kept: bool = False
    complete: bool = False
    refused: str | None = None

    @property
    def lost(self) -> int:
        """Messages that the broker acknowledged to the publisher and never delivered."""
        return self.acknowledged - self.delivered


def probe_queue(settings: MqttSettings, *, messages: int, within_s: float = 60.0, idle_s: float = 2.0) -> ProbeResult:
    """Leave a session, publish ``messages`` small messages for it, come back and count.

    They go below ``v1/probe/``, which nobody else reads; the session ends with the probe. A limit in bytes shows only
    if these bytes (some 10 each) reach it.
    messages : up to MOST_MESSAGES
    within_s : the measurement ends by then, counting what has come
    idle_s   : after so long without a message nothing more will come
    Raises   : BrokerSilent; CertificateUnusable; ValueError
    """
    if not 1 <= messages <= MOST_MESSAGES:
        raise ValueError(f"messages is 1 to {MOST_MESSAGES:,}, not {messages:,}")
    token = secrets.token_hex(4)
    name, topic = f"{settings.client_id}-probe-{token}", f"{OWN_TOPICS}{token}"
    deadline = time.monotonic() + within_s
    reader = _reader(settings, name, deadline=deadline)
    version = reader.version
    protocol = "5" if reader.is_5 else "3.1.1"
    if reader.present or reader.announced.get("AssignedClientIdentifier") is not None:
        reader.close(keep=True)
        return ProbeResult(protocol, messages, refused="the broker gives clients another id than they ask for")
    away = False
    writer = ProbeSession(settings, client_id=f"{name}-writer", version=version)
    try:
        reader.subscribe([topic], qos=1, deadline=deadline)
        writer.open(deadline=deadline)
        writer.publish(topic, b"control")
        if not _passes(writer, reader, deadline=min(deadline, time.monotonic() + min(_CONTROL_WITHIN_S, 2 * idle_s))):
            reason = (
                f"nothing passes on {OWN_TOPICS}#: use a principal that may publish and read there (forewarn-probe)"
            )
            return ProbeResult(protocol, messages, refused=reason)
        reader.close(keep=True)
        away = True
        for number in range(messages):
            # paho searches all it holds at every acknowledgement, so it is not given more than are on their way.
            if number % IN_FLIGHT == 0 and not _all_out(writer, number, deadline=deadline):
                break
            writer.publish(topic, str(number).encode())
        writer.wait(lambda: writer.acknowledged > messages, deadline=deadline)
        acknowledged = max(0, writer.acknowledged - 1)
        reader = ProbeSession(settings, client_id=name, version=version)
        reader.open(deadline=deadline)
        away = False
        delivered, complete = _count(reader, acknowledged, deadline=deadline, idle_s=idle_s)
        return ProbeResult(
            protocol,
            messages,
            acknowledged=acknowledged,
            delivered=delivered,
            session_kept=reader.present,
            complete=complete and writer.acknowledged > messages,
        )
    finally:
        writer.close()
        reader.close()
        if away:
            # What waits there would wait for nobody.
            reader.forget()


def _reader(settings: MqttSettings, name: str, *, deadline: float) -> ProbeSession:
    silence = BrokerSilent("no answer")
    for version in protocol_versions(settings):
        session = ProbeSession(settings, client_id=name, version=version)
        try:
            session.open(deadline=deadline)
            return session
        except BrokerSilent as error:
            session.close(keep=True)
            silence = error
    raise silence


def _all_out(writer: ProbeSession, number: int, *, deadline: float) -> bool:
    return writer.wait(lambda: writer.acknowledged > number, deadline=deadline)


def _passes(writer: ProbeSession, reader: ProbeSession, *, deadline: float) -> bool:
    # An MQTT 5 broker says that it refuses, one of 3.1.1 says nothing at all.
    writer.wait(lambda: writer.refused or writer.acknowledged > 0, deadline=deadline)
    return not writer.refused and reader.wait(lambda: bool(reader.arrived), deadline=deadline)


def _count(reader: ProbeSession, wanted: int, *, deadline: float, idle_s: float) -> tuple[int, bool]:
    """Return how many different messages arrive until all have, or none came for a while; and whether it was so."""
    seen = -1
    while len(reader.arrived) > seen and len(reader.arrived) < wanted:
        seen = len(reader.arrived)
        before = seen
        until = min(deadline, time.monotonic() + idle_s)
        reader.wait(lambda before=before: len(reader.arrived) > before, deadline=until)  # type: ignore[misc]
    arrived = len({payload for _, payload in reader.arrived if payload != b"control"})
    return arrived, arrived >= wanted or time.monotonic() < deadline
