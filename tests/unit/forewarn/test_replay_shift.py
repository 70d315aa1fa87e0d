"""Moved to now: distances stay, nothing is dated in the future, and two replays are two cars."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewarn.message import Message
from forewarn.publish import paced
from forewarn.replay.recording import charger_message, pseudo_vin, telemetry_message
from forewarn.replay.shift import shift_to_now, shifted, shifted_car, span_of
from forewarn.replay.wire import over_wire
from ingest import topics
from ingest.store.enrolment import Enrolment

VIN = pseudo_vin("a", "b")
NOW_MS = 1_800_000_000_000
CAR = Enrolment(vin=VIN, model="m", powertrain="bev", owner_name="o", phone="+490000000000", replayed=True)


def recorded(*seconds: float) -> list[Message]:
    return [telemetry_message(VIN, round(1000 * at), 3, {"Vehicle.Speed": 1.25}) for at in seconds]


def moved(messages: list[Message], *, speed: float | None, longest_gap_s: float = 60) -> list[Message]:
    shift = shift_to_now(span_of(messages, speed=speed, longest_gap_s=longest_gap_s), now_ms=NOW_MS)
    return list(shifted(messages, shift, vin=VIN))


def test_in_real_time_it_begins_now():
    sent = moved(recorded(100, 110, 160), speed=1)
    assert [message.received_ms - NOW_MS for message in sent] == [0, 10_000, 60_000]


def test_as_fast_as_possible_it_ends_now():
    sent = moved(recorded(100, 110, 86_500), speed=None)
    assert [message.received_ms - NOW_MS for message in sent] == [-86_400_000, -86_390_000, 0]


def test_payload_and_topic_move_together():
    (message,) = moved(recorded(5), speed=1)
    sample = {"ts": NOW_MS, "seq": 3, "signals": {"Vehicle.Speed": 1.25}}
    assert msgspec.json.decode(message.payload) == {"samples": [sample]}
    assert message.topic == topics.replay(NOW_MS, topics.telemetry(VIN))


@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=20),
    st.none() | st.sampled_from([0.5, 1.0, 60.0, 1e6]),
    st.sampled_from([0.0, 60.0, float("inf")]),
)
def test_nothing_is_dated_later_than_it_is_sent(times, speed, longest_gap_s):
    messages = [telemetry_message(VIN, at, 0, {}) for at in times]
    sent = moved(messages, speed=speed, longest_gap_s=longest_gap_s)
    clock = [NOW_MS / 1000]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    due = (
        sent
        if speed is None
        else paced(sent, speed=speed, longest_gap_s=longest_gap_s, clock=lambda: clock[0], sleep=sleep)
    )
    for before, message in zip(messages, due, strict=True):
        assert message.received_ms <= clock[0] * 1000 + 1
        assert message.received_ms - sent[0].received_ms == before.received_ms - messages[0].received_ms


def test_every_shifted_replay_is_a_car_of_its_own():
    messages = recorded(100, 110)
    span = span_of(messages, speed=1, longest_gap_s=60)
    one, later = shift_to_now(span, now_ms=NOW_MS), shift_to_now(span, now_ms=NOW_MS + 5000)
    vins = {car.vin for car in (CAR, shifted_car(CAR, one), shifted_car(CAR, later)) if car}
    assert len(vins) == 3
    assert all(topics.VIN.fullmatch(vin) for vin in vins)
    assert shifted_car(CAR, one) == shifted_car(CAR, one)
    assert shifted_car(None, one) is None


def test_a_shifted_station_is_one_of_its_own():
    messages = [charger_message(topics.Connector("o", "s", "1"), 7000, 2, "17", {"SoC": 5.5})]
    (sent,) = moved(messages, speed=None)
    assert sent.topic == topics.replay(NOW_MS, f"v1/chargers/o/s-{NOW_MS}/1/telemetry")
    assert topics.parse(sent.topic).received_ms == NOW_MS
    assert msgspec.json.decode(sent.payload)["session_id"] == "17"


def test_a_shifted_recording_goes_out_as_frames_too():
    frames = list(over_wire(moved(recorded(1), speed=1), "gbt32960"))
    assert topics.parse(frames[0].topic).kind == "gbt32960"


@pytest.mark.parametrize(("longest_gap_s", "waited"), [(float("inf"), 11_000), (60, 120), (0, 0)])
def test_no_wait_is_longer_than_the_longest_gap(longest_gap_s, waited):
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    messages = recorded(0, 100_000, 90_000, 110_000)
    times = [
        clock[0] for _ in paced(messages, speed=10, longest_gap_s=longest_gap_s, clock=lambda: clock[0], sleep=sleep)
    ]
    assert times[1] == times[2]
    assert clock[0] == waited
