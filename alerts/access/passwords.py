"""Passwords: what makes a good one, how it is kept, and how long whoever guesses has to wait.

Source: NIST SP 800-63B, sections 5.1.1.2 and 5.2.2; RFC 9106 for argon2id.
"""

import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from config.errors import UserMistake

SHORTEST, LONGEST = 12, 128
# Failures that cost nothing: a finger slips, a layout was wrong.
_FREE_FAILURES = 4
_FIRST_WAIT_S, _LONGEST_WAIT_S = 60, 3600
# RFC 9106, the second choice for where memory is scarce, on one lane: 64 MiB and some 0.1 s for each guess.
_MEMORY_KIB, _ROUNDS, _LANES = 64 * 1024, 3, 1


class PasswordTooWeak(UserMistake):
    """A password is too easily guessed."""


class Passwords:
    """Makes and checks hashes. Other costs than the default are for tests."""

    def __init__(self, *, memory_kib: int = _MEMORY_KIB, rounds: int = _ROUNDS) -> None:
        self._hasher = PasswordHasher(time_cost=rounds, memory_cost=memory_kib, parallelism=_LANES)
        # What an unknown name is checked against: no password has this hash, and it costs what others cost.
        self._nobodys = self._hasher.hash("nobody's password, which nobody knows")

    def hash(self, password: str) -> str:
        """Return what to keep of a password."""
        return self._hasher.hash(_normal(password))

    def matches(self, kept: str | None, password: str) -> bool:
        """Tell whether a password is the one that was kept; None, for nobody's, takes as long and is never right."""
        try:
            right = self._hasher.verify(kept or self._nobodys, _normal(password))
        except (VerificationError, InvalidHashError):
            return False
        return right and kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Tell whether a hash was made at another cost than a new one would be."""
        return self._hasher.check_needs_rehash(kept)


@cache
def passwords() -> Passwords:
    """Return the hasher of this process."""
    return Passwords()


def check_password(password: str, *, name: str) -> None:
    """Refuse a password that is too easily guessed.

    Raises : PasswordTooWeak, with what to do
    """
    normal = _normal(password)
    if len(normal) < SHORTEST:
        raise PasswordTooWeak(f"the password has {len(normal)} characters: take at least {SHORTEST}")
    if len(normal) > LONGEST:
        raise PasswordTooWeak(f"the password has {len(normal)} characters: take at most {LONGEST}")
    if len(set(normal)) < 5:
        raise PasswordTooWeak("the password repeats a few characters: take one that nobody guesses")
    if name.lower() in normal.lower():
        raise PasswordTooWeak("the password holds the name of the account: take one that nobody guesses")


def waits_s() -> tuple[int, ...]:
    """Return how long an account waits after its first, second, … failure in a row, in s; the last stands for the rest.

    Nothing at first, then a minute, doubled up to an hour: whoever guesses for a day has some 30 guesses.
    """
    waits = [0] * _FREE_FAILURES
    wait = _FIRST_WAIT_S
    while wait < _LONGEST_WAIT_S:
        waits.append(wait)
        wait *= 2
    return (*waits, _LONGEST_WAIT_S)


def _normal(password: str) -> str:
    # The same letters may be typed as different code points, by system and keyboard. No wrong password is that long.
    return unicodedata.normalize("NFKC", password)[: LONGEST + 1]
