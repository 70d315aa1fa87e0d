"""What the simulator and the replay hand to the publisher: one MQTT message."""

from typing import NamedTuple


class Message(NamedTuple):
    """One message to publish.

    received_ms : when it is to count as received, epoch ms
    topic       : where it goes
    payload     : its bytes
    samples     : how many outcomes ingest will count for it
    """

    received_ms: int
    topic: str
    payload: bytes
    samples: int
