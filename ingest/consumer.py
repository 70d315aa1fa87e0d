"""The MQTT side of a worker: reads into the inbox, acknowledges what was committed, reconnects.

It drives paho's loop itself instead of ``loop_start``: so it can stop reading when the inbox is full, and
acknowledgements of a whole batch go out from the one thread that owns the socket.
"""

import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from config.settings import MqttSettings
from ingest.backoff import backoff_s
from ingest.inbox import Inbox, Message
from ingest.packet_socket import PacketContext, PacketSocket
from ingest.tls import CertificateUnusable, tls_context

# Long enough that a worker whose inbox is full for a while is not thrown out, short enough to notice a dead link.
KEEPALIVE_S = 60
# A week: long enough for a weekend's outage, short enough that a session nobody comes back to does not fill the broker.
SESSION_EXPIRY_S = 7 * 86_400
_CONNECT_TIMEOUT_S = 10.0
_PINGREQ = b"\xc0\x00"

_log = structlog.get_logger(__name__)


class Consumer:
    """One persistent MQTT session that feeds one inbox. ``run`` is the body of its thread."""

    def __init__(
        self,
        settings: MqttSettings,
        *,
        client_id: str,
        filters: Iterable[str],
        inbox: Inbox,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._settings = settings
        self._client_id = client_id
        self._filters = [(topic_filter, 1) for topic_filter in filters]
        self._inbox = inbox
        self._clock_ms = clock_ms
        self._to_acknowledge: deque[list[Message]] = deque()
        self._connection = 0
        self._attempt = 0
        self._paused = False
        self._stop = threading.Event()
        # Set for good once the session at the broker stands: from then on nothing is missed, connected or not.
        self.subscribed = threading.Event()
        self.failure: BaseException | None = None
        self._answered = False
        # The broker has accepted the protocol once: that it hangs up later has another reason.
        self._agreed = False
        self._pinged_at = 0.0
        self._protocol = MQTTProtocolVersion.MQTTv311 if settings.protocol == "3.1.1" else MQTTProtocolVersion.MQTTv5
        self._client = self._new_client()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)

    def _new_client(self) -> Client:
        is_5 = self._protocol is MQTTProtocolVersion.MQTTv5
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if is_5 else False,
            protocol=self._protocol,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        if self._settings.username is not None:
            client.username_pw_set(self._settings.username, self._settings.password)
        client.tls_set_context(PacketContext.around(tls_context(self._settings)))
        # With this set paho leaves writing to us: the acknowledgements of a whole batch leave in one piece.
        client.on_socket_register_write = _leave_writing_to_us
        client.connect_timeout = _CONNECT_TIMEOUT_S
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        return client

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the connection and it stands."""
        return self._client.is_connected()

    def acknowledge(self, messages: list[Message]) -> None:
        """Acknowledge committed messages; called by the writer's thread."""
        self._to_acknowledge.append(messages)
        self._wake()

    def pause(self) -> None:
        """Read no more; the connection stays, so that acknowledgements can go out."""
        self._paused = True
        self._wake()

    def stop(self) -> None:
        """Make ``run`` send what is acknowledged and disconnect."""
        self._stop.set()
        self._wake()

    def run(self) -> None:
        """Read and acknowledge until ``stop``; whatever ends it otherwise is in ``failure``."""
        try:
            while not self._stop.is_set():
                if self._client.socket() is None:
                    self._connect()
                else:
                    self._turn()
            self._send_acknowledgements()
            self._client.disconnect()
            self._flush(within_s=5.0)
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self._wake_read.close()
            self._wake_write.close()

    def _connect(self) -> None:
        if self._attempt:
            self._stop.wait(backoff_s(self._attempt - 1))
            if self._stop.is_set():
                return
        self._attempt += 1
        host, port = self._settings.host or "127.0.0.1", self._settings.port
        try:
            if self._connection and not self._answered:
                self._say_unanswered()
                if self._settings.protocol == "auto" and not self._agreed:
                    # A broker of old hangs up on a version it does not know; or it was just busy: try in turn.
                    is_5 = self._protocol is MQTTProtocolVersion.MQTTv5
                    self._protocol = MQTTProtocolVersion.MQTTv311 if is_5 else MQTTProtocolVersion.MQTTv5
                # Certificates are read again: they may have been renewed.
                self._client = self._new_client()
            self._client.connect(host, port, keepalive=KEEPALIVE_S, **self._session())
        except CertificateUnusable as error:
            _log.error(str(error), attempt=self._attempt)
            return
        except ssl.SSLCertVerificationError as error:
            _log.error("the broker's certificate is not trusted: check mqtt.ca_file and mqtt.host", error=str(error))
            return
        except OSError as error:
            _log.warning("broker unreachable", host=host, port=port, error=str(error), attempt=self._attempt)
            return
        self._connection += 1
        self._answered = False
        sock = self._socket()
        if sock is not None:
            sock.version_5 = self._protocol is MQTTProtocolVersion.MQTTv5
        self._flush()

    def _say_unanswered(self) -> None:
        if self._settings.ca_file is not None:
            _log.error("the broker hung up without a word: it may not accept the certificate, check mqtt.cert_file")

    def _session(self) -> dict[str, Any]:
        if self._protocol is not MQTTProtocolVersion.MQTTv5:
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = self._settings.receive_maximum
        return {"clean_start": False, "properties": properties}

    def _turn(self) -> None:
        """Wait for the socket, a wake-up or a second, and do what there is to do."""
        sock = self._socket()
        if sock is None:
            return
        # A new connection is read even so, until the broker has answered.
        holding = self._answered and (self._paused or self._inbox.full)
        reading: list[Any] = [self._wake_read] if holding else [self._wake_read, sock]
        writing = [sock] if sock.wants_write else []
        # A full inbox empties without telling anybody, so look again soon; what TLS has decrypted wakes nobody up.
        wait_s = 0.02 if holding else 0.0 if sock.has_more else 1.0
        ready, _, _ = select.select(reading, writing, [], wait_s)
        if self._wake_read in ready:
            self._wake_read.recv(4096)
        self._send_acknowledgements()
        if not holding and (sock in ready or sock.has_more):
            self._read(sock)
        if holding:
            self._ping(sock)
        else:
            self._client.loop_misc()
        self._flush()

    def _ping(self, sock: PacketSocket) -> None:
        """Keep the connection while nothing is read: paho would miss the answers to its own pings and hang up."""
        now = time.monotonic()
        if now - self._pinged_at >= KEEPALIVE_S / 2:
            self._pinged_at = now
            sock.send(_PINGREQ)

    def _read(self, sock: PacketSocket) -> None:
        published = sock.take_published()
        if published:
            now_ms, connection = self._clock_ms(), self._connection
            self._inbox.put(
                [Message(_text(topic), payload, mid, now_ms, connection) for topic, payload, mid in published]
            )
        while sock.has_news and self._client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            pass

    def _flush(self, *, within_s: float = 0.0) -> None:
        """Send what paho has written, at once or as soon as the socket takes it."""
        deadline = time.monotonic() + within_s
        while (sock := self._socket()) is not None:
            try:
                self._client.loop_write()
                sock.flush()
            except OSError:
                # The next read finds out that the connection is gone, and says so.
                return
            if not sock.wants_write or time.monotonic() >= deadline:
                return
            select.select([], [sock], [], 0.1)

    def _socket(self) -> PacketSocket | None:
        sock = self._client.socket()
        assert sock is None or isinstance(sock, PacketSocket)
        return sock

    def _send_acknowledgements(self) -> None:
        while self._to_acknowledge:
            for message in self._to_acknowledge.popleft():
                # A message of an earlier connection is delivered again; its number may mean another message by now.
                if message.connection == self._connection and message.mid:
                    self._client.ack(message.mid, 1)

    def _wake(self) -> None:
        try:
            self._wake_write.send(b"\0")
        except OSError:
            # Full means that a wake-up is pending, closed that the thread has ended.
            return

    def _on_connect(self, client: Client, userdata: object, flags: Any, reason: Any, properties: object) -> None:
        if reason.is_failure:
            self._answered = reason != "Unsupported protocol version"
            _log.error("broker refuses the connection", reason=str(reason))
            return
        self._answered = self._agreed = True
        client.subscribe(self._filters)

    def _on_subscribe(self, client: Client, userdata: object, mid: int, reasons: Any, properties: object) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            # Connected but deaf would be the worst of all: try again from the start, and say so each time.
            _log.error("broker refuses a subscription", reasons=refused)
            self._attempt = max(self._attempt, 4)
            client.disconnect()
            return
        self._attempt = 1
        self.subscribed.set()

    def _on_disconnect(self, client: Client, userdata: object, flags: Any, reason: Any, properties: object) -> None:
        if not self._stop.is_set():
            _log.warning("connection to the broker lost", reason=str(reason))


def _text(topic: bytes) -> str:
    try:
        return topic.decode()
    except UnicodeDecodeError:
        return f"(not UTF-8) {topic!r}"


def _leave_writing_to_us(client: Client, userdata: object, sock: object) -> None:
    pass
