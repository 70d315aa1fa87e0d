"""Promises by business hours: whatever the zone, the holidays, daylight saving and the shifts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alerts.opening_hours import is_open, parse_hours
from alerts.work.clocks import Desk, due_at, month_later, our_desk, promise, worked
from alerts.work.windows import after_pause, callable_zones, country_of, may_call, next_window

PLACES = [("Asia/Shanghai", "CN"), ("Europe/Berlin", "DE"), ("America/New_York", "US"), ("Australia/Lord_Howe", "AU")]
HOURS = [
    "Mo-Fr 08:30-12:00,13:30-18:00; Sa 09:00-17:00; PH off",
    "Mo-Su 22:00-06:00",
    "Mo-Fr 01:00-03:00,04:00-05:00; PH off",
    "24/7",
]
INSTANTS = st.integers(0, 1_500_000).map(lambda minutes: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))
DESKS = st.builds(
    lambda hours, place: Desk(parse_hours(hours), *place), st.sampled_from(HOURS), st.sampled_from(PLACES)
)
WORK = st.timedeltas(timedelta(minutes=1), timedelta(hours=40))


@given(since=INSTANTS, work=WORK, desk=DESKS)
def test_so_much_is_worked_until_it_is_due(since, work, desk):
    due = due_at(since, work, desk)
    assert worked(since, due, desk) == work
    # It is due while somebody works, at the end of a shift at the latest.
    assert is_open(desk.hours, due - timedelta(microseconds=1), zone=desk.zone, country=desk.country)


@given(since=INSTANTS, first=WORK, second=WORK, desk=DESKS)
def test_work_adds_up(since, first, second, desk):
    assert due_at(due_at(since, first, desk), second, desk) == due_at(since, first + second, desk)


@given(since=INSTANTS, later=st.timedeltas(timedelta(0), timedelta(days=5)), work=WORK, desk=DESKS)
def test_what_begins_later_is_not_due_earlier(since, later, work, desk):
    assert due_at(since + later, work, desk) >= due_at(since, work, desk)


@given(since=INSTANTS, work=WORK, place=st.sampled_from(PLACES))
def test_who_works_round_the_clock_is_due_by_the_clock(since, work, place):
    assert due_at(since, work, Desk(parse_hours("24/7"), *place)) == since + work


def test_by_the_calendar_of_a_place():
    desk = Desk(parse_hours("Mo-Fr 08:30-12:00,13:30-18:00; PH off"), "Asia/Shanghai", "CN")
    # Friday 17:00 in Shanghai: one hour is left of the day, three of the 4 h fall on Monday morning.
    assert due_at(datetime(2026, 3, 6, 9, tzinfo=UTC), timedelta(hours=4), desk) == datetime(
        2026, 3, 9, 3, 30, tzinfo=UTC
    )
    # The National Day of 2026 is free from 1 to 7 October, and Saturday the tenth is worked in its place.
    before = datetime(2026, 9, 30, 9, tzinfo=UTC)
    assert due_at(before, timedelta(hours=2), desk) == datetime(2026, 10, 8, 1, 30, tzinfo=UTC)


def test_a_night_shift_through_the_change_of_the_clock():
    desk = Desk(parse_hours("Sa 22:00-06:00"), "Europe/Berlin", "DE")
    # In the night to 29 March 2026 the clock is put forward: the shift has seven hours. In October it has nine.
    assert worked(datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC), desk) == timedelta(hours=7)
    assert worked(datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC), desk) == timedelta(hours=9)


def test_a_desk_that_never_works_is_a_mistake():
    with pytest.raises(ValueError, match="correct hours"):
        due_at(datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=1), Desk(parse_hours("Mo-Su off"), "UTC", "CN"))


@pytest.mark.parametrize(
    ("since", "due"),
    [
        # A day that a month has not is its last; the evening of a holiday is the next morning.
        (datetime(2026, 1, 31, 2, tzinfo=UTC), datetime(2026, 2, 28, 2, tzinfo=UTC)),
        (datetime(2026, 5, 15, 3, tzinfo=UTC), datetime(2026, 6, 15, 3, tzinfo=UTC)),
        (datetime(2026, 1, 21, 11, tzinfo=UTC), datetime(2026, 2, 22, 1, tzinfo=UTC)),
    ],
)
def test_a_month_later(since, due):
    assert month_later(since, 1, our_desk()) == due


def test_what_is_promised():
    # A Wednesday, 11:00: four hours later; a complaint two working days later.
    since = datetime(2026, 3, 4, 3, tzinfo=UTC)
    assert promise("answer", since) == datetime(2026, 3, 4, 7, tzinfo=UTC)
    assert promise("complaint", since) == datetime(2026, 3, 6, 3, tzinfo=UTC)
    assert promise("close", since) == datetime(2026, 4, 4, 3, tzinfo=UTC)


@given(at=INSTANTS, zone=st.sampled_from([zone for zone, _ in PLACES]))
def test_the_next_window_is_one(at, zone):
    opens = next_window(zone, at)
    assume(opens is not None)
    assert opens >= at
    assert may_call(zone, opens)
    assert (opens == at) == may_call(zone, at)


def test_where_people_live():
    assert [country_of(zone) for zone, _ in PLACES] == [country for _, country in PLACES]
    assert country_of("Etc/GMT+3") == "CN"
    # 10:00 in Shanghai is the night in New York; a zone that is misspelt is taken for the call centre's own.
    at = datetime(2026, 3, 4, 2, tzinfo=UTC)
    assert callable_zones(["Asia/Shanghai", "America/New_York", "Asia/Shangai"], at) == [
        "Asia/Shanghai",
        "Asia/Shangai",
    ]
    assert after_pause("Asia/Shanghai", at, timedelta(hours=12)) == datetime(2026, 3, 5, 1, tzinfo=UTC)
