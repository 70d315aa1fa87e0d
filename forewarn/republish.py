"""Publishes dead letters again, on the topic they came on and with the time they were received, and marks them."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from config.errors import UserMistake
from config.settings import MqttSettings
from ingest import topics
from ingest.probe_session import protocol_versions
from ingest.store.dead_letters import Claimed, Connection, Selection, claim, mark_replayed
from ingest.tls import tls_context

# Claimed, published and marked together: small enough that a cut repeats little, at most 100 MB in memory.
_CHUNK = 100
_ACK_WITHIN_S = 30.0
_CONNECT_WITHIN_S = 10.0
_LONGEST_TOPIC_BYTES = 65_535

NO_PAYLOAD = "it has no payload: none came, or it was not kept since nobody agreed to that"

_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Replayed(msgspec.Struct, frozen=True):
    """What a replay has published: the topics it used, and by number why others could not be published."""

    topics: list[str]
    failed: dict[int, str]


def replay_topic(topic: str, received_at: datetime) -> str | None:
    """Return the topic on which a message counts as received when it was; None when nothing can be published on it."""
    received_ms = (received_at - _1970) // _MILLISECOND
    again = topic if topic.startswith("v1/replay/") else topics.replay(received_ms, topic)
    possible = topic.startswith("v1/") and not set("+#\0") & set(topic) and len(again.encode()) <= _LONGEST_TOPIC_BYTES
    return again if possible else None


def replay_dead_letters(
    conn: Connection,
    selection: Selection,
    *,
    newest: int,
    mqtt: MqttSettings,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    on_progress: Callable[[int], None] | None = None,
) -> Replayed:
    """Publish the selected dead letters up to number ``newest`` and mark each that the broker has taken.

    At least once: a letter is marked after its PUBACK, so a cut in between makes the next replay publish it again,
    which ingest recognises as a duplicate.
    Raises : UserMistake, when the broker cannot be reached or refuses us
    """
    used: list[str] = []
    failed: dict[int, str] = {}
    after = 0
    with _connected(mqtt) as publisher:
        while True:
            with conn.transaction():
                claimed = claim(conn, selection, after=after, newest=newest, limit=_CHUNK)
                # A letter that may not be kept has neither payload nor the VIN in its topic.
                failed |= {letter.id: NO_PAYLOAD for letter in claimed if not letter.payload}
                wanted = {
                    letter.id: replay_topic(letter.topic, letter.received_at) for letter in claimed if letter.payload
                }
                failed |= {number: "its topic cannot be published on" for number, to in wanted.items() if to is None}
                sent = [(letter, to) for letter in claimed if (to := wanted.get(letter.id)) is not None]
                refusals = publisher.publish(sent)
                taken = [(letter, to) for letter, to in sent if letter.id not in refusals]
                mark_replayed(conn, [letter.id for letter, _ in taken], at=clock())
            failed |= refusals
            used += [to for _, to in taken]
            if on_progress is not None:
                on_progress(len(used) + len(failed))
            if not claimed:
                return Replayed(used, failed)
            after = claimed[-1].id


class _Publisher:
    """A connection that publishes and says of every message whether the broker took it."""

    def __init__(self, settings: MqttSettings, version: MQTTProtocolVersion) -> None:
        is_5 = version is MQTTProtocolVersion.MQTTv5
        self._changed = threading.Condition()
        self._answer: Any = None
        self._lost = False
        self._acknowledged: dict[int, Any] = {}
        # Session ids differ, so that a replay never throws out a consumer.
        name = f"{settings.client_id}-replay-{secrets.token_hex(4)}"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=name,
            clean_session=None if is_5 else True,
            protocol=version,
            reconnect_on_failure=False,
        )
        if settings.username is not None:
            client.username_pw_set(settings.username, settings.password)
        context = tls_context(settings)
        if context is not None:
            client.tls_set_context(context)
        client.max_inflight_messages_set(_CHUNK)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        self._client = client
        self._where = f"{settings.host}:{settings.port}"
        self._host, self._port = settings.host or "127.0.0.1", settings.port

    def open(self) -> str | None:
        """Connect; return why that is not possible, None when it is done."""
        try:
            self._client.connect(self._host, self._port)
        except (OSError, ValueError) as error:
            return str(error)
        self._client.loop_start()
        if not self._wait(lambda: self._answer is not None, within_s=_CONNECT_WITHIN_S):
            return "it hung up" if self._lost else "no answer"
        return str(self._answer) if self._answer.is_failure else None

    def publish(self, letters: list[tuple[Claimed, str]]) -> dict[int, str]:
        """Publish, wait for the answers, and return by number why the broker did not take a letter.

        Raises : UserMistake, when it stops answering
        """
        numbers: dict[int, int] = {}
        for letter, topic in letters:
            info = self._client.publish(topic, letter.payload, qos=1)
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                break
            numbers[info.mid] = letter.id
        complete = len(numbers) == len(letters)
        if not complete or not self._wait(lambda: numbers.keys() <= self._acknowledged.keys(), within_s=_ACK_WITHIN_S):
            raise UserMistake(f"the MQTT broker at {self._where} stopped answering: replay again when it is back")
        refusals = {number: _refusal(self._acknowledged[mid]) for mid, number in numbers.items()}
        self._acknowledged.clear()
        return {number: refusal for number, refusal in refusals.items() if refusal is not None}

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _wait(self, condition: Callable[[], bool], *, within_s: float) -> bool:
        with self._changed:
            deadline = time.monotonic() + within_s
            while not condition() and not self._lost:
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    break
            return condition()

    def _on_connect(self, client: Client, userdata: object, flags: Any, reason: Any, properties: object) -> None:
        with self._changed:
            self._answer = reason
            self._changed.notify_all()

    def _on_disconnect(self, client: Client, userdata: object, flags: Any, reason: Any, properties: object) -> None:
        with self._changed:
            self._lost = True
            self._changed.notify_all()

    def _on_publish(self, client: Client, userdata: object, mid: int, reason: Any, properties: object) -> None:
        with self._changed:
            self._acknowledged[mid] = reason
            self._changed.notify_all()


def _refusal(reason: Any) -> str | None:
    if reason.is_failure:
        return f"the broker refuses it ({reason}): a replay needs the principal forewarn-replay"
    if reason == "No matching subscribers":
        return "nobody would have stored it: start ingest first"
    return None


@contextmanager
def _connected(settings: MqttSettings) -> Iterator[_Publisher]:
    """Connect with MQTT 5 where the broker speaks it: with 3.1.1 it acknowledges what it refuses."""
    why = None
    for version in protocol_versions(settings):
        publisher = _Publisher(settings, version)
        try:
            why = publisher.open()
            if why is None:
                yield publisher
                return
        finally:
            publisher.close()
    raise UserMistake(
        f"the MQTT broker at {settings.host}:{settings.port} cannot be used ({why}): "
        "start it, or correct FOREWARN_MQTT__HOST and what it lets us in with"
    )
