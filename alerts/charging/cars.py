"""Who a charging car is: looked up on a thread of its own and remembered, so that a danger never waits for it."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec
import psycopg
import structlog
from psycopg.rows import TupleRow

from config import sql
from config.charging import Chemistry

_log = structlog.get_logger(__name__)
# Cars that charge now and lately; past it the one that was asked about longest ago is looked up anew.
_MOST_CARS = 100_000
_MOST_AT_ONCE = 500
_AWAY_PAUSE_S = 0.5


class Contact(msgspec.Struct, frozen=True):
    """One way to reach an owner."""

    contact_id: int
    channel: Literal["phone", "email", "app"]
    address: str


class Car(msgspec.Struct, frozen=True, kw_only=True):
    """A car somebody enrolled. ``language`` is its owner's; None: nobody said whose it is."""

    vehicle_id: int
    model: str
    chemistry: Chemistry | None
    purposes: frozenset[str]
    language: str | None
    contacts: tuple[Contact, ...]

    @property
    def may_be_watched(self) -> bool:
        """Whether its owner agrees to what the car itself measures being judged while it charges."""
        return bool(self.purposes & {"safety", "care"})


class Unknown(msgspec.Struct, frozen=True):
    """Nobody enrolled such a car."""


# None: it has not been looked up, or the database is away.
Answer = Car | Unknown | None


def find_cars(conn: psycopg.Connection[TupleRow], vins: list[str]) -> dict[str, Car]:
    """Return what is known of these VINs."""
    rows = conn.execute(sql.load("alerts.charging", "cars_by_vin"), {"vins": vins}).fetchall()
    return {
        vin: Car(
            vehicle_id=vehicle_id,
            model=model,
            chemistry=chemistry,
            purposes=frozenset(purposes),
            language=language,
            contacts=tuple(msgspec.convert(contact, Contact) for contact in contacts),
        )
        for vin, vehicle_id, model, chemistry, purposes, language, contacts in rows
    }


class Cars:
    """Answers from memory what is known of a car; asks the database beside that.

    open_connection : makes a connection of role "alerts"
    remember_s      : so old an answer is asked for again; until that is there, and while the database is away, the old
                      one holds
    """

    def __init__(
        self,
        open_connection: Callable[[], psycopg.Connection[TupleRow]],
        *,
        remember_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_connection = open_connection
        self._remember_s = remember_s
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Car | Unknown]] = OrderedDict()
        self._wanted: dict[str, None] = {}
        self._changed = threading.Condition()
        self._stopping = False
        # Whether the last look-up failed: then nobody can say who a car is.
        self.is_away = False
        self._thread = threading.Thread(target=self._look_up_until_stopped, name="cars", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(5)

    def get(self, vin: str, *, wait_s: float = 0.0) -> Answer:
        """Return what is known of a car now; None when nobody can say.

        wait_s : so long it waits for an answer about a car that was never asked about
        """
        with self._changed:
            known = self._known.get(vin)
            if known is None or self._clock() - known[0] > self._remember_s:
                self._wanted[vin] = None
                self._changed.notify_all()
            if known is None and wait_s > 0:
                self._changed.wait_for(lambda: vin in self._known or self._stopping, wait_s)
                known = self._known.get(vin)
            return known[1] if known is not None else None

    def put(self, found: Mapping[str, Car], asked: list[str]) -> None:
        """Remember an answer of the database."""
        with self._changed:
            now = self._clock()
            for vin in asked:
                self._known[vin] = (now, found.get(vin, Unknown()))
                self._known.move_to_end(vin)
                self._wanted.pop(vin, None)
            while len(self._known) > _MOST_CARS:
                self._known.popitem(last=False)
            self._changed.notify_all()

    def _look_up_until_stopped(self) -> None:
        conn: psycopg.Connection[TupleRow] | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted or self._stopping)
                if self._stopping:
                    break
                vins = list(self._wanted)[:_MOST_AT_ONCE]
            try:
                conn = conn or self._open_connection()
                self.put(find_cars(conn, vins), vins)
                self.is_away = False
            except Exception as error:  # noqa: BLE001
                # Whatever it is, cars are judged without it and it is tried again.
                self.is_away = True
                _log.warning("cars cannot be looked up", error=str(error))
                if conn is not None:
                    conn.close()
                conn = None
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, _AWAY_PAUSE_S)
        if conn is not None:
            conn.close()
