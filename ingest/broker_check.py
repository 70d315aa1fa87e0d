"""What a broker would lose: as far as it tells, and as far as a short probe shows.

At start-up one short connection reads what MQTT 5 brokers announce in their answer to CONNECT and what ``$SYS`` says.
How much a broker queues for a consumer that is away is announced by none, so where our principal may use the topics of
the probe some messages more than the usual default are left waiting there and counted.
"""

import re
import secrets
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import msgspec

from config.settings import MqttSettings
from ingest.consumer import SESSION_EXPIRY_S
from ingest.probe_session import BrokerSilent, ProbeSession, protocol_versions
from ingest.queue_probe import ProbeResult, probe_queue
from ingest.tls import tls_context

# Publishers split at 1 MB of payload; topic and properties come on top.
_WANTED_PACKET_BYTES = 1_000_000 + 4096
# More than the 1000 that mosquitto, EMQX and HiveMQ keep by default; a fraction of a second of any fleet.
_QUEUE_MESSAGES = 1200
_QUEUE_IDLE_S = 0.5
_LIFT_QUEUE = (
    "set mosquitto max_queued_messages 0, EMQX mqtt.max_mqueue_len, HiveMQ queued-messages max-queue-size to what an"
    " outage brings"
)
# What mosquitto has when nobody set max_inflight_messages; then nobody has set max_queued_messages either, most likely.
_MOSQUITTO_DEFAULT_IN_FLIGHT = 20
# Mosquitto's and HiveMQ's names, then EMQX's. They are retained, so the answer is there at once or not at all.
_SYS_VERSION = ("$SYS/broker/version", "$SYS/brokers/+/version")
_SYS_DROPPED = "$SYS/broker/publish/messages/dropped"
_SYS_WAIT_S = 0.4


_Answer = TypeVar("_Answer")


class BrokerLimits(msgspec.Struct, frozen=True):
    """What a broker says about itself. None: it did not say, and where MQTT 5 defines that, it means no limit."""

    protocol: str
    session_present: bool = False
    renamed_to: str | None = None
    session_s: int | None = None
    receive_maximum: int | None = None
    packet_bytes: int | None = None
    maximum_qos: int | None = None
    shared_subscriptions: bool = True
    wildcards: bool = True
    version: str | None = None
    dropped: int | None = None


def broker_warnings(settings: MqttSettings, *, shared: bool = False, within_s: float = 2.0) -> list[str]:
    """Return what this broker would lose and which setting to change, one line each; empty when nothing is known of.

    shared   : whether several workers share the subscription
    within_s : a broker that is slow or silent gets one line that says so, and no longer than this; measuring its queue
               may take as long again
    Raises   : CertificateUnusable
    """
    # Here and not only in the thread: a mistake in the settings is told as such.
    tls_context(settings)
    limits = _within(within_s, lambda: read_limits(settings, within_s=within_s))
    if isinstance(limits, BrokerSilent):
        return [f"the broker's limits could not be read ({limits}): whether it would lose data is not known"]
    queue: ProbeResult | BrokerSilent | None = None
    if _tells_nothing_of_queue(limits):
        queue = _within(
            within_s,
            lambda: probe_queue(settings, messages=_QUEUE_MESSAGES, within_s=within_s * 0.9, idle_s=_QUEUE_IDLE_S),
        )
    return warnings_about(limits, shared=shared, queue=queue)


def _within(seconds: float, ask: Callable[[], _Answer]) -> _Answer | BrokerSilent:
    outcome: list[_Answer | BrokerSilent] = []

    def answer() -> None:
        try:
            outcome.append(ask())
        except BrokerSilent as silence:
            outcome.append(silence)

    # A look-up of the host's name cannot be interrupted, so it is left behind instead.
    thread = threading.Thread(target=answer, name="broker-check", daemon=True)
    thread.start()
    thread.join(seconds)
    return outcome[0] if outcome else BrokerSilent(f"no answer within {seconds:g} s")


def warnings_about(limits: BrokerLimits, *, shared: bool, queue: ProbeResult | BrokerSilent | None = None) -> list[str]:
    """Return the lines of ``broker_warnings`` for what a broker has said and what was measured of its queue."""
    found = []
    if limits.renamed_to is not None or limits.session_present:
        found.append(
            "the broker gives clients another id than they ask for: workers would take each other's session and what"
            " waits in it; let Forewarn choose its client ids (mosquitto: use_username_as_clientid false here)"
        )
    if limits.maximum_qos == 0:
        found.append(
            "the broker delivers QoS 0 only: whatever is under way when a connection drops is lost; allow QoS 1"
            " (mosquitto max_qos, EMQX mqtt.max_qos_allowed, HiveMQ maximum-qos)"
        )
    if limits.session_s is not None and limits.session_s < SESSION_EXPIRY_S:
        found.append(
            f"the broker forgets our session after {_duration(limits.session_s)} and what waits in it: an outage longer"
            f" than that loses data; allow {_duration(SESSION_EXPIRY_S)} (EMQX mqtt.session_expiry_interval, HiveMQ"
            " session-expiry)"
        )
    if limits.packet_bytes is not None and limits.packet_bytes < _WANTED_PACKET_BYTES:
        found.append(
            f"the broker refuses packets above {limits.packet_bytes:,} bytes, cars send up to 1 MB: what they collected"
            " out of coverage is lost; allow 2 MB (mosquitto max_packet_size, EMQX mqtt.max_packet_size, HiveMQ"
            " packets max-packet-size)"
        )
    if not limits.wildcards:
        found.append("the broker allows no wildcard subscriptions: nothing would be received; allow them")
    if shared and not limits.shared_subscriptions:
        found.append("the broker has no shared subscriptions: nothing would be received; set ingest.workers to 1")
    if limits.dropped:
        found.append(
            f"the broker has dropped {limits.dropped:,} messages since it started: a queue was full; mosquitto: set"
            " max_queued_messages 0 and max_queued_bytes 0"
        )
    return found + _about_queue(limits, shared=shared, queue=queue)


def _tells_nothing_of_queue(limits: BrokerLimits) -> bool:
    # A session under another's name is not ours to put messages in.
    if limits.renamed_to is not None or limits.session_present:
        return False
    return limits.version is None or not _has_mosquitto_defaults(limits)


def _has_mosquitto_defaults(limits: BrokerLimits) -> bool:
    is_mosquitto = limits.version is not None and "mosquitto" in limits.version
    return is_mosquitto and limits.receive_maximum == _MOSQUITTO_DEFAULT_IN_FLIGHT


def _about_queue(limits: BrokerLimits, *, shared: bool, queue: ProbeResult | BrokerSilent | None) -> list[str]:
    found = []
    if shared and limits.version is not None and "mosquitto" in limits.version:
        found.append(
            f"{limits.version} forgets shared subscriptions when it restarts: what is published before the workers are"
            " back is lost; set ingest.workers to 1, or use a broker that keeps them"
        )
    if _has_mosquitto_defaults(limits):
        found.append(
            f"{limits.version} runs with its default limits: it keeps 1000 messages for a consumer that is away"
            " and drops the next in silence; set max_queued_messages 0 and max_inflight_messages 10000"
        )
    elif isinstance(queue, ProbeResult) and queue.refused is None and queue.complete:
        if queue.lost:
            found.append(
                f"the broker kept {queue.delivered:,} of {queue.acknowledged:,} messages for a consumer that was away"
                f" and dropped the others in silence: {_LIFT_QUEUE}"
            )
    else:
        why = ""
        if queue is not None:
            is_refused = isinstance(queue, ProbeResult) and queue.refused is not None
            why = f" ({'we may not use v1/probe/ there' if is_refused else 'it could not be measured in time'})"
        found.append(
            f"how many messages the broker ({limits.version or 'it does not tell what it is'}) keeps for a consumer"
            f" that is away is not known{why}: 1000 is the usual default, further ones are lost in silence;"
            " 'forewarn ingest check-broker' with the certificate of forewarn-probe measures it;"
            f" {_LIFT_QUEUE}"
        )
    return found


def read_limits(settings: MqttSettings, *, within_s: float) -> BrokerLimits:
    """Return what the broker says about itself.

    Raises : BrokerSilent
    """
    deadline = time.monotonic() + within_s
    silence = BrokerSilent("no answer")
    for version in protocol_versions(settings):
        session = ProbeSession(settings, client_id=_client_id(settings), version=version)
        try:
            session.open(deadline=deadline)
            return _limits(session, deadline=deadline)
        except BrokerSilent as error:
            silence = error
        finally:
            session.close(keep=session.present)
    raise silence


def _client_id(settings: MqttSettings) -> str:
    return f"{settings.client_id}-check-{secrets.token_hex(4)}"


def _limits(session: ProbeSession, *, deadline: float) -> BrokerLimits:
    said = session.announced
    # A subscription would stay with a session that is another's.
    version, dropped = (None, None) if session.present else _ask_sys(session, deadline=deadline)
    return BrokerLimits(
        protocol="5" if session.is_5 else "3.1.1",
        session_present=session.present,
        renamed_to=said.get("AssignedClientIdentifier"),
        session_s=said.get("SessionExpiryInterval"),
        receive_maximum=said.get("ReceiveMaximum"),
        packet_bytes=said.get("MaximumPacketSize"),
        maximum_qos=said.get("MaximumQoS"),
        shared_subscriptions=bool(said.get("SharedSubscriptionAvailable", 1)),
        wildcards=bool(said.get("WildcardSubscriptionAvailable", 1)),
        version=version,
        dropped=dropped,
    )


def _ask_sys(session: ProbeSession, *, deadline: float) -> tuple[str | None, int | None]:
    session.subscribe([*_SYS_VERSION, _SYS_DROPPED], qos=0, deadline=deadline)
    until = min(deadline, time.monotonic() + _SYS_WAIT_S)
    session.wait(lambda: {_SYS_VERSION[0], _SYS_DROPPED} <= {topic for topic, _ in session.arrived}, deadline=until)
    values = {topic: payload.decode(errors="replace") for topic, payload in session.arrived}
    dropped = values.pop(_SYS_DROPPED, "")
    # Whatever else a broker puts there shall not break a line of the log.
    version = re.sub(r"[^\w .,:+()-]", "", next(iter(values.values()), ""))[:80]
    return version or None, int(dropped) if dropped.isdecimal() else None


def _duration(seconds: int) -> str:
    return (
        f"{seconds // 86_400} d" if seconds >= 86_400 else f"{seconds // 3600} h" if seconds >= 3600 else f"{seconds} s"
    )
