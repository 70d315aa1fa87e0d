from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from alerts.calls import LeadDetail
from alerts.reasons import parse
from alerts.web.app import NotLoopback, create_app
from alerts.web.chart import signal_chart
from alerts.web.pages import _own_path
from alerts.web.rendering import ago, capital, local_clock, local_day, percent, sentence
from config.faults import fault_modes
from config.i18n import translator
from config.settings import Settings, WebSettings

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
def test_without_a_sign_in_nobody_else_is_served(host: str) -> None:
    with pytest.raises(NotLoopback, match=r"set it to 127\.0\.0\.1"):
        create_app(Settings(web=WebSettings(host=host)), pool=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("back", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/\n/x", "x"])
def test_going_back_stays_here(back: str) -> None:
    assert _own_path(back) == "/"


def test_going_back_keeps_the_filter() -> None:
    assert _own_path("/?fault=lv_battery&city=Xi%27an") == "/?fault=lv_battery&city=Xi%27an"


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
