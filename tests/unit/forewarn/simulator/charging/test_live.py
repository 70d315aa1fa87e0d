"""One danger now: live topics, first the healthy car, and an end when it is stopped."""

import msgspec
import pytest

from forewarn.simulator.charging.dangers import KINDS
from forewarn.simulator.charging.live import LEAD_S, draw_live_danger
from forewarn.simulator.charging.stops import Stops
from forewarn.simulator.charging.traffic import stations_of
from ingest import topics

NOW_MS = 1_780_000_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_a_live_danger_begins_soon_and_comes_to_it(kind):
    danger = draw_live_danger(kind, stations_of(8, seed=1), seed=1, now_ms=NOW_MS)
    (row,) = danger.truth
    assert abs(row.onset_ms - NOW_MS - LEAD_S * 1000) < 1000
    first = next(danger.messages(lambda: None))
    assert NOW_MS <= first.received_ms < NOW_MS + 2000


def test_messages_are_on_live_topics_and_of_both_sides():
    danger = draw_live_danger("contact_heat", stations_of(8, seed=1), seed=1, now_ms=NOW_MS)
    sent = list(danger.messages(lambda: None))
    parsed = [topics.parse(message.topic) for message in sent]
    assert {topic.kind for topic in parsed} >= {"charging", "charger"}
    assert all(topic.received_ms is None for topic in parsed)
    assert [message.received_ms for message in sent] == sorted(message.received_ms for message in sent)


def test_a_stop_while_it_runs_ends_the_current():
    danger = draw_live_danger("contact_heat", stations_of(8, seed=1), seed=1, now_ms=NOW_MS)
    stops = Stops()
    stop_ms = NOW_MS + 60_000
    currents = []
    for message in danger.messages(stops):
        if message.received_ms >= stop_ms and stops() is None:
            command = msgspec.json.encode({"id": "c-1", "command": "stop_charging", "issued_at": 1})
            answer = msgspec.json.decode(stops.answer(command, now_ms=stop_ms))
            assert answer == {"id": "c-1", "ts": stop_ms, "result": "done"}
        if topics.parse(message.topic).kind == "charger":
            (sample,) = msgspec.json.decode(message.payload)["samples"]
            currents.append((sample["ts"], sample["signals"]["Current.Import"]))
    assert all(amps > 5 for ts, amps in currents if ts < stop_ms)
    after = [amps for ts, amps in currents if ts >= stop_ms + 2000]
    assert after
    assert not any(after)


def test_a_car_refuses_what_it_does_not_know_and_hears_no_noise():
    stops = Stops()
    refused = stops.answer(b'{"id":"x","command":"open_doors"}', now_ms=1)
    assert refused is not None
    assert msgspec.json.decode(refused)["result"] == "refused"
    assert stops.answer(b"noise", now_ms=1) is None
    assert stops() is None
    # A command that is sent again changes nothing.
    for now_ms in (5, 9):
        stops.answer(b'{"id":"c","command":"stop_charging"}', now_ms=now_ms)
    assert stops() == 5
