"""Coupon codes: nobody can guess one, and a slip of the tongue or the keyboard is caught before any look-up."""

import secrets
from collections.abc import Callable

# Crockford's base 32 leaves out I, L, O and U: read over the telephone they are 1, 1, 0 and V.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUE = {character: value for value, character in enumerate(ALPHABET)} | {"I": 1, "L": 1, "O": 0}
# 11 random characters are 55 bits: with a million live coupons one guess in 36 thousand million hits.
_RANDOM_CHARACTERS = 11
_GROUP = 4


class CouponMisread(ValueError):
    """This is not a coupon code: a character was misread or is missing."""


def new_code(*, choose: Callable[[str], str] = secrets.choice) -> str:
    """Return a new code such as 7K3M-9QXT-2VA5; its last character checks the others."""
    body = "".join(choose(ALPHABET) for _ in range(_RANDOM_CHARACTERS))
    code = body + _check_character(body)
    return "-".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP))


def read_code(text: str) -> str:
    """Return the canonical form of a code as a person wrote or said it.

    Raises : CouponMisread, before any look-up, so that guessing costs nothing but the guesser's time
    """
    letters = [letter for letter in text.upper() if letter.isalnum()]
    if len(letters) != _RANDOM_CHARACTERS + 1 or any(letter not in _VALUE for letter in letters):
        raise CouponMisread(CouponMisread.__doc__)
    code = "".join(ALPHABET[_VALUE[letter]] for letter in letters)
    if _check_character(code[:-1]) != code[-1]:
        raise CouponMisread(CouponMisread.__doc__)
    return "-".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP))


def _check_character(body: str) -> str:
    """Return the check character of a code: Luhn mod N, ISO/IEC 7812-1 annex B made for 32 characters.

    It catches every single wrong character and every swap of neighbours but that of the first and last of the alphabet.
    """
    total = 0
    for position, character in enumerate(reversed(body)):
        product = _VALUE[character] * (2 if position % 2 == 0 else 1)
        total += product // len(ALPHABET) + product % len(ALPHABET)
    return ALPHABET[-total % len(ALPHABET)]
