"""The process that watches charging: reads from its own connection, judges at once, acknowledges what is safe."""

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

import structlog

from alerts.charging.assembly import OpenDesk, open_desk
from alerts.charging.desk import Desk, JournalBehind
from alerts.charging.stopping import Bindings, Partners
from alerts.charging.watcher import Watcher
from config.settings import Settings
from ingest.consumer import Consumer
from ingest.inbox import Inbox, Message
from ingest.topics import CHARGING_FILTERS

_log = structlog.get_logger(__name__)
# One turn judges what is there and waits for nothing; a burst is cut so that other dangers are not looked for late.
_MOST_A_TURN = 200
_TURN_BYTES = 4 * 2**20
_IDLE_S = 0.2
_LOOK_EVERY_S = 1.0
_JOURNAL_AGAIN_S = 1.0
_END_WITHIN_S = 10.0
_PRIORITY = -10
_SWITCH_S = 0.001


def put_first() -> None:
    """Have this process come before bulk's, and its threads take short turns; for a process that does nothing else."""
    with suppress(OSError):
        # Who may not ask for that gets the ordinary turn. Threads have it from the one that starts them.
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
    # Beside what judges, it records, serves partners and sends messages: none of that may hold the interpreter for the
    # 5 ms that it may by default.
    sys.setswitchinterval(_SWITCH_S)


def run_charging(
    settings: Settings,
    *,
    stop: threading.Event,
    partners: Partners | None = None,
    bindings: Bindings | None = None,
    beside: Callable[[Desk], AbstractContextManager[None]] = lambda desk: nullcontext(),
) -> None:
    """Watch charging until ``stop`` is set.

    While it listens there is a file ``charging/watcher/ready`` in ``data_dir`` with its process id.
    beside : what else feeds this desk for as long as it is open, as the server for partners does
    Raises : UserMistake, when there is nothing to listen to
    """
    inbox = Inbox(max_messages=settings.ingest.queue_messages, max_bytes=settings.ingest.queue_mib * 2**20)
    consumer = Consumer(
        settings.mqtt, client_id=f"{settings.mqtt.client_id}-safety", filters=CHARGING_FILTERS, inbox=inbox
    )
    ready = settings.data_dir / "charging" / "watcher" / "ready"
    ready.unlink(missing_ok=True)
    with (
        open_desk(settings, name="watcher", partners=partners, bindings=bindings) as opened,
        beside(opened.desk),
    ):
        network = threading.Thread(target=consumer.run, name="mqtt", daemon=True)
        network.start()
        acknowledger = _Acknowledger(opened.desk, consumer)
        acknowledger.start()
        try:
            _watch(opened, inbox, consumer, acknowledger, network=network, stop=stop, ready=ready)
        finally:
            ready.unlink(missing_ok=True)
            acknowledger.close()
            consumer.stop()
            network.join(_END_WITHIN_S)
    if consumer.failure is not None:
        raise RuntimeError("the network thread failed") from consumer.failure


def _watch(
    opened: OpenDesk,
    inbox: Inbox,
    consumer: Consumer,
    acknowledger: "_Acknowledger",
    *,
    network: threading.Thread,
    stop: threading.Event,
    ready: Path,
) -> None:
    watcher = Watcher(opened.desk, opened.cars, opened.bindings)
    looked_at = time.monotonic()
    is_ready = False
    while network.is_alive() and not stop.is_set():
        if not is_ready and consumer.subscribed.is_set():
            ready.write_text(f"{os.getpid()}\n", encoding="ascii")
            is_ready = True
        messages = inbox.take(
            at_most=max(1, min(_MOST_A_TURN, len(inbox))), at_most_bytes=_TURN_BYTES, oldest_s=_IDLE_S, stop=stop.is_set
        )
        for message in messages:
            try:
                watcher.handle(message)
            except Exception:  # noqa: BLE001
                # One message that nobody foresaw must not end the watch over all the others.
                _log.exception("a message could not be judged")
        watcher.settle()
        if messages:
            inbox.done(len(messages))
            acknowledger.take(messages)
        now = time.monotonic()
        if now - looked_at >= _LOOK_EVERY_S:
            looked_at = now
            watcher.look(connected=consumer.connected, now_ms=time.time_ns() // 1_000_000)


class _Acknowledger(threading.Thread):
    """Acknowledges messages once what was decided on them would outlive a power cut. Judging does not wait for it."""

    def __init__(self, desk: Desk, consumer: Consumer) -> None:
        super().__init__(name="acknowledger", daemon=True)
        self._desk = desk
        self._consumer = consumer
        self._waiting: queue.SimpleQueue[list[Message] | None] = queue.SimpleQueue()

    def take(self, messages: list[Message]) -> None:
        self._waiting.put(messages)

    def close(self) -> None:
        self._waiting.put(None)
        self.join(_END_WITHIN_S)

    def run(self) -> None:
        while True:
            batches, is_last = self._next()
            while batches:
                try:
                    self._desk.sync()
                except JournalBehind as behind:
                    # Their sources keep them: what is not acknowledged is delivered again.
                    _log.error("nothing is acknowledged", reason=str(behind))
                    if is_last:
                        return
                    time.sleep(_JOURNAL_AGAIN_S)
                    continue
                for batch in batches:
                    self._consumer.acknowledge(batch)
                batches = []
            if is_last:
                return

    def _next(self) -> tuple[list[list[Message]], bool]:
        """Return everything that waits, at least one batch, and whether nothing follows."""
        batches = []
        batch = self._waiting.get()
        while batch is not None:
            batches.append(batch)
            try:
                batch = self._waiting.get_nowait()
            except queue.Empty:
                return batches, False
        return batches, True
