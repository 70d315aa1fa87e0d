"""Hears on MQTT that a simulated car is told to stop charging, and answers as the car would."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from config.errors import UserMistake
from config.settings import MqttSettings

_CONNECT_WITHIN_S = 10.0
_encoder = msgspec.json.Encoder()


class _Command(msgspec.Struct, frozen=True):
    id: str
    command: str


_decoder = msgspec.json.Decoder(_Command)


class Stops:
    """When the car was first told to stop: epoch ms, None before."""

    def __init__(self) -> None:
        self._stopped_at_ms: int | None = None

    def __call__(self) -> int | None:
        return self._stopped_at_ms

    def answer(self, payload: bytes, *, now_ms: int) -> bytes | None:
        """Return the acknowledgement of a command; None for what is none."""
        try:
            command = _decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if command.command != "stop_charging":
            return _encoder.encode({"id": command.id, "ts": now_ms, "result": "refused", "reason": "unknown command"})
        if self._stopped_at_ms is None:
            self._stopped_at_ms = now_ms
        return _encoder.encode({"id": command.id, "ts": now_ms, "result": "done"})


@contextmanager
def listening(vin: str, settings: MqttSettings) -> Iterator[Stops]:
    """Listen to commands for the car while the caller publishes.

    Raises : UserMistake, when the broker cannot be reached
    """
    # paho is slow to import and only a live danger listens.
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    stops = Stops()
    topic = f"v1/vehicles/{vin}/commands"
    subscribed = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"forewarn-simulated-car-{uuid.uuid4().hex[:8]}")
    if settings.username is not None:
        client.username_pw_set(settings.username, settings.password)

    def on_connect(connected: Any, _data: Any, _flags: Any, _reason: Any, _properties: Any) -> None:
        connected.subscribe(topic, qos=1)

    def on_subscribe(*_: Any) -> None:
        subscribed.set()

    def on_message(connected: Any, _data: Any, message: Any) -> None:
        answer = stops.answer(message.payload, now_ms=time.time_ns() // 1_000_000)
        if answer is not None:
            connected.publish(f"{topic}/ack", answer, qos=1)

    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    try:
        client.connect(settings.host or "127.0.0.1", settings.port)
    except (OSError, ValueError) as error:
        raise UserMistake(f"no MQTT broker answers at {settings.host}:{settings.port} ({error}): start one") from error
    client.loop_start()
    try:
        if not subscribed.wait(_CONNECT_WITHIN_S):
            raise UserMistake(f"the MQTT broker at {settings.host}:{settings.port} does not let the car hear commands")
        yield stops
    finally:
        client.disconnect()
        client.loop_stop()
