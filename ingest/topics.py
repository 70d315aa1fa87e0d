"""MQTT topics: how they are written and what one says."""

import re
from functools import lru_cache
from typing import Literal

import msgspec

Kind = Literal["telemetry", "gbt32960", "charging", "events", "consent", "ack", "charger", "alarm"]

BULK_FILTERS = (
    "v1/vehicles/+/telemetry",
    "v1/vehicles/+/gbt32960",
    "v1/vehicles/+/events",
    "v1/vehicles/+/consent",
    "v1/replay/#",
)
# What must never wait behind bulk; a lane is never shared, so that one car's seconds stay in order.
CHARGING_FILTERS = (
    "v1/vehicles/+/charging",
    "v1/chargers/+/+/+/telemetry",
    "v1/chargers/+/+/+/alarm",
)

# ISO 3779 leaves out I, O and Q, which look like digits.
VIN = re.compile(r"[A-HJ-NPR-Z0-9]{17}")

# What cars say became of a command.
COMMAND_ANSWERS = "v1/vehicles/+/commands/ack"

_KINDS: dict[str, Kind] = {
    "telemetry": "telemetry",
    "gbt32960": "gbt32960",
    "charging": "charging",
    "events": "events",
    "consent": "consent",
    "commands/ack": "ack",
}


class TopicRejected(ValueError):
    """The topic is none of ours; the message says what is wrong with it and quotes nothing: a VIN may be in it."""


class Connector(msgspec.Struct, frozen=True):
    """Where a car charges, in the operator's own names."""

    operator: str
    station: str
    connector: str


class Topic(msgspec.Struct, frozen=True):
    """What a topic says: of a car, ``vin``; of a connector, ``at``.

    ``received_ms`` is set on replay topics only: the time the recording was received.
    """

    vin: str
    kind: Kind
    received_ms: int | None = None
    at: Connector | None = None


def telemetry(vin: str) -> str:
    return f"v1/vehicles/{vin}/telemetry"


def charging(vin: str) -> str:
    return f"v1/vehicles/{vin}/charging"


def charger(at: Connector, kind: Literal["telemetry", "alarm"]) -> str:
    return f"v1/chargers/{at.operator}/{at.station}/{at.connector}/{kind}"


def events(vin: str) -> str:
    return f"v1/vehicles/{vin}/events"


def gbt32960(vin: str) -> str:
    return f"v1/vehicles/{vin}/gbt32960"


def commands(vin: str) -> str:
    return f"v1/vehicles/{vin}/commands"


def consent(vin: str) -> str:
    return f"v1/vehicles/{vin}/consent"


def replay(received_ms: int, topic: str) -> str:
    """Return the topic on which a recording of ``topic`` is replayed as received at ``received_ms``."""
    return f"v1/replay/{received_ms}/{topic.removeprefix('v1/')}"


def parse(topic: str) -> Topic:
    """Return what ``topic`` says.

    Raises : TopicRejected
    """
    return _parse(topic) if topic.startswith("v1/replay/") else _parse_again(topic)


def _parse(topic: str) -> Topic:
    parts = topic.split("/", 3)
    received_ms = None
    if len(parts) == 4 and parts[:2] == ["v1", "replay"]:
        if not (parts[2].isascii() and parts[2].isdigit() and len(parts[2]) <= 13):
            raise TopicRejected("a replay topic has its receive time in ms as third part")
        received_ms = int(parts[2])
        parts = f"v1/{parts[3]}".split("/", 3)
    if len(parts) == 4 and parts[:2] == ["v1", "chargers"]:
        return _charger(parts[2], parts[3], received_ms)
    if len(parts) != 4 or parts[0] != "v1" or parts[1] != "vehicles":
        raise TopicRejected("the topic is not one of v1/vehicles/{vin}/…")
    kind = _KINDS.get(parts[3])
    if kind is None:
        raise TopicRejected(f"what follows the VIN is none of {', '.join(_KINDS)}")
    if not VIN.fullmatch(parts[2]):
        raise TopicRejected("its third part is not a VIN: 17 characters of A-Z and 0-9 without I, O, Q")
    return Topic(vin=parts[2], kind=kind, received_ms=received_ms)


def _charger(operator: str, rest: str, received_ms: int | None) -> Topic:
    parts = rest.split("/")
    kind: Kind | None = {"telemetry": "charger", "alarm": "alarm"}.get(parts[-1])  # type: ignore[assignment]
    if len(parts) != 3 or kind is None:
        raise TopicRejected("the topic is not v1/chargers/{operator}/{station}/{connector}/telemetry or alarm")
    names = (operator, parts[0], parts[1])
    if not all(0 < len(name) <= 64 and "\0" not in name for name in names):
        raise TopicRejected("the topic needs an operator, a station and a connector of 1 to 64 characters")
    return Topic(vin="", kind=kind, received_ms=received_ms, at=Connector(*names))


# A fleet sends on the same topics over and over; replay topics differ from message to message.
_parse_again = lru_cache(maxsize=200_000)(_parse)
