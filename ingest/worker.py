"""One consumer process: a network thread that reads, and this thread, which writes and then acknowledges."""

import threading
import time
import uuid
from contextlib import closing
from datetime import UTC, datetime
from typing import Literal

import psycopg
import structlog
from psycopg.rows import TupleRow

from config.errors import UserMistake
from config.settings import Settings
from config.signals import catalogue
from ingest.backoff import backoff_s
from ingest.consumer import Consumer
from ingest.gate import Gate
from ingest.inbox import Inbox, Message
from ingest.metrics import WorkerMetrics, port_of, served
from ingest.store.connection import DatabaseAway, DatabaseUnreachable, connect
from ingest.store.version import check_columns, check_version
from ingest.topics import BULK_FILTERS, CHARGING_FILTERS
from ingest.writer import Epoch, Writer, Written

_log = structlog.get_logger(__name__)

# Past this a shutdown no longer waits: what is not acknowledged is delivered again.
_DRAIN_S = 30.0
# What one look into the inbox takes; a batch is bounded in samples by the writer.
_TAKE_BYTES = 8 * 2**20

# psycopg counts the last three as internal errors: a server that became a standby, a session that a limit has ended.
_AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    DatabaseUnreachable,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
)

Lane = Literal["bulk", "charging"]


def run_worker(settings: Settings, *, stop: threading.Event, index: int = 0, lane: Lane = "bulk") -> None:
    """Consume until ``stop`` is set, then write what was read, acknowledge it and leave.

    The epoch's row in ``telemetry.outcome`` appears once the subscription stands: from then on nothing is missed.
    index  : which of the bulk workers this is; its client id and so its session at the broker hang on it
    lane   : "charging" reads what must not wait behind bulk, in a process of its own
    Raises : UserMistake, when the database or its schema is unusable at the start
    """
    dsn = settings.database.dsn
    if dsn is None or settings.mqtt.host is None:
        raise UserMistake("ingest needs database.dsn and mqtt.host: set them, or use a command that runs both embedded")
    if not _check_database(settings, dsn, stop=stop):
        return
    inbox = Inbox(max_messages=settings.ingest.queue_messages, max_bytes=settings.ingest.queue_mib * 2**20)
    name = f"{settings.mqtt.client_id}-{index if lane == 'bulk' else lane}"
    filters: tuple[str, ...] = BULK_FILTERS if lane == "bulk" else CHARGING_FILTERS
    if lane == "bulk" and settings.ingest.workers > 1:
        filters = tuple(f"$share/forewarn/{topic_filter}" for topic_filter in filters)
    epoch = Epoch(name, lane, uuid.uuid4(), datetime.now(UTC))
    consumer = Consumer(settings.mqtt, client_id=name, filters=filters, inbox=inbox)
    metrics = WorkerMetrics(lane, in_flight=lambda: inbox.in_flight, connected=lambda: consumer.connected)
    port = port_of(settings.ingest, number=index if lane == "bulk" else settings.ingest.workers)
    with served(metrics, host=settings.ingest.metrics_host, port=port):
        network = threading.Thread(target=consumer.run, name="mqtt", daemon=True)
        network.start()
        try:
            _write_until_stopped(
                settings,
                dsn,
                inbox=inbox,
                consumer=consumer,
                network=network,
                stop=stop,
                epoch=epoch,
                metrics=metrics,
            )
        finally:
            consumer.stop()
            network.join(_DRAIN_S)
    if consumer.failure is not None:
        raise RuntimeError("the network thread failed") from consumer.failure


def _check_database(settings: Settings, dsn: str, *, stop: threading.Event) -> bool:
    """Wait for the database, which may be away just now, and check its schema; False when ``stop`` came first."""
    attempt = 0
    while not stop.is_set():
        try:
            with connect(dsn, role="ingest", connect_timeout_s=settings.database.connect_timeout_s) as conn:
                check_version(conn)
                check_columns(conn, catalogue())
            return True
        except DatabaseAway as error:
            wait_s = backoff_s(attempt)
            attempt += 1
            _log.warning("database away", error=str(error), attempt=attempt, next_try_s=round(wait_s, 1))
            stop.wait(wait_s)
    return False


def _write_until_stopped(
    settings: Settings,
    dsn: str,
    *,
    inbox: Inbox,
    consumer: Consumer,
    network: threading.Thread,
    stop: threading.Event,
    epoch: Epoch,
    metrics: WorkerMetrics,
) -> None:
    batch = -1
    with closing(_PatientWriter(settings, dsn, epoch, stop=stop)) as writer:
        while network.is_alive():
            if stop.is_set():
                # Nothing is read from here on; what was read is written.
                consumer.pause()
            messages = inbox.take(
                at_most=settings.ingest.batch_rows,
                at_most_bytes=_TAKE_BYTES,
                oldest_s=settings.ingest.batch_age_ms / 1000,
                stop=stop.is_set,
            )
            if not messages and stop.is_set():
                return
            while messages or (batch < 0 and consumer.subscribed.is_set()):
                batch += 1
                began = time.monotonic()
                try:
                    written = writer.write(messages, batch=batch, in_flight=inbox.in_flight)
                except _StoppedWaiting:
                    return
                metrics.count(written.outcome, took_s=time.monotonic() - began)
                consumer.acknowledge(messages[: written.messages])
                inbox.done(written.messages)
                messages = messages[written.messages :]


class _StoppedWaiting(Exception):
    """The database did not come back in the time a shutdown has; the broker keeps what was not written."""


class _PatientWriter:
    """Keeps a writer on a live connection, through as many connections as it takes."""

    def __init__(self, settings: Settings, dsn: str, epoch: Epoch, *, stop: threading.Event) -> None:
        self._settings = settings
        self._dsn = dsn
        self._epoch = epoch
        self._stop = stop
        self._give_up_at = float("inf")
        self._gate = Gate(remember_s=settings.ingest.consent_cache_s)
        self._writer: Writer | None = None
        self._conn: psycopg.Connection[TupleRow] | None = None

    def write(self, messages: list[Message], *, batch: int, in_flight: int) -> Written:
        """Write, however long the database is away; memory stays bounded since nothing more is read meanwhile.

        Raises : _StoppedWaiting, when a shutdown has waited long enough
        """
        attempt = 0
        while True:
            try:
                return self._on_connection().write(messages, batch=batch, in_flight=in_flight)
            except _AWAY as error:
                self.close()
                wait_s = backoff_s(attempt)
                attempt += 1
                _log.warning("database away", error=str(error), attempt=attempt, next_try_s=round(wait_s, 1))
                self._wait(wait_s)

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()
        self._conn = self._writer = None

    def _wait(self, wait_s: float) -> None:
        until = time.monotonic() + wait_s
        while (now := time.monotonic()) < until:
            if self._stop.is_set():
                self._give_up_at = min(self._give_up_at, now + _DRAIN_S)
                if now >= self._give_up_at:
                    raise _StoppedWaiting
            time.sleep(0.05)

    def _on_connection(self) -> Writer:
        if self._writer is None:
            self._conn = connect(self._dsn, role="ingest", connect_timeout_s=self._settings.database.connect_timeout_s)
            self._writer = Writer(self._conn, epoch=self._epoch, gate=self._gate, settings=self._settings.ingest)
        return self._writer
