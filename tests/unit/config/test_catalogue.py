import pytest

from config.faults import fault_modes, fault_of_lamp
from config.i18n import translator
from config.signals import catalogue, parse_catalogue


def test_columns_and_paths_are_unique():
    signals = catalogue().signals
    assert len({signal.path for signal in signals}) == len({signal.column for signal in signals}) == len(signals)


def test_ranges_are_ordered_and_units_given():
    for signal in catalogue().signals:
        if signal.lowest is not None and signal.highest is not None:
            assert signal.lowest < signal.highest, signal.path
        if signal.type in ("real", "double", "real[]", "position"):
            assert signal.unit, signal.path


def test_a_mistake_in_the_catalogue_names_the_signal():
    with pytest.raises(ValueError, match=r"Vehicle\.X"):
        parse_catalogue({"Vehicle.X": {"column": "x", "type": "number", "on": [], "zh": "", "en": ""}})


def test_two_signals_may_not_share_a_column():
    table = {"column": "x", "type": "real", "on": ["bev"], "zh": "", "en": ""}
    with pytest.raises(ValueError, match="twice"):
        parse_catalogue({"A": table, "B": table})


def test_every_fault_mode_charts_a_signal_and_every_lamp_has_one_mode():
    lamps = [lamp for mode in fault_modes().values() for lamp in mode.lamps]
    assert len(lamps) == len(set(lamps))
    for mode in fault_modes().values():
        assert mode.chart in catalogue().by_column
        assert set(mode.on) <= set(catalogue().by_column[mode.chart].on)
        assert all(fault_of_lamp(lamp) is mode for lamp in mode.lamps)


def test_two_modes_at_least_are_predicted():
    assert sum(mode.predicted for mode in fault_modes().values()) >= 2


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="zh_CN, en"):
        translator("fr")
