import time

import pytest

from forewarn.bench.alarm import summarise
from forewarn.bench.alarms import Danger, Heard, car_message, event, number_of_vin, percentile, pile_message
from forewarn.bench.background import background_load, steady
from ingest import topics
from ingest.charging import decode_alarm
from ingest.telemetry import TelemetryDecoder


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.99, None),
        ([5.0], 0.5, 5.0),
        ([4.0, 1.0, 3.0, 2.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values: list[float], share: float, expected: float | None) -> None:
    assert percentile(values, share) == expected


def heard_of(dangers: list[Danger]) -> Heard:
    heard = Heard()
    for danger in dangers:
        heard.sent[danger.number] = 100.0
        for target in danger.expects:
            heard.note_stop(danger.number, target, 100.02 if target == "car" else 100.05)
        heard.owners[danger.number] = 100.3
    return heard


def test_the_last_of_the_stops_counts_and_the_owner_apart() -> None:
    dangers = [Danger(0, "http"), Danger(1, "pile"), Danger(2, "car")]
    result = summarise(dangers, heard_of(dangers), limit=5000, background_per_s=4000, recorded={0, 1, 2}, unconfirmed=0)
    assert (result.alarms, result.lost) == (3, 0)
    assert (result.http_p99_ms, result.pile_p99_ms, result.car_p99_ms) == (50.0, 50.0, 20.0)
    assert (result.max_ms, result.owner_p99_ms) == (50.0, 300.0)


@pytest.mark.parametrize("missing", ["stop", "owner", "record"])
def test_an_alarm_of_which_anything_is_missing_is_lost(missing: str) -> None:
    dangers = [Danger(0, "pile"), Danger(1, "car")]
    heard, recorded = heard_of(dangers), {0, 1}
    if missing == "stop":
        del heard.stops[(0, "pile")]
    elif missing == "owner":
        del heard.owners[0]
    else:
        recorded = {1}
    result = summarise(dangers, heard, limit=1, background_per_s=1, recorded=recorded, unconfirmed=0)
    assert result.lost == 1


def test_what_is_sent_can_be_read() -> None:
    danger = Danger(7, "car")
    topic, payload = car_message(danger, 72.0, ts_ms=1)
    assert topics.parse(topic).vin == danger.vin
    assert number_of_vin(danger.vin) == 7
    (sample,) = TelemetryDecoder().decode(payload, vin=danger.vin).samples
    assert sample.signals.battery_max_c == 72.0
    topic, payload = pile_message(danger, ts_ms=1)
    assert topics.parse(topic).at == danger.at
    assert decode_alarm(payload).vin == danger.vin
    assert event(danger, ts_ms=1_780_000_000_123)["time"].endswith(".123Z")


def test_the_background_keeps_its_rate() -> None:
    began = time.monotonic()
    sent = sum(1 for _ in steady(background_load(400, 0.5), rate=400))
    assert sent == 200
    assert 0.4 < time.monotonic() - began < 5
