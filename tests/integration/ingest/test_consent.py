"""Which of an owner's choices is in force, whatever the clock of the car says."""

from itertools import count

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingest import topics
from ingest.inbox import Message
from ingest.writer import Outcome
from tests.integration.ingest.test_writer import NOW_MS, VIN, rows, sample, telemetry, write  # noqa: F401

DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS


def choose(said_ms, *, received_ms=NOW_MS, vin=VIN, version="2", **purposes):
    payload = msgspec.json.encode({"ts": said_ms, "purposes": purposes, "policy_version": version})
    return Message(topics.consent(vin), payload, 4, received_ms, 1)


def agreed(database, vin=VIN):
    """Return the purposes in force, which both who asks by car and who asks by VIN must see."""
    query = (
        "SELECT purpose FROM pii.consent_now JOIN pii.vehicle_identity USING (vehicle_id)"
        f" WHERE vin = '{vin}' AND granted"
    )
    return {purpose for (purpose,) in rows(database, query)}


@pytest.mark.parametrize(
    "said_ms",
    [NOW_MS, NOW_MS + YEAR_MS, NOW_MS - 90 * DAY_MS, NOW_MS - 401 * DAY_MS, 1000, 0, -1, 2**62, 2**63, -(2**70)],
)
def test_a_withdrawal_is_in_force_from_its_receipt(database, write, said_ms):  # noqa: F811
    write(choose(NOW_MS + YEAR_MS - 1000, care=True))
    assert write(choose(said_ms, received_ms=NOW_MS + 1, care=False)) == Outcome(received=1, stored=1)
    assert write(telemetry(sample(soc=1))) == Outcome(received=1, refused=1)
    assert agreed(database) == {"marketing", "safety"}
    assert rows(database, "SELECT max(chosen_at) <= max(received_at) FROM pii.consent") == [(True,)]


@pytest.mark.parametrize(
    ("withdrawn_ms", "granted_ms", "granted"),
    [
        (NOW_MS, NOW_MS - 1, False),
        (NOW_MS, NOW_MS, False),
        (NOW_MS, NOW_MS + 1, True),
        (NOW_MS - 90 * DAY_MS, NOW_MS - 91 * DAY_MS, False),
        (NOW_MS - 90 * DAY_MS, NOW_MS - 89 * DAY_MS, True),
        # The clock was a year ahead and is right again; it was right and is reset.
        (NOW_MS + YEAR_MS, NOW_MS + 1000, True),
        (NOW_MS, 5, True),
        # Both wrong: what they said is all there is.
        (NOW_MS + YEAR_MS, NOW_MS + YEAR_MS - 1, False),
        (NOW_MS + YEAR_MS, NOW_MS + YEAR_MS + 1, True),
        (500, 499, False),
        (500, 501, True),
    ],
)
def test_a_grant_counts_when_it_was_chosen_after_the_withdrawal(database, write, withdrawn_ms, granted_ms, granted):  # noqa: F811
    write(choose(withdrawn_ms, care=False))
    assert write(choose(granted_ms, received_ms=NOW_MS + 1000, care=True)) == Outcome(received=1, stored=1)
    assert ("care" in agreed(database)) == granted
    assert write(telemetry(sample(soc=1))).stored == granted


def test_an_old_grant_does_not_pass_a_newer_withdrawal_for_another_that_came_between(database, write):  # noqa: F811
    write(choose(NOW_MS - 10, care=False))
    write(choose(NOW_MS - 50, received_ms=NOW_MS + 1, care=False))
    write(choose(NOW_MS - 30, received_ms=NOW_MS + 2, care=True))
    assert "care" not in agreed(database)
    write(choose(NOW_MS - 5, received_ms=NOW_MS + 3, care=True))
    assert "care" in agreed(database)


def test_a_choice_that_is_sent_again_changes_nothing(database, write):  # noqa: F811
    withdrawal, grant = (
        choose(NOW_MS + YEAR_MS, care=False),
        choose(NOW_MS + YEAR_MS + 5, received_ms=NOW_MS + 1, care=True),
    )
    write(withdrawal)
    write(grant)
    again = msgspec.structs.replace(withdrawal, received_ms=NOW_MS + DAY_MS)
    assert write(again, telemetry(sample(soc=1))) == Outcome(received=2, stored=1, duplicate=1)
    assert write(choose(NOW_MS + YEAR_MS, received_ms=NOW_MS + DAY_MS, version="3", care=False)).stored == 1
    assert "care" not in agreed(database)


def test_a_recorded_choice_was_received_when_it_was_recorded(database, write):  # noqa: F811
    write(choose(NOW_MS + 1, received_ms=NOW_MS + 10, care=True))
    old = choose(NOW_MS + 3, care=False)
    recorded = Message(topics.replay(NOW_MS + 5, old.topic), old.payload, 4, NOW_MS + DAY_MS, 1)
    assert write(recorded).stored == 1
    assert "care" not in agreed(database), "the grant was chosen before the withdrawal"
    write(choose(NOW_MS + 8, received_ms=NOW_MS + 9, care=True))
    assert "care" in agreed(database)


def test_what_was_received_later_counts_though_it_was_stored_earlier(database, write):  # noqa: F811
    write(choose(NOW_MS + 4, received_ms=NOW_MS + 10, care=True))
    withdrawal = choose(NOW_MS + 3, care=False)
    assert write(Message(topics.replay(NOW_MS + 5, withdrawal.topic), withdrawal.payload, 4, NOW_MS, 1)).stored == 1
    assert "care" in agreed(database)


def test_of_several_grants_the_one_after_the_last_withdrawal_tells_what_was_agreed_to(database, write):  # noqa: F811
    write(choose(NOW_MS + 100, received_ms=NOW_MS + 101, version="first", care=True))
    write(choose(NOW_MS + 50, received_ms=NOW_MS + 102, care=False))
    write(choose(NOW_MS + 60, received_ms=NOW_MS + 103, version="then", care=True))
    write(choose(NOW_MS + 55, received_ms=NOW_MS + 104, version="late", care=True))
    query = "SELECT granted, policy_version FROM pii.consent_now WHERE purpose = 'care'"
    assert rows(database, query) == [(True, "then")]


def test_a_choice_holds_for_what_follows_it_in_the_same_batch(database, write):  # noqa: F811
    def said(seq):
        return telemetry(sample(soc=1, seq=seq))

    first = [said(1), choose(NOW_MS, care=False), said(2), choose(NOW_MS - 1, care=True), said(3)]
    assert write(*first, choose(NOW_MS + 1, care=True), said(4)) == Outcome(received=7, stored=5, refused=2)
    assert rows(database, "SELECT seq FROM telemetry.vehicle_reading ORDER BY seq") == [(1,), (4,)]


def test_a_choice_holds_for_what_follows_it_when_messages_are_written_one_by_one(database, write, monkeypatch):  # noqa: F811
    decode = write.writer._decoder.decode

    def fail_on_one(payload, *, vin):
        if b"1234.5" in payload:
            raise OverflowError("too large for what nobody thought of")
        return decode(payload, vin=vin)

    monkeypatch.setattr(write.writer._decoder, "decode", fail_on_one)
    bad = telemetry(sample(ts=NOW_MS - 1, speed=1234.5))
    got = write(bad, choose(NOW_MS, care=False), telemetry(sample(soc=1)), bad, choose(NOW_MS, safety=False))
    assert got == Outcome(received=5, stored=2, dead=1, refused=2)


@pytest.mark.parametrize("purposes", [b"{}", b'{"CARE":false}', b'{"care":null}', b'{"care":"no"}', b"[]"])
def test_a_choice_of_nothing_or_of_what_is_unknown_is_a_dead_letter(database, write, purposes):  # noqa: F811
    payload = b'{"ts":1767225600000,"purposes":%s,"policy_version":"2"}' % purposes
    message = Message(topics.consent(VIN), payload, 4, NOW_MS, 1)
    assert write(message, message) == Outcome(received=2, dead=2)
    assert rows(database, "SELECT DISTINCT reason, payload FROM pii.dead_letter") == [("bad_consent", payload)]


def test_a_purpose_of_a_newer_car_does_not_hold_up_a_withdrawal(database, write):  # noqa: F811
    payload = b'{"ts":1767225600000,"purposes":{"care":false,"research":true},"policy_version":"2"}'
    assert write(Message(topics.consent(VIN), payload, 4, NOW_MS, 1)) == Outcome(received=1, stored=1)
    assert write(telemetry(sample(soc=1))) == Outcome(received=1, refused=1)


said_after_ms = st.sampled_from([0, -DAY_MS, -90 * DAY_MS, -500 * DAY_MS, YEAR_MS, 2 * YEAR_MS, -NOW_MS])
choices = st.tuples(st.booleans(), said_after_ms, st.integers(-3, 3), st.integers(0, 2))
numbers = count(1)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.lists(choices, min_size=1, max_size=8), together=st.booleans())
@example(chosen=[(False, YEAR_MS, 0, 0), (True, 0, 0, 0), (True, YEAR_MS, -1, 1)], together=False)
def test_after_a_withdrawal_nothing_is_stored_until_a_grant_that_was_chosen_later(
    database,
    write,  # noqa: F811
    enrolled,
    chosen,
    together,
):
    vin = f"LFWA0{next(numbers):012d}"
    enrolled(vin)
    received_ms, seen, batch, wanted = NOW_MS, set(), [], []
    open_withdrawals = []
    for number, (granted, off_ms, more_ms, later_ms) in enumerate(chosen):
        received_ms += later_ms
        said = received_ms + off_ms + more_ms
        believed = -400 * DAY_MS <= said - received_ms <= 0
        at = said if believed else received_ms
        if (granted, said) not in seen:
            seen.add((granted, said))
            if granted:
                open_withdrawals = [
                    (one_at, one_said, one_believed)
                    for one_at, one_said, one_believed in open_withdrawals
                    if at < one_at
                    or (at == one_at and said <= one_said)
                    or (not believed and not one_believed and said <= one_said)
                ]
            else:
                open_withdrawals.append((at, said, believed))
        if not open_withdrawals:
            wanted.append(number)
        batch += [
            choose(said, received_ms=received_ms, vin=vin, care=granted),
            telemetry(sample(seq=number, soc=1), vin=vin, received_ms=received_ms),
        ]
    for some in [batch] if together else [[message] for message in batch]:
        write(*some)
    found = rows(
        database,
        "SELECT seq::int FROM telemetry.vehicle_reading JOIN pii.vehicle_identity USING (vehicle_id)"
        f" WHERE vin = '{vin}' ORDER BY seq",
    )
    assert [seq for (seq,) in found] == wanted
    assert ("care" in agreed(database, vin)) == (not open_withdrawals)
