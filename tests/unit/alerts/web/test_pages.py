from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.calls import LeadDetail
from alerts.reasons import parse
from alerts.web.app import NotSafeToServe, check_safe
from alerts.web.chart import signal_chart
from alerts.web.forms import own_path
from alerts.web.rendering import ago, capital, local_clock, local_day, percent, sentence
from alerts.web.sign_in import until_next_step
from config.faults import fault_modes
from config.i18n import translator
from config.settings import WebSettings

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
LEAD = LeadDetail(
    lead_id=1,
    source="prediction",
    fault_mode="lv_battery",
    severity=2,
    probability=0.9,
    why=parse([{"feature": "lv_battery_v.rest.level.7d", "signal": "lv_battery_v", "value": 12.1, "usual": 12.6}]),
    first_seen_at=NOW,
    last_seen_at=NOW,
    model_version="v1",
    as_of=NOW - timedelta(hours=8),
)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.5", "::", "example.org", ""])
def test_passwords_do_not_travel_in_the_clear(host: str) -> None:
    with pytest.raises(NotSafeToServe, match=r"set web\.cert_file and web\.key_file, or web\.proxy"):
        check_safe(WebSettings(host=host))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_this_machine_alone_no_tls_is_needed(host: str) -> None:
    check_safe(WebSettings(host=host))


def test_past_this_machine_names_are_needed() -> None:
    with pytest.raises(NotSafeToServe, match=r"web\.names is empty"):
        check_safe(WebSettings(host="0.0.0.0", proxy="10.0.0.5"))
    with pytest.raises(NotSafeToServe, match=r"'proxy\.example' is no address"):
        check_safe(WebSettings(host="0.0.0.0", proxy="10.0.0.5, proxy.example", names="calls.example"))
    with pytest.raises(NotSafeToServe, match="is everybody"):
        check_safe(WebSettings(host="0.0.0.0", proxy="0.0.0.0/0", names="calls.example"))
    with pytest.raises(NotSafeToServe, match="in the clear"):
        check_safe(WebSettings(host="0.0.0.0", proxy=" , ", names="calls.example"))
    check_safe(WebSettings(host="0.0.0.0", proxy="10.0.0.5, 10.1.0.0/24", names="calls.example"))


@given(st.floats(0, 100), st.floats(0.01, 2))
def test_a_refusal_is_told_at_a_whole_number_of_steps(elapsed_s: float, step_s: float) -> None:
    waits_s = until_next_step(elapsed_s, step_s)
    assert 0 <= waits_s <= step_s + 1e-9
    steps = (elapsed_s + waits_s) / step_s
    assert steps == pytest.approx(round(steps))
    assert round(steps) >= 1


@pytest.mark.parametrize("back", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/\n/x", "x"])
def test_going_back_stays_here(back: str) -> None:
    assert own_path(back) == "/"


def test_going_back_keeps_the_filter() -> None:
    assert own_path("/?fault=lv_battery&city=Xi%27an") == "/?fault=lv_battery&city=Xi%27an"


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=47, minutes=59), "47 h ago"),
        (timedelta(hours=48), "2 days ago"),
    ],
)
def test_ago(passed: timedelta, text: str) -> None:
    assert ago(NOW - passed, now=NOW, t=translator("en")) == text


def test_times_are_the_owners() -> None:
    late = datetime(2026, 3, 1, 20, 30, tzinfo=UTC)
    assert local_day(late, "Asia/Shanghai", "zh_CN") == "2026年3月2日"
    assert local_day(late, "America/New_York", "en") == "1 Mar 2026"
    assert local_clock(late, "Asia/Shanghai") == "04:30"
    assert local_clock(late, "Nowhere/At_All") is None


def test_phrases() -> None:
    assert sentence("cell 82 rests") == "Cell 82 rests."
    assert sentence("82 号单体偏低") == "82 号单体偏低。"
    assert sentence("") == capital("") == ""
    assert percent(0.9999) == "99 %"
    assert percent(0.0001) == "1 %"
    assert percent(None) == "—"


def test_the_chart_shows_what_was_known_and_until_when_a_lamp_is_expected() -> None:
    times = pd.date_range("2026-02-01", periods=80, freq="6h", tz="UTC")
    points = pd.DataFrame({"ts": times, "value": 12.6, "at_rest": [True, None] * 40})
    figure = signal_chart(points, LEAD, fault_modes()["lv_battery"], language="en")
    readings, daily = figure["data"]
    assert len(readings["x"]) == 40
    assert len(daily["x"]) == 20
    assert figure["empty"] is None
    assert figure["layout"]["xaxis"]["range"] == ["2026-01-04T00:00:00+00:00", "2026-03-31T00:00:00+00:00"]
    assert {12.6} == {shape["y0"] for shape in figure["layout"]["shapes"] if shape.get("yref") == "y"}


def test_a_chart_without_readings_says_so() -> None:
    points = pd.DataFrame(
        {
            "ts": pd.DatetimeIndex([], tz="UTC"),
            "value": pd.Series([], dtype=float),
            "at_rest": pd.Series([], dtype=bool),
        }
    )
    figure = signal_chart(points, LEAD, fault_modes()["lv_battery"], language="en")
    assert figure["empty"] == "There are no readings of this signal."
