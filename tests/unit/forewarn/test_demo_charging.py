"""The danger of the demo: what it sends nobody, and when the car ends its story."""

from pathlib import Path

from config.settings import ChargingSettings, PartnerSettings, Settings
from forewarn.demo_charging import _own_settings, _until_stopped
from forewarn.simulator.charging.live import draw_live_danger
from forewarn.simulator.charging.traffic import stations_of

NOW_MS = 1_790_000_000_000


def test_whatever_ways_to_people_are_set_a_demo_writes_to_a_file_alone(tmp_path: Path) -> None:
    real = Settings(
        charging=ChargingSettings(gateway_url="https://sms.example/send", smtp_host="mail.example", supervisor="+49"),
        partners=PartnerSettings(host="0.0.0.0", behind_proxy=True),
    )
    own = _own_settings(real, tmp_path / "messages.jsonl")
    assert own.charging == ChargingSettings(message_file=tmp_path / "messages.jsonl", public_url=real.web.address)
    assert own.partners.host == "127.0.0.1"
    assert own.partners.port != 8090


def test_the_car_says_for_seconds_that_it_stopped_and_then_no_more() -> None:
    danger = draw_live_danger("thermal_runaway", stations_of(8, seed=1), seed=1, now_ms=NOW_MS)
    stop_ms = NOW_MS + 22_000
    sent = [message.received_ms for message in _until_stopped(danger, lambda: stop_ms)]
    assert stop_ms + 2000 < max(sent) <= stop_ms + 3000


def test_a_car_that_nobody_stops_is_not_waited_for_until_it_is_full() -> None:
    danger = draw_live_danger("thermal_runaway", stations_of(8, seed=1), seed=1, now_ms=NOW_MS)
    assert max(message.received_ms for message in _until_stopped(danger, lambda: None)) <= NOW_MS + 90_000
