"""Hands on what piles measured, to the topic of all piles' telemetry: there it is stored and judged."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec
import structlog
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from alerts.charging.partners.reports import Measurement
from config.settings import MqttSettings
from ingest.tls import tls_context
from ingest.topics import Connector, TopicRejected, charger, parse

_log = structlog.get_logger(__name__)
# Readings of piles are many and old ones worth little: while the broker is away no more are kept.
_MOST_QUEUED = 10_000
_KEEPALIVE_S = 30


class PileReadings:
    """Publishes measurements. ``start`` connects in the background and keeps the connection."""

    def __init__(self, settings: MqttSettings, *, client_id: str) -> None:
        self._settings = settings
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True)
        self._client.max_queued_messages_set(_MOST_QUEUED)
        if settings.username is not None:
            self._client.username_pw_set(settings.username, settings.password)
        context = tls_context(settings)
        if context is not None:
            self._client.tls_set_context(context)

    def start(self) -> None:
        self._client.connect_async(self._settings.host or "127.0.0.1", self._settings.port, keepalive=_KEEPALIVE_S)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def __call__(self, measurements: Iterable[Measurement]) -> None:
        for measurement in measurements:
            topic = topic_of(measurement)
            if topic is None:
                _log.warning("a connector's name cannot be part of a topic", operator=measurement.operator)
                continue
            self._client.publish(topic, payload_of(measurement), qos=1)


@contextmanager
def pile_readings(settings: MqttSettings) -> Iterator[PileReadings]:
    """Have measurements published for as long as it is used."""
    readings = PileReadings(settings, client_id=f"{settings.client_id}-partners")
    readings.start()
    try:
        yield readings
    finally:
        readings.close()


def topic_of(measurement: Measurement) -> str | None:
    """Return the topic of a connector's measurements, None when its names cannot be part of one."""
    names = (measurement.operator, measurement.station, measurement.connector)
    if any(set(name) & set("/+#") for name in names):
        return None
    topic = charger(Connector(*names), "telemetry")
    try:
        parse(topic)
    except TopicRejected:
        return None
    return topic


def payload_of(measurement: Measurement) -> bytes:
    """Return a measurement as a pile sends it."""
    sample = {"ts": round(measurement.ts.timestamp() * 1000), "signals": measurement.signals}
    message: dict[str, object] = {"samples": [sample]}
    if measurement.session_id is not None:
        message["session_id"] = measurement.session_id
    return msgspec.json.encode(message)
