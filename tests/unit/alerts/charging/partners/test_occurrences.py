from datetime import UTC, datetime, timedelta

from alerts.charging.partners.occurrences import JOINED_WITHIN, Occurrences, Where

AT = datetime(2026, 11, 26, 6, 30, tzinfo=UTC)
HERE = Where("tcec102", "star", "S1", "C1")


def _begin(known: Occurrences, code: str = "18", *, at: datetime = AT, session: str | None = None, where=HERE) -> str:
    return known.begin(where, code, at=at, session_id=session, kind="contact_heat", severity=1)


def test_a_complaint_that_goes_on_is_one_and_the_next_days_is_another():
    known = Occurrences()
    first = _begin(known)
    for minutes in range(0, 200, 9):
        assert _begin(known, at=AT + timedelta(minutes=minutes)) == first
    later = AT + timedelta(minutes=198) + JOINED_WITHIN + timedelta(seconds=1)
    assert _begin(known, at=later) != first


def test_another_session_code_or_place_is_another():
    known = Occurrences()
    found = {
        _begin(known),
        _begin(known, session="T1"),
        _begin(known, session="T2"),
        _begin(known, "9"),
        _begin(known, where=Where("tcec102", "star", "S1", "C2")),
    }
    assert len(found) == 5


def test_what_ends_has_what_it_began_with():
    known = Occurrences()
    ids = {_begin(known, session="T1"), _begin(known, session="T2")}
    other = _begin(known, "9")
    ended = known.end(HERE, "18")
    assert {one.source_id for one in ended} == ids
    assert {(one.kind, one.severity, one.code) for one in ended} == {("contact_heat", 1, "18")}
    assert known.end(HERE, "18") == []
    assert [one.source_id for one in known.end(HERE)] == [other]


def test_the_same_moment_has_the_same_id_in_another_process():
    assert _begin(Occurrences()) == _begin(Occurrences())


def test_memory_is_bounded():
    known = Occurrences(most=10)
    for number in range(100):
        for code in range(200):
            _begin(known, str(code), where=Where("tcec102", "star", "S1", str(number)))
    assert len(known._open) == 10
    assert all(len(codes) <= 100 for codes in known._open.values())
