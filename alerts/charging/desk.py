"""Takes sightings in and acts on them: the stop leaves first, then it is written down.

``receive`` is what every channel calls. It needs no database: what it decides follows from memory, is in the journal
before the stop leaves, and is recorded from there. docs/charging-safety.md says what happens in which order.
"""

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec
import structlog

from alerts.charging.anomaly import Receipt, Sighting, cleaned
from alerts.charging.book import Action, ActionState, Book, Decision, Nowhere, OpenCase, Rules
from alerts.charging.journal import Decided, Entry, Journal, Moved, Place, Seen, Wanted
from alerts.charging.stopping import Bindings, Partners, PileStopper, Policy, StopAnswer, StopRequest

_log = structlog.get_logger(__name__)
# Asked so often before a person has to phone.
_MOST_ATTEMPTS = 2
# Stops of one operator under way at a time: one whose endpoint hangs holds up its own piles and nobody else's.
_THREADS_AN_OPERATOR = 4
# Operators with an interface of their own: nobody has more contracts than that.
_MOST_OPERATORS = 500
_TICK_S = 0.2
# Entries that the disk did not take are kept so many; what comes after them is not acknowledged.
_MOST_UNWRITTEN = 10_000
_TASKS = uuid.UUID("3f6f0dc0-5a0e-4f0b-8f63-6a4f1f3e5e21")


class JournalBehind(Exception):
    """The disk does not take the journal: what was decided since is in memory only."""


class Teller(Protocol):
    """Tells people about a danger, without holding anybody up."""

    def tell(self, case: OpenCase, sighting: Sighting) -> None: ...


class Recording(Protocol):
    """Brings the journal into the database."""

    def wake(self) -> None: ...

    def wait(self, place: Place, *, timeout_s: float) -> bool: ...


class NoPartners:
    """No operator has an interface: piles are stopped by phone."""

    def stopper(self, operator: str) -> PileStopper | None:
        return None

    def policy(self, operator: str) -> Policy:
        return "stop"


class Desk:
    """The safety desk of one process. For several threads; ``close`` ends it.

    car            : asks cars to stop
    partners       : who asks which pile to stop, and by which policy
    bindings       : which car is on which pile
    confirm_within : so long a stop may stay unconfirmed before it is asked again, and then phoned
    teller         : tells people, None where another process does
    recording      : None only where nothing is to be recorded
    """

    def __init__(
        self,
        *,
        journal: Journal,
        car: PileStopper,
        bindings: Bindings,
        partners: Partners | None = None,
        rules: Rules | None = None,
        confirm_within: timedelta = timedelta(seconds=10),
        teller: Teller | None = None,
        recording: Recording | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._journal = journal
        self._car = car
        self._partners = partners or NoPartners()
        self._bindings = bindings
        self._rules = rules or Rules()
        self._confirm_within = confirm_within
        self._teller = teller
        self._recording = recording
        self._clock = clock
        self._book = Book()
        self._lock = threading.RLock()
        self._unwritten: deque[Entry] = deque()
        # Stops of this journal, while it is read: those of others are seen through by others.
        self._ours: set[uuid.UUID] = set()
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._stopping = threading.Event()
        self._watchdog = threading.Thread(target=self._watch, name="stop-watchdog", daemon=True)

    def restore(self, cases: Iterable[tuple[OpenCase, list[uuid.UUID], list[uuid.UUID]]] = ()) -> None:
        """Take up what the journal holds: cases, and stops that nobody has confirmed yet, which leave again.

        cases : those that the database has open, with their dangers and reports; empty while it is away
        """
        for case, dangers, reports in cases:
            self._book.restore(case, dangers=dangers, reports=reports)
        for entry, _ in self._journal.read(Place(0, 0)):
            self._take_up(entry)
        now = self._clock()
        with self._lock:
            self._book.forget_old(now)
            ours = self._ours
            actions = [one for one in self._book.open_actions() if one.state != "asked" and one.action_id in ours]
        self._ours = set()
        for action in actions:
            # Whether it left before the end of the process is not known: the same id again is the same stop.
            self._resume(action, now)

    def start(self) -> None:
        """Watch stops from now on."""
        self._watchdog.start()

    def receive(self, sighting: Sighting, *, wait_s: float = 2.0) -> Receipt:
        """Act on a sighting and return what became of it; when it returns a power cut loses nothing of it.

        wait_s : so long it waits for the database; ``Receipt.recorded`` says whether that was long enough
        Raises : JournalBehind, when the disk does not take it; whatever was to be stopped is asked to all the same
        """
        receipt, place = self.take(sighting)
        self.sync()
        if self._recording is None or place is None:
            return receipt
        return msgspec.structs.replace(receipt, recorded=self._recording.wait(place, timeout_s=wait_s))

    def take(self, sighting: Sighting) -> tuple[Receipt, Place | None]:
        """Act on a sighting without waiting for the disk; ``sync`` does that for many.

        Returns : the receipt, and up to where the journal has to be recorded before it is; None: it is not written yet
        """
        now, sighting = self._clock(), cleaned(sighting)
        pile_policy = self._partners.policy(sighting.operator) if sighting.operator is not None else "stop"
        with self._lock:
            decision = self._book.see(
                sighting, now=now, rules=self._rules, pile_policy=pile_policy, bindings=self._bindings
            )
            if not decision.is_new:
                return self._receipt(decision), self._journal.end if not self._unwritten else None
            self._note(_seen(decision, now))
            for action in decision.actions:
                self._note(Decided(at=now, action=action))
                if action.state == "asked":
                    self._want(action, "may it be stopped?", kind="decide_stop")
        for action in decision.actions:
            self._send(action)
        self._tell(decision)
        if self._recording is not None:
            self._recording.wake()
        return self._receipt(decision), self._journal.end if not self._unwritten else None

    def sync(self) -> None:
        """Wait until what was taken would outlive a power cut.

        Raises : JournalBehind
        """
        self._write_again()
        if self._unwritten:
            raise JournalBehind("the disk does not take the journal")
        try:
            self._journal.sync()
        except OSError as error:
            raise JournalBehind(f"the disk does not take the journal: {error}") from error

    def answered(self, action_id: uuid.UUID, answer: StopAnswer, vin: str | None = None) -> None:
        """Take in what became of a stop request, whenever and however that is heard.

        vin : of the car that says so, None where no car does; one car cannot confirm another's stop
        """
        with self._lock:
            action = self._book.action(action_id)
            if action is None or action.state == "confirmed":
                return
            if vin is not None and (action.target != "car" or action.request.vin != vin):
                return
            # After it was given up a confirmation still counts, and nothing else does.
            if not action.is_open and answer.result != "confirmed":
                return
            self._move(action, answer.result, answer.detail)
            if answer.result == "refused":
                self._want(action, f"refused: {answer.detail}")

    @property
    def waits(self) -> bool:
        """Whether a stop waits for something; cheap enough to be asked for every sample."""
        return self._book.has_open_actions

    def seen_ended(
        self, *, at: datetime, why: str, vin: str | None = None, place: tuple[str, str, str] | None = None
    ) -> None:
        """Take note that no current flows any more, whoever confirms it or does not.

        at    : when that was measured, by our clock; what was measured before a request says nothing of it
        vin   : of the car that measured it: neither it nor its pile charges
        place : operator, station and connector that measured it: nothing flows there
        """
        with self._lock:
            for action in self._book.open_actions():
                request = action.request
                is_here = place is not None and place == (request.operator, request.station, request.connector)
                is_its = vin is not None and vin == request.vin
                if action.attempts and at > request.issued_at and (is_its or (is_here and action.target == "pile")):
                    self._move(action, "confirmed", why)

    def release(self, request: StopRequest, *, case_id: uuid.UUID, target: str, by: str) -> None:
        """Send a stop that a person was asked about and decided on."""
        now = self._clock()
        fresh = msgspec.structs.replace(request, issued_at=now, expires_at=now + self._rules.valid_for)
        with self._lock:
            action = self._book.action(request.action_id)
            if action is not None and action.state != "asked":
                return
            action = Action(
                request=fresh,
                case_id=case_id,
                target="pile" if target == "pile" else "car",
                policy="ask",
                decided_by=by,
                decided_at=now,
                state="decided",
            )
            self._book.act(action)
            self._note(Decided(at=now, action=action))
        self._send(action)
        if self._recording is not None:
            self._recording.wake()

    def write(self, entry: Entry) -> None:
        """Write down what happened beside deciding, and have it recorded."""
        with self._lock:
            self._note(entry)
        if self._recording is not None:
            self._recording.wake()

    def forget(self, case_id: uuid.UUID) -> None:
        """Take note that a person closed the case."""
        with self._lock:
            self._book.close(case_id)

    def open_stops(self) -> list[Action]:
        """Return the stops that wait for something."""
        with self._lock:
            return self._book.open_actions()

    def tick(self, now: datetime) -> None:
        """Do what is due: ask again, give up and have somebody phone."""
        self._write_again()
        with self._lock:
            due = [
                action
                for action in self._book.open_actions()
                if action.state != "asked" and action.due_at is not None and action.due_at <= now
            ]
            self._book.forget_old(now)
        for action in due:
            if action.attempts < _MOST_ATTEMPTS:
                self._send(action)
                continue
            with self._lock:
                if action.is_open:
                    self._move(action, "unconfirmed", "no confirmation in time")
                    self._want(action, "no confirmation in time")

    def close(self) -> None:
        """End the watchdog and what sends; stops that are under way are taken up again at the next start."""
        self._stopping.set()
        if self._watchdog.is_alive():
            self._watchdog.join()
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)

    def _watch(self) -> None:
        while not self._stopping.wait(_TICK_S):
            try:
                self.tick(self._clock())
            except Exception:  # noqa: BLE001
                # A watchdog that died would be worse than one that says so five times a second.
                _log.exception("watching stops failed")

    def _send(self, action: Action) -> None:
        with self._lock:
            if not action.is_open or action.state == "asked":
                return
            action.attempts += 1
            action.due_at = self._clock() + self._confirm_within
        if action.target == "car":
            # Publishing does not wait for anybody.
            self.answered(action.action_id, _safely(self._car, action.request, self._confirm_within))
            return
        operator = action.request.operator or ""
        stopper = self._partners.stopper(operator)
        if stopper is None:
            with self._lock:
                self._move(action, "unconfirmed", "the operator has no interface to stop a pile")
                self._want(action, "the operator has no interface to stop a pile")
            return
        self._pool(operator).submit(self._ask_pile, stopper, action)

    def _ask_pile(self, stopper: PileStopper, action: Action) -> None:
        with self._lock:
            # It may have been confirmed, or have been asked again, while it waited for its turn.
            if not action.is_open:
                return
        self.answered(action.action_id, _safely(stopper, action.request, self._confirm_within))

    def _pool(self, operator: str) -> ThreadPoolExecutor:
        with self._lock:
            if operator not in self._pools:
                shared = "" if len(self._pools) >= _MOST_OPERATORS else operator
                if shared not in self._pools:
                    self._pools[shared] = ThreadPoolExecutor(_THREADS_AN_OPERATOR, thread_name_prefix="stop")
                return self._pools[shared]
            return self._pools[operator]

    def _resume(self, action: Action, now: datetime) -> None:
        if action.request.expires_at > now:
            action.attempts = min(action.attempts, _MOST_ATTEMPTS - 1)
            self._send(action)
            return
        with self._lock:
            self._move(action, "expired", "we were not running in time")
            self._want(action, "we were not running in time")

    def _move(self, action: Action, state: ActionState, detail: str) -> None:
        now = self._clock()
        action.state = state
        if not action.is_open:
            action.settled_at = now
        self._note(
            Moved(
                at=now,
                action_id=action.action_id,
                case_id=action.case_id,
                state=state,
                attempt=action.attempts,
                detail=detail,
            )
        )
        if self._recording is not None:
            self._recording.wake()

    def _want(self, action: Action, why: str, *, kind: str = "stop_by_phone") -> None:
        now = self._clock()
        request = action.request
        place = "/".join(part for part in (request.operator, request.station, request.connector) if part)
        self._note(
            Wanted(
                at=now,
                # Of one stop there is one call, however often it fails.
                task_id=uuid.uuid5(_TASKS, f"{kind} {action.action_id}"),
                case_id=action.case_id,
                kind=kind,
                due_at=now,
                detail=f"{f'pile {place}' if action.target == 'pile' else 'car'}: {why}",
            )
        )

    def _tell(self, decision: Decision) -> None:
        case = decision.case
        if self._teller is None or case is None or decision.sighting.state == "off" or decision.sighting.severity > 2:
            return
        if decision.opens or decision.worsens:
            self._teller.tell(case, decision.sighting)

    def _note(self, entry: Entry) -> None:
        if not self._unwritten:
            try:
                self._journal.append(entry)
                return
            except OSError as error:
                _log.error("the disk does not take the journal: what is decided is kept in memory", error=str(error))
        self._unwritten.append(entry)
        if len(self._unwritten) > _MOST_UNWRITTEN:
            # Its source was told nothing of it and has it still.
            self._unwritten.popleft()

    def _write_again(self) -> None:
        with self._lock:
            while self._unwritten:
                try:
                    self._journal.append(self._unwritten[0])
                except OSError:
                    return
                self._unwritten.popleft()

    def _receipt(self, decision: Decision) -> Receipt:
        return Receipt(
            danger_id=decision.danger_id,
            case_id=decision.case.case_id if decision.case is not None else None,
            is_new=decision.is_new,
            stops=tuple(action.action_id for action in decision.actions if action.policy == "stop"),
        )

    def _take_up(self, entry: Entry) -> None:
        match entry:
            case Seen():
                now = entry.at
                decision = self._book.see(
                    entry.sighting, now=now, rules=_NOTHING, pile_policy="stop", bindings=Nowhere()
                )
                if decision.case is not None and entry.case_id is not None and decision.case.case_id != entry.case_id:
                    _log.warning("the journal files a sighting elsewhere", danger=str(entry.danger_id))
            case Decided():
                self._ours.add(entry.action.action_id)
                self._book.act(entry.action)
            case Moved():
                action = self._book.action(entry.action_id)
                if action is not None:
                    action.state, action.attempts = entry.state, entry.attempt
                    action.settled_at = None if action.is_open else entry.at
            case _:
                pass


# What is read from the journal was acted on then.
_NOTHING = Rules(stop_within=timedelta(days=-1))


def _safely(stopper: PileStopper, request: StopRequest, timeout: timedelta) -> StopAnswer:
    began = time.monotonic()
    try:
        return stopper.stop(request, timeout_s=timeout.total_seconds())
    except Exception as error:  # noqa: BLE001
        # A client that breaks its promise not to raise must not cost the watchdog and the phone.
        _log.exception("asking to stop failed", took_s=round(time.monotonic() - began, 3))
        return StopAnswer("failed", f"{type(error).__name__}: {error}"[:200])


def _seen(decision: Decision, now: datetime) -> Seen:
    return Seen(
        at=now,
        danger_id=decision.danger_id,
        report_id=decision.report_id,
        case_id=decision.case.case_id if decision.case is not None else None,
        opens=decision.opens,
        worsens=decision.worsens,
        sighting=decision.sighting,
    )
