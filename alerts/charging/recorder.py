"""Brings the journal into the database: at once, or whenever it is back. Nothing waits for it but who asks."""

import json
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import structlog
from psycopg.rows import TupleRow

from alerts.charging.cars import Car, find_cars
from alerts.charging.journal import Decided, Entry, Journal, Moved, Place, Seen, Told, Wanted
from alerts.charging.ladder import rungs
from config import sql
from config.settings import ChargingSettings

_log = structlog.get_logger(__name__)
_MOST_AT_ONCE = 500
_LONGEST_PAUSE_S = 5.0
# What our rules and a car's own frames say is the car's; what a pile measures and an operator reports is theirs.
_OF_CAR = "car_1hz"

Connection = psycopg.Connection[TupleRow]


class Recorder:
    """Reads the journal from where it was left and writes it down, on a thread of its own.

    open_connection : makes a connection of role "alerts", autocommit
    """

    def __init__(
        self, journal: Journal, open_connection: Callable[[], Connection], *, settings: ChargingSettings, folder: Path
    ) -> None:
        self._journal = journal
        self._open_connection = open_connection
        self._settings = settings
        self._unrecordable = folder / "unrecordable.jsonl"
        self._changed = threading.Condition()
        self._has_news = True
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Say that the journal has grown."""
        with self._changed:
            self._has_news = True
            self._changed.notify_all()

    def wait(self, place: Place, *, timeout_s: float) -> bool:
        """Wait until everything up to ``place`` is recorded; False when that took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._journal.recorded >= place, timeout_s)

    def close(self, *, within_s: float = 5.0) -> None:
        """Record what there is, if the database lets us, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(within_s)

    def _run(self) -> None:
        conn: Connection | None = None
        failures = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._has_news or self._stopping, 1.0)
                if self._stopping and (failures or self._journal.recorded >= self._journal.end):
                    break
                self._has_news = False
            try:
                while self._journal.recorded < self._journal.end:
                    conn = conn or self._open_connection()
                    self._record_some(conn)
                failures = 0
            except Exception as error:  # noqa: BLE001
                # The journal keeps it all: whatever it is, it is tried again.
                pause_s = min(_LONGEST_PAUSE_S, 0.1 * 2 ** min(failures, 10))
                failures += 1
                _log.warning("the journal cannot be recorded", error=str(error), next_try_s=pause_s)
                if conn is not None:
                    conn.close()
                conn = None
                with self._changed:
                    self._has_news = True
                    self._changed.wait_for(lambda: self._stopping, pause_s)
        if conn is not None:
            conn.close()

    def _record_some(self, conn: Connection) -> None:
        # Asked before reading: what is appended meanwhile is not skipped.
        written, end = self._journal.end, self._journal.recorded
        batch: list[Entry] = []
        for entry, place in self._journal.read(end):
            batch.append(entry)
            end = place
            if len(batch) >= _MOST_AT_ONCE:
                break
        else:
            # Damaged lines before the end are not read again.
            end = max(end, written)
        if batch:
            try:
                record(conn, batch, settings=self._settings)
            except (psycopg.DataError, psycopg.IntegrityError):
                self._record_singly(conn, batch)
        self._journal.mark_recorded(end)
        with self._changed:
            self._changed.notify_all()

    def _record_singly(self, conn: Connection, batch: list[Entry]) -> None:
        """One entry that the database refuses must not hold up the others: it goes to a file, and is said."""
        for entry in batch:
            try:
                record(conn, [entry], settings=self._settings)
            except (psycopg.DataError, psycopg.IntegrityError) as error:
                _log.error(
                    "the database refuses an entry of the journal", error=str(error), kept=str(self._unrecordable)
                )
                with self._unrecordable.open("ab") as kept:
                    kept.write(msgspec.json.encode(entry) + b"\n")


def record(conn: Connection, entries: list[Entry], *, settings: ChargingSettings) -> None:
    """Write entries down in one transaction; what is there already stays as it is."""
    began = time.monotonic()
    with conn.transaction():
        vins = {entry.sighting.vin for entry in entries if isinstance(entry, Seen) and entry.sighting.vin}
        cars = find_cars(conn, sorted(vins)) if vins else {}
        written: set[tuple[Any, ...]] = set()
        with conn.pipeline(), conn.cursor() as cursor:
            for entry in entries:
                match entry:
                    case Seen():
                        _record_seen(cursor, entry, cars, written, settings)
                    case Decided():
                        _record_decided(cursor, entry)
                    case Moved():
                        cursor.execute(_sql("move_action"), msgspec.structs.asdict(entry))
                    case Wanted():
                        cursor.execute(_sql("insert_task"), _clean(msgspec.structs.asdict(entry)))
                    case Told():
                        cursor.execute(_sql("insert_delivery"), _clean(msgspec.structs.asdict(entry)))
    _log.debug("recorded", entries=len(entries), took_s=round(time.monotonic() - began, 3))


def _record_seen(
    cursor: psycopg.Cursor[TupleRow],
    entry: Seen,
    cars: dict[str, Car],
    written: set[tuple[Any, ...]],
    settings: ChargingSettings,
) -> None:
    said = entry.sighting
    car = cars.get(said.vin or "")
    place = {
        "operator": said.operator,
        "station": said.station,
        "connector": said.connector,
        "session_id": said.session_id,
        "vehicle_id": car.vehicle_id if car is not None else None,
    }
    key = (entry.case_id, said.severity, *place.values())
    if entry.case_id is not None and said.state == "on" and key not in written:
        written.add(key)
        values = {"case_id": entry.case_id, "at": entry.at, "kind": said.kind, "severity": said.severity, **place}
        cursor.execute(_sql("upsert_case"), _clean(values))
        if entry.opens or entry.worsens:
            lay_ladder(cursor, entry, said.severity, said.kind, at=entry.at, settings=settings)
    # An owner who does not agree to it may withdraw between the danger and now: then what the car measured is nobody's.
    is_ours = said.channel != _OF_CAR or (car is not None and car.may_be_watched)
    values = {
        "report_id": entry.report_id,
        "danger_id": entry.danger_id,
        "case_id": entry.case_id,
        "source": said.source,
        "channel": said.channel,
        # Ids of a car's own dangers say nothing to anybody.
        "source_id": said.source_id if said.channel != _OF_CAR else None,
        "ts": said.ts,
        "received_at": said.received_at,
        "code": said.code,
        "kind": said.kind,
        "severity": said.severity,
        "state": said.state,
        "remark": said.text if is_ours else None,
        "measures": json.dumps(said.measures if is_ours else {}).replace("\\u0000", ""),
        **place,
    }
    cursor.execute(_sql("insert_sighting"), _clean(values))


def lay_ladder(
    cursor: psycopg.Cursor[TupleRow],
    entry: Seen,
    severity: int,
    kind: str,
    *,
    at: datetime,
    settings: ChargingSettings,
) -> None:
    """Lay the escalation ladder of a case that opened or got worse."""
    steps = rungs(severity, kind, at, settings)
    if steps:
        values = {
            "case_id": entry.case_id,
            "steps": [rung.step for rung in steps],
            "due_ats": [rung.due_at for rung in steps],
        }
        cursor.execute(_sql("insert_rungs"), values)


def _record_decided(cursor: psycopg.Cursor[TupleRow], entry: Decided) -> None:
    action = entry.action
    # What a person is asked about is sent from here later; the car is found by its number, not by its VIN.
    request = msgspec.structs.replace(action.request, vin=None)
    values = {
        "action_id": action.action_id,
        "case_id": action.case_id,
        "danger_id": action.request.danger_id,
        "target": action.target,
        "policy": action.policy,
        "at": entry.at,
        "decided_by": action.decided_by,
        "state": action.state if action.state in ("asked", "decided") else "decided",
        "request": msgspec.json.encode(request).decode().replace("\\u0000", ""),
    }
    cursor.execute(_sql("upsert_action"), _clean(values))


def _clean(values: dict[str, Any]) -> dict[str, Any]:
    # PostgreSQL has no text with NUL in it, and half a surrogate is no text at all.
    return {
        name: value.replace("\0", "").encode(errors="replace").decode() if isinstance(value, str) else value
        for name, value in values.items()
    }


def _sql(name: str) -> Any:
    return sql.load("alerts.charging", name)
