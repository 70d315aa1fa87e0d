"""Quantities a mechanic would look at, worked out of one row of daily sums: what load and cold do is taken out of them.

Every formula takes the sums of one car, day and regime and gives one value for it, so nothing of another day or of what
was received later can get in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from config.quantities import quantities

Floats = NDArray[np.float64]

STATISTICS = ("n", "sum", "sumsq", "min", "max")

# Air presses on a tyre from outside with so much (kPa); gauges read what is beyond it.
_AIR_KPA, _ZERO_C, _TYRE_AT_C = 101.3, -273.15, 20.0
# Open-circuit voltage of a cell of nickel, manganese and cobalt by its charge, as published curves have it within some
# 20 mV. Below 3.42 V a cell may be one of iron phosphate, whose curve is so flat that no voltage tells its charge.
_NMC_SOC_PCT = (0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
_NMC_V = (3.0, 3.35, 3.45, 3.55, 3.60, 3.64, 3.70, 3.79, 3.89, 3.99, 4.08, 4.18)
_NOT_IRON_V = 3.42
# A full lead-acid battery of six cells stands at this; chargers give about 3 mV a cell less for each degree warmer.
_FULL_12V, _CHARGE_V_PER_C, _AT_C = 12.6, 0.018, 25.0
# Below 25 °C the resistance of lead-acid batteries rises by about this share for each degree.
_RESISTANCE_PER_K = 0.01
# Less than that from the 12 V battery is no starter.
_CRANKING_A = 60.0
# Below these loads a ratio says more about noise than about the part.
_LEAST_A, _LEAST_KW, _LEAST_RPM = 4.0, 0.3, 300.0
_RPM_NM_PER_KW = 9549.3


class Sums:
    """Daily sums of signals: rows of one car, day, day of receipt and regime.

    take : returns n, sum, sumsq, min or max of a signal, (n_rows,) float64. Only what is asked for is taken, and once
    """

    def __init__(self, take: Callable[[str, str], Floats]) -> None:
        self._take = take
        self._taken: dict[tuple[str, str], Floats] = {}

    def of(self, column: str, statistic: str) -> Floats:
        if (column, statistic) not in self._taken:
            self._taken[column, statistic] = self._take(column, statistic)
        return self._taken[column, statistic]

    def count(self, column: str) -> Floats:
        return np.nan_to_num(self.of(column, "n"))

    def mean(self, column: str) -> Floats:
        return _ratio(self.of(column, "sum"), self.count(column))

    def rms(self, column: str) -> Floats:
        root: Floats = np.sqrt(_ratio(self.of(column, "sumsq"), self.count(column)))
        return root


@dataclass(frozen=True, slots=True)
class _Formula:
    """What a quantity is made of.

    needs  : signals; the readings of the first are what a value counts for, unless it is one of the day
    value  : (n_rows,) one value a row, NaN where it cannot be told
    of_day : the value counts once, however many readings are behind it
    """

    needs: tuple[str, ...]
    value: Callable[[Sums], Floats]
    of_day: bool = False


_WHEELS = ("tire_fl_kpa", "tire_fr_kpa", "tire_rl_kpa", "tire_rr_kpa")


def _gap(wheel: str) -> _Formula:
    others = tuple(other for other in _WHEELS if other != wheel)

    def value(sums: Sums) -> Floats:
        # Of absolute pressures: heat raises all of them by the same share (ideal gas).
        rest = sum((sums.mean(other) + _AIR_KPA for other in others), np.zeros(1)) / len(others)
        return 100.0 * ((sums.mean(wheel) + _AIR_KPA) / rest - 1.0)

    return _Formula((wheel, *others), value)


def _lowest_at_20c(sums: Sums) -> Floats:
    lowest: Floats = np.minimum.reduce([sums.mean(wheel) for wheel in _WHEELS])
    warm = (sums.mean("air_temp_c") - _ZERO_C) / (_TYRE_AT_C - _ZERO_C)
    return (lowest + _AIR_KPA) / warm - _AIR_KPA


def _mirrored(sums: Sums) -> Floats:
    return np.minimum(sums.mean("cell_high_dev_mv"), -sums.mean("cell_low_dev_mv"))


def _lag(sums: Sums) -> Floats:
    return -sums.mean("cell_low_dev_mv") - sums.mean("cell_high_dev_mv")


def _behind(sums: Sums) -> Floats:
    # The pack's median cell, at rest, says how steep the curve is there.
    median_v = sums.mean("cell_max_v") - sums.mean("cell_high_dev_mv") / 1000
    steps = np.diff(_NMC_V) * 1000 / np.diff(_NMC_SOC_PCT)
    middle_v = (np.array(_NMC_V[1:]) + np.array(_NMC_V[:-1])) / 2
    mv_per_pct = np.interp(median_v, middle_v, steps)
    return np.where(median_v >= _NOT_IRON_V, -sums.mean("cell_low_dev_mv") / mv_per_pct, np.nan)


def _spread_per_ampere(sums: Sums) -> Floats:
    return _ratio(sums.mean("cell_spread_mv"), _at_least(sums.rms("pack_a"), _LEAST_A))


def _step_per_ampere(sums: Sums) -> Floats:
    most = np.maximum(np.abs(sums.of("pack_a", "min")), np.abs(sums.of("pack_a", "max")))
    return _ratio(sums.of("cell_spread_mv", "max"), _at_least(most, _LEAST_A))


def _dip_at_25c(sums: Sums) -> Floats:
    drawn = -sums.of("lv_battery_a", "min")
    milliohms = 1000.0 * _ratio(_FULL_12V - sums.of("lv_battery_v", "min"), _at_least(drawn, _CRANKING_A))
    cold = np.clip(_AT_C - sums.mean("air_temp_c"), 0.0, 50.0)
    return milliohms / (1.0 + _RESISTANCE_PER_K * cold)


def _insulation(sums: Sums) -> Floats:
    return _at_least(sums.mean("insulation_kohm"), 1.0)


def _charge_at_25c(sums: Sums) -> Floats:
    return sums.mean("lv_battery_v") + _CHARGE_V_PER_C * (sums.mean("air_temp_c") - _AT_C)


def _oil_per_krpm(sums: Sums) -> Floats:
    # While a hybrid's engine stands it turns at 0 and has no oil pressure: what is left is the mean of the running one.
    turning = _ratio(sums.of("engine_rpm", "sum"), sums.count("oil_pressure_kpa"))
    return 1000.0 * _ratio(sums.mean("oil_pressure_kpa"), _at_least(turning, _LEAST_RPM))


def _load_kw(sums: Sums) -> Floats:
    return sums.rms("motor_nm") * np.abs(sums.mean("motor_rpm")) / _RPM_NM_PER_KW


def _range(column: str) -> Callable[[Sums], Floats]:
    return lambda sums: sums.of(column, "max") - sums.of(column, "min")


def _rise(column: str) -> Callable[[Sums], Floats]:
    return lambda sums: sums.mean(column) - sums.mean("air_temp_c")


def _peak_rise(column: str) -> Callable[[Sums], Floats]:
    return lambda sums: sums.of(column, "max") - sums.mean("air_temp_c")


def _rise_per_kw(column: str) -> Callable[[Sums], Floats]:
    return lambda sums: _ratio(_rise(column)(sums), _at_least(_load_kw(sums), _LEAST_KW))


def _between(highest: str, other: str) -> Callable[[Sums], Floats]:
    return lambda sums: sums.mean(highest) - sums.mean(other)


_LOAD = ("motor_nm", "motor_rpm")
_FORMULAS: Mapping[str, _Formula] = {
    "cell_mirror_mv": _Formula(("cell_low_dev_mv", "cell_high_dev_mv"), _mirrored),
    "cell_behind_pct": _Formula(("cell_low_dev_mv", "cell_high_dev_mv", "cell_max_v"), _behind),
    "cell_lag_mv": _Formula(("cell_low_dev_mv", "cell_high_dev_mv"), _lag),
    "cell_spread_mohm": _Formula(("cell_spread_mv", "pack_a"), _spread_per_ampere),
    "cell_step_mohm": _Formula(("cell_spread_mv", "pack_a"), _step_per_ampere, of_day=True),
    "battery_hot_spot_k": _Formula(("battery_max_c", "battery_avg_c"), _between("battery_max_c", "battery_avg_c")),
    "battery_apart_k": _Formula(("battery_max_c", "battery_min_c"), _between("battery_max_c", "battery_min_c")),
    "insulation_decades": _Formula(("insulation_kohm",), lambda sums: np.log10(_insulation(sums))),
    "insulation_leak_us": _Formula(("insulation_kohm",), lambda sums: 1000.0 / _insulation(sums)),
    "lv_dip_25c_mohm": _Formula(("lv_battery_v", "lv_battery_a", "air_temp_c"), _dip_at_25c, of_day=True),
    "lv_rest_drop_v": _Formula(("lv_battery_v",), _range("lv_battery_v"), of_day=True),
    "lv_charge_25c_v": _Formula(("lv_battery_v", "air_temp_c"), _charge_at_25c),
    "tire_fl_gap_pct": _gap("tire_fl_kpa"),
    "tire_fr_gap_pct": _gap("tire_fr_kpa"),
    "tire_rl_gap_pct": _gap("tire_rl_kpa"),
    "tire_rr_gap_pct": _gap("tire_rr_kpa"),
    "tire_lowest_20c_kpa": _Formula((*_WHEELS, "air_temp_c"), _lowest_at_20c),
    "driven_km": _Formula(("odometer_km",), _range("odometer_km"), of_day=True),
    "coolant_low_pct": _Formula(("coolant_low",), lambda sums: 100.0 * sums.mean("coolant_low")),
    "coolant_peak_c": _Formula(("coolant_c",), lambda sums: sums.of("coolant_c", "max"), of_day=True),
    "oil_per_krpm_kpa": _Formula(("oil_pressure_kpa", "engine_rpm"), _oil_per_krpm),
    "motor_rise_k": _Formula(("motor_c", "air_temp_c"), _rise("motor_c")),
    "inverter_rise_k": _Formula(("inverter_c", "air_temp_c"), _rise("inverter_c")),
    "motor_k_per_kw": _Formula(("motor_c", "air_temp_c", *_LOAD), _rise_per_kw("motor_c")),
    "inverter_k_per_kw": _Formula(("inverter_c", "air_temp_c", *_LOAD), _rise_per_kw("inverter_c")),
    "drive_load_kw": _Formula(_LOAD, _load_kw),
    "dcdc_peak_rise_k": _Formula(("dcdc_c", "air_temp_c"), _peak_rise("dcdc_c"), of_day=True),
    "dcdc_rise_k": _Formula(("dcdc_c", "air_temp_c"), _rise("dcdc_c")),
}  # fmt: skip


def members(column: str) -> tuple[str, ...]:
    """Return what a column is the worst of; for any other column that column alone."""
    quantity = quantities().get(column)
    return quantity.worst_of if quantity is not None and quantity.worst_of else (column,)


def signals_behind(columns: Sequence[str]) -> list[str]:
    """Return the columns of the reading that columns are worked out of, each once: of a signal, that signal.

    Raises : KeyError, when a quantity has no formula
    """
    found: dict[str, None] = {}
    for column in columns:
        for member in members(column):
            found.update(dict.fromkeys(_FORMULAS[member].needs if member in quantities() else (member,)))
    return list(found)


def statistics(sums: Sums, column: str) -> dict[str, Floats]:
    """Return n, sum, sumsq, min and max of a signal or quantity: (n_rows,) each, NaN where it was not seen.

    sums : with the signals behind the column
    """
    formula = _FORMULAS.get(column)
    if formula is None:
        return {name: sums.of(column, name) for name in STATISTICS}
    with np.errstate(invalid="ignore", divide="ignore"):
        value = formula.value(sums)
    seen = np.isfinite(value)
    value = np.where(seen, value, np.nan)
    n = np.where(seen, 1.0 if formula.of_day else sums.count(formula.needs[0]), 0.0)
    return {"n": n, "sum": n * value, "sumsq": n * value**2, "min": value, "max": value}


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


def _at_least(values: Floats, least: float) -> Floats:
    """Return values with NaN for those below ``least``."""
    return np.where(values >= least, values, np.nan)
