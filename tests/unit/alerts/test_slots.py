from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.opening_hours import is_open, parse_hours
from alerts.slots import cut_slots

CN = {"zone": "Asia/Shanghai", "country": "CN"}


def walls(hours: str, day: str) -> list[str]:
    slots = cut_slots(parse_hours(hours), date.fromisoformat(day), **CN)
    return [f"{slot.starts_at.astimezone(ZoneInfo('Asia/Shanghai')):%H:%M}" for slot in slots]


def test_slots_are_within_shifts() -> None:
    assert walls("Mo 08:30-12:00,13:00-15:00", "2026-03-02") == ["08:30", "09:30", "10:30", "13:00", "14:00"]
    assert walls("Mo 08:30-09:29", "2026-03-02") == []
    assert walls("Mo-Su 09:00-11:00; PH off", "2026-10-01") == []
    assert walls("Mo 09:00-11:00; PH off", "2026-10-10") == ["09:00", "10:00"]


def test_a_night_is_cut_at_midnight() -> None:
    assert walls("Mo 22:30-02:00", "2026-03-02") == ["22:30"]
    assert walls("Mo 22:30-02:00", "2026-03-03") == ["00:00", "01:00"]


@settings(deadline=None)
@given(
    st.sampled_from(["24/7", "Mo-Fr 08:10-12:00,13:30-02:20; Sa 09:00-17:00", "Mo-Su 22:00-06:00; PH off"]),
    st.dates(date(2025, 1, 2), date(2026, 12, 1)),
    st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York"]),
    st.sampled_from([20, 60, 90]),
)
def test_days_never_share_a_slot_and_each_is_open_throughout(text: str, day: date, zone: str, minutes: int) -> None:
    hours, length = parse_hours(text), timedelta(minutes=minutes)
    slots = [
        slot
        for ahead in range(3)
        for slot in cut_slots(hours, day + timedelta(days=ahead), zone=zone, country="CN", length=length)
    ]
    for slot in slots:
        assert slot.ends_at - slot.starts_at == length
        for at in (slot.starts_at, slot.ends_at - timedelta(microseconds=1)):
            assert is_open(hours, at, zone=zone, country="CN")
    assert all(earlier.ends_at <= later.starts_at for earlier, later in pairwise(slots))
