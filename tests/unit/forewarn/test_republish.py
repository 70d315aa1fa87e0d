"""On which topic a dead letter goes out again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewarn.republish import replay_topic
from ingest import topics

AT = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
AT_MS = 1_772_366_400_123
VIN = "LFWA0000000000001"


@given(at=st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001
def test_it_counts_as_received_when_it_was(at):
    at = at.replace(tzinfo=UTC)
    topic = replay_topic(topics.telemetry(VIN), at)
    parsed = topics.parse(topic)
    assert parsed.vin == VIN
    assert timedelta(0) <= at - (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=parsed.received_ms))
    assert at - (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=parsed.received_ms)) < timedelta(
        seconds=0.001
    )


def test_what_came_as_a_replay_goes_out_as_it_came():
    topic = topics.replay(AT_MS, topics.telemetry(VIN))
    assert topic == f"v1/replay/{AT_MS}/vehicles/{VIN}/telemetry"
    assert replay_topic(topics.telemetry(VIN), AT) == topic
    assert replay_topic(topic, AT + timedelta(days=1)) == topic


@pytest.mark.parametrize(
    "topic",
    ["(not UTF-8) b'v1/\\xff'", "other/topic", "v1/vehicles/+/telemetry", "v1/#", "v1/a\0b", "v1/" + "x" * 65535],
)
def test_a_topic_nobody_may_publish_on_is_left(topic):
    assert replay_topic(topic, AT) is None
