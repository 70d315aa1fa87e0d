import threading

from ingest.backoff import LONGEST_BACKOFF_S, backoff_s
from ingest.inbox import Inbox, Message


def message(size=10):
    return Message("t", b"x" * size, 1, 0, 1)


def take(inbox, *, at_most=100, at_most_bytes=10**9, oldest_s=0.0, stop=False):
    return inbox.take(at_most=at_most, at_most_bytes=at_most_bytes, oldest_s=oldest_s, stop=lambda: stop)


def test_it_is_full_by_messages_or_by_bytes():
    inbox = Inbox(max_messages=2, max_bytes=100)
    inbox.put([message()])
    assert not inbox.full
    inbox.put([message()])
    assert inbox.full
    assert len(take(inbox)) == 2
    inbox.put([message(100)])
    assert inbox.full


def test_a_batch_is_bounded_in_messages_and_bytes():
    inbox = Inbox(max_messages=100, max_bytes=10**6)
    for _ in range(10):
        inbox.put([message(10)])
    assert len(take(inbox, at_most=3)) == 3
    assert len(take(inbox, at_most_bytes=25)) == 3
    assert len(take(inbox)) == 4
    assert not inbox.full


def test_order_is_kept():
    inbox = Inbox(max_messages=100, max_bytes=10**6)
    sent = [Message(str(n), b"", n, 0, 1) for n in range(20)]
    inbox.put(sent[:9])
    inbox.put(sent[9:])
    assert take(inbox, at_most=7) + take(inbox) == sent


def test_the_writer_is_woken_by_a_message():
    inbox = Inbox(max_messages=100, max_bytes=10**6)
    taken = []
    thread = threading.Thread(target=lambda: taken.extend(take(inbox, at_most=1, oldest_s=20)))
    thread.start()
    inbox.put([message()])
    thread.join(10)
    assert len(taken) == 1


def test_a_stop_hands_out_what_is_left():
    inbox = Inbox(max_messages=100, max_bytes=10**6)
    inbox.put([message()])
    assert len(take(inbox, at_most=50, oldest_s=60, stop=True)) == 1
    assert take(inbox, at_most=50, oldest_s=60, stop=True) == []


def test_the_backoff_has_full_jitter_and_a_cap():
    assert backoff_s(0, uniform=lambda low, high: low) == 0
    assert backoff_s(0, uniform=lambda low, high: high) == 0.5
    assert backoff_s(3, uniform=lambda low, high: high) == 4
    assert backoff_s(10_000, uniform=lambda low, high: high) == LONGEST_BACKOFF_S
