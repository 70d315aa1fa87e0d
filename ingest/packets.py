"""Splits the bytes of an MQTT connection into PUBLISH packets, which are decoded here, and all others, which are not.

A pure function, since it sees every byte a fleet sends. Source: MQTT 3.1.1 and 5.0, sections 2.2 and 3.3.
"""

_PUBLISH = 0x30


class MalformedPacket(Exception):
    """The broker sent bytes that are no MQTT packet."""


def split_packets(data: bytes, *, version_5: bool) -> tuple[list[tuple[bytes, bytes, int]], bytes, int]:
    """Return (PUBLISH packets, the bytes of all other packets, how many bytes were used).

    data    : what was received and not used yet; the last packet may be incomplete
    Returns : each PUBLISH as (topic, payload, packet identifier); the identifier of QoS 0 is 0
    Raises  : MalformedPacket
    """
    published: list[tuple[bytes, bytes, int]] = []
    others: list[bytes] = []
    add = published.append
    position, available = 0, len(data)
    try:
        while position + 1 < available:
            head, length, begin = data[position], data[position + 1], position + 2
            if length & 0x80:
                length, begin = _variable(data, position + 1, available)
                if begin == 0:
                    break
            end = begin + length
            if end > available:
                break
            if head & 0xF0 == _PUBLISH:
                begin += 2
                after_topic = begin + (data[begin - 2] << 8 | data[begin - 1])
                topic = data[begin:after_topic]
                mid = 0
                if head & 0x06:
                    mid = data[after_topic] << 8 | data[after_topic + 1]
                    after_topic += 2
                if version_5:
                    properties = data[after_topic]
                    after_topic += 1
                    if properties & 0x80:
                        properties, after_topic = _variable(data, after_topic - 1, end)
                    after_topic += properties
                if after_topic > end:
                    raise MalformedPacket("a PUBLISH packet is shorter than its own fields")
                add((topic, data[after_topic:end], mid))
            else:
                others.append(data[position:end])
            position = end
    except IndexError as error:
        raise MalformedPacket("a PUBLISH packet is shorter than its own fields") from error
    return published, b"".join(others), position


def _variable(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return (variable byte integer, position after it), or (0, 0) when it is not all there yet."""
    value = 0
    for shift in (0, 7, 14, 21):
        if position >= end:
            return 0, 0
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
    raise MalformedPacket("a length of more than four bytes")
