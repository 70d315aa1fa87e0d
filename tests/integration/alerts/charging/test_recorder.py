"""The journal in the database: all of it, once, whatever was away meanwhile."""

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from alerts.charging.bindings import SaidByPiles
from alerts.charging.desk import Desk
from alerts.charging.journal import Journal, Place, Wanted
from alerts.charging.recorder import Recorder, record
from alerts.charging.stopping import StopAnswer
from config.settings import ChargingSettings
from ingest.store.connection import connect
from tests.unit.alerts.charging.test_anomaly import sighting as made
from tests.unit.alerts.charging.test_desk import Contracts, Stopper

VIN = "LFWA0010X0T100001"
NOW = datetime(2026, 11, 26, 6, 0, tzinfo=UTC)


class Away:
    """A database that can be away."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.is_away = False

    def __call__(self) -> psycopg.Connection[Any]:
        if self.is_away:
            raise psycopg.OperationalError("away")
        return connect(self._dsn, role="alerts", autocommit=True)


@pytest.fixture
def away(database: str) -> Away:
    return Away(database)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal")
    yield journal
    journal.close()


@pytest.fixture
def desk(journal: Journal, away: Away, tmp_path: Path) -> Iterator[Desk]:
    recorder = Recorder(journal, away, settings=ChargingSettings(), folder=tmp_path)
    recorder.start()
    desk = Desk(
        journal=journal,
        car=Stopper(StopAnswer("confirmed", "by the car")),
        bindings=SaidByPiles(),
        partners=Contracts(Stopper(StopAnswer("accepted"))),
        recording=recorder,
        clock=lambda: NOW,
    )
    yield desk
    desk.close()
    recorder.close()


def rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as conn:
        return conn.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]


def until(dsn: str, query: str, expected: list[tuple[Any, ...]]) -> None:
    deadline = time.monotonic() + 10
    while (found := rows(dsn, query)) != expected:
        assert time.monotonic() < deadline, f"it is {found}"
        time.sleep(0.02)


def at_pile(**changes: object) -> Any:
    values = {"station": "sh0001", "connector": "1", "session_id": "s-1", "ts": NOW, "received_at": NOW}
    return made(**(values | changes))


def test_a_danger_is_recorded_with_its_stops_and_its_ladder(
    desk: Desk, database: str, enrolled: Callable[..., dict[str, int]]
) -> None:
    ids = enrolled(VIN)
    receipt = desk.receive(at_pile(vin=VIN, severity=1), wait_s=10)
    assert receipt.recorded
    (case,) = rows(database, "SELECT case_id, vehicle_id, operator, connector, kind, severity FROM safety.safety_case")
    assert case == (receipt.case_id, ids[VIN], "linhe", "1", "contact_heat", 1)
    until(
        database,
        "SELECT target, state, attempts FROM safety.action ORDER BY target DESC",
        [("pile", "accepted", 1), ("car", "confirmed", 1)],
    )
    steps = rows(database, "SELECT step, due_at - '2026-11-26 06:00Z' FROM safety.rung ORDER BY step")
    assert dict(steps)["call_owner"] == timedelta(0)
    assert rows(database, "SELECT count(*) FROM safety.sighting") == [(1,)]


def test_no_vin_is_written_into_schema_safety(desk: Desk, database: str, enrolled: Callable[..., object]) -> None:
    enrolled(VIN)
    desk.receive(at_pile(vin=VIN), wait_s=10)
    tables = rows(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'safety'")
    for (table,) in tables:
        assert VIN not in str(rows(database, f"SELECT * FROM safety.{table}"))


def test_while_the_database_is_away_stops_leave_and_all_is_recorded_later_once(
    desk: Desk, away: Away, database: str, journal: Journal
) -> None:
    first = desk.receive(at_pile(source_id="before"), wait_s=10)
    assert first.recorded
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    away.is_away = True
    receipts = [
        desk.receive(at_pile(source_id=f"A{n}", session_id=f"s-{n}", connector=str(n)), wait_s=0)
        for n in range(100, 150)
    ]
    assert not any(receipt.recorded for receipt in receipts)
    assert all(len(receipt.stops) == 1 for receipt in receipts)
    away.is_away = False
    until(database, "SELECT count(*), count(DISTINCT case_id) FROM safety.sighting", [(51, 51)])
    until(database, "SELECT count(*) FROM safety.action", [(51,)])
    assert journal.recorded <= journal.end


def test_what_is_recorded_twice_is_there_once(database: str, journal: Journal) -> None:
    desk = Desk(
        journal=journal,
        car=Stopper(),
        bindings=SaidByPiles(),
        partners=Contracts(Stopper(StopAnswer("confirmed"))),
        clock=lambda: NOW,
    )
    desk.receive(at_pile())
    deadline = time.monotonic() + 5
    while desk.open_stops() and time.monotonic() < deadline:
        time.sleep(0.01)
    entries = [entry for entry, _ in journal.read(Place(0, 0))]
    with connect(database, role="alerts", autocommit=True) as conn:
        for _ in range(3):
            record(conn, entries, settings=ChargingSettings())
    assert rows(database, "SELECT state, attempts FROM safety.action") == [("confirmed", 1)]
    assert rows(database, "SELECT count(*) FROM safety.action_step") == [(1,)]
    assert rows(database, "SELECT count(*) FROM safety.sighting") == [(1,)]
    desk.close()


def test_an_entry_that_the_database_refuses_holds_up_no_other(desk: Desk, journal: Journal, tmp_path: Path) -> None:
    journal.append(Wanted(at=NOW, task_id=uuid.uuid4(), case_id=uuid.uuid4(), kind="call_owner", due_at=NOW))
    assert desk.receive(at_pile(), wait_s=10).recorded
    assert "call_owner" in (tmp_path / "unrecordable.jsonl").read_text()


def test_two_processes_that_open_a_case_for_one_car_have_one(
    database: str, tmp_path: Path, enrolled: Callable[..., object]
) -> None:
    enrolled(VIN)
    for name, channel in (("watcher", "mqtt_alarm"), ("web", "webhook")):
        journal = Journal(tmp_path / name)
        desk = Desk(journal=journal, car=Stopper(), bindings=SaidByPiles(), clock=lambda: NOW)
        desk.receive(at_pile(channel=channel, vin=VIN))
        with connect(database, role="alerts", autocommit=True) as conn:
            record(conn, [entry for entry, _ in journal.read(Place(0, 0))], settings=ChargingSettings())
        desk.close()
        journal.close()
    cases = rows(database, "SELECT joined_to IS NULL, count(*) FROM safety.safety_case GROUP BY 1 ORDER BY 1")
    assert cases == [(False, 1), (True, 1)]


def test_what_a_car_measured_is_not_kept_of_an_owner_who_does_not_agree(
    desk: Desk, database: str, enrolled: Callable[..., object]
) -> None:
    enrolled(VIN, purposes=frozenset({"marketing"}))
    said = {"operator": None, "station": None, "connector": None, "session_id": None, "vin": VIN}
    desk.receive(at_pile(source="forewarn", channel="car_1hz", measures={"hottest_c": 71.0}, **said), wait_s=10)
    assert rows(database, "SELECT measures, remark FROM safety.sighting") == [({}, None)]


def test_ten_thousand_reports_are_recorded_within_seconds(desk: Desk, database: str) -> None:
    began = time.monotonic()
    for number in range(10_000):
        desk.take(at_pile(source_id=f"A{number}"))
    desk.sync()
    until(database, "SELECT count(*), count(DISTINCT case_id) FROM safety.sighting", [(10_000, 1)])
    assert time.monotonic() - began < 60
