"""Tells owners, at once and by every way there is; and the supervisor, when nobody at the desk takes a case."""

import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Protocol

import structlog

from alerts.charging.anomaly import Sighting
from alerts.charging.book import OpenCase
from alerts.charging.cars import Car, Contact, Unknown
from alerts.charging.channels import Channel, NotTaken
from alerts.charging.journal import Entry, Told
from alerts.charging.messages import Message, Recipient, receipt_url, words_for_owner, words_for_supervisor

_log = structlog.get_logger(__name__)
# Messages under way at a time. More wait their turn, so that a gateway that hangs costs threads and no memory.
_THREADS = 16
_MOST_WAITING = 5_000
# Who the car's owner is may have to be asked of the database first.
_ASK_FOR_S = 2.0


class CarsLike(Protocol):
    def get(self, vin: str, *, wait_s: float = 0.0) -> Car | Unknown | None: ...


class OwnerTeller:
    """Sends messages on threads of its own and writes down what became of each.

    write  : takes an entry of the journal
    language : for owners whose own nobody knows
    """

    def __init__(
        self,
        cars: CarsLike,
        channels: Sequence[Channel],
        write: Callable[[Entry], None],
        *,
        language: str,
        public_url: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cars = cars
        self._channels = channels
        self._write = write
        self._language = language
        self._public_url = public_url
        self._clock = clock
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="tell")
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)

    def tell(self, case: OpenCase, sighting: Sighting) -> None:
        """Tell the owner of the case's car about the sighting; returns at once."""
        if case.vin is not None:
            self._submit(self._tell_owner, case.case_id, case.vin, sighting.kind, case.operator, case.station, 0)

    def tell_again(
        self,
        case_id: uuid.UUID,
        *,
        car: Car,
        kind: str,
        operator: str | None,
        station: str | None,
        round_: int,
    ) -> bool:
        """Tell an owner who has not confirmed, and wait for it; returns whether any message was taken."""
        return self._send_to(case_id, car, kind, operator, station, round_)

    def tell_supervisor(
        self, case_id: uuid.UUID, *, phone: str, kind: str, severity: int, place: str, round_: int
    ) -> bool:
        """Tell the supervisor and wait for it; returns whether the message was taken."""
        title, text = words_for_supervisor(kind, severity, place=place, language=self._language)
        return self._send(case_id, "supervisor", Contact(0, "phone", phone), self._language, title, text, round_)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for channel in self._channels:
            channel.close()

    def _submit(self, work: Callable[..., object], *values: object) -> None:
        if not self._waiting.acquire(blocking=False):
            # The ladder finds that nobody was told, and does it.
            _log.error("too many messages wait: this one is left to the ladder")
            return

        def run() -> None:
            try:
                work(*values)
            except Exception:  # noqa: BLE001
                # One owner who cannot be told must not leave the next untold.
                _log.exception("telling an owner failed")
            finally:
                self._waiting.release()

        self._pool.submit(run)

    def _tell_owner(
        self, case_id: uuid.UUID, vin: str, kind: str, operator: str | None, station: str | None, round_: int
    ) -> None:
        car = self._cars.get(vin, wait_s=_ASK_FOR_S)
        if isinstance(car, Car):
            self._send_to(case_id, car, kind, operator, station, round_)

    def _send_to(
        self, case_id: uuid.UUID, car: Car, kind: str, operator: str | None, station: str | None, round_: int
    ) -> bool:
        language = car.language or self._language
        title, text = words_for_owner(kind, operator=operator, station=station, language=language)
        taken = [self._send(case_id, "owner", contact, language, title, text, round_) for contact in car.contacts]
        return any(taken)

    def _send(
        self,
        case_id: uuid.UUID,
        recipient: Recipient,
        contact: Contact,
        language: str,
        title: str,
        text: str,
        round_: int,
    ) -> bool:
        any_taken = False
        for channel in self._channels:
            delivery = uuid.uuid4()
            message = Message(
                delivery_id=delivery,
                case_id=case_id,
                recipient=recipient,
                channel=contact.channel,
                address=contact.address,
                language=language,
                title=title,
                text=text,
                receipt_url=receipt_url(self._public_url, delivery) if recipient == "owner" else None,
            )
            if not channel.takes(message):
                continue
            problem = ""
            try:
                channel.send(message)
            except NotTaken as error:
                problem = str(error)
                _log.warning("a message was not taken", channel=channel.name, error=problem)
            any_taken = any_taken or not problem
            self._write(
                Told(
                    at=self._clock(),
                    delivery_id=delivery,
                    case_id=case_id,
                    recipient=recipient,
                    channel=channel.name,
                    contact_id=contact.contact_id or None,
                    round=round_,
                    accepted=not problem,
                    detail=problem,
                )
            )
        return any_taken
