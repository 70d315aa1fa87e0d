from typing import get_args

import pytest

from alerts.charging.anomaly import Kind
from config.dangers import Table, dangers, meaning, own_severity
from forewarn.simulator.charging.codes import CITY_CODES, OCPP_16_CODES
from ingest.gbt32960.alarms import ALARMS_2025


def test_every_kind_of_danger_has_a_name_and_advice_in_both_languages() -> None:
    assert set(dangers()) == set(get_args(Kind))
    for danger in dangers().values():
        texts = {danger.name("zh_CN"), danger.name("en"), danger.advice("zh_CN"), danger.advice("en")}
        assert len(texts) == 4
        assert all(texts)


@pytest.mark.parametrize(
    ("table", "code", "level", "expected"),
    [
        ("gbt32960", "battery_high_temperature", 3, ("over_temperature", 1)),
        ("gbt32960", "battery_high_temperature", 1, ("over_temperature", 3)),
        ("gbt32960", "thermal_event", None, ("thermal_runaway", 1)),
        ("gbt32960", "thermal_event", 1, ("thermal_runaway", 1)),
        ("tcec", "18", 1, ("contact_heat", 1)),
        ("tcec", "18", 3, ("contact_heat", 3)),
        ("tcec", "9", 3, ("smoke", 1)),
        ("ocpp16", "HighTemperature", None, ("contact_heat", 1)),
        ("ocpp16", "highTEMPERATURE", None, ("contact_heat", 1)),
        ("ocpp16", "WeakSignal", None, ("other", 3)),
        ("ocpp201", "SmokeSensor/Active", 9, ("smoke", 1)),
        ("ocpp201", "EVSE/Overload", 2, ("over_current", 1)),
    ],
)
def test_a_code_means_a_kind_and_a_severity(table: Table, code: str, level: int | None, expected: object) -> None:
    assert meaning(table, code, level=level) == expected


@pytest.mark.parametrize(("level", "expected"), [(1, 1), (2, 2), (3, 3), (None, 2)])
def test_an_unknown_code_is_graded_by_its_source(level: int | None, expected: int) -> None:
    assert meaning("tcec", "E-4711", level=level) == ("other", expected)


def test_the_worst_level_is_the_worst_severity_however_a_source_counts() -> None:
    assert [own_severity("gbt32960", level) for level in (0, 1, 2, 3, 4)] == [None, 3, 2, 1, 1]
    assert [own_severity("tcec", level) for level in (1, 2, 3)] == [1, 2, 3]
    assert own_severity("ocpp201", 0) == 1
    assert own_severity("ocpp201", 9) == 3


def test_every_code_of_the_public_lists_is_known() -> None:
    assert all(meaning("tcec", code)[0] != "other" for code in CITY_CODES)
    assert all(meaning("ocpp16", code, level=None) for code in OCPP_16_CODES - {"NoError"})


def test_alarms_of_frames_are_called_as_the_decoder_calls_them() -> None:
    from config._files import read_toml

    assert set(read_toml("dangers.toml")["code"]["gbt32960"]) <= set(ALARMS_2025)
