"""The consent gate: which cars may be stored, remembered for a few seconds."""

import time
from collections.abc import Callable, Iterable

import msgspec
import psycopg
from psycopg.rows import TupleRow

from config import sql

_MOST_REMEMBERED = 200_000


class Standing(msgspec.Struct, frozen=True):
    """A known car and the purposes its owner agrees to."""

    vehicle_id: int
    purposes: frozenset[str]


class Gate:
    """Looks up the standing of cars, at most once per ``remember_s`` and car."""

    def __init__(self, *, remember_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._remember_s = remember_s
        self._clock = clock
        self._known: dict[str, tuple[float, Standing | None]] = {}

    def standings(self, conn: psycopg.Connection[TupleRow], vins: Iterable[str]) -> dict[str, Standing | None]:
        """Return the standing of every VIN; None is a car nobody enrolled."""
        now = self._clock()
        wanted = set(vins)
        answer = {vin: self._known[vin][1] for vin in wanted if vin in self._known and self._known[vin][0] > now}
        stale = list(wanted - answer.keys())
        if stale:
            rows = conn.execute(sql.load("ingest.store", "standing_of_vins"), {"vins": stale}).fetchall()
            found = {vin: Standing(vehicle_id, frozenset(purposes)) for vin, vehicle_id, purposes in rows}
            until = now + self._remember_s
            if len(self._known) > _MOST_REMEMBERED:
                # A flood of made-up VINs must not grow the memory; what is still true is looked up again.
                self._known.clear()
            for vin in stale:
                answer[vin] = found.get(vin)
                self._known[vin] = (until, answer[vin])
        return answer

    def forget(self, vin: str) -> None:
        """Look this car up afresh next time: its owner has just chosen."""
        self._known.pop(vin, None)
