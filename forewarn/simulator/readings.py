"""What a car's sensors make of the truth: noise, the resolutions of GB/T 32960, values that are missing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from config.signals import catalogue

# Resolution and noise (standard deviation, in the signal's unit) by the end of the signal's path.
_RESOLUTION: dict[str, tuple[float, float]] = {
    "Vehicle.Speed": (0.1, 0.0),
    "Vehicle.TraveledDistance": (0.1, 0.0),
    "Vehicle.Exterior.AirTemperature": (0.5, 0.4),
    "Vehicle.LowVoltageBattery.CurrentVoltage": (0.01, 0.02),
    "Vehicle.LowVoltageBattery.CurrentCurrent": (0.1, 0.1),
    "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current": (1.0, 0.0),
    "Vehicle.Powertrain.TractionBattery.StateOfHealth": (1.0, 0.0),
    "Vehicle.Powertrain.TractionBattery.CurrentVoltage": (0.1, 0.1),
    "Vehicle.Powertrain.TractionBattery.CurrentCurrent": (0.1, 0.1),
    "Vehicle.Powertrain.TractionBattery.InsulationResistance": (1.0, 60.0),
    "Vehicle.CurrentLocation.Latitude": (0.00001, 0.0),
    "Vehicle.CurrentLocation.Longitude": (0.00001, 0.0),
    "Vehicle.Powertrain.ElectricMotor.Torque": (0.1, 0.5),
}
_TYRE = (1.0, 1.0)
_DEFAULT = (1.0, 0.3)
_CELL_NOISE_MV = 0.8
# Now and then a value is missing, and a report of the cells breaks off and leaves zeros (as in real recordings).
_MISSING_SHARE = 0.003
_CUT_SHORT_SHARE = 0.0004
# Signals that are states, not measurements: no noise and never missing.
EXACT = frozenset(
    {
        "Vehicle.LowVoltageSystemState",
        "Vehicle.Powertrain.TractionBattery.Charging.IsCharging",
        "Vehicle.Powertrain.TractionBattery.WarningLevel",
        "Vehicle.Powertrain.TractionBattery.CellVoltage.IdMin",
        "Vehicle.Powertrain.TractionBattery.CellVoltage.IdMax",
        "Vehicle.Powertrain.TractionBattery.CellVoltage.Min",
        "Vehicle.Powertrain.TractionBattery.CellVoltage.Max",
        "Vehicle.Chassis.Axle.Row1.Wheel.Left.Brake.IsFluidLevelLow",
    }
)
# What ``Vehicle.LowVoltageSystemState`` is in ``Readings.columns``.
STATES = ("OFF", "ON", "START")


@dataclass(frozen=True)
class Readings:
    """What one car sent, in time order.

    ts_ms       : (n,) epoch ms, rising
    received_ms : (n,) when it reached the platform
    message     : (n,) rising number of the message it came in
    seq         : (n,) tells readings of one instant apart
    columns     : by signal path, (n,) float64; NaN was not sent, states are indices into STATES
    cell_mv     : (n_with_cells, cells) millivolts
    cell_row    : (n,) row of ``cell_mv``, -1 where the cells were not sent
    """

    ts_ms: NDArray[np.int64]
    received_ms: NDArray[np.int64]
    message: NDArray[np.int64]
    seq: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]
    cell_mv: NDArray[np.int16]
    cell_row: NDArray[np.int64]


def measure(path: str, true: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return what a sensor says of the ``true`` values; NaN stays NaN."""
    if path in EXACT:
        return true
    resolution, noise = _TYRE if path.endswith("Tire.Pressure") else _RESOLUTION.get(path, _DEFAULT)
    noisy = true + rng.normal(0.0, noise, len(true)) if noise else true
    # Dividing by a whole number keeps 351.2 at 351.2, where multiplying by 0.1 does not.
    per_unit = round(1 / resolution)
    # A sensor saturates at the ends of its range.
    signal = catalogue().by_path[path]
    noisy = np.clip(noisy, signal.lowest, signal.highest)
    measured = np.round(noisy * per_unit) / per_unit + 0.0
    measured[rng.random(len(true)) < _MISSING_SHARE] = np.nan
    return measured


def measure_cells(true_v: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int16]:
    """Return cell voltages in whole millivolts."""
    noise = rng.standard_normal(true_v.shape, dtype=np.float32) * np.float32(_CELL_NOISE_MV)
    return np.rint(true_v * 1000 + noise).astype(np.int16)


def cut_short(cell_mv: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
    """Return the cells as sent: a few reports break off and the rest of their cells reads 0."""
    sent = cell_mv.copy()
    for row in np.flatnonzero(rng.random(len(sent)) < _CUT_SHORT_SHARE):
        sent[row, rng.integers(1, sent.shape[1]) :] = 0
    return sent
