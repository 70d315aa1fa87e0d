import re
from pathlib import Path

import pytest

from alerts import wording
from alerts.evidence import Observed
from alerts.priority import Part
from alerts.reasons import Reason, Why, parse, usual_level
from alerts.work import redeeming
from config.faults import fault_modes

MODES = list(fault_modes().values())
CELL = Observed(signal="cell_low_dev_mv", regime="rest", value=-41.2, slope_per_day=-1.23, usual=-4.1, cell=82)


def said(observed: Observed, language: str = "en") -> str:
    return wording.why(Why(observed, ()), None, language)


def test_the_sentence_of_a_cell_that_falls_behind() -> None:
    assert said(CELL) == "cell 82 rests 41 mV below the pack's median, usual 4 mV, and falls 1.2 mV a day"


def test_the_sentence_of_a_weak_12_v_battery() -> None:
    observed = Observed(signal="lv_battery_v", regime="rest", value=12.104, slope_per_day=-0.0221, earlier=12.62)
    assert said(observed) == "the 12 V battery rests at 12.10 V, a month ago 12.62 V, and loses 22 mV a day"


def test_a_signal_that_recovers_is_not_said_to_fall() -> None:
    observed = Observed(signal="lv_battery_v", regime="rest", value=12.4, slope_per_day=0.02, usual=12.6)
    assert said(observed) == "the 12 V battery rests at 12.40 V, usual 12.60 V"


def test_a_cell_nobody_counted() -> None:
    observed = Observed(signal="cell_low_dev_mv", regime="rest", value=-30)
    assert said(observed) == "one cell rests 30 mV below the pack's median"


def test_any_other_signal_is_named() -> None:
    observed = Observed(signal="coolant_c", regime="drive", value=108.4, slope_per_day=0.83, usual=90)
    assert said(observed) == "coolant temperature while driving is 108 °C, usual 90.0 °C, and rises 0.8 °C a day"


def test_without_an_observation_the_strongest_reason_speaks() -> None:
    reasons = parse([{"feature": "lv_battery_v.rest.trend.7d", "signal": "lv_battery_v", "value": -0.02, "usual": 0.0}])
    text = wording.why(reasons, None, "en")
    assert text == "12 V battery voltage, at rest, trend over 7 d: −20 mV a day, usual 0.0 mV a day"


def test_a_reason_says_what_is_usual_and_since_when_it_is_not() -> None:
    stored = {"feature": "lv_battery_v.rest.level.7d", "signal": "lv_battery_v", "value": 11.9, "usual": 12.6}
    reasons = parse([{**stored, "usual_low": 12.4, "usual_high": 12.7, "since": "2026-03-05"}])
    text = wording.why(reasons, None, "en")
    assert text == "12 V battery voltage, at rest, mean of 7 d: 11.90 V, usual 12.40 V to 12.70 V, since March 5"
    assert wording.why(reasons, None, "zh_CN").endswith("通常 12.40 V 至 12.70 V，自 3月5日 起")
    # Where both ends are shown alike one of them says all.
    [reason] = parse([{**stored, "usual_low": 12.401, "usual_high": 12.402}]).reasons
    assert wording.usual_of(reason, "en") == "12.40 V"


def test_without_anything_the_fault_is_named() -> None:
    assert wording.why(Why(None, ()), MODES[0], "en") == f"the model expects it: {MODES[0].en}"


@pytest.mark.parametrize(
    ("days", "said_of_it"),
    [
        ((8.6, 4.2, 15.3), "probably in 9 days (4 to 16)"),
        ((0.3, 0.0, 2.1), "probably within a day (up to 3 days)"),
        ((0.2, 0.0, 0.4), "probably within a day (up to 1 days)"),
        ((None, None, None), ""),
    ],
)
def test_when_the_lamp_is_expected(days: tuple[float | None, ...], said_of_it: str) -> None:
    assert wording.days_to_lamp(*days, "en") == said_of_it
    assert bool(re.search(r"[\u4e00-\u9fff]", wording.days_to_lamp(*days, "zh_CN"))) == bool(said_of_it)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.key)
def test_every_fault_has_a_sentence_in_both_languages(mode) -> None:  # type: ignore[no-untyped-def]
    observed = Observed(signal=mode.chart, regime="rest", value=-9.0, slope_per_day=-1.0, usual=-1.0, cell=3)
    assert re.search(r"[\u4e00-\u9fff]", said(observed, "zh_CN"))
    assert not re.search(r"[\u4e00-\u9fff]", said(observed, "en"))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (12.104, "V", "12.10 V"),
        (352.4, "V", "352 V"),
        (4.4, "mV", "4 mV"),
        (-0.4, "mV", "0 mV"),
        (-41.6, "mV", "−42 mV"),
        (3.44, "degC", "3.4 °C"),
        (61, "percent", "61.0 %"),
        (8000, "kOhm", "8000 kΩ"),
        (3, "", "3.0"),
    ],
)
def test_quantities(value: float, unit: str, text: str) -> None:
    assert wording.quantity(value, unit) == text


def test_the_priority_is_explained() -> None:
    parts = (
        Part("severity", 50, 1),
        Part("likelihood", 33, 0.943),
        Part("urgency", 5, 21),
        Part("further_leads", 2, 1),
    )
    assert wording.priority_parts(parts, "en") == [
        ("personal safety", 50),
        ("94 % likely", 33),
        ("lamp within 21 days", 5),
        ("further reasons: 1", 2),
    ]


def test_reasons_are_read_with_or_without_their_parts_spelt_out() -> None:
    why = parse(
        [
            {"kind": "observed", "signal": "lv_battery_v", "regime": "rest", "value": 12},
            {
                "feature": "lv_battery_v.rest.level.28d",
                "signal": "lv_battery_v",
                "value": 12.1,
                "usual": 12.6,
                "new": 1,
            },
            {"feature": "?", "signal": "soc_pct", "value": None, "kind": "change", "regime": "drive", "window_d": 7},
        ]
    )
    assert why.observed == Observed(signal="lv_battery_v", regime="rest", value=12.0)
    assert why.reasons[0] == Reason(
        signal="lv_battery_v", value=12.1, usual=12.6, regime="rest", kind="level", window_d=28
    )
    assert (why.reasons[1].kind, why.reasons[1].window_d) == ("change", 7)
    assert usual_level(why.reasons, "lv_battery_v") == 12.6
    assert usual_level(why.reasons, "soc_pct") is None


def test_every_text_of_the_pages_is_translated() -> None:
    from config.i18n import translator

    chinese = translator("zh_CN")
    folder = Path(wording.__file__).parent
    texts = set()
    for file in [*folder.rglob("*.py"), *folder.rglob("*.html")]:
        if "charging" not in file.parts:
            calls = re.finditer(r"""\bt\(\s*(?:"([^"]+)"|'([^']+)')\s*[,)]""", file.read_text())
            texts.update(m[1] or m[2] for m in calls)
            # What people are told to correct is raised as it stands and translated where it is shown.
            refusals = r'(?:CannotBook|MayNotCall|OutcomeMissing|FindingRefused)\("([^"]+)"'
            texts.update(re.findall(refusals, file.read_text()))
    for words in (
        wording._DISPOSITIONS, wording._ENTRIES, wording._OUTCOMES, wording._FINDINGS, wording._TASKS, wording._CLOCKS,
        wording._WAYS, wording._SAID, redeeming._TEXTS,
    ):  # fmt: skip
        texts.update(words.values())
    texts.update(text for both in wording._SOURCES.values() for text in both)
    assert len(texts) > 50
    assert [text for text in sorted(texts) if chinese(text) == text] == []
