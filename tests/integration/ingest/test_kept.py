"""What is kept of data that nobody agreed to: that it came, and why it could not be used; never what it said."""

import msgspec
import pytest

from ingest import topics
from ingest.inbox import Message
from ingest.letters import NOT_KEPT
from ingest.writer import Outcome
from tests.integration.ingest.test_charging_lane import GUN, choose
from tests.integration.ingest.test_frames import frame
from tests.integration.ingest.test_writer import NOW_MS, VIN, rows, sample, telemetry, write  # noqa: F401

OTHER = "LFWA0000000000002"
SECRET = msgspec.json.encode({"samples": [{"ts": NOW_MS, "signals": {"HOME": "31.1"}}], "vin": OTHER})
KEPT = "SELECT reason, topic, detail, payload FROM pii.dead_letter"


@pytest.mark.parametrize(
    ("topic", "kept"),
    [
        ("v1/vehicles/lfwa0000000000001/telemetry", "v1/vehicles/…/telemetry"),
        ("v1/vehicles/LFWA000000000000Q/telemetry", "v1/vehicles/…/telemetry"),
        (f"v1/vehicles/{VIN}/weather", "v1/vehicles/…/weather"),
        (f"v1/vehicles/fleet/{VIN}/telemetry", "v1/vehicles/…/…/telemetry"),
        (f"v1/replay/soon/vehicles/{VIN}/telemetry", "v1/replay/soon/vehicles/…/telemetry"),
        (f"v1/replay/1767225600000/vehicles/{VIN}/weather", "v1/replay/1767225600000/vehicles/…/weather"),
        (f"v1/replay/{VIN}/telemetry", "v1/replay/…/telemetry"),
        (f"v1/replay/1/replay/2/vehicles/{VIN}/telemetry", "v1/replay/1/replay/2/vehicles/…/telemetry"),
        (f"v1/replay/x={VIN}", "v1/replay/x=…"),
    ],
)
def test_of_a_topic_that_says_nothing_neither_car_nor_payload_is_kept(database, write, topic, kept):  # noqa: F811
    assert write(Message(topic, SECRET, 3, NOW_MS, 1)) == Outcome(received=1, dead=1)
    ((reason, found, detail, payload),) = rows(database, KEPT)
    assert (reason, found, payload) == ("bad_topic", kept, b"")
    assert VIN not in detail.upper()


def test_a_bad_topic_of_a_station_is_kept_whole(database, write):  # noqa: F811
    topic = topics.charger(GUN, "telemetry").removesuffix("telemetry") + "weather"
    write(Message(topic, b"{}", 3, NOW_MS, 1))
    ((reason, found, _, payload),) = rows(database, KEPT)
    assert (reason, found, payload) == ("bad_topic", topic, b"{}")


@pytest.mark.parametrize(
    "payload", [SECRET, b"SECRET", b'{"ts":1,"purposes":{"SECRET":true},"policy_version":"1"}', b""]
)
def test_of_a_choice_that_cannot_be_read_nothing_is_kept_without_care(database, write, payload):  # noqa: F811
    message = Message(topics.consent(VIN), payload, 4, NOW_MS, 1)
    write(message)
    write(choose(care=False))
    write(message)
    (_, _, _, with_care), (reason, topic, detail, without) = rows(database, f"{KEPT} ORDER BY dead_letter_id")
    assert (with_care, without) == (payload, b"")
    assert reason in ("bad_consent", "not_json")
    assert topic == topics.consent(VIN)
    assert "SECRET" not in detail
    assert detail == NOT_KEPT or not payload


@pytest.mark.parametrize("message", [Message(topics.telemetry(VIN), SECRET, 1, NOW_MS, 1), frame(vin=OTHER)])
def test_data_of_another_car_is_not_kept_under_this_one(database, write, message):  # noqa: F811
    assert write(message) == Outcome(received=1, dead=1)
    ((reason, topic, detail, payload),) = rows(database, KEPT)
    assert (reason, topic, payload) == ("foreign_vin", message.topic, b"")
    assert OTHER not in detail


def test_of_a_choice_that_fails_nothing_is_kept_without_care(database, write, monkeypatch):  # noqa: F811
    write(choose(care=False))
    monkeypatch.setattr("ingest.sorting.decode_consent", lambda payload: 1 / 0)
    assert write(choose(care=True), telemetry(sample(soc=1))) == Outcome(received=2, dead=1, refused=1)
    assert rows(database, KEPT) == [("not_understood", topics.consent(VIN), NOT_KEPT, b"")]
