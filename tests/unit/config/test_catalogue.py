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


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("quality", "one that the store's own tables have"),
        ("readings", "one that the store's own tables have"),
        ("ctid", "one that the store's own tables have"),
        ("x__n", "two underscores in a row"),
        ("x" * 51, "longer than 50 letters"),
        ("Speed", "small letters, digits and underscores"),
        ("soc_at", "kept of soc in telemetry.vehicle_state"),
        ("soc_seq", "kept of soc in telemetry.vehicle_state"),
    ],
)
def test_a_column_that_collides_with_the_stores_own_is_refused(column, said):
    table = {"type": "real", "on": ["bev"], "zh": "", "en": ""}
    with pytest.raises(ValueError, match=rf"^config/signals\.toml, signal Vehicle\.X: .*{said}"):
        parse_catalogue({"Vehicle.Soc": {**table, "column": "soc"}, "Vehicle.X": {**table, "column": column}})
    parse_catalogue({"Vehicle.X": {**table, "column": "x" * 50}, "Vehicle.At": {**table, "column": "parked_at"}})


@pytest.mark.parametrize("given", [{}, {"range": [0, 1e101]}, {"range": [float("-inf"), 0]}])
def test_a_double_needs_a_range_or_no_rollup(given):
    table = {"column": "energy_wh", "type": "double", "on": ["bev"], "zh": "", "en": ""}
    with pytest.raises(ValueError, match=r"signal Vehicle\.X: type double needs a range within ±1e100, or rollup"):
        parse_catalogue({"Vehicle.X": {**table, **given}})
    parse_catalogue({"Vehicle.X": {**table, "rollup": False}})
    parse_catalogue({"Vehicle.X": {**table, "range": [-1e100, 1e100]}})


def test_every_fault_mode_charts_a_signal_and_every_lamp_has_one_mode():
    lamps = [lamp for mode in fault_modes().values() for lamp in mode.lamps]
    assert len(lamps) == len(set(lamps))
    for mode in fault_modes().values():
        assert mode.chart in catalogue().by_column
        assert set(mode.on) <= set(catalogue().by_column[mode.chart].on)
        assert all(fault_of_lamp(lamp) is mode for lamp in mode.lamps)


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="zh_CN, en"):
        translator("fr")
