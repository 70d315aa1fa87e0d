import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.access.passwords import LONGEST, Passwords, PasswordTooWeak, check_password, passwords, waits_s

CHEAP = Passwords(memory_kib=8, rounds=1)


def test_a_password_is_kept_as_argon2id_with_what_the_docs_say() -> None:
    kept = passwords().hash("nine brown foxes")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert kept != passwords().hash("nine brown foxes")
    assert not passwords().is_outdated(kept)
    assert passwords().is_outdated(CHEAP.hash("nine brown foxes"))


@settings(deadline=None)
@given(st.text(max_size=LONGEST), st.text(max_size=LONGEST))
def test_the_right_password_and_no_other(password: str, other: str) -> None:
    kept = CHEAP.hash(password)
    assert CHEAP.matches(kept, password)
    assert CHEAP.matches(kept, other) == _same(password, other)


def _same(one: str, other: str) -> bool:
    import unicodedata

    return unicodedata.normalize("NFKC", one) == unicodedata.normalize("NFKC", other)


def test_the_same_letters_typed_as_other_code_points() -> None:
    assert CHEAP.matches(CHEAP.hash("Ärger im Büro"), "A\u0308rger im Bu\u0308ro")


def test_nobodys_password_is_never_right() -> None:
    assert not CHEAP.matches(None, "nobody's password, which nobody knows")
    assert not CHEAP.matches("$argon2id$broken", "x")


def test_an_unknown_name_costs_what_a_wrong_password_costs() -> None:
    """By the time the processor spent in this thread, which other load on the machine does not change."""
    hasher = passwords()
    kept = hasher.hash("nine brown foxes")

    def cost(kept: str | None) -> float:
        started = time.thread_time()
        assert not hasher.matches(kept, "ten brown foxes!")
        return time.thread_time() - started

    cost(kept)
    unknown, wrong = min(cost(None) for _ in range(3)), min(cost(kept) for _ in range(3))
    assert 0.5 < unknown / wrong < 2
    # The price of a guess: below it a stolen table would be worth a try.
    assert wrong > 0.01


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "at least 12"),
        ("x" * 200, "at most 128"),
        ("abababababab", "repeats"),
        ("Li.Na is nice", "name"),
    ],
)
def test_what_is_easily_guessed_is_refused(password: str, why: str) -> None:
    with pytest.raises(PasswordTooWeak, match=why):
        check_password(password, name="li.na")


def test_a_long_one_is_fine() -> None:
    check_password("nine brown foxes", name="li.na")
    check_password("九只棕色的狐狸跳过了懒狗", name="li.na")


def test_waits_grow_up_to_an_hour() -> None:
    waits = waits_s()
    assert waits[:6] == (0, 0, 0, 0, 60, 120)
    assert waits[-1] == 3600
    assert all(earlier <= later for earlier, later in pairwise(waits))
    # Whoever guesses without a rest has no more guesses in a day than that.
    spent, guesses = 0, 0
    while spent < 86_400:
        spent += waits[min(guesses, len(waits) - 1)]
        guesses += 1
    assert guesses <= 40
