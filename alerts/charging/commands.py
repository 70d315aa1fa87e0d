"""Tells cars over MQTT to stop charging, and hears what they answer: a connection of its own, behind nothing else."""

import socket
import threading
import uuid
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import structlog
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from alerts.charging.stopping import StopAnswer, StopRequest
from config.settings import MqttSettings
from ingest import topics
from ingest.tls import tls_context

_log = structlog.get_logger(__name__)
# Stops that may wait for their PUBACK at one time; paho's own 20 would make the next one wait for a slow broker.
_IN_FLIGHT = 1000
_KEEPALIVE_S = 10
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 1, 8

# Told: which stop, what the car said, and the VIN that the broker knows it by.
Answered = Callable[[uuid.UUID, StopAnswer, str], None]


class CommandAnswer(msgspec.Struct, frozen=True):
    """What a car says became of a command."""

    id: uuid.UUID
    result: Literal["done", "refused", "failed"]
    reason: str | None = None


_decoder = msgspec.json.Decoder(CommandAnswer)
_encoder = msgspec.json.Encoder()
_RESULTS: dict[str, Literal["confirmed", "refused", "failed"]] = {
    "done": "confirmed",
    "refused": "refused",
    "failed": "failed",
}


def command_of(request: StopRequest) -> bytes:
    """Return the message that tells a car to stop; times are epoch ms."""
    return _encoder.encode(
        {
            "id": str(request.action_id),
            "issued_at": round(request.issued_at.timestamp() * 1000),
            "expires_at": round(request.expires_at.timestamp() * 1000),
            "command": "stop_charging",
            "reason": request.kind,
        }
    )


def answer_of(payload: bytes) -> tuple[uuid.UUID, StopAnswer] | None:
    """Return what a car answered to which stop; None for what is no answer to one of ours."""
    try:
        answer = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return answer.id, StopAnswer(_RESULTS[answer.result], answer.reason or "by the car")


def _send_at_once(_client: Client, _data: Any, sock: Any) -> None:
    # paho leaves Nagle's algorithm on: a command would wait up to 40 ms for the broker's acknowledgement of the last.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class CarStopper:
    """Publishes stop commands. ``start`` connects in the background and keeps the connection.

    answered : is told what cars answer, on a thread of the connection
    """

    def __init__(self, settings: MqttSettings, *, client_id: str, answered: Answered | None = None) -> None:
        self._settings = settings
        self.answered = answered
        self._listening = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False)
        self._client.max_inflight_messages_set(_IN_FLIGHT)
        self._client.reconnect_delay_set(_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S)
        if settings.username is not None:
            self._client.username_pw_set(settings.username, settings.password)
        context = tls_context(settings)
        if context is not None:
            self._client.tls_set_context(context)
        self._client.on_socket_open = _send_at_once
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def start(self) -> None:
        self._client.connect_async(self._settings.host or "127.0.0.1", self._settings.port, keepalive=_KEEPALIVE_S)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_until_listening(self, timeout_s: float) -> bool:
        """Wait until answers of cars would be heard."""
        return self._listening.wait(timeout_s)

    def stop(self, request: StopRequest, *, timeout_s: float) -> StopAnswer:
        """Publish the command. While the broker is away it leaves on the reconnect, if it is good for as long."""
        assert request.vin is not None
        info = self._client.publish(topics.commands(request.vin), command_of(request), qos=1)
        if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            return StopAnswer("sent")
        return StopAnswer("failed", f"the broker is away ({info.rc.name})")

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            _log.error("the broker refuses the connection for commands", reason=str(reason))
            return
        client.subscribe(topics.COMMAND_ANSWERS, qos=1)

    def _on_subscribe(self, _client: Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            _log.error("the broker lets nobody hear what cars answer to commands", reasons=refused)
            return
        self._listening.set()

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._listening.clear()
        if reason.is_failure:
            _log.warning("connection for commands lost", reason=str(reason))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        answer = answer_of(bytes(message.payload))
        if answer is not None and self.answered is not None:
            self.answered(*answer, message.topic.split("/")[2])
