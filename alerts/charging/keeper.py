"""Climbs the escalation ladder and hears what people decided: what the database tells a desk, looked at often."""

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import structlog
from psycopg.rows import TupleRow, dict_row

from alerts.charging.book import Action, OpenCase
from alerts.charging.cars import find_cars
from alerts.charging.desk import Desk
from alerts.charging.ladder import Climb, Rung, Standing, climb
from alerts.charging.stopping import StopRequest
from alerts.charging.teller import OwnerTeller
from config import sql
from config.settings import ChargingSettings

_log = structlog.get_logger(__name__)
_LOOK_EVERY_S = 0.5
_LONGEST_PAUSE_S = 5.0
_TASKS = uuid.UUID("0d8a7c52-94b5-4b6e-8f0f-3f1f5b4f1e77")

Connection = psycopg.Connection[TupleRow]


class Keeper:
    """Does what is due, on a thread of its own. Several may run: each rung is taken by one.

    open_connection : makes a connection of role "alerts", autocommit
    """

    def __init__(
        self,
        open_connection: Callable[[], Connection],
        desk: Desk,
        teller: OwnerTeller,
        *,
        settings: ChargingSettings,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._open_connection = open_connection
        self._desk = desk
        self._teller = teller
        self._settings = settings
        self._clock = clock
        self._forgotten: set[uuid.UUID] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def look(self, conn: Connection) -> None:
        """Do everything that is due now."""
        for request, case_id, target, by, vin in conn.execute(_sql("decided_stops")).fetchall():
            stop = msgspec.structs.replace(msgspec.convert(request, StopRequest), vin=vin)
            self._desk.release(stop, case_id=case_id, target=target, by=by)
        closed = {row[0] for row in conn.execute(_sql("closed_lately")).fetchall()}
        for case_id in closed - self._forgotten:
            self._desk.forget(case_id)
        self._forgotten = closed
        while self._climb_one(conn):
            pass

    def _climb_one(self, conn: Connection) -> bool:
        now = self._clock()
        with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(_sql("take_due_rung"), {"now": now}).fetchone()
            if row is None:
                return False
            rung = Rung(row["step"], row["round"], row["due_at"])
            standing = Standing(**{name: row[name] for name in Standing.__struct_fields__})
            step = climb(rung, standing, now=now, settings=self._settings)
            outcome = self._do(conn, row, step, now)
            cursor.execute(
                _sql("finish_rung"),
                {"case_id": row["case_id"], "step": rung.step, "round": rung.round, "now": now, "outcome": outcome},
            )
            if step.then is not None:
                cursor.execute(
                    "INSERT INTO safety.rung (case_id, step, round, due_at) VALUES (%s, %s, %s, %s)"
                    " ON CONFLICT DO NOTHING",
                    (row["case_id"], step.then.step, step.then.round, step.then.due_at),
                )
        return True

    def _do(self, conn: Connection, row: dict[str, Any], step: Climb, now: datetime) -> str:
        case_id, place = (
            row["case_id"],
            "/".join(part for part in (row["operator"], row["station"], row["connector"]) if part),
        )
        match step.do:
            case None:
                return step.why
            case "tell_owner":
                car = find_cars(conn, [row["vin"]]).get(row["vin"]) if row["vin"] is not None else None
                if car is None or not car.contacts:
                    return "nobody knows whose car it is, or how to reach its owner"
                taken = self._teller.tell_again(
                    case_id,
                    car=car,
                    kind=row["kind"],
                    operator=row["operator"],
                    station=row["station"],
                    round_=row["round"],
                )
                return f"{step.why}: {'told again' if taken else 'no way took the message'}"
            case "tell_supervisor":
                if self._settings.supervisor is None:
                    return f"{step.why}: charging.supervisor is not set"
                taken = self._teller.tell_supervisor(
                    case_id,
                    phone=self._settings.supervisor,
                    kind=row["kind"],
                    severity=row["severity"],
                    place=place,
                    round_=row["round"],
                )
                return f"{step.why}: {'the supervisor was told' if taken else 'no way took the message'}"
            case "task_call_owner":
                detail = step.why if row["vin"] is not None else f"{step.why}; nobody knows whose car it is: {place}"
                self._task(conn, case_id, "call_owner", now, now, detail)
            case "task_send_specialist":
                due = now + timedelta(minutes=self._settings.specialist_within_min)
                self._task(conn, case_id, "send_specialist", now, due, place)
        return f"{step.why}: a task was made"

    def _task(
        self, conn: Connection, case_id: uuid.UUID, kind: str, now: datetime, due_at: datetime, detail: str
    ) -> None:
        values = {
            "task_id": uuid.uuid5(_TASKS, f"{case_id} {kind}"),
            "case_id": case_id,
            "kind": kind,
            "at": now,
            "due_at": due_at,
            "detail": detail,
        }
        conn.execute(_sql("insert_task"), values)

    def _run(self) -> None:
        conn: Connection | None = None
        pause_s = _LOOK_EVERY_S
        while not self._stopping.wait(pause_s):
            try:
                conn = conn or self._open_connection()
                self.look(conn)
                pause_s = _LOOK_EVERY_S
            except Exception as error:  # noqa: BLE001
                # Everything that is due is in the database and still due when it is back.
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
                _log.warning("what is due cannot be looked up", error=str(error), next_try_s=pause_s)
                if conn is not None:
                    conn.close()
                conn = None
        if conn is not None:
            conn.close()


def open_cases(conn: Connection) -> list[tuple[OpenCase, list[uuid.UUID], list[uuid.UUID]]]:
    """Return the cases that are open, each with its dangers and reports, as ``Desk.restore`` takes them."""
    found = []
    for row in conn.execute(_sql("open_cases")).fetchall():
        number, opened_at, seen_at, severity, kind, operator, station, connector, session_id, vin = row[:10]
        dangers, reports, stops = row[10:]
        case = OpenCase(
            case_id=number,
            opened_at=opened_at,
            seen_at=seen_at,
            severity=severity,
            kind=kind,
            operator=operator,
            station=station,
            connector=connector,
            session_id=session_id,
            vin=vin,
            on=set(dangers),
        )
        for stop in stops:
            state_at = datetime.fromisoformat(stop.pop("state_at"))
            request = msgspec.structs.replace(msgspec.convert(stop.pop("request"), StopRequest), vin=vin)
            action = msgspec.convert({**stop, "request": msgspec.to_builtins(request), "case_id": number}, Action)
            # Whose journal it is in sees it through: here it is known, and not asked again.
            action.settled_at = None if action.is_open else state_at
            case.actions[action.target] = action
        found.append((case, list(dangers), list(reports)))
    return found


def _sql(name: str) -> Any:
    return sql.load("alerts.charging", name)
