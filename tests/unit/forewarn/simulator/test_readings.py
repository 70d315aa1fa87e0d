"""Sensors: resolution, noise, offsets, what is missing and what breaks off."""

import numpy as np

from forewarn.simulator.readings import cut_short, measure, measure_cells
from forewarn.simulator.streams import Streams

STREAMS = Streams([(1, 1, 0), (1, 1, 1)])
COUNTS = np.array([40_000, 20_000])
CAR = np.repeat([0, 1], COUNTS)
PACK = "Vehicle.Powertrain.TractionBattery.CurrentVoltage"


def measured(path: str, value: float) -> np.ndarray:
    return measure(path, np.full(60_000, value), STREAMS, COUNTS, CAR)


def test_a_sensor_rounds_and_is_noisy_and_off_by_car():
    values = measured(PACK, 351.234)
    sent = values[~np.isnan(values)]
    assert np.array_equal(sent, np.round(sent, 1))
    assert 0.1 < sent.std() < 1.0
    assert abs(np.nanmean(values[:40_000]) - np.nanmean(values[40_000:])) > 0.01
    assert 0.001 < np.isnan(values).mean() < 0.006


def test_states_are_exact_and_never_missing():
    assert np.all(measured("Vehicle.LowVoltageSystemState", 2.0) == 2.0)


def test_a_sensor_saturates_at_the_ends_of_its_range():
    assert np.nanmax(measured("Vehicle.LowVoltageBattery.CurrentVoltage", 30.0)) == 18.0


def test_cells_are_whole_millivolts_and_a_few_reports_break_off():
    volts = np.full((60_000, 96), 3.7, dtype=np.float32)
    cells = measure_cells(volts, STREAMS, COUNTS)
    assert cells.dtype == np.int16
    assert 0.7 < cells.std() < 1.4
    sent = cut_short(cells, np.random.default_rng(3))
    broken = (sent == 0).any(axis=1)
    assert 0 < broken.mean() < 0.002
    for row in np.flatnonzero(broken)[:5]:
        first = int((sent[row] == 0).argmax())
        assert first > 0
        assert not sent[row, first:].any()


def test_the_same_car_measures_the_same_whoever_is_beside_it():
    alone = measure(PACK, np.full(40_000, 351.234), Streams([(1, 1, 0)]), COUNTS[:1], CAR[:40_000])
    assert np.array_equal(alone, measured(PACK, 351.234)[:40_000], equal_nan=True)
