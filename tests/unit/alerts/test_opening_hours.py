"""Opening hours: what is written is what is meant, in every zone, on holidays, in split shifts and through midnight."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.business_days import DayKind, kind_of_day
from alerts.opening_hours import (
    HORIZON,
    Hours,
    HoursMisread,
    Shift,
    format_hours,
    is_open,
    next_opening,
    open_intervals,
    parse_hours,
)

ZONES = (
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "UTC",
)
COUNTRIES = ("CN", "DE", "US", "AU")
DAY_MIN = 24 * 60


@st.composite
def day_shifts(draw: st.DrawFn) -> tuple[Shift, ...]:
    """Up to three shifts of a day that do not overlap; the last may end on the next day."""
    edges = sorted(draw(st.lists(st.integers(0, DAY_MIN - 1), max_size=6, unique=True)))
    if len(edges) % 2:
        edges.pop()
    shifts = [Shift(edges[i], edges[i + 1]) for i in range(0, len(edges), 2)]
    if shifts and draw(st.booleans()):
        opens = shifts[-1].opens
        shifts[-1] = Shift(opens, DAY_MIN + draw(st.integers(0, opens)))
    return tuple(shifts)


hours_of = st.builds(Hours, st.tuples(*[day_shifts()] * 7), st.one_of(st.none(), st.just(()), day_shifts()))
instants = st.integers(0, 2 * 365 * 86_400).map(lambda s: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=s))


@given(hours_of)
def test_written_and_read_back(hours: Hours) -> None:
    assert parse_hours(format_hours(hours)) == hours


def _is_open_by_the_clock(hours: Hours, at: datetime, zone: str, country: str) -> bool:
    """Another way to say it: look at the wall, and at what began on this day and the day before.

    Only true where the clock does not change at the time, which the callers see to.
    """
    local = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    for days in (0, 1):
        day = local.date() - timedelta(days=days)
        minutes = (local - datetime.combine(day, time())) / timedelta(minutes=1)
        if any(shift.opens <= minutes < shift.closes for shift in hours.of_day(day, country=country)):
            return True
    return False


def _clock_changes_near(at: datetime, zone: str) -> bool:
    local = ZoneInfo(zone)
    offsets = {(at + timedelta(hours=hours)).astimezone(local).utcoffset() for hours in range(-50, 51)}
    return len(offsets) > 1


@settings(max_examples=200, deadline=None)
@given(hours_of, instants, st.sampled_from(ZONES), st.sampled_from(COUNTRIES))
def test_it_is_open_when_the_clock_on_the_wall_says_so(hours: Hours, at: datetime, zone: str, country: str) -> None:
    if _clock_changes_near(at, zone):
        return
    assert is_open(hours, at, zone=zone, country=country) == _is_open_by_the_clock(hours, at, zone, country)


@settings(max_examples=100, deadline=None)
@given(hours_of, instants, st.sampled_from(ZONES), st.sampled_from(COUNTRIES))
def test_intervals_are_in_order_apart_and_open(hours: Hours, since: datetime, zone: str, country: str) -> None:
    until = since + timedelta(days=9)
    intervals = open_intervals(hours, since, until, zone=zone, country=country)
    for interval in intervals:
        assert since <= interval.starts_at < interval.ends_at <= until
        assert is_open(hours, interval.starts_at, zone=zone, country=country)
        assert is_open(hours, interval.ends_at - timedelta(microseconds=1), zone=zone, country=country)
        if interval.ends_at < until:
            assert not is_open(hours, interval.ends_at, zone=zone, country=country)
    assert all(earlier.ends_at < later.starts_at for earlier, later in pairwise(intervals))


@settings(max_examples=100, deadline=None)
@given(hours_of, instants, st.sampled_from(ZONES), st.sampled_from(COUNTRIES), st.integers(1, 20_159))
def test_the_next_opening_is_one_and_none_is_before_it(
    hours: Hours, at: datetime, zone: str, country: str, minutes: int
) -> None:
    found = next_opening(hours, at, zone=zone, country=country)
    probe = at + timedelta(minutes=minutes)
    if found is None:
        assert not is_open(hours, probe, zone=zone, country=country)
        return
    assert at <= found < at + HORIZON
    assert is_open(hours, found, zone=zone, country=country)
    if probe < found:
        assert not is_open(hours, probe, zone=zone, country=country)


@settings(max_examples=50, deadline=None)
@given(hours_of, instants, st.sampled_from(ZONES), st.integers(1, 200))
def test_cutting_the_time_in_two_loses_nothing(hours: Hours, since: datetime, zone: str, hours_later: int) -> None:
    until = since + timedelta(days=9)
    middle = since + timedelta(hours=hours_later)

    def total(start: datetime, end: datetime) -> timedelta:
        parts = open_intervals(hours, start, end, zone=zone, country="CN")
        return sum((part.ends_at - part.starts_at for part in parts), timedelta())

    assert total(since, until) == total(since, middle) + total(middle, until)


SPLIT = parse_hours("Mo-Fr 08:30-12:00,13:30-18:00; Sa 09:00-12:00; PH off")


def shanghai(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)


@pytest.mark.parametrize(
    ("at", "opens_at"),
    [
        ("2026-03-02T08:29", "2026-03-02T08:30"),  # a Monday
        ("2026-03-02T08:30", "2026-03-02T08:30"),
        ("2026-03-02T12:00", "2026-03-02T13:30"),  # the noon between two shifts
        ("2026-03-02T18:00", "2026-03-03T08:30"),
        ("2026-03-07T12:00", "2026-03-09T08:30"),  # Saturday noon to Monday
        ("2026-09-30T18:00", "2026-10-08T08:30"),  # National Day and its week; the Thursday after is worked
        ("2026-10-10T13:30", "2026-10-10T13:30"),  # a Saturday that is worked has the hours of a Monday
        ("2026-02-13T18:00", "2026-02-14T08:30"),  # the Saturday worked before the Spring Festival
        ("2026-02-14T18:00", "2026-02-24T08:30"),  # and its nine days
    ],
)
def test_split_shifts_holidays_and_weekends_that_are_worked(at: str, opens_at: str) -> None:
    assert next_opening(SPLIT, shanghai(at), zone="Asia/Shanghai", country="CN") == shanghai(opens_at)


def test_a_night_shift_belongs_to_the_day_it_began() -> None:
    night = parse_hours("Fr 22:00-06:00; Mo-Fr 10:00-12:00; Fr 22:00-06:00")
    zone = {"zone": "Asia/Shanghai", "country": "CN"}
    assert is_open(night, shanghai("2026-03-07T05:59"), **zone)
    assert not is_open(night, shanghai("2026-03-07T06:00"), **zone)
    assert not is_open(night, shanghai("2026-03-06T05:00"), **zone)


def test_where_the_clock_is_put_forward_the_night_is_an_hour_shorter() -> None:
    night = parse_hours("Sa 22:00-06:00")
    since = datetime(2026, 3, 28, 12, tzinfo=UTC)
    (shift,) = open_intervals(night, since, since + timedelta(days=1), zone="Europe/Berlin", country="DE")
    assert shift.ends_at - shift.starts_at == timedelta(hours=7)
    assert shift.ends_at == datetime(2026, 3, 29, 4, tzinfo=UTC)


def test_always_is_always() -> None:
    always = parse_hours("24/7")
    since = datetime(2026, 3, 28, 12, tzinfo=UTC)
    (interval,) = open_intervals(always, since, since + timedelta(days=300), zone="Europe/Berlin", country="DE")
    assert interval.ends_at - interval.starts_at == timedelta(days=300)
    assert format_hours(always) == "Mo-Su 00:00-24:00"


def test_days_in_a_row_and_round_the_weekend() -> None:
    hours = parse_hours(" Sa-Mo 09:00-12:00 ;We,PH 10:00-24:00; ")
    assert [len(shifts) for shifts in hours.week] == [1, 0, 1, 0, 0, 1, 1]
    assert hours.holiday == (Shift(600, DAY_MIN),)
    assert format_hours(parse_hours("Mo off")) == "Mo-Su off"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no opening hours"),
        ("always", "no rule"),
        ("Mo-Fr", "no rule"),
        ("Mo-Fr 8-18", "no shift"),
        ("Mo-Fr 08:30-25:00", "no clock shows"),
        ("Mo-Fr 24:00-08:00", "no clock shows"),
        ("Mo-Fr 08:60-12:00", "no clock shows"),
        ("Mo-Fr 08:00-24:01", "no clock shows"),
        ("Mo-Fr 08:00-12:00,11:00-18:00", "overlap"),
        ("Xx 08:00-12:00", "no rule"),
        ("Sx 08:00-12:00", "names no days"),
        ("Mo-PH 08:00-12:00", "names no days"),
        ("Mo 08:00-12:00;;Tu 08:00-12:00", "no rule"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, why: str) -> None:
    with pytest.raises(HoursMisread, match=why):
        parse_hours(text)


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ("2026-10-01", DayKind.HOLIDAY),
        ("2026-10-10", DayKind.MADE_UP),
        ("2026-10-11", DayKind.WEEKEND),
        ("2026-10-12", DayKind.WORKDAY),
        ("2026-01-04", DayKind.MADE_UP),
        ("2026-02-23", DayKind.HOLIDAY),
        ("2026-02-15", DayKind.HOLIDAY),  # Sundays and Saturdays at the ends and in the midst of holidays
        ("2026-02-21", DayKind.HOLIDAY),
        ("2026-10-04", DayKind.HOLIDAY),
        ("2026-01-03", DayKind.HOLIDAY),
        ("2026-04-04", DayKind.HOLIDAY),
        ("2023-12-30", DayKind.HOLIDAY),  # before a New Year's Day that is a Monday
        ("2026-09-20", DayKind.MADE_UP),
    ],
)
def test_days_of_china_as_the_state_council_named_them(day: str, kind: DayKind) -> None:
    assert kind_of_day(date.fromisoformat(day), "CN") is kind


def test_days_elsewhere() -> None:
    assert kind_of_day(date(2026, 12, 25), "DE") is DayKind.HOLIDAY
    assert kind_of_day(date(2026, 12, 25), "CN") is DayKind.WORKDAY
    assert kind_of_day(date(2026, 12, 27), "DE") is DayKind.WEEKEND
    with pytest.raises(KeyError):
        kind_of_day(date(2026, 12, 25), "XX")
