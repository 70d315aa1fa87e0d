import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.coupons import ALPHABET, CouponMisread, new_code, read_code

characters = st.sampled_from(ALPHABET)


@given(st.randoms(use_true_random=False))
def test_a_new_code_reads_back(random) -> None:  # type: ignore[no-untyped-def]
    code = new_code(choose=random.choice)
    assert len(code) == 14
    assert read_code(code) == code
    assert read_code(f" {code.lower().replace('-', ' ')} ") == code


def test_letters_that_look_like_digits_are_read_as_digits() -> None:
    code = new_code(choose=lambda _: "1")
    assert read_code(code.replace("1", "I")) == code
    assert read_code(code.replace("1", "l")) == code


@given(st.randoms(use_true_random=False), st.integers(0, 11), characters)
def test_every_wrong_character_is_noticed(random, position: int, wrong: str) -> None:  # type: ignore[no-untyped-def]
    code = new_code(choose=random.choice).replace("-", "")
    if wrong == code[position]:
        return
    with pytest.raises(CouponMisread):
        read_code(code[:position] + wrong + code[position + 1 :])


@given(st.randoms(use_true_random=False), st.integers(0, 10))
def test_swapped_neighbours_are_noticed(random, position: int) -> None:  # type: ignore[no-untyped-def]
    code = new_code(choose=random.choice).replace("-", "")
    a, b = code[position], code[position + 1]
    # Luhn cannot tell the first character of the alphabet from the last when they change places.
    if a == b or {a, b} == {ALPHABET[0], ALPHABET[-1]}:
        return
    with pytest.raises(CouponMisread):
        read_code(code[:position] + b + a + code[position + 2 :])


@pytest.mark.parametrize(
    "text", ["", "7K3M", "7K3M-9QXT-2VA", "7K3M-9QXT-2VA5-0", "UUUU-UUUU-UUUU", "优惠券优惠券优惠券优惠券"]
)
def test_what_is_no_code_is_refused_in_words(text: str) -> None:
    with pytest.raises(CouponMisread, match="misread or is missing"):
        read_code(text)
