"""Dead letters in the database: who gets which, and how long they are kept."""

import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from ingest.store.connection import connect
from ingest.store.dead_letters import (
    Selection,
    claim,
    dead_again,
    expire,
    get,
    mark_replayed,
    newest,
    newest_id,
    replayed_at,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def conn(database):
    with connect(database, role="ingest", autocommit=True) as conn:
        yield conn


@pytest.fixture
def letter(database):
    """Put one dead letter in and return its number."""

    def put(reason="bad_seq", *, topic="v1/vehicles/LFWA0000000000001/telemetry", recorded_at=NOW, payload=b"\xff{"):
        with psycopg.connect(database, autocommit=True) as conn:
            row = conn.execute(
                "INSERT INTO pii.dead_letter (received_at, recorded_at, topic, reason, detail, payload, epoch)"
                " VALUES (%s, %s, %s, %s, 'why', %s, %s) RETURNING dead_letter_id",
                [datetime(2018, 6, 1, tzinfo=UTC), recorded_at, topic, reason, payload, uuid.uuid4()],
            ).fetchone()
        return row[0]

    return put


def _claimed(conn, selection, *, after=0, limit=10):
    return [found.id for found in claim(conn, selection, after=after, newest=newest_id(conn), limit=limit)]


def test_the_list_is_newest_first_without_what_was_replayed(conn, letter):
    numbers = [letter("bad_seq"), letter("not_json"), letter("bad_seq")]
    assert [found.id for found in newest(conn, limit=10)] == numbers[::-1]
    assert [found.id for found in newest(conn, limit=1)] == numbers[2:]
    mark_replayed(conn, numbers[2:], at=NOW)
    assert [found.id for found in newest(conn, limit=10, reason="bad_seq")] == numbers[:1]
    assert replayed_at(conn, [*numbers[1:], 999]) == {numbers[1]: None, numbers[2]: NOW}


def test_one_is_read_with_its_bytes(conn, letter):
    found = get(conn, letter(payload=b"\x00\xff"))
    assert (found.payload, found.reason, found.detail, found.recorded_at) == (b"\x00\xff", "bad_seq", "why", NOW)
    assert get(conn, 999) is None


def test_a_selection_is_by_number_by_reason_or_all(conn, letter):
    numbers = [letter("bad_seq"), letter("not_json"), letter("bad_seq")]
    assert newest_id(conn) == numbers[2]
    assert _claimed(conn, Selection()) == numbers
    assert _claimed(conn, Selection(), after=numbers[0], limit=1) == numbers[1:2]
    assert _claimed(conn, Selection(reason="bad_seq")) == [numbers[0], numbers[2]]
    assert _claimed(conn, Selection(ids=(numbers[1], 999))) == numbers[1:2]
    mark_replayed(conn, numbers[:2], at=NOW)
    assert _claimed(conn, Selection()) == numbers[2:]


def test_two_replays_at_once_do_not_get_the_same(database, conn, letter):
    numbers = [letter() for _ in range(4)]
    with conn.transaction(), connect(database, role="ingest", autocommit=True) as other:
        assert _claimed(conn, Selection(), limit=2) == numbers[:2]
        assert _claimed(other, Selection()) == numbers[2:]


def test_what_is_dead_again_is_told_by_reason(conn, letter):
    letter("bad_seq", topic="v1/replay/1/a")
    before = newest_id(conn)
    for reason, topic in (("bad_seq", "a"), ("bad_seq", "b"), ("not_json", "a"), ("not_json", "elsewhere")):
        letter(reason, topic=f"v1/replay/1/{topic}")
    assert dead_again(conn, ["v1/replay/1/a", "v1/replay/1/b"], newest=before) == {"bad_seq": 2, "not_json": 1}


def test_age_counts_from_when_it_became_a_dead_letter(conn, letter):
    # All were received in 2018: a recording that is replayed is not thrown away at once.
    old = letter(recorded_at=NOW - timedelta(days=30, seconds=1))
    kept = letter(recorded_at=NOW - timedelta(days=30))
    assert expire(conn, now=NOW, older_than=timedelta(days=30)) == 1
    assert get(conn, old) is None
    assert get(conn, kept) is not None


def test_nobody_but_ingest_sees_them(database, letter):
    letter()
    for role in ("models", "alerts", "schedule"):
        with connect(database, role=role) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
            newest(conn, limit=1)
    with connect(database, role="ingest") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("UPDATE pii.dead_letter SET payload = ''")
