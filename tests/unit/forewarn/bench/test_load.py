"""What the benchmark publishes is what its keys say, and what is compared is what is stored."""

import msgspec
import numpy as np
import pytest

from forewarn.bench.load import Load, compare_keys
from ingest.layout import layout
from ingest.telemetry import TelemetryDecoder
from ingest.topics import parse

NOW_MS = 1_772_366_400_000


@pytest.mark.parametrize(("messages", "batch"), [(1, 1), (7, 3), (2500, 2)])
def test_the_keys_are_those_of_the_samples(messages, batch):
    load = Load(messages=messages, batch=batch, now_ms=NOW_MS)
    ids = {vin: 100 + number for number, vin in enumerate(load.vins)}
    published = [
        (ids[parse(message.topic).vin], sample["ts"], sample["seq"])
        for message in load
        for sample in msgspec.json.decode(message.payload)["samples"]
    ]
    assert load.keys(ids).tolist() == [list(key) for key in published]
    assert len(set(published)) == load.rows == messages * batch
    assert max(ts for _, ts, _ in published) < NOW_MS


def test_a_sample_has_24_signals_inside_their_ranges():
    load = Load(messages=300, batch=2, now_ms=NOW_MS)
    signals = layout()
    seen = set()
    for message in load:
        decoded = TelemetryDecoder(signals).decode(message.payload, vin=parse(message.topic).vin)
        assert not decoded.bad
        assert not decoded.oddities
        assert message.samples == len(decoded.samples) == 2
        for sample in msgspec.json.decode(message.payload)["samples"]:
            assert len(sample["signals"]) == 24
            seen.add(tuple(sample["signals"].values()))
            for path, value in sample["signals"].items():
                signal = signals.by_path[path]
                assert isinstance(value, float)
                assert signal.lowest <= value <= signal.highest
    assert len(seen) == 600


def test_the_same_seed_gives_the_same_bytes():
    first, second = (Load(messages=50, batch=2, now_ms=NOW_MS, seed=3) for _ in range(2))
    assert list(first) == list(second)


@pytest.mark.parametrize(
    ("stored", "lost", "duplicates"),
    [
        ([(1, 10, 0), (1, 20, 0), (2, 10, 0)], 0, 0),
        ([(1, 10, 0), (2, 10, 0)], 1, 0),
        ([(1, 10, 0), (1, 20, 0), (2, 10, 0), (2, 10, 0)], 0, 1),
        ([(1, 10, 0), (1, 10, 0), (1, 10, 0)], 2, 2),
        # A row of a key that nobody published is one too many, and stands for no other.
        ([(1, 10, 0), (1, 20, 0), (9, 99, 0)], 1, 1),
        ([], 3, 0),
    ],
)
def test_keys_are_compared_not_counted(stored, lost, duplicates):
    published = np.array([(1, 10, 0), (1, 20, 0), (2, 10, 0)])
    assert compare_keys(published, np.array(stored, dtype=np.int64).reshape(-1, 3)) == (lost, duplicates)
