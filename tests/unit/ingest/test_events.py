"""Any bytes on any of the small decoders: a result or ``FrameRejected``, never another exception."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.charging import charger_row, decode_alarm, decode_charger
from ingest.events import chosen_ms, decode_consent, decode_event
from ingest.frames import decode_gbt32960
from ingest.layout import layout
from ingest.quality import Quality
from ingest.rejected import FrameRejected

DECODERS = [
    decode_event,
    decode_consent,
    decode_alarm,
    decode_charger,
    lambda payload: decode_gbt32960(payload, vin="LFWA0000000000001", signals=layout()),
]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
FIELDS = "ts kind code state level purposes policy_version id severity samples signals seq session_id measures vin"
names = st.sampled_from(FIELDS.split())


@pytest.mark.parametrize("decode", DECODERS)
@given(payload=st.binary(max_size=200) | st.dictionaries(names, values).map(lambda one: json.dumps(one).encode()))
def test_any_bytes_are_decoded_or_rejected(decode, payload):
    try:
        decode(payload)
    except FrameRejected as rejection:
        assert rejection.reason
        assert rejection.detail


def test_a_charger_value_that_is_no_number_is_kept_in_extra():
    payload = b'{"samples":[{"ts":1,"signals":{"Voltage":true,"Temperature":61.5,"Fan":"on"}}]}'
    (sample,) = decode_charger(payload).samples
    flags = Quality.WRONG_TYPE | Quality.UNKNOWN_SIGNAL
    assert charger_row(sample) == {"gun_temp_c": 61.5, "extra": {"Voltage": True, "Fan": "on"}, "quality": int(flags)}


def test_a_choice_counts_as_made_when_received_where_its_clock_says_nothing():
    day_ms, received_ms = 86_400_000, 1_767_225_600_000
    believed = [received_ms, received_ms - 1, received_ms - 400 * day_ms]
    assert [chosen_ms(ts, received_ms=received_ms) for ts in believed] == believed
    for ts in (received_ms + 1, received_ms + 900 * day_ms, received_ms - 400 * day_ms - 1, 0, -5, 2**70):
        assert chosen_ms(ts, received_ms=received_ms) == received_ms
