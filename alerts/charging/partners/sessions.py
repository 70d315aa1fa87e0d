"""Which car is on which pile, as operators say: in memory for those who cannot wait, in the database for the rest."""

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.rows import class_row

from alerts.charging.partners.reports import SessionReport
from config import sql

Connection = psycopg.Connection[Any]

# A tenth of a million piles; of an operator that never ends its sessions the oldest are forgotten.
_MOST_OPEN = 200_000
_MOST_CONNECTORS = 200_000
# ISO 3779 leaves out I, O and Q.
_VIN = re.compile(r"[A-HJ-NPR-Z0-9]{17}")

Session = tuple[str, str]
Place = tuple[str, str, str]


class Sessions:
    """Open sessions by their id, by connector and by car. Fits ``alerts.charging.stopping.Bindings``."""

    def __init__(self, *, most: int = _MOST_OPEN) -> None:
        self._most = most
        self._open: OrderedDict[Session, SessionReport] = OrderedDict()
        self._at: dict[Place, Session] = {}
        self._of_car: dict[str, Session] = {}
        self._stations: OrderedDict[tuple[str, str], str] = OrderedDict()
        # When sessions ended: what comes late about one does not bring it back.
        self._over: OrderedDict[Session, datetime] = OrderedDict()
        self._lock = threading.Lock()

    def restore(self, reports: Iterable[SessionReport]) -> None:
        """Know open sessions again after a restart."""
        for report in reports:
            self.apply(report)

    def apply(self, report: SessionReport) -> None:
        """Take what an operator says of a session; what is older than what is known changes nothing.

        What is over stays over. A number that is used again, for a session that began afterwards, is another session.
        """
        report = believed(report)
        key = (report.operator, report.session_id)
        with self._lock:
            over_at = self._over.get(key)
            if over_at is not None and (report.started_at is None or report.started_at <= over_at):
                return
            known = self._open.get(key)
            if known is not None:
                if report.said_at < known.said_at and report.ended_at is None:
                    return
                report = msgspec.structs.replace(
                    report,
                    station=known.station or report.station,
                    connector=known.connector or report.connector,
                    vin=report.vin or known.vin,
                    started_at=known.started_at or report.started_at,
                )
            if report.station and report.connector:
                self._learn(report.operator, report.station, report.connector)
            if report.state in ("ended", "failed"):
                self._forget(key)
                self._end(key, report.ended_at or report.said_at)
                return
            self._remember(key, report)

    def learn(self, operator: str, station: str, connector: str) -> None:
        """Remember at which station a connector is: some messages name the connector alone."""
        with self._lock:
            self._learn(operator, station, connector)

    def station_of(self, operator: str, connector: str) -> str | None:
        """Return the station of a connector, None when nobody has said it yet."""
        with self._lock:
            return self._stations.get((operator, connector))

    def session_at(self, operator: str, station: str | None, connector: str | None) -> str | None:
        """Return the session that goes on at a connector."""
        with self._lock:
            found = self._find(operator, station, connector, None)
            return found.session_id if found is not None else None

    def vin_at(self, operator: str, station: str | None, connector: str | None, session_id: str | None) -> str | None:
        """Return the car that charges there now, None when no session says so."""
        with self._lock:
            found = self._find(operator, station, connector, session_id)
            return found.vin if found is not None else None

    def place_of(self, vin: str) -> tuple[str, str | None, str | None, str | None] | None:
        """Return (operator, station, connector, session) where this car charges now, None when no session says so."""
        with self._lock:
            key = self._of_car.get(vin)
            found = self._open.get(key) if key is not None else None
            return (found.operator, found.station, found.connector, found.session_id) if found is not None else None

    def _find(
        self, operator: str, station: str | None, connector: str | None, session_id: str | None
    ) -> SessionReport | None:
        if session_id is not None and (operator, session_id) in self._open:
            return self._open[(operator, session_id)]
        if connector is None:
            return None
        station = station or self._stations.get((operator, connector))
        key = self._at.get((operator, station or "", connector))
        return self._open.get(key) if key is not None else None

    def _learn(self, operator: str, station: str, connector: str) -> None:
        self._stations[(operator, connector)] = station
        self._stations.move_to_end((operator, connector))
        while len(self._stations) > _MOST_CONNECTORS:
            self._stations.popitem(last=False)

    def _remember(self, key: Session, report: SessionReport) -> None:
        self._open[key] = report
        self._open.move_to_end(key)
        if report.connector is not None:
            place = (report.operator, report.station or "", report.connector)
            if not self._is_newer(self._at.get(place), report):
                self._at[place] = key
        if report.vin is not None and not self._is_newer(self._of_car.get(report.vin), report):
            self._of_car[report.vin] = key
        while len(self._open) > self._most:
            self._forget(next(iter(self._open)))

    def _is_newer(self, other: Session | None, report: SessionReport) -> bool:
        """Say whether another session that goes on began after the one of a report."""
        found = self._open.get(other) if other is not None else None
        return found is not None and _began(found) > _began(report)

    def _end(self, key: Session, at: datetime) -> None:
        self._over[key] = at
        self._over.move_to_end(key)
        while len(self._over) > self._most:
            self._over.popitem(last=False)

    def _forget(self, key: Session) -> None:
        gone = self._open.pop(key, None)
        if gone is None:
            return
        place = (gone.operator, gone.station or "", gone.connector or "")
        # A newer session may have taken the place.
        if self._at.get(place) == key:
            del self._at[place]
        if gone.vin is not None and self._of_car.get(gone.vin) == key:
            del self._of_car[gone.vin]


def believed(report: SessionReport) -> SessionReport:
    """Return a report that was not said after it was received: a clock ahead would hold every later word back."""
    if report.said_at <= report.received_at:
        return report
    return msgspec.structs.replace(report, said_at=report.received_at)


def _began(report: SessionReport) -> tuple[datetime, datetime]:
    return report.started_at or report.said_at, report.said_at


def known_vin(said: str | None) -> str | None:
    """Return a VIN as it is stored, None when it is none: some piles send zeros or a licence plate."""
    vin = (said or "").strip().upper()
    return vin if _VIN.fullmatch(vin) and len(set(vin)) > 1 else None


def store(conn: Connection, reports: Iterable[SessionReport]) -> None:
    """Write what operators say of sessions, role "alerts"."""
    statement = sql.load(__package__, "upsert_session")
    for report in reports:
        conn.execute(statement, msgspec.structs.asdict(believed(report)))


def open_sessions(conn: Connection, *, since: datetime) -> list[SessionReport]:
    """Return the sessions that go on and that were first heard of after ``since``."""
    with conn.cursor(row_factory=class_row(SessionReport)) as cursor:
        return cursor.execute(sql.load(__package__, "open_sessions"), {"since": since}).fetchall()
