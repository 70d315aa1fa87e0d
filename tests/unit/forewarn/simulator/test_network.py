"""The network: what arrives, when, how often, and by which clock."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from forewarn.simulator.network import MESSAGE_SAMPLES, send
from forewarn.simulator.time import DAY_S


def samples(days: int):
    t_s = np.arange(0, days * DAY_S, 300.0)
    segment = (t_s // 7200).astype(np.int64)
    number = np.arange(len(t_s)) - np.searchsorted(segment, segment)
    return t_s, segment, number


@settings(max_examples=25)
@given(st.integers(1, 30), st.integers(0, 1000))
def test_what_arrives_is_whole_messages_in_the_order_of_receipt(days, seed):
    t_s, segment, number = samples(days)
    sent = send(t_s, segment, number, days=days, rng=np.random.default_rng(seed))
    assert np.all(np.diff(sent.received_s) >= 0)
    assert np.all(sent.received_s < days * DAY_S)
    assert np.all(sent.received_s >= t_s[sent.row])
    sizes = np.bincount(sent.message)
    assert sizes.max() <= MESSAGE_SAMPLES
    for message in range(0, len(sizes), 17):
        rows = sent.row[sent.message == message]
        # Recorded cars lose reports under way, single ones too: a message may have holes, but keeps the order.
        assert np.all(np.diff(rows) >= 1)
        assert rows[-1] - rows[0] < MESSAGE_SAMPLES
        assert len(set(segment[rows])) == 1


def test_most_arrives_once_and_at_once():
    t_s, segment, number = samples(300)
    sent = send(t_s, segment, number, days=300, rng=np.random.default_rng(2))
    seen = np.bincount(sent.row, minlength=len(t_s))
    # Recorded cars lose 4 to 26 % of their reports under way.
    assert 0.7 < (seen > 0).mean() < 1.0
    assert 0.0005 < (seen > 1).mean() < 0.006
    last_of_message = t_s[sent.row] + 300 * MESSAGE_SAMPLES
    assert ((sent.received_s - last_of_message) < 10).mean() > 0.95
    wrong = np.abs(sent.ts_s - t_s[sent.row]) > 0
    assert 0 < wrong.mean() < 0.01


def test_a_car_that_never_reports_sends_nothing():
    nothing = np.zeros(0)
    sent = send(nothing, nothing.astype(np.int64), nothing.astype(np.int64), days=3, rng=np.random.default_rng(0))
    assert len(sent.row) == 0
