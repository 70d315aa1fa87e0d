"""Kinds of danger while charging, and what every source's codes mean in them, read from ``dangers.toml``."""

from collections.abc import Mapping
from functools import cache
from typing import Literal

import msgspec

from config._files import read_toml

Severity = Literal[1, 2, 3]
Table = Literal["gbt32960", "tcec", "ocpp16", "ocpp201"]


class Danger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of danger.

    burns        : whether the owner is told to keep away and leave the car alone
    specialist   : whether somebody is sent to look at the car
    zh, en       : its name
    advice_zh, advice_en : what the owner should do, in the words that are sent
    """

    key: str
    burns: bool
    specialist: bool
    zh: str
    en: str
    advice_zh: str
    advice_en: str

    def name(self, language: str) -> str:
        return self.zh if language.startswith("zh") else self.en

    def advice(self, language: str) -> str:
        return self.advice_zh if language.startswith("zh") else self.advice_en


class Meaning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a code stands for; ``severity`` None: as the source itself grades it."""

    kind: str
    severity: Severity | None = None


@cache
def dangers() -> Mapping[str, Danger]:
    """Return every kind of danger by its key, in file order."""
    return {
        key: msgspec.convert({"key": key, **table}, Danger) for key, table in read_toml("dangers.toml")["kind"].items()
    }


def meaning(table: Table, code: str, *, level: int | None = None) -> tuple[str, Severity]:
    """Return the kind of danger and the severity of a source's code.

    table : "gbt32960" has alarms by name as ``ingest.gbt32960.alarms`` lists them, "tcec" numbers of T/CEC alarm
            pushes, "ocpp16" error codes, "ocpp201" ``Component/Variable``
    level : the source's own, in its own counting (``own_severity``); where a code has none in the table it decides,
            and a source that grades its own code worse than the table is believed
    Returns : an unknown code is "other", graded by the source, or 2 where the source does not grade
    """
    known = _codes()[table].get(code) or _codes()[table].get(code.casefold())
    said = None if level is None else own_severity(table, level)
    if known is None:
        return "other", said or 2
    if known.severity is None:
        return known.kind, said or 2
    return known.kind, known.severity if said is None else min(known.severity, said)


def is_known(table: Table, code: str) -> bool:
    """Say whether a source's code is in the table."""
    return code in _codes()[table] or code.casefold() in _codes()[table]


def own_severity(table: Table, level: int) -> Severity | None:
    """Return our severity for a source's own level; None where the level says that nothing is wrong, or nothing.

    GB/T 32960 counts up (3, and 4 since 2025, is worst), T/CEC down (1 is worst), OCPP 2.1 down (0 danger to 9 debug).
    """
    return _levels()[table].get(str(level))


@cache
def _codes() -> Mapping[Table, Mapping[str, Meaning]]:
    tables = read_toml("dangers.toml")["code"]
    found = {
        name: {code: msgspec.convert(entry, Meaning) for code, entry in codes.items()} for name, codes in tables.items()
    }
    for codes in found.values():
        codes |= {code.casefold(): entry for code, entry in codes.items()}
    return found


@cache
def _levels() -> Mapping[Table, Mapping[str, Severity]]:
    return msgspec.convert(read_toml("dangers.toml")["level"], dict[Table, dict[str, Severity]])
