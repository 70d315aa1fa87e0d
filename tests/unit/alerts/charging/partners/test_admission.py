from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.charging.anomaly import Sighting
from alerts.charging.partners.admission import Limits, Seen, check_time
from alerts.charging.partners.refusals import IdReused, Replayed, Stale, TooMany

NOW = datetime(2026, 11, 26, 6, 30, tzinfo=UTC)
KEY = ("star", "webhook", "m1")


@given(off_s=st.integers(-3600, 3600))
def test_a_clock_may_be_five_minutes_off_and_no_more(off_s):
    sent_at = NOW + timedelta(seconds=off_s)
    if abs(off_s) <= 300:
        check_time(sent_at, NOW, tolerance_s=300, name="webhook-timestamp")
    else:
        with pytest.raises(Stale, match="ahead of" if off_s > 0 else "behind"):
            check_time(sent_at, NOW, tolerance_s=300, name="webhook-timestamp")


def _take(seen: Seen, *, at: datetime = NOW, digest: bytes = b"a") -> str:
    return seen.reserve(KEY, digest=digest, sent_at=at)


def test_a_message_is_taken_once_and_anew_and_never_as_another():
    seen = Seen()
    assert _take(seen) == "new"
    seen.finish(KEY)
    with pytest.raises(Replayed):
        _take(seen)
    with pytest.raises(IdReused):
        _take(seen, at=NOW + timedelta(seconds=5), digest=b"b")
    assert _take(seen, at=NOW + timedelta(seconds=5)) == "retry"
    seen.finish(KEY)
    with pytest.raises(Replayed):
        _take(seen, at=NOW + timedelta(seconds=4))


def test_two_at_once_are_one_and_what_failed_may_come_again():
    seen = Seen()
    assert _take(seen) == "new"
    with pytest.raises(Replayed):
        _take(seen)
    seen.release(KEY)
    assert _take(seen) == "new"
    # Another attempt while the first is under way is not known to be done.
    assert _take(seen, at=NOW + timedelta(seconds=1)) == "new"


def test_a_retry_that_fails_does_not_make_the_message_new():
    seen = Seen()
    _take(seen)
    seen.finish(KEY)
    assert _take(seen, at=NOW + timedelta(seconds=5)) == "retry"
    seen.release(KEY)
    with pytest.raises(Replayed):
        _take(seen)
    assert _take(seen, at=NOW + timedelta(seconds=5)) == "retry"


def test_memory_is_bounded():
    seen = Seen(most=10)
    for number in range(1000):
        seen.reserve(("star", "webhook", str(number)), digest=b"", sent_at=NOW)
    assert len(seen._taken) == 10


def _sighting(**fields: object) -> Sighting:
    values = {
        "source": "partner",
        "channel": "webhook",
        "source_id": "1",
        "operator": "star",
        "station": "S1",
        "connector": "1",
        "ts": NOW,
        "received_at": NOW,
        "code": "18",
        "kind": "contact_heat",
        "severity": 2,
    }
    return Sighting(**{**values, **fields})


def _passes(limits: Limits, seen: Sighting | None, now_s: float = 0.0) -> bool:
    try:
        limits.admit("star", [seen] if seen is not None else [], now_s=now_s)
    except TooMany:
        return False
    return True


def test_ten_thousand_reports_of_one_pile_do_not_hide_another_danger():
    limits = Limits(rate_per_s=50, burst=500)
    passed = sum(_passes(limits, _sighting(source_id=str(n), code=f"made up {n}"), n / 1000) for n in range(10_000))
    assert 900 <= passed <= 1100
    assert _passes(limits, _sighting(severity=1), 10.0)
    assert _passes(limits, _sighting(kind="smoke"), 10.0)
    assert _passes(limits, _sighting(connector="2"), 10.0)
    assert _passes(limits, _sighting(state="off"), 10.0)
    assert _passes(limits, _sighting(session_id="T2"), 10.0)
    assert not _passes(limits, _sighting(severity=1), 10.001)


def test_what_was_refused_is_still_news():
    limits = Limits(rate_per_s=1, burst=1)
    for _ in range(10):
        limits.check_hard("star", now_s=0.0)
    with pytest.raises(TooMany):
        limits.check_hard("star", now_s=0.0)
    assert _passes(limits, None)
    assert not _passes(limits, None)
    assert _passes(limits, _sighting())


def test_one_partners_noise_costs_no_other_anything():
    limits = Limits(rate_per_s=1, burst=1)
    while _passes(limits, None):
        pass
    limits.admit("moon", [], now_s=0.0)


def test_a_danger_is_news_again_after_a_minute():
    limits = Limits(rate_per_s=0.0001, burst=1)
    assert _passes(limits, _sighting(), 0)
    assert not _passes(limits, _sighting(), 59)
    assert _passes(limits, _sighting(), 61)
