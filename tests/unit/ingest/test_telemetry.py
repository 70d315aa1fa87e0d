import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config.signals import catalogue
from ingest.quality import Quality
from ingest.rejected import FrameRejected
from ingest.telemetry import TelemetryDecoder

VIN = "LFWA0000000000001"
DECODER = TelemetryDecoder()
KNOWN = [signal for signal in catalogue().signals if not signal.derived]

# What PostgreSQL has no text for makes a sample bad.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
paths = st.sampled_from([signal.path for signal in KNOWN]) | texts
samples = st.fixed_dictionaries(
    {"ts": st.integers() | json_values, "signals": st.dictionaries(paths, json_values, max_size=4)},
    optional={"seq": st.integers() | json_values},
)


@given(st.binary())
@example(b'{"samples":[{"ts":1,"signals":{},"seq":99999999999999999999}]}')
@example(b'{"samples":[1]}')
@example(b'{"samples":{}}')
def test_any_bytes_are_samples_or_rejected(payload):
    try:
        DECODER.decode(payload, vin=VIN)
    except FrameRejected as rejection:
        assert rejection.reason
        assert rejection.detail


@given(st.lists(samples | json_values, min_size=1, max_size=5))
def test_every_sample_is_either_usable_or_bad(raw):
    decoded = DECODER.decode(msgspec.json.encode({"samples": raw}), vin=VIN)
    assert len(decoded.samples) + len(decoded.bad) == len(raw)
    assert decoded.oddities.keys() <= set(range(len(decoded.samples)))
    for sample in decoded.samples:
        assert -(2**63) <= sample.ts < 2**63
        assert -(2**63) <= sample.seq < 2**63


@given(st.dictionaries(paths, json_values, max_size=6))
def test_no_value_is_lost(signals):
    decoded = DECODER.decode(msgspec.json.encode({"samples": [{"ts": 1, "signals": signals}]}), vin=VIN)
    (sample,) = decoded.samples
    kept = dict(decoded.oddities[0].extra) if decoded.oddities else {}
    for signal in KNOWN:
        value = getattr(sample.signals, signal.column)
        if value is not None and value == value:
            kept[signal.path] = value
    assert {path: value for path, value in signals.items() if value is not None} == {
        path: value for path, value in kept.items() if value is not None
    }


def test_an_unknown_signal_and_a_wrong_type_are_flagged():
    payload = b'{"samples":[{"ts":1,"signals":{"Vehicle.Speed":"fast","Vehicle.New":[1]}}]}'
    decoded = DECODER.decode(payload, vin=VIN)
    assert decoded.oddities[0].extra == {"Vehicle.Speed": "fast", "Vehicle.New": [1]}
    assert decoded.oddities[0].quality == Quality.WRONG_TYPE | Quality.UNKNOWN_SIGNAL


def test_a_derived_signal_is_not_accepted_from_outside():
    payload = b'{"samples":[{"ts":1,"signals":{"Forewarn.AtRest":true}}]}'
    assert DECODER.decode(payload, vin=VIN).oddities[0].quality == Quality.UNKNOWN_SIGNAL


def test_a_bad_sample_can_be_replayed_alone():
    payload = b'{"samples":[{"ts":1,"signals":{}},{"ts":"x","signals":{"Vehicle.Speed":1}}]}'
    (bad,) = DECODER.decode(payload, vin=VIN).bad
    assert bad.reason == "bad_time"
    assert msgspec.json.decode(bad.payload) == {"samples": [{"ts": "x", "signals": {"Vehicle.Speed": 1}}]}


@pytest.mark.parametrize(("count", "reason"), [(0, "empty"), (1001, "too_many_samples")])
def test_the_number_of_samples_is_bounded(count, reason):
    with pytest.raises(FrameRejected, match=reason):
        DECODER.decode(msgspec.json.encode({"samples": [{"ts": 1, "signals": {}}] * count}), vin=VIN)


GOOD = b'{"ts":1,"signals":{"Vehicle.Speed":50.0}}'


@pytest.mark.parametrize(
    "bad",
    [
        b'{"ts":1,"signals":{"a":"\\u0000"}}',
        b'{"ts":1,"signals":{"a\\u0000":1}}',
        b'{"ts":1,"signals":{"Vehicle.LowVoltageSystemState":"\\u0000"}}',
        b'{"ts":1,"signals":{"a":[{"b":["\\u0000"]}]}}',
        b'{"ts":1,"signals":{"a":"\\ud800"}}',
        b'{"ts":1,"signals":{"a":"\\udc00\\ud800"}}',
        b'{"ts":1,"signals":{"Vehicle.Speed":1e400}}',
        b'{"ts":1,"signals":{"a":-' + b"9" * 5000 + b"}}",
    ],
)
def test_what_no_column_holds_costs_its_own_sample_alone(bad):
    decoded = DECODER.decode(b'{"samples":[' + b",".join([GOOD, bad, GOOD]) + b"]}", vin=VIN)
    assert [sample.signals.speed_kmh for sample in decoded.samples] == [50, 50]
    (letter,) = decoded.bad
    assert letter.reason == "bad_text"
    # What is kept is JSON again, and says the same when it is replayed.
    assert json.loads(letter.payload, parse_int=float) == json.loads(b'{"samples":[' + bad + b"]}", parse_int=float)


def test_a_backslash_before_it_makes_no_nul():
    payload = b'{"samples":[{"ts":1,"signals":{"a":"\\\\u0000"}}]}'
    assert DECODER.decode(payload, vin=VIN).oddities[0].extra == {"a": "\\u0000"}


@pytest.mark.parametrize("depth", [100, 480, 700, 900, 960, 990, 5000])
@pytest.mark.parametrize("core", [b'"\\u0000"', b'"\\ud800"', b"1e400"])
def test_a_bad_text_may_be_as_deep_as_it_likes(depth, core):
    payload = b'{"samples":[{"ts":1,"signals":{"a":' + b"[" * depth + core + b"]" * depth + b"}}]}"
    try:
        assert DECODER.decode(payload, vin=VIN).bad[0].reason == "bad_text"
    except FrameRejected as rejection:
        assert rejection.reason == "not_json"


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e", b"0x1"])
def test_what_is_no_json_number_rejects_the_message(number):
    with pytest.raises(FrameRejected) as rejected:
        DECODER.decode(b'{"samples":[{"ts":1,"signals":{"a":' + number + b"}}]}", vin=VIN)
    assert rejected.value.reason == "not_json"
