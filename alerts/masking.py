"""Hides who somebody is while leaving enough to recognise a call that is already under way."""

# Surnames of two characters; the first alone would be another family.
_COMPOUND_SURNAMES = frozenset(
    # One string reads like the list it is.
    [
        "欧阳",
        "司马",
        "上官",
        "诸葛",
        "东方",
        "皇甫",
        "尉迟",
        "公孙",
        "慕容",
        "令狐",
        "司徒",
        "司空",
        "夏侯",
        "宇文",
        "长孙",
        "端木",
        "南宫",
        "独孤",
        "东郭",
        "百里",
        "呼延",
        "歐陽",
        "司馬",
        "上官",
        "諸葛",
        "東方",
        "尉遲",
        "公孫",
        "司徒",
        "夏侯",
        "長孫",
        "獨孤",
        "東郭",
        "呼延",
    ]
)


def mask_name(name: str) -> str:
    """Keep the surname of a Chinese name (王**, 欧阳**) and the first letter of any other (W***).

    The number of stars is fixed: the length of a name is a hint as well.
    """
    letters = [letter for letter in name.strip() if letter.isalpha()]
    if not letters:
        return "***"
    if _is_han(letters[0]):
        start = "".join(letters[:2])
        # A surname alone, or one with nothing behind it, would be the whole name.
        kept = start if start in _COMPOUND_SURNAMES and len(letters) > 2 else letters[0]
        return f"{kept}**"
    return f"{letters[0].upper()}***"


def mask_phone(phone: str) -> str:
    """Mask a telephone number: 138****5678 for a Chinese mobile, the last two digits of any other.

    phone : E.164 or as a person wrote it
    """
    digits = "".join(digit for digit in phone if digit in "0123456789")
    national = digits.removeprefix("86") if phone.lstrip().startswith(("+86", "0086")) or len(digits) > 11 else digits
    if phone.lstrip().startswith("0086"):
        national = digits.removeprefix("0086")
    if len(national) == 11 and national.startswith("1"):
        return f"{national[:3]}****{national[-4:]}"
    return f"****{digits[-2:]}" if len(digits) >= 7 else "****"


def mask_vin(vin: str) -> str:
    """Keep who built the car and the end of its serial number: LFWA…1234."""
    return f"{vin[:4]}…{vin[-4:]}" if len(vin) == 17 else "…"


def _is_han(letter: str) -> bool:
    return "\u3400" <= letter <= "\u9fff" or "\U00020000" <= letter <= "\U0003ffff"
