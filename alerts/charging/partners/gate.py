"""The way of a partner's message: admitted, acted on, written down, in this order."""

import asyncio
import math
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec
import psycopg
import structlog
from fastapi.concurrency import run_in_threadpool
from psycopg_pool import PoolTimeout

from alerts.charging.anomaly import Receipt, Sighting
from alerts.charging.desk import JournalBehind
from alerts.charging.partners.admission import Limits, MessageKey, Seen, check_time, judge
from alerts.charging.partners.asked import Asked
from alerts.charging.partners.occurrences import Occurrences
from alerts.charging.partners.partner import Partner
from alerts.charging.partners.refusals import NotRecorded, Refused
from alerts.charging.partners.registry import Registry
from alerts.charging.partners.reports import Measurement, Said, StopResult
from alerts.charging.partners.sessions import Sessions, known_vin, store
from alerts.charging.stopping import StopAnswer, StopRequest
from config import sql

_log = structlog.get_logger(__name__)

# A partner that has failed for so long tries no more.
KEEP_MESSAGES = timedelta(days=3)
_RETRY_AFTER_S = 5
# A database that did not answer is not asked again for so long.
_AWAY_FOR_S = 1.0
# Acting is work of microseconds behind a lock: more threads would only wait for each other.
_ACTING_THREADS = 4

Connection = psycopg.Connection[Any]
Connect = Callable[[], AbstractContextManager[Connection]]


class OpenStop(Protocol):
    """A stop that somebody waits for."""

    @property
    def request(self) -> StopRequest: ...

    @property
    def target(self) -> str: ...


class SafetyDesk(Protocol):
    """What of ``alerts.charging.desk.Desk`` messages of partners are handed to."""

    def take(self, sighting: Sighting) -> tuple[Receipt, Any]: ...

    def receive(self, sighting: Sighting, *, wait_s: float = 2.0) -> Receipt: ...

    def answered(self, action_id: uuid.UUID, answer: StopAnswer) -> None: ...

    def open_stops(self) -> Sequence[OpenStop]: ...


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """An authentic message: by whom, under which id, when it was said and what its content's SHA-256 is."""

    partner: Partner
    channel: str
    message_id: str
    sent_at: datetime
    digest: bytes

    @property
    def key(self) -> MessageKey:
        return (self.partner.partner_id, self.channel, self.message_id)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a message. ``is_duplicate``: its content was taken before, this was another attempt."""

    is_duplicate: bool
    receipts: tuple[Receipt, ...] = ()
    said: Said = Said()


class Gate:
    """Takes messages of partners. For several threads.

    connect  : a connection of role "alerts" for one transaction; raises what a database that is away raises
    measured : takes what piles measured, None where nobody judges it
    wait_s   : so long a danger's answer waits for the database
    """

    def __init__(
        self,
        *,
        desk: SafetyDesk,
        registry: Registry,
        sessions: Sessions,
        connect: Connect,
        limits: Limits,
        tolerance_s: float,
        asked: Asked,
        occurrences: Occurrences | None = None,
        measured: Callable[[Iterable[Measurement]], None] | None = None,
        wait_s: float = 2.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.desk, self.registry, self.sessions, self.limits = desk, registry, sessions, limits
        self.occurrences = occurrences or Occurrences()
        self._connect, self._measured, self._wait_s = connect, measured, wait_s
        self._tolerance_s, self._clock, self._monotonic_s = tolerance_s, clock, monotonic_s
        self._seen, self._asked = Seen(), asked
        self._acting = ThreadPoolExecutor(_ACTING_THREADS, thread_name_prefix="partner-acts")
        self._away_until_s = -math.inf

    def now(self) -> datetime:
        return self._clock()

    def connection(self) -> AbstractContextManager[Connection]:
        return self._connect()

    def check_time(self, sent_at: datetime, *, name: str) -> None:
        """Refuse a message whose time is too far from ours. Raises : Stale"""
        check_time(sent_at, self._clock(), tolerance_s=self._tolerance_s, name=name)

    def count(self, partner: Partner) -> None:
        """Count a message against the most that any partner may send. Raises : TooMany"""
        self.limits.check_hard(partner.partner_id, now_s=self._monotonic_s())

    async def pass_on(self, message: Message, read: Callable[[], Said], *, is_kept: bool = True) -> Outcome:
        """Act on a signed message and write it down.

        read    : decodes the message
        is_kept : False for one that does nothing, and that a database that is away must not hold up
        Raises  : Refused; NotRecorded, after what was to be done at once is done, when the database is away
        """
        novelty = self._seen.reserve(message.key, digest=message.digest, sent_at=message.sent_at)
        try:
            if novelty == "retry":
                # Its content was acted on and is recorded.
                outcome = Outcome(is_duplicate=True)
            else:
                outcome = await self._on_thread(self._act, message.partner, read)
            if is_kept:
                await run_in_threadpool(self._record, outcome, message)
        except BaseException:
            self._seen.release(message.key)
            raise
        self._seen.finish(message.key)
        return outcome

    async def pass_on_unsigned(self, partner: Partner, said: Said) -> Outcome:
        """Act on what came under a token alone: a session's newest state, which may come any number of times.

        Raises : NotRecorded, TooMany
        """
        outcome = await self._on_thread(self._act, partner, lambda: said)
        await run_in_threadpool(self._record, outcome, None)
        return outcome

    def close(self) -> None:
        self._acting.shutdown(wait=False, cancel_futures=True)

    async def _on_thread(self, act: Callable[[Partner, Callable[[], Said]], Outcome], *given: Any) -> Outcome:
        # Threads of their own: those that wait for the database may all be waiting.
        return await asyncio.get_running_loop().run_in_executor(self._acting, act, *given)

    def _act(self, partner: Partner, read: Callable[[], Said]) -> Outcome:
        """Do what is to be done at once. Nothing in here waits for disk or database."""
        said = _clean(read())
        self.limits.admit(partner.partner_id, said.sightings, now_s=self._monotonic_s())
        # Before the sessions: one that ends is not found by its connector any more.
        for result in said.results:
            self._answer(result)
        for report in said.sessions:
            self.sessions.apply(report)
        receipts = []
        for sighting in said.sightings:
            if sighting.operator and sighting.station and sighting.connector:
                self.sessions.learn(sighting.operator, sighting.station, sighting.connector)
            receipts.append(self.desk.take(sighting)[0])
        if said.measurements and self._measured is not None:
            self._measured(said.measurements)
        return Outcome(is_duplicate=False, receipts=tuple(receipts), said=said)

    def _record(self, outcome: Outcome, message: Message | None) -> None:
        """Wait until everything is written down, and write down the rest.

        Raises : NotRecorded
        """
        is_away = self._monotonic_s() < self._away_until_s
        try:
            if outcome.said.sightings:
                # The same again does nothing; written in order, the last one stands for all.
                receipt = self.desk.receive(outcome.said.sightings[-1], wait_s=0.0 if is_away else self._wait_s)
                if not receipt.recorded:
                    raise self._found_away()
                # It is back, the desk knows before us.
                is_away = False
        except JournalBehind as error:
            raise _not_recorded() from error
        if message is None and not outcome.said.sessions:
            return
        if is_away:
            raise _not_recorded()
        try:
            with self._connect() as conn:
                # Not before its dangers are: a message that is taken is not taken again.
                if message is not None:
                    _remember(conn, message, self._clock())
                store(conn, outcome.said.sessions)
        except (psycopg.OperationalError, PoolTimeout) as error:
            _log.warning("a partner's message is not recorded", error=str(error).strip()[:200])
            raise self._found_away() from error

    def _found_away(self) -> Refused:
        # Whoever comes next is told at once: those that wait would only take others' threads.
        self._away_until_s = self._monotonic_s() + _AWAY_FOR_S
        return _not_recorded()

    def _answer(self, result: StopResult) -> None:
        """Tell the desk what became of a stop of the partner's pile; of another's it is told nothing."""
        action_id = result.action_id
        if action_id is None and result.session_id is not None:
            action_id = self._asked.of_session(result.operator, result.session_id)
        if action_id is not None and self._asked.is_of(action_id, result.operator):
            self.desk.answered(action_id, StopAnswer(result.result, result.detail))
            return
        # Asked before this process began.
        for stop in self.desk.open_stops():
            request = stop.request
            if stop.target == "pile" and request.operator == result.operator and self._is_meant(request, result):
                self.desk.answered(request.action_id, StopAnswer(result.result, result.detail))

    def _is_meant(self, request: StopRequest, result: StopResult) -> bool:
        if result.action_id is not None:
            return request.action_id == result.action_id
        session = request.session_id or self.sessions.session_at(
            request.operator or "", request.station, request.connector
        )
        return session is not None and session == result.session_id


def _clean(said: Said) -> Said:
    """Leave away what is called a VIN and is none: a command to a car goes to the topic of its VIN."""
    return msgspec.structs.replace(
        said,
        sightings=tuple(msgspec.structs.replace(one, vin=known_vin(one.vin)) for one in said.sightings),
        sessions=tuple(msgspec.structs.replace(one, vin=known_vin(one.vin)) for one in said.sessions),
    )


def _remember(conn: Connection, message: Message, now: datetime) -> None:
    values = {
        "partner_id": message.partner.partner_id,
        "channel": message.channel,
        "message_id": message.message_id,
        "digest": message.digest,
        "sent_at": message.sent_at,
        "received_at": now,
    }
    row = conn.execute(sql.load(__package__, "remember_message"), values).fetchone()
    if row is not None:
        judge(digest=message.digest, sent_at=message.sent_at, known_digest=bytes(row[0]), known_sent_at=row[1])


def forget_messages(conn: Connection, *, now: datetime) -> int:
    """Forget message ids of long ago, and return how many."""
    return conn.execute(sql.load(__package__, "forget_messages"), {"before": now - KEEP_MESSAGES}).rowcount


def _not_recorded() -> Refused:
    return NotRecorded(
        "what had to be done at once is done; the database does not answer: send the message again",
        retry_after_s=_RETRY_AFTER_S,
    )
