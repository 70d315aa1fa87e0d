"""A connection that asks a broker about itself and leaves nothing behind."""

import threading
import time
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from config.settings import MqttSettings
from ingest.consumer import SESSION_EXPIRY_S
from ingest.tls import tls_context

# Sent ahead of the broker's acknowledgements; an MQTT 5 broker lowers it by itself.
IN_FLIGHT = 1000
_FORGET_WITHIN_S = 1.0
# Nobody else publishes or reads below it; what comes from elsewhere is another's, and he acknowledges it.
OWN_TOPICS = "v1/probe/"


def protocol_versions(settings: MqttSettings) -> list[MQTTProtocolVersion]:
    """Return the versions to try, in this order."""
    if settings.protocol == "auto":
        return [MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311]
    return [MQTTProtocolVersion.MQTTv311 if settings.protocol == "3.1.1" else MQTTProtocolVersion.MQTTv5]


class BrokerSilent(Exception):
    """The broker did not answer; the message says as much as is known of why."""


class ProbeSession:
    """One session of our own. It never ends one that was there before, and acknowledges nothing of it.

    Where a broker takes the client id from the certificate this connection is the consumer's own session, whatever id
    it asks for: a clean start would throw away what waits there. So it asks for the session that is there, looks, and
    ends it only if there was none.
    """

    def __init__(self, settings: MqttSettings, *, client_id: str, version: MQTTProtocolVersion) -> None:
        self._settings = settings
        self._client_id = client_id
        self.version = version
        self.is_5 = version is MQTTProtocolVersion.MQTTv5
        self._changed = threading.Condition()
        self._answer: tuple[ConnectFlags, ReasonCode, Properties | None] | None = None
        self._trouble: str | None = None
        self._subscribed = False
        self.arrived: list[tuple[str, bytes]] = []
        self.acknowledged = 0
        self.refused = False
        self._client = self._new_client(clean=False)

    def _new_client(self, *, clean: bool) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if self.is_5 else clean,
            protocol=self.version,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        if self._settings.username is not None:
            client.username_pw_set(self._settings.username, self._settings.password)
        context = tls_context(self._settings)
        if context is not None:
            client.tls_set_context(context)
        client.max_inflight_messages_set(IN_FLIGHT)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        return client

    def open(self, *, deadline: float) -> None:
        """Connect; the session outlives the connection until ``close``.

        Raises : BrokerSilent, when the broker is not there, refuses us or says nothing
        """
        self._connect(deadline=deadline)
        assert self._answer is not None
        if self._answer[1].is_failure:
            raise BrokerSilent(f"it refuses the connection: {self._answer[1]}")

    def _connect(self, *, deadline: float) -> None:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise BrokerSilent("no answer in time")
        self._client.connect_timeout = left_s
        options: dict[str, Any] = {}
        if self.is_5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_EXPIRY_S
            options = {"clean_start": False, "properties": properties}
        host, port = self._settings.host or "127.0.0.1", self._settings.port
        try:
            # paho gives the TLS handshake as long as the keepalive.
            self._client.connect(host, port, keepalive=max(2, int(left_s)), **options)
        except (OSError, ValueError) as error:
            raise BrokerSilent(str(error)) from error
        self._client.loop_start()
        self.wait(lambda: self._answer is not None, deadline=deadline)
        if self._answer is None:
            raise BrokerSilent(self._trouble or "no answer in time")

    @property
    def present(self) -> bool:
        """Whether this session was there before."""
        return self._answer is not None and bool(self._answer[0].session_present)

    @property
    def announced(self) -> dict[str, Any]:
        """What an MQTT 5 broker announced when it accepted the connection, by the standard's names."""
        properties = self._answer[2] if self._answer is not None else None
        return properties.json() if properties is not None else {}  # type: ignore[no-untyped-call]

    def subscribe(self, filters: list[str], *, qos: int, deadline: float) -> None:
        """Subscribe and wait for the answer; whether it was granted shows in what arrives."""
        self._client.subscribe([(topic_filter, qos) for topic_filter in filters])
        self.wait(lambda: self._subscribed, deadline=deadline)

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1; ``acknowledged`` counts what the broker has taken on, ``refused`` says that it does not."""
        self._client.publish(topic, payload, qos=1)

    def wait(self, condition: Callable[[], bool], *, deadline: float) -> bool:
        """Wait until ``condition`` holds, the connection is gone or the time is up; return whether it holds."""
        with self._changed:
            left_s = max(0.0, deadline - time.monotonic())
            self._changed.wait_for(lambda: condition() or self._trouble is not None, timeout=left_s)
            return condition()

    def close(self, *, keep: bool = False) -> None:
        """Disconnect; the session ends too, unless it is to be kept."""
        connected = self._client.is_connected()
        if connected and self.is_5 and not keep:
            properties = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 0
            self._client.disconnect(properties=properties)
        elif connected:
            self._client.disconnect()
        self._hang_up()
        if connected and not self.is_5 and not keep:
            self.forget()

    def forget(self) -> None:
        """End the session over a connection of its own, the one way in MQTT 3.1.1 and where there is no other."""
        self._answer = self._trouble = None
        self._client = self._new_client(clean=True)
        try:
            self._connect(deadline=time.monotonic() + _FORGET_WITHIN_S)
        except BrokerSilent:
            # It expires by the broker's rules, and holds nothing.
            return
        finally:
            self._client.disconnect()
            self._hang_up()

    def _hang_up(self) -> None:
        self._client.loop_stop()
        # A thread that is told to end while nobody has answered leaves its socket open.
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _on_connect(
        self, client: Client, userdata: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        with self._changed:
            self._answer = (flags, reason, properties)
            self._changed.notify_all()

    def _on_disconnect(self, client: Client, userdata: object, flags: Any, reason: Any, properties: object) -> None:
        with self._changed:
            tls = "; with TLS that is what it does when it does not accept mqtt.cert_file"
            self._trouble = f"it hung up{tls if self._settings.ca_file is not None else ''}"
            self.refused = True
            self._changed.notify_all()

    def _on_subscribe(self, client: Client, userdata: object, mid: int, reasons: object, properties: object) -> None:
        with self._changed:
            self._subscribed = True
            self._changed.notify_all()

    def _on_publish(self, client: Client, userdata: object, mid: int, reason: Any, properties: object) -> None:
        with self._changed:
            self.acknowledged += not reason.is_failure
            self.refused |= reason.is_failure
            self._changed.notify_all()

    def _on_message(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        with self._changed:
            self.arrived.append((message.topic, bytes(message.payload)))
            self._changed.notify_all()
        if message.topic.startswith(OWN_TOPICS):
            client.ack(message.mid, message.qos)
