from datetime import UTC, datetime, timedelta

import pytest

from alerts.charging.partners.reports import SessionReport
from alerts.charging.partners.sessions import Sessions, known_vin

AT = datetime(2026, 11, 26, 6, 30, tzinfo=UTC)
VIN = "LFWA0000000000001"


def _report(session_id: str = "T1", *, after_s: float = 0, **fields: object) -> SessionReport:
    at = AT + timedelta(seconds=after_s)
    values = {
        "operator": "star",
        "station": "S1",
        "connector": "1",
        "session_id": session_id,
        "vin": VIN,
        "state": "charging",
        "started_at": AT,
        "said_at": at,
        "received_at": at,
        "channel": "webhook",
    }
    return SessionReport(**{**values, **fields})


def test_a_session_binds_car_and_connector_until_it_ends():
    known = Sessions()
    known.apply(_report())
    assert known.vin_at("star", "S1", "1", None) == VIN
    assert known.vin_at("star", None, None, "T1") == VIN
    assert known.vin_at("star", None, "1", None) == VIN
    assert known.vin_at("moon", "S1", "1", "T1") is None
    assert known.place_of(VIN) == ("star", "S1", "1", "T1")
    known.apply(_report(after_s=5, state="ended", ended_at=AT, vin=None, station=None, connector=None))
    assert known.vin_at("star", "S1", "1", "T1") is None
    assert known.place_of(VIN) is None
    # What was learnt of the connector stays.
    assert known.station_of("star", "1") == "S1"


def test_a_session_that_is_unknown_is_looked_for_at_its_connector():
    known = Sessions()
    known.apply(_report())
    assert known.vin_at("star", "S1", "1", "another") == VIN


def test_what_is_older_changes_nothing_and_the_next_session_takes_the_place():
    known = Sessions()
    known.apply(_report(after_s=10))
    known.apply(_report(after_s=5, vin="LFWA0000000000009"))
    assert known.vin_at("star", "S1", "1", "T1") == VIN
    known.apply(_report("T2", after_s=20, vin="LFWA0000000000002"))
    known.apply(_report("T1", after_s=30, state="ended", ended_at=AT))
    assert known.vin_at("star", "S1", "1", None) == "LFWA0000000000002"


def test_memory_is_bounded():
    known = Sessions(most=10)
    for number in range(100):
        known.apply(_report(f"T{number}", connector=str(number), vin=f"LFWA{number:013d}"))
    assert len(known._open) == len(known._at) == len(known._of_car) == 10


@pytest.mark.parametrize(
    ("said", "vin"),
    [
        (VIN.lower(), VIN),
        (f" {VIN} ", VIN),
        ("00000000000000000", None),
        ("沪A12345", None),
        ("+/#", None),
        ("", None),
        (None, None),
        ("LFWA000000000000I", None),
    ],
)
def test_only_a_vin_is_a_vin(said, vin):
    assert known_vin(said) == vin


def test_what_comes_late_about_a_session_that_is_over_does_not_bring_it_back():
    known = Sessions()
    known.apply(_report())
    known.apply(_report(after_s=60, state="ended", ended_at=AT + timedelta(seconds=60)))
    known.apply(_report("T2", after_s=90, started_at=AT + timedelta(seconds=90), vin="LFWA0000000000002"))
    known.apply(_report(after_s=30))
    assert known.session_at("star", "S1", "1") == "T2"
    assert known.vin_at("star", "S1", "1", None) == "LFWA0000000000002"
    assert known.place_of(VIN) is None
    # Some operators count their sessions anew: one that began afterwards is another.
    known.apply(_report(after_s=900, started_at=AT + timedelta(seconds=900)))
    assert known.vin_at("star", "S1", "1", "T1") == VIN


def test_a_session_that_began_before_takes_no_place_from_one_that_began_after():
    known = Sessions()
    known.apply(_report("T2", after_s=90, started_at=AT + timedelta(seconds=90), vin="LFWA0000000000002"))
    known.apply(_report("T1", after_s=120))
    assert known.session_at("star", "S1", "1") == "T2"
    known.apply(_report("T2", after_s=130, state="ended", ended_at=AT + timedelta(seconds=130)))
    assert known.session_at("star", "S1", "1") is None


def test_a_clock_that_is_ahead_holds_no_later_word_back():
    known = Sessions()
    known.apply(_report(said_at=AT + timedelta(days=300)))
    known.apply(_report(after_s=10, vin="LFWA0000000000002"))
    assert known.vin_at("star", "S1", "1", "T1") == "LFWA0000000000002"
