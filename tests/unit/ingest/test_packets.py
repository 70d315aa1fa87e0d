"""The packet splitter, against packets written by paho itself and against any bytes at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.packets import MalformedPacket, split_packets

PINGRESP = b"\xd0\x00"
texts = st.text(st.characters(exclude_characters="\0#+", exclude_categories=["Cs"]), min_size=1, max_size=40)
payloads = st.binary(max_size=300) | st.integers(1, 40_000).map(bytes)
messages = st.lists(st.tuples(texts, payloads, st.integers(0, 1), st.text(max_size=200)), max_size=5)


class Recorder:
    """Takes the place of paho's socket."""

    def __init__(self):
        self.sent = b""

    def send(self, data):
        self.sent += bytes(data)
        return len(data)

    def close(self):
        pass


def written_by_paho(sent, *, version_5):
    """Return the bytes paho sends for these messages: a PUBLISH looks the same in both directions."""
    client = Client(
        CallbackAPIVersion.VERSION2,
        protocol=MQTTProtocolVersion.MQTTv5 if version_5 else MQTTProtocolVersion.MQTTv311,
    )
    client.max_inflight_messages_set(0)
    client._sock = recorder = Recorder()
    for topic, payload, qos, comment in sent:
        properties = None
        if version_5:
            properties = Properties(PacketTypes.PUBLISH)
            properties.UserProperty = ("comment", comment.replace("\0", ""))
        client.publish(topic, payload, qos, properties=properties)
    client._sock = None
    return recorder.sent


@given(messages, st.booleans())
def test_what_paho_writes_is_read(sent, version_5):
    stream = written_by_paho(sent, version_5=version_5)
    published, others, used = split_packets(stream, version_5=version_5)
    assert [(topic.decode(), payload) for topic, payload, _ in published] == [sent_[:2] for sent_ in sent]
    assert [mid > 0 for _, _, mid in published] == [qos == 1 for _, _, qos, _ in sent]
    assert (others, used) == (b"", len(stream))


@given(messages, st.lists(st.integers(1, 50), max_size=30), st.booleans())
def test_it_does_not_matter_how_the_bytes_are_cut(sent, cuts, version_5):
    stream = PINGRESP.join([written_by_paho([one], version_5=version_5) for one in sent])
    whole = split_packets(stream, version_5=version_5)
    published, others, rest, position = [], b"", b"", 0
    for size in [*cuts, len(stream)]:
        rest += stream[position : position + size]
        position += size
        new, other, used = split_packets(rest, version_5=version_5)
        published += new
        others += other
        rest = rest[used:]
    assert (published, others, len(stream) - len(rest)) == whole
    assert others == PINGRESP * max(0, len(sent) - 1)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_packets_or_malformed(data, version_5):
    try:
        _, _, used = split_packets(data, version_5=version_5)
        assert used <= len(data)
    except MalformedPacket as malformed:
        assert str(malformed)


@pytest.mark.parametrize(
    "data", [b"\x30\xff\xff\xff\xff\x01", b"\x30\x02\x00\x09", b"\x32\x05\x00\x02ab\x00", b"\x30\x00"]
)
def test_a_packet_shorter_than_its_fields_is_malformed(data):
    with pytest.raises(MalformedPacket):
        split_packets(data + bytes(0), version_5=False)
