import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import topics
from ingest.topics import Topic, TopicRejected

VIN = "LFWA0000000000001"


def test_a_topic_says_car_and_kind():
    assert topics.parse(topics.telemetry(VIN)) == Topic(VIN, "telemetry")
    assert topics.parse(topics.events(VIN)) == Topic(VIN, "events")
    assert topics.parse(f"v1/vehicles/{VIN}/commands/ack") == Topic(VIN, "ack")


def test_a_replay_topic_says_when_it_was_received():
    assert topics.parse(topics.replay(1555321350000, topics.telemetry(VIN))) == Topic(VIN, "telemetry", 1555321350000)


@pytest.mark.parametrize(
    ("topic", "complaint"),
    [
        ("v2/vehicles/x/telemetry", "is not one of"),
        (f"v1/vehicles/{VIN}/weather", "none of"),
        ("v1/vehicles/LFWA000000000000/telemetry", "is not a VIN"),
        ("v1/vehicles/LFWA00000000000001/telemetry", "is not a VIN"),
        ("v1/vehicles/IFWA0000000000001/telemetry", "is not a VIN"),
        (f"v1/replay/soon/vehicles/{VIN}/telemetry", "receive time"),
        (f"v1/replay/²/vehicles/{VIN}/telemetry", "receive time"),
        (f"v1/replay/1/replay/2/vehicles/{VIN}/telemetry", "is not one of"),
    ],
)
def test_a_topic_of_nobody_is_rejected_with_what_is_wrong(topic, complaint):
    with pytest.raises(TopicRejected, match=complaint):
        topics.parse(topic)


@pytest.mark.parametrize("kind", ["weather", "commands", f"{VIN}/telemetry"])
@pytest.mark.parametrize("before", ["v1/vehicles", "v1/replay/soon/vehicles", "v1/replay", "v1/fleet"])
def test_a_rejection_quotes_no_car(before, kind):
    with pytest.raises(TopicRejected) as rejection:
        topics.parse(f"{before}/{VIN}/{kind}")
    assert VIN not in str(rejection.value)


@given(st.text())
def test_any_text_is_a_topic_or_rejected(text):
    try:
        assert topics.VIN.fullmatch(topics.parse(text).vin)
    except TopicRejected as rejection:
        assert str(rejection)
