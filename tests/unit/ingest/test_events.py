"""Any bytes on any of the small decoders: a result or ``FrameRejected``, never another exception."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.charging import charger_row, decode_alarm, decode_charger
from ingest.events import decode_consent, decode_event
from ingest.frames import decode_gbt32960
from ingest.layout import layout
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
    assert charger_row(sample) == {"gun_temp_c": 61.5, "extra": {"Voltage": True, "Fan": "on"}}
