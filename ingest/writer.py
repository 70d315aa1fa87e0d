"""Writes a batch of messages in one transaction: readings, events, choices, dead letters and counts, or nothing."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import numpy as np
import psycopg
import structlog
from psycopg.rows import TupleRow

from config import sql
from config.settings import IngestSettings
from ingest.batch import Rows
from ingest.charging_rows import Connectors, store_alarms, store_chargers, store_safety
from ingest.choices import standings_after_choices
from ingest.dedupe import split_repeats
from ingest.gate import Gate, Standing
from ingest.inbox import Message
from ingest.lamps import derive_lamps
from ingest.layout import Layout, layout
from ingest.letters import NOT_KEPT, DeadLetter
from ingest.other_rows import (
    epoch_ms,
    note_changed_days,
    store_choices,
    store_dead_letters,
    store_events,
    store_positions,
)
from ingest.partitions import Partitions
from ingest.reading_rows import TABLES, ReadingTable
from ingest.sorting import SortedMessages, sort_messages, vins_of, what_may_be_kept
from ingest.state import newest_values
from ingest.state_rows import StateTable
from ingest.store.timeseries.engine import READINGS_LOCK
from ingest.telemetry import TelemetryDecoder

# What a value nobody thought of makes Python raise.
_OVERSIGHTS = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError)

_log = structlog.get_logger(__name__)

Standings = dict[str, Standing | None]
Chosen = dict[int, dict[str, Standing]]


class Outcome(msgspec.Struct, frozen=True):
    """What a batch came to, in samples: received = stored + duplicate + dead + refused."""

    received: int = 0
    stored: int = 0
    duplicate: int = 0
    dead: int = 0
    refused: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Outcome(*(one + another for one, another in pairs))


class Written(msgspec.Struct, frozen=True):
    """One committed batch: how many messages it was, and what they came to; None is known to the database alone."""

    messages: int
    outcome: Outcome | None


class _Work(msgspec.Struct, frozen=True):
    """A batch ready to be stored: its readings without repeats, and what became of the repeats."""

    sorted: SortedMessages
    rows: Rows
    safety: Rows
    dead: list[DeadLetter]
    repeated: int


class Epoch(msgspec.Struct, frozen=True):
    """One life of one worker; its counts are persisted under this id."""

    worker: str
    lane: str
    id: uuid.UUID
    started_at: datetime


class Writer:
    """Writes batches over one database connection; after an OperationalError make a new one."""

    def __init__(
        self,
        conn: psycopg.Connection[TupleRow],
        *,
        epoch: Epoch,
        gate: Gate,
        settings: IngestSettings,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._conn = conn
        self._epoch = epoch
        self._gate = gate
        self._clock = clock
        self._clock_ahead_ms = settings.clock_ahead_s * 1000
        self._batch_rows = settings.batch_rows
        self._layout: Layout = layout()
        self._decoder = TelemetryDecoder(self._layout)
        self._readings = ReadingTable(conn, self._layout)
        self._connectors = Connectors()
        self._partitions = Partitions(conn)
        self._states = StateTable(conn, self._layout)

    def write(self, messages: list[Message], *, batch: int, in_flight: int = 0) -> Written:
        """Write the first of these messages and commit; on return those may be acknowledged.

        A message holds up to 1000 samples, so a batch ends with the message that reaches ``ingest.batch_rows``.
        batch     : the number of this batch in the worker's epoch, the same on a retry
        in_flight : messages received and not acknowledged, these included
        Returns   : how many messages were written; no outcome when an earlier try turns out to have been committed
        Raises    : psycopg.OperationalError, when the database is away; nothing is written then, or all of it
        """
        if (before := self._committed(batch)) is not None:
            self._conn.commit()
            return Written(before, None)
        messages = messages[: self._batch_rows]
        standings = self._gate.standings(self._conn, vins_of(messages))
        chosen = standings_after_choices(self._conn, messages, standings)
        self._conn.commit()
        try:
            return self._write_together(messages, standings, chosen, batch, in_flight)
        except (*_OVERSIGHTS, psycopg.DataError, psycopg.IntegrityError) as error:
            # A partition may have been dropped, or one message is what the database refuses or what we fail on: it
            # must not stop all others, so it is found. The trace says where to look.
            if isinstance(error, _OVERSIGHTS):
                _log.exception("a message is not understood", batch=batch)
            self._partitions.forget()
            self._connectors.forget()
            return self._write_singly(messages, standings, chosen, batch, in_flight)

    def _write_together(
        self, messages: list[Message], standings: Standings, chosen: Chosen, batch: int, in_flight: int
    ) -> Written:
        work = self._prepare(messages, standings, chosen)
        written = work.sorted.messages
        with self._conn.transaction(), self._conn.cursor() as cursor:
            if (before := self._committed(batch)) is not None:
                return Written(before, None)
            outcome = self._store(cursor, work)
            self._count(cursor, outcome, batch, messages=written, in_flight=in_flight - written)
        return Written(written, outcome)

    def _write_singly(
        self, messages: list[Message], standings: Standings, chosen: Chosen, batch: int, in_flight: int
    ) -> Written:
        """Write message by message in one transaction: one that fails becomes a dead letter alone."""
        total = Outcome()
        prepared: list[tuple[Message, bytes, _Work]] = []
        letters: list[DeadLetter] = []
        written = samples = 0
        for place, message in enumerate(messages):
            if samples >= self._batch_rows:
                break
            written += 1
            payload = what_may_be_kept(message, standings)
            try:
                work = self._prepare([message], standings, {})
                prepared.append((message, payload or b"", work))
                samples += work.sorted.received
            except _OVERSIGHTS as error:
                if payload is None:
                    total += Outcome(received=1, refused=1)
                else:
                    letters.append(_failed_on(message, payload, error, samples=1))
                    total += Outcome(received=1, dead=1)
            standings = {**standings, **chosen.get(place, {})}
        with self._conn.transaction(), self._conn.cursor() as cursor:
            if (before := self._committed(batch)) is not None:
                return Written(before, None)
            for message, payload, work in prepared:
                try:
                    with self._conn.transaction():
                        outcome = self._store(cursor, work)
                except (*_OVERSIGHTS, psycopg.DataError, psycopg.IntegrityError) as error:
                    self._connectors.forget()
                    received, refused = work.sorted.received, work.sorted.refused
                    if received > refused:
                        letters.append(_failed_on(message, payload, error, samples=received - refused))
                    outcome = Outcome(received=received, dead=received - refused, refused=refused)
                total += outcome
            store_dead_letters(cursor, letters, epoch=self._epoch.id)
            self._count(cursor, total, batch, messages=written, in_flight=in_flight - written)
        return Written(written, total)

    def _prepare(self, messages: list[Message], standings: Standings, chosen: Chosen) -> _Work:
        work = sort_messages(
            messages,
            standings=standings,
            decoder=self._decoder,
            signals=self._layout,
            at_most=self._batch_rows,
            chosen=chosen,
        )
        rows = work.gatherer.rows(clock_ahead_ms=self._clock_ahead_ms)
        first, repeated, conflicts = split_repeats(rows, self._layout)
        dead = work.dead + [self._conflict(rows, row) for row in conflicts]
        rows = rows.take(first)
        self._partitions.make(TABLES, rows.ts_ms)
        self._partitions.make(
            ("charging_reading",), [sample.ts for report in work.chargers for sample in report.message.samples]
        )
        for report in work.choices:
            self._gate.forget(report.vin)
        return _Work(work, rows, work.safety.rows(clock_ahead_ms=self._clock_ahead_ms), dead, repeated)

    def _committed(self, batch: int) -> int | None:
        """Return how many messages this batch was when it is committed already, else None."""
        # A statement of its own: one that names a table has locked that already while it waits for the migration.
        self._conn.execute("SELECT pg_advisory_xact_lock_shared(%s)", (READINGS_LOCK,))
        # Locked: an earlier try whose session outlived our connection may still be about to commit.
        row = self._conn.execute(
            "SELECT batch, batch_messages FROM telemetry.outcome WHERE epoch = %s AND lane = %s FOR UPDATE",
            (self._epoch.id, self._epoch.lane),
        ).fetchone()
        return int(row[1]) if row is not None and int(row[0]) >= batch else None

    def _store(self, cursor: psycopg.Cursor[TupleRow], work: _Work) -> Outcome:
        rows, messages = work.rows, work.sorted
        verdict = self._readings.insert(rows)
        dead = work.dead + [self._conflict(rows, row) for row in verdict.conflicts]
        dead += [self._refused(rows, row, reason) for row, reason in verdict.refused]
        fresh = rows.take(np.delete(np.arange(len(rows)), verdict.not_stored)) if verdict.not_stored else rows
        stored, duplicate = len(fresh), work.repeated + len(verdict.duplicates)
        for some in (
            store_events(cursor, messages.events),
            store_choices(cursor, messages.choices),
            store_chargers(cursor, messages.chargers, self._connectors, clock_ahead_ms=self._clock_ahead_ms),
            store_alarms(cursor, messages.alarms, self._connectors),
            store_safety(cursor, work.safety, self._layout),
        ):
            stored += some.stored
            duplicate += some.duplicate
            dead += some.dead
        horizon_ms = epoch_ms(self._clock()) + self._clock_ahead_ms
        store_positions(cursor, fresh.parked(self._layout), horizon_ms=horizon_ms)
        store_dead_letters(cursor, dead, epoch=self._epoch.id)
        note_changed_days(cursor, fresh)
        states = newest_values(fresh, self._layout)
        if states is not None:
            # Late in the transaction, since it locks the cars until COMMIT.
            self._states.merge(states)
            derive_lamps(cursor, fresh, self._layout)
        return Outcome(messages.received, stored, duplicate, sum(letter.samples for letter in dead), messages.refused)

    def _count(
        self, cursor: psycopg.Cursor[TupleRow], outcome: Outcome, batch: int, *, messages: int, in_flight: int
    ) -> None:
        cursor.execute(
            sql.load("ingest.store", "add_outcome"),
            {
                **msgspec.structs.asdict(outcome),
                "epoch": self._epoch.id,
                "lane": self._epoch.lane,
                "worker": self._epoch.worker,
                "started_at": self._epoch.started_at,
                "batch": batch,
                "batch_messages": messages,
                "in_flight": in_flight,
                "now": self._clock(),
            },
        )

    def _conflict(self, rows: Rows, row: int) -> DeadLetter:
        detail = "a reading with this time and seq but other content is stored already"
        return self._letter(rows, row, "key_conflict", detail)

    def _refused(self, rows: Rows, row: int, reason: str) -> DeadLetter:
        return self._letter(rows, row, "refused_by_database", reason)

    def _letter(self, rows: Rows, row: int, reason: str, detail: str) -> DeadLetter:
        payload = rows.payload(row, self._layout)
        return DeadLetter(int(rows.received_ms[row]), rows.topic[row], reason, detail, payload)


def _failed_on(message: Message, payload: bytes, error: Exception, *, samples: int) -> DeadLetter:
    """Return the letter of a message that holds ``payload``, which is all of it or nothing."""
    reason, detail = "not_understood", f"{type(error).__name__}: {error}"
    if isinstance(error, psycopg.Error):
        reason, detail = "refused_by_database", str(error.diag.message_primary or error)
    if payload != message.payload:
        detail = NOT_KEPT
    return DeadLetter(message.received_ms, message.topic, reason, detail, payload, samples=samples)
