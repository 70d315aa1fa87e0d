"""Which car is meant by an alarm that names none, and whose pile by one that names no pile."""

from datetime import UTC, datetime, timedelta

import pytest

from alerts.charging.anomaly import Sighting
from alerts.charging.bindings import SaidByPiles
from alerts.charging.book import Book, Rules
from alerts.charging.partners.reports import SessionReport
from alerts.charging.partners.sessions import Sessions

AT = datetime(2026, 11, 26, 6, 30, tzinfo=UTC)
VIN, OTHER = "LFWA0000000000001", "LFWA0000000000002"


def session(vin: str = VIN, *, number: str = "T1", after_s: float = 0) -> SessionReport:
    at = AT + timedelta(seconds=after_s)
    return SessionReport(
        operator="star",
        station="S1",
        connector="1",
        session_id=number,
        vin=vin,
        state="charging",
        started_at=at,
        said_at=at,
        received_at=at,
        channel="ocpi",
    )


def sighting(operator: str | None, *, severity: int = 1, vin: str | None = VIN, station: str | None = None) -> Sighting:
    return Sighting(
        source=operator or "forewarn",
        channel="webhook" if operator else "car_1hz",
        source_id=f"{operator} {severity}",
        operator=operator,
        station=station,
        connector=None,
        session_id=None,
        vin=vin,
        ts=AT,
        received_at=AT,
        code="18",
        kind="thermal_runaway",
        severity=severity,  # type: ignore[arg-type]
        state="on",
        text=None,
        measures={},
    )


def stops(
    book: Book, seen: Sighting, known: Sessions, *, after_s: float = 0
) -> set[tuple[str, str | None, str | None]]:
    now = AT + timedelta(seconds=after_s)
    found = book.see(seen, now=now, rules=Rules(), pile_policy="stop", bindings=known)
    return {(action.target, action.request.operator, action.request.station) for action in found.actions}


@pytest.fixture
def known() -> Sessions:
    known = Sessions()
    known.apply(session())
    return known


@pytest.mark.parametrize("severity", [1, 3])
@pytest.mark.parametrize("station", [None, "E9"])
def test_whoever_speaks_of_a_car_first_does_not_spare_the_pile_that_it_charges_at(
    known: Sessions, severity: int, station: str | None
) -> None:
    book = Book()
    stops(book, sighting("moon", severity=severity, station=station), known)
    assert ("pile", "star", "S1") in stops(book, sighting(None), known, after_s=1)


def test_an_operator_is_not_believed_about_a_car_that_charges_at_another_ones(known: Sessions) -> None:
    assert stops(Book(), sighting("moon"), known) == {("pile", "moon", None)}
    # Of its own it need not say where.
    assert stops(Book(), sighting("star"), known) == {("pile", "star", "S1"), ("car", "star", "S1")}
    # Nobody knows better: the car is stopped.
    assert stops(Book(), sighting("moon"), Sessions()) == {("pile", "moon", None), ("car", "moon", None)}


def test_a_session_that_goes_on_counts_before_what_a_pile_said_hours_ago() -> None:
    sessions = Sessions()
    said = SaidByPiles(sessions)
    said.note(VIN, "star", "S1", "1", "T1")
    assert said.vin_at("star", "S1", "1", None) == VIN
    sessions.apply(session(OTHER, number="T2"))
    assert said.vin_at("star", "S1", "1", None) == OTHER
    assert said.vin_at("star", "S1", "1", "T2") == OTHER
    # The alarm of the very session named its car.
    assert said.vin_at("star", "S1", "1", "T1") == VIN
