import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.masking import mask_name, mask_phone, mask_vin


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("王芳", "王**"),
        ("王秀英", "王**"),
        ("欧阳娜娜", "欧阳**"),
        ("欧阳", "欧**"),
        ("阿卜杜拉·买买提", "阿**"),
        ("Wang Wei", "W***"),
        ("anna weber", "A***"),
        ("Ólafur Arnalds", "Ó***"),
        ("  ", "***"),
        ("=1+1", "***"),
    ],
)
def test_a_name_keeps_its_family_only(name: str, masked: str) -> None:
    assert mask_name(name) == masked


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("+8613800135678", "138****5678"),
        ("13800135678", "138****5678"),
        ("+86 138-0013-5678", "138****5678"),
        ("008613800135678", "138****5678"),
        ("+861055501234", "****34"),
        ("+442079460018", "****18"),
        ("12345", "****"),
        ("", "****"),
    ],
)
def test_a_phone_number_keeps_too_little_to_dial(phone: str, masked: str) -> None:
    assert mask_phone(phone) == masked


def test_a_vin_keeps_its_ends() -> None:
    assert mask_vin("LFWA0000000001234") == "LFWA…1234"
    assert mask_vin("LFWA") == "…"


@given(st.text(alphabet=st.characters(categories=["L"]), min_size=3))
def test_no_mask_holds_a_whole_name(name: str) -> None:
    assert name not in mask_name(name)


@given(st.from_regex(r"\+?[0-9]{5,15}", fullmatch=True))
def test_no_mask_holds_more_than_seven_digits(phone: str) -> None:
    assert sum(digit.isdigit() for digit in mask_phone(phone)) <= 7
