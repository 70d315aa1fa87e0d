"""Dead letters: what could not be stored, and how much of it may be kept."""

import re

import msgspec

# Stands for what is not kept of a topic.
HIDDEN = "…"
NOT_KEPT = "what was sent is not kept: its owner has not agreed to care"

# What may be a VIN, or most of one. A receive time has up to 13 digits, and no word of a topic of ours is that long.
_LIKE_A_VIN = re.compile(r"(?=[0-9]*[A-Za-z])(?=[A-Za-z]*[0-9])[A-Za-z0-9]{11,}|[A-Za-z0-9]{14,}")
_OF_A_CAR = re.compile(r"(vehicles/)[^/]*")


class DeadLetter(msgspec.Struct, frozen=True):
    """What could not be stored, why, and the bytes, so that it can be replayed after a fix.

    payload : empty when nobody may keep it
    """

    received_ms: int
    topic: str
    reason: str
    detail: str
    payload: bytes
    samples: int = 1


def bad_topic(received_ms: int, topic: str, detail: str, payload: bytes) -> DeadLetter:
    """Return the letter of a message whose topic says nothing; nobody knows whose data it is, so none of it is kept.

    Only a charging station's is: it is nobody's.
    """
    if topic.startswith("v1/chargers/"):
        return DeadLetter(received_ms, topic, "bad_topic", detail, payload)
    hidden = _LIKE_A_VIN.sub(HIDDEN, _OF_A_CAR.sub(rf"\g<1>{HIDDEN}", topic))
    return DeadLetter(received_ms, hidden, "bad_topic", detail, b"")
