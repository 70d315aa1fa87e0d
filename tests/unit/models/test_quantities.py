import numpy as np
import pytest

from config.quantities import named, quantities
from config.signals import catalogue
from models.quantities import Sums, members, signals_behind, statistics


def daily(**signals):
    """One row of daily sums of readings by signal."""
    row = {}
    for column, readings in signals.items():
        values = np.array(readings, dtype=float)
        row |= {
            f"{column}__n": len(values),
            f"{column}__sum": values.sum() if len(values) else np.nan,
            f"{column}__sumsq": (values**2).sum() if len(values) else np.nan,
            f"{column}__min": values.min(initial=np.inf) if len(values) else np.nan,
            f"{column}__max": values.max(initial=-np.inf) if len(values) else np.nan,
        }
    return Sums(lambda column, statistic: np.array([row[f"{column}__{statistic}"]], dtype=float))


def value(column, **signals):
    found = statistics(daily(**signals), column)
    assert found["n"] * found["min"] == pytest.approx(found["sum"], nan_ok=True)
    return float(found["min"][0])


@pytest.mark.parametrize(
    ("column", "signals", "expected"),
    [
        ("cell_mirror_mv", {"cell_low_dev_mv": [-40, -20], "cell_high_dev_mv": [25, 15]}, 20),
        ("cell_mirror_mv", {"cell_low_dev_mv": [-80], "cell_high_dev_mv": [4]}, 4),
        ("cell_lag_mv", {"cell_low_dev_mv": [-80], "cell_high_dev_mv": [4]}, 76),
        # Half full a percent is 7.2 mV: the median cell is at 3.70 V.
        ("cell_behind_pct", {"cell_low_dev_mv": [-75], "cell_high_dev_mv": [10], "cell_max_v": [3.71]}, 75 / 7.2),
        ("cell_behind_pct", {"cell_low_dev_mv": [-75], "cell_high_dev_mv": [10], "cell_max_v": [3.31]}, np.nan),
        # The root mean square of 30 A and -40 A is 35.36 A.
        ("cell_spread_mohm", {"cell_spread_mv": [60, 80], "pack_a": [30, -40]}, 70 / np.sqrt(1250)),
        ("cell_step_mohm", {"cell_spread_mv": [60, 80], "pack_a": [30, -40]}, 2),
        ("battery_hot_spot_k", {"battery_max_c": [31, 33], "battery_avg_c": [28, 30]}, 3),
        ("battery_apart_k", {"battery_max_c": [31, 33], "battery_min_c": [26, 28]}, 5),
        ("insulation_decades", {"insulation_kohm": [900, 1100]}, 3),
        ("insulation_leak_us", {"insulation_kohm": [450, 550]}, 2),
        # 12.6 V full, 9.9 V while 300 A are drawn.
        ("lv_dip_25c_mohm", {"lv_battery_v": [14.1, 9.9], "lv_battery_a": [5, -300], "air_temp_c": [25, 25]}, 9),
        # At 0 °C it is a quarter more.
        ("lv_dip_25c_mohm", {"lv_battery_v": [14.1, 9.9], "lv_battery_a": [5, -300], "air_temp_c": [-2, 2]}, 7.2),
        ("lv_dip_25c_mohm", {"lv_battery_v": [14.1, 9.9], "lv_battery_a": [5, -300], "air_temp_c": [38]}, 9),
        ("lv_rest_drop_v", {"lv_battery_v": [12.7, 12.4]}, 0.3),
        ("lv_charge_25c_v", {"lv_battery_v": [14.2], "air_temp_c": [5]}, 14.2 - 20 * 0.018),
        (
            "tire_fl_gap_pct",
            {"tire_fl_kpa": [198.7], "tire_fr_kpa": [248.7], "tire_rl_kpa": [248.7], "tire_rr_kpa": [248.7]},
            100 * (300 / 350 - 1),
        ),
        # At 313.15 K a pressure of 350 kPa is one of 327.65 kPa at 293.15 K.
        (
            "tire_lowest_20c_kpa",
            {
                "tire_fl_kpa": [248.7],
                "tire_fr_kpa": [260],
                "tire_rl_kpa": [260],
                "tire_rr_kpa": [260],
                "air_temp_c": [40],
            },
            350 * 293.15 / 313.15 - 101.3,
        ),
        ("driven_km", {"odometer_km": [1000, 1012, 1040]}, 40),
        ("coolant_low_pct", {"coolant_low": [0, 0, 1, 0]}, 25),
        ("coolant_peak_c", {"coolant_c": [20, 96, 90]}, 96),
        # The engine stood for half of the readings of its speed.
        ("oil_per_krpm_kpa", {"oil_pressure_kpa": [200, 220], "engine_rpm": [0, 0, 1400, 1600]}, 140),
        ("motor_rise_k", {"motor_c": [60, 70], "air_temp_c": [20, 30]}, 40),
        ("inverter_rise_k", {"inverter_c": [50], "air_temp_c": [20]}, 30),
        # 100 Nm at 3,000 rpm are 31.4 kW.
        (
            "motor_k_per_kw",
            {"motor_c": [65], "air_temp_c": [20], "motor_nm": [100], "motor_rpm": [3000]},
            45 / (100 * 3000 / 9549.3),
        ),
        ("inverter_k_per_kw", {"inverter_c": [40], "air_temp_c": [20], "motor_nm": [1], "motor_rpm": [100]}, np.nan),
        ("drive_load_kw", {"motor_nm": [100, -100], "motor_rpm": [3000, 3000]}, 100 * 3000 / 9549.3),
        ("dcdc_rise_k", {"dcdc_c": [50, 60], "air_temp_c": [10]}, 45),
        ("dcdc_peak_rise_k", {"dcdc_c": [50, 60], "air_temp_c": [10]}, 50),
    ],
)
def test_by_hand(column, signals, expected):
    assert value(column, **signals) == pytest.approx(expected, nan_ok=True)


def test_every_wheel_is_compared_with_the_other_three():
    pressures = {wheel: [248.7] for wheel in ("tire_fl_kpa", "tire_fr_kpa", "tire_rl_kpa", "tire_rr_kpa")}
    for wheel in members("tire_gap_pct"):
        low = pressures | {wheel.replace("_gap_pct", "_kpa"): [213.7]}
        assert value(wheel, **low) == pytest.approx(-10)
        assert value(wheel, **pressures) == pytest.approx(0)


def test_heat_does_not_move_a_tyre_against_the_others():
    cold = {"tire_fl_kpa": 220.0, "tire_fr_kpa": 250.0, "tire_rl_kpa": 245.0, "tire_rr_kpa": 255.0}
    warm = {wheel: [(kpa + 101.3) * 323.15 / 293.15 - 101.3] for wheel, kpa in cold.items()}
    cold = {wheel: [kpa] for wheel, kpa in cold.items()}
    assert value("tire_fl_gap_pct", **warm) == pytest.approx(value("tire_fl_gap_pct", **cold))
    assert value("tire_lowest_20c_kpa", **warm, air_temp_c=[50]) == pytest.approx(
        value("tire_lowest_20c_kpa", **cold, air_temp_c=[20])
    )


def test_what_was_not_sent_has_no_value():
    found = statistics(daily(cell_low_dev_mv=[], cell_high_dev_mv=[10]), "cell_mirror_mv")
    assert found["n"].tolist() == [0]
    assert np.isnan(found["min"]).all()


def test_no_starter_no_resistance():
    assert np.isnan(value("lv_dip_25c_mohm", lv_battery_v=[14.1, 13.9], lv_battery_a=[5, -20], air_temp_c=[25]))


def test_a_value_counts_for_its_readings_or_once_a_day():
    assert statistics(daily(cell_low_dev_mv=[-1, -2], cell_high_dev_mv=[1, 2]), "cell_mirror_mv")["n"].tolist() == [2]
    assert statistics(daily(coolant_c=[20, 96, 90]), "coolant_peak_c")["n"].tolist() == [1]


def test_a_signal_is_itself():
    found = statistics(daily(coolant_c=[20, 96, 90]), "coolant_c")
    assert {name: float(values[0]) for name, values in found.items()} == {
        "n": 3,
        "sum": 206,
        "sumsq": 20**2 + 96**2 + 90**2,
        "min": 20,
        "max": 96,
    }


@pytest.mark.parametrize("column", list(quantities()))
def test_every_quantity_is_named_and_worked_out_of_signals(column):
    quantity = named(column)
    assert quantity is quantities()[column]
    assert quantity.unit
    assert quantity.name("zh_CN") != quantity.name("en")
    behind = signals_behind([column])
    assert behind
    assert all(catalogue().by_column[signal] in catalogue().rolled_up for signal in behind)


def test_signals_behind_are_asked_for_once():
    assert signals_behind(["tire_gap_pct", "tire_fl_kpa", "coolant_c"]) == [
        "tire_fl_kpa",
        "tire_fr_kpa",
        "tire_rl_kpa",
        "tire_rr_kpa",
        "coolant_c",
    ]
    assert signals_behind(["pad_wear_pct"]) == ["pad_wear_front_pct", "pad_wear_rear_pct"]
