"""Stores messages as a worker does, but without a broker: for benchmarks, and for simulated fleets to train on."""

import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg

from config.settings import IngestSettings
from forewarn.message import Message
from ingest import inbox
from ingest.gate import Gate
from ingest.writer import Epoch, Outcome, Writer

_BATCH_SAMPLES = 5000
# Nobody changes their mind about a car while it is simulated.
_REMEMBER_S = 3600


class DirectWriter:
    """Writes messages over one connection, which has the role ingest.

    name : counts are kept under it
    """

    def __init__(self, conn: psycopg.Connection[Any], settings: IngestSettings, *, name: str) -> None:
        epoch = Epoch(name, "bulk", uuid.uuid4(), datetime.now(UTC))
        self._writer = Writer(conn, epoch=epoch, gate=Gate(remember_s=_REMEMBER_S), settings=settings)
        self._batch = 0

    def write(self, messages: Iterable[Message]) -> Outcome:
        """Store messages, a transaction for some thousand samples; return what they came to."""
        total = Outcome()
        for batch in batches(messages):
            rest = batch
            while rest:
                written = self._writer.write(rest, batch=self._batch)
                self._batch += 1
                rest = rest[written.messages :]
                total += written.outcome or Outcome()
        return total


def batches(messages: Iterable[Message]) -> Iterator[list[inbox.Message]]:
    """Yield the messages as ingest takes them from its queue, some thousand samples at a time."""
    batch: list[inbox.Message] = []
    samples = 0
    for message in messages:
        batch.append(inbox.Message(message.topic, message.payload, 1, message.received_ms, 1))
        samples += message.samples
        if samples >= _BATCH_SAMPLES:
            yield batch
            batch, samples = [], 0
    if batch:
        yield batch
