"""What messages report besides the readings of cars, on its way into the store.

``topic`` and ``payload`` are those of the message it came in, for a dead letter.
"""

import msgspec

from ingest import topics
from ingest.charging import Alarm, ChargerMessage
from ingest.events import ConsentChoice, Event


class EventReport(msgspec.Struct, frozen=True):
    """What a car says happened."""

    vehicle_id: int
    received_ms: int
    topic: str
    payload: bytes
    event: Event


class ChoiceReport(msgspec.Struct, frozen=True):
    """What an owner chose in the car's menu."""

    vehicle_id: int
    vin: str
    received_ms: int
    choice: ConsentChoice


class LampReport(msgspec.Struct, frozen=True):
    """Which lamps of a car were on and off at one instant, as an alarm frame says."""

    vehicle_id: int
    ts_ms: int
    received_ms: int
    lamps: dict[str, bool]
    level: int


class ChargerReport(msgspec.Struct, frozen=True):
    """Measurements of one connector, those that can be stored."""

    at: topics.Connector
    received_ms: int
    topic: str
    message: ChargerMessage


class AlarmReport(msgspec.Struct, frozen=True):
    """An alarm of one connector; ``vehicle_id`` is None when the operator names no car, or none we know."""

    at: topics.Connector
    received_ms: int
    topic: str
    payload: bytes
    alarm: Alarm
    vehicle_id: int | None
