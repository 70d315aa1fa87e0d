"""Derived columns, quality flags and repeats, from decoded samples to rows."""

import msgspec
import numpy as np
import pytest

from ingest.batch import RowGatherer, Source
from ingest.dedupe import split_repeats
from ingest.layout import layout
from ingest.quality import Quality
from ingest.telemetry import TelemetryDecoder

LAYOUT = layout()
NOW_MS = 1_767_225_600_000


def rows_of(*signals, ts=None, vehicle_id=1):
    gatherer = RowGatherer(LAYOUT)
    samples = [{"ts": NOW_MS if ts is None else ts[n], "signals": values} for n, values in enumerate(signals)]
    decoded = TelemetryDecoder(LAYOUT).decode(msgspec.json.encode({"samples": samples}), vin="x")
    gatherer.add(Source(vehicle_id, NOW_MS, "topic"), decoded.samples, decoded.oddities)
    return gatherer.rows(clock_ahead_ms=300_000)


def column(rows, name):
    return rows.numeric[:, LAYOUT.index[name]].tolist()


@pytest.mark.parametrize(
    ("signals", "at_rest"),
    [
        ({"Vehicle.Speed": 0}, 1),
        ({"Vehicle.Speed": 30}, 0),
        ({"Vehicle.Speed": 0, "Vehicle.Powertrain.TractionBattery.Charging.IsCharging": True}, 0),
        ({"Vehicle.Speed": 0, "Vehicle.Powertrain.TractionBattery.CurrentCurrent": -2.0}, 1),
        ({"Vehicle.Speed": 0, "Vehicle.Powertrain.TractionBattery.CurrentCurrent": -2.1}, 0),
        ({"Vehicle.Speed": 0, "Vehicle.Powertrain.CombustionEngine.Speed": 800}, 0),
        ({"Vehicle.Speed": 0, "Vehicle.LowVoltageSystemState": "ON"}, 0),
        ({"Vehicle.LowVoltageSystemState": "LOCK"}, 1),
    ],
)
def test_a_car_is_at_rest_when_nothing_moves_charges_or_runs(signals, at_rest):
    assert column(rows_of(signals), "at_rest") == [at_rest]


def test_nothing_is_known_of_rest_without_speed_or_ignition():
    assert np.isnan(column(rows_of({"Vehicle.TraveledDistance": 5}), "at_rest")).all()


@pytest.mark.parametrize(
    ("level", "low"), [("NORMAL", 0), ("LOW", 1), ("CRITICALLY_LOW", 1), ("FULL", np.nan), (None, np.nan)]
)
def test_coolant_is_low_as_far_as_it_is_told(level, low):
    said = {} if level is None else {"Vehicle.Powertrain.CombustionEngine.EngineCoolant.Level": level}
    found = column(rows_of({"Vehicle.Speed": 1, **said}), "coolant_low")
    np.testing.assert_array_equal(found, [low])


def test_what_the_car_says_of_its_lowest_cell_stands():
    cells = {"Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages": [3.7, 3.6, 3.7]}
    said = {"Vehicle.Powertrain.TractionBattery.CellVoltage.Min": 3.59}
    rows = rows_of(cells, {**cells, **said}, ts=[NOW_MS, NOW_MS + 1])
    assert column(rows, "cell_min_v") == [3.6, 3.59]
    assert column(rows, "cell_low_dev_mv") == pytest.approx([-100, -100])


def test_a_value_outside_its_range_moves_to_extra():
    rows = rows_of(
        {"Vehicle.Speed": 900, "Vehicle.TraveledDistance": 5}, {"Vehicle.LowVoltageSystemState": "BROKEN"}, ts=[1, 2]
    )
    assert rows.extra == {0: {"Vehicle.Speed": 900.0}, 1: {"Vehicle.LowVoltageSystemState": "BROKEN"}}
    assert (rows.quality & Quality.OUT_OF_RANGE).tolist() == [1, 1]
    assert column(rows, "odometer_km")[0] == 5
    assert rows.texts[0] == [None, None]


def test_repeats_are_told_apart_from_conflicts():
    rows = rows_of(
        {"Vehicle.Speed": 1}, {"Vehicle.Speed": 2}, {"Vehicle.Speed": 1}, {"Vehicle.Speed": 3}, ts=[5, 4, 5, 4]
    )
    chosen, duplicates, conflicts = split_repeats(rows, layout())
    assert chosen.tolist() == [1, 0]
    assert (duplicates, conflicts) == (1, [3])


def test_a_row_goes_back_to_the_sample_it_came_from():
    signals = {
        "Vehicle.Speed": 12.5,
        "Vehicle.LowVoltageSystemState": "ON",
        "Vehicle.Powertrain.TractionBattery.Charging.IsCharging": False,
        "Vehicle.Powertrain.TractionBattery.CellVoltage.IdMin": 7,
        "Vehicle.Powertrain.TractionBattery.Temperature.Probes": [20.0, None],
        "Vehicle.New": {"a": 1},
    }
    assert rows_of(signals).sample(0, LAYOUT) == {"ts": NOW_MS, "seq": 0, "signals": signals}
