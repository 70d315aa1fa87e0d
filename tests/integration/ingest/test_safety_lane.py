"""Charging samples of a car whose owner agrees to safety alone, against a real database."""

import msgspec
import pytest

from ingest import topics
from ingest.inbox import Message
from ingest.writer import Outcome
from tests.integration.ingest.test_charging_lane import charging, choose
from tests.integration.ingest.test_frames import BATTERY, frame, with_level
from tests.integration.ingest.test_writer import NOW_MS, SOC, VIN, rows, sample, telemetry, write  # noqa: F401

BAD = [{"ts": "x", "signals": {}}, {"ts": NOW_MS, "signals": 5}, 7]


@pytest.fixture
def safety_only(write):  # noqa: F811
    write(choose(care=False))
    return write


def framed(message):
    return Message(message.topic.replace("gbt32960", "charging"), message.payload, 1, message.received_ms, 1)


def test_bad_and_impossible_samples_are_dead_letters_one_by_one(database, safety_only):
    good = [sample(seq=1, soc=50), sample(seq=2, soc=51)]
    old = sample(ts=1, seq=3, soc=52, **{"Maker.Smoke": 1})
    assert safety_only(charging(telemetry(good[0], *BAD, old, good[1]))) == Outcome(received=6, stored=2, dead=4)
    letters = rows(database, "SELECT reason, payload FROM pii.dead_letter ORDER BY reason")
    assert [reason for reason, _ in letters] == ["bad_sample", "bad_sample", "bad_time", "impossible_time"]
    assert msgspec.json.decode(letters[3][1]) == {"samples": [old]}
    assert rows(database, "SELECT count(*) FROM telemetry.vehicle_reading") == [(0,)]


def test_every_sample_of_who_refuses_safety_too_is_counted_and_none_kept(database, safety_only):
    safety_only(choose(safety=False))
    message = charging(telemetry(sample(seq=1, soc=50), *BAD, sample(ts=1, seq=3, soc=52)))
    assert safety_only(message) == Outcome(received=5, refused=5)
    assert safety_only(framed(frame())) == Outcome(received=1, refused=1)
    assert safety_only(charging(telemetry(*BAD * 300))) == Outcome(received=900, refused=900)
    for table in ("pii.dead_letter", "telemetry.safety_reading"):
        assert rows(database, f"SELECT count(*) FROM {table}") == [(0,)]


def test_the_same_key_with_other_content_is_a_conflict_in_one_batch_and_across(database, safety_only):
    one, other = charging(telemetry(sample(soc=50))), charging(telemetry(sample(soc=99)))
    assert safety_only(one, one, other) == Outcome(received=3, stored=1, duplicate=1, dead=1)
    assert safety_only(one, other) == Outcome(received=2, duplicate=1, dead=1)
    assert (
        rows(database, "SELECT reason, payload FROM pii.dead_letter")
        == [("key_conflict", b'{"samples":[{"ts":%d,"seq":0,"signals":{"%s":99.0}}]}' % (NOW_MS, SOC.encode()))] * 2
    )
    assert rows(database, "SELECT signals FROM telemetry.safety_reading") == [({"soc_pct": 50.0},)]


def test_what_has_no_column_is_kept_under_its_path_and_flagged(database, safety_only):
    values = [
        {"Maker.Smoke": 1, SOC: "hi"},
        {SOC: 130},
        {"lamps": ["thermal_event"], "soc_pct": 3, SOC: 50},
    ]
    samples = [{"ts": NOW_MS, "seq": n, "signals": signals} for n, signals in enumerate(values)]
    clocks = [sample(ts=NOW_MS + 300_001, soc=1), sample(ts=NOW_MS - 86_400_001, soc=1)]
    assert safety_only(charging(telemetry(*samples, *clocks))).stored == 5
    assert rows(database, "SELECT quality, signals FROM telemetry.safety_reading ORDER BY ts, seq") == [
        (16, {"soc_pct": 1}),
        (6, {"Maker.Smoke": 1, SOC: "hi"}),
        (1, {SOC: 130}),
        (2, {"extra.lamps": ["thermal_event"], "extra.soc_pct": 3, "soc_pct": 50}),
        (8, {"soc_pct": 1}),
    ]


def test_a_text_the_database_does_not_hold_costs_only_its_sample(database, safety_only):
    bad = sample(ts=NOW_MS + 7, seq=1, **{"Vehicle.New": "\0"})
    good = [sample(ts=NOW_MS + n, soc=n) for n in range(20)]
    assert safety_only(charging(telemetry(*good, bad))) == Outcome(received=21, stored=20, dead=1)
    ((reason, payload),) = rows(database, "SELECT reason, payload FROM pii.dead_letter")
    assert (reason, msgspec.json.decode(payload)) == ("bad_text", {"samples": [bad]})


def test_the_lamps_of_a_frame_are_kept_with_its_sample(database, safety_only):
    said = frame(version=2025, alarms=frozenset({"thermal_event", "insulation"}))
    message = framed(with_level(said, 4))
    assert safety_only(message, message) == Outcome(received=2, stored=1, duplicate=1)
    ((signals, quality),) = rows(database, "SELECT signals, quality FROM telemetry.safety_reading")
    assert (sorted(signals["lamps"]), signals["level"]) == (["insulation", "thermal_event"], 4)
    assert signals["battery_warning_level"] == 4
    assert signals["cell_v"] == pytest.approx([3.967, 3.969, 3.94, 3.972])
    assert quality == 0
    assert rows(database, "SELECT count(*) FROM telemetry.vehicle_event") == [(0,)]
    other = framed(with_level(said, 3))
    assert safety_only(other).dead == 1
    assert rows(database, "SELECT topic, payload FROM pii.dead_letter") == [(topics.charging(VIN), other.payload)]


def test_a_frame_without_a_lamp_on_says_so_and_one_with_no_level_has_none(database, safety_only):
    safety_only(framed(with_level(frame(), 77)))
    ((signals, quality),) = rows(database, "SELECT signals, quality FROM telemetry.safety_reading")
    assert (signals["lamps"], signals["level"], signals[f"{BATTERY}.WarningLevel"]) == ([], 0, 77)
    assert quality & 1
