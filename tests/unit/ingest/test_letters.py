from hypothesis import example, given
from hypothesis import strategies as st

from ingest import topics
from ingest.letters import bad_topic

words = st.sampled_from(["v1", "vehicles", "replay", "1767225600000", "telemetry", "weather", ""]) | st.text(max_size=5)


@given(
    vin=st.from_regex(topics.VIN, fullmatch=True),
    before=st.lists(words, max_size=5),
    after=st.lists(words, max_size=3),
    beside=st.sampled_from(["", "x", "=", " ", "0"]),
    lower=st.booleans(),
)
@example(vin="12345678901234567", before=["v1", "replay"], after=[], beside="", lower=False)
def test_no_letter_of_an_unknown_topic_names_a_car_or_says_what_it_sent(vin, before, after, beside, lower):
    topic = "/".join([*before, beside + (vin.lower() if lower else vin) + beside, *after])
    letter = bad_topic(5, topic, "why", b"secret")
    assert vin not in letter.topic.upper()
    assert (letter.received_ms, letter.reason, letter.detail, letter.payload) == (5, "bad_topic", "why", b"")


def test_what_is_no_car_stays_readable():
    topic = "v1/replay/1767225600000/vehicles/LFWA00000000001/weather"
    assert bad_topic(5, topic, "why", b"").topic == "v1/replay/1767225600000/vehicles/…/weather"
    station = "v1/chargers/Operator1234567/st/1/weather"
    assert (bad_topic(5, station, "why", b"x").topic, bad_topic(5, station, "why", b"x").payload) == (station, b"x")
