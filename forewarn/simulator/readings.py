"""What a car's sensors make of the truth: offsets, noise, the resolutions of GB/T 32960, values that are missing."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.signals import Signal, catalogue
from forewarn.simulator.streams import Streams
from ingest.rest import OFF_STATES


class Sensor(NamedTuple):
    """Resolution, noise and spread of the offset between cars (standard deviations), in the signal's unit."""

    resolution: float
    noise: float = 0.0
    offset: float = 0.0


_BATTERY = "Vehicle.Powertrain.TractionBattery"
_SENSORS: dict[str, Sensor] = {
    "Vehicle.Speed": Sensor(0.1),
    "Vehicle.TraveledDistance": Sensor(0.1),
    "Vehicle.Exterior.AirTemperature": Sensor(0.5, 0.3, 0.8),
    "Vehicle.LowVoltageBattery.CurrentVoltage": Sensor(0.01, 0.06, 0.05),
    "Vehicle.LowVoltageBattery.CurrentCurrent": Sensor(0.1, 0.3, 0.3),
    f"{_BATTERY}.StateOfCharge.Current": Sensor(1.0),
    f"{_BATTERY}.StateOfHealth": Sensor(1.0),
    # Battery controllers filter what they tell: at rest recorded cars repeat the same number report after report.
    f"{_BATTERY}.CurrentVoltage": Sensor(0.1, 0.07, 0.4),
    f"{_BATTERY}.CurrentCurrent": Sensor(0.1, 0.02, 0.25),
    f"{_BATTERY}.InsulationResistance": Sensor(1.0),
    "Vehicle.CurrentLocation.Latitude": Sensor(0.00001),
    "Vehicle.CurrentLocation.Longitude": Sensor(0.00001),
    "Vehicle.Powertrain.ElectricMotor.Torque": Sensor(0.1, 0.5),
    "Vehicle.Powertrain.ElectricMotor.Temperature": Sensor(1.0, 0.4, 1.0),
    "Vehicle.Powertrain.ElectricMotor.InverterTemperature": Sensor(1.0, 0.4, 1.0),
    f"{_BATTERY}.DCDC.Temperature": Sensor(1.0, 0.4, 1.5),
    "Vehicle.Powertrain.CombustionEngine.EOP": Sensor(1.0, 2.0, 5.0),
    "Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature": Sensor(1.0, 0.3, 0.8),
}
_TYRE = Sensor(1.0, 0.8)
_DEFAULT = Sensor(1.0, 0.3)
_CELL_NOISE_V = 0.001
# Some cars have better sensors (standard deviation of the logarithm of the noise).
_NOISE_DIFFERS = 0.5
# Now and then a value is missing, and a report of the cells breaks off and leaves zeros (as in real recordings).
_MISSING_SHARE = 0.003
_CUT_SHORT_SHARE = 0.0004
# Signals that are states, not measurements: no noise and never missing.
EXACT = frozenset(
    {
        "Vehicle.LowVoltageSystemState",
        "Vehicle.Powertrain.CombustionEngine.EngineCoolant.Level",
        f"{_BATTERY}.Charging.IsCharging",
        f"{_BATTERY}.WarningLevel",
        f"{_BATTERY}.CellVoltage.IdMin",
        f"{_BATTERY}.CellVoltage.IdMax",
        f"{_BATTERY}.CellVoltage.Min",
        f"{_BATTERY}.CellVoltage.Max",
        f"{_BATTERY}.Temperature.Min",
        f"{_BATTERY}.Temperature.Max",
        "Vehicle.Chassis.Axle.Row1.Wheel.Left.Brake.IsFluidLevelLow",
    }
)
# What signals of states are in ``Readings.columns``: indices into these.
TEXTS: dict[str, tuple[str, ...]] = {
    "Vehicle.LowVoltageSystemState": ("OFF", "ON", "START"),
    "Vehicle.Powertrain.CombustionEngine.EngineCoolant.Level": ("CRITICALLY_LOW", "LOW", "NORMAL"),
}
STATES = TEXTS["Vehicle.LowVoltageSystemState"]


def text_number(signal: Signal, text: str | None) -> float:
    """Return what a car said in words as an index into TEXTS, NaN where it said nothing, or nothing that is known.

    What the rollups ask of the 12 V system is whether the car is off and whether it is cranking: any other state counts
    as "ON".
    """
    said = "" if text is None else text.upper()
    if said not in signal.allowed:
        return np.nan
    names = TEXTS[signal.path]
    if names is STATES:
        said = "OFF" if said in OFF_STATES else said if said in STATES else "ON"
    return float(names.index(said))


@dataclass(frozen=True)
class Readings:
    """What one car sent, message by message; a message that was sent twice is in it twice.

    ts_ms       : (n,) epoch ms by the car's clock, which may be wrong
    seq         : (n,) the car's count of its readings, from 1
    received_ms : (n,) when it reached the platform
    message     : (n,) number of the message it came in, rising; neighbours share one
    columns     : by signal path, (n,) float64; NaN was not sent, texts are indices into TEXTS
    cell_mv     : (n_with_cells, cells) millivolts
    probe_c     : (n_with_cells, probes) C
    cell_row    : (n,) row of ``cell_mv`` and ``probe_c``, -1 where they were not sent
    """

    ts_ms: NDArray[np.int64]
    seq: NDArray[np.int64]
    received_ms: NDArray[np.int64]
    message: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]
    cell_mv: NDArray[np.int16]
    probe_c: NDArray[np.int16]
    cell_row: NDArray[np.int64]


def measure(
    path: str, true: NDArray[np.float64], streams: Streams, counts: NDArray[np.int64], car: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return what the sensors of a block say of the ``true`` values; NaN stays NaN.

    counts, car : samples of each car, and the car of each sample
    """
    if path in EXACT:
        return true
    sensor = _TYRE if path.endswith("Tire.Pressure") else _SENSORS.get(path, _DEFAULT)
    noisy = true
    if sensor.noise:
        own = np.exp(_NOISE_DIFFERS * streams.normal(f"noise {path}", np.ones(len(counts), dtype=np.int64)))
        noisy = noisy + sensor.noise * own[car] * streams.normal(path, counts)
    if sensor.offset:
        offsets = streams.normal(f"offset {path}", np.ones(len(counts), dtype=np.int64)) * sensor.offset
        noisy = noisy + offsets[car]
    # A sensor saturates at the ends of its range.
    signal = catalogue().by_path[path]
    noisy = np.clip(noisy, signal.lowest, signal.highest)
    # Dividing by a whole number keeps 351.2 at 351.2, where multiplying by 0.1 does not.
    per_unit = round(1 / sensor.resolution)
    measured = np.round(noisy * per_unit) / per_unit + 0.0
    begin = 0
    for number, count in enumerate(counts.tolist()):
        rng = streams.of(number, f"missing {path}")
        measured[begin + rng.integers(0, max(count, 1), rng.binomial(count, _MISSING_SHARE))] = np.nan
        begin += count
    return measured


def measure_cells(
    volts: NDArray[np.float32],
    streams: Streams,
    counts: NDArray[np.int64],
    swing_v: NDArray[np.float64] | None = None,
) -> NDArray[np.int16]:
    """Return cell voltages in whole millivolts.

    volts   : (n, cells)
    swing_v : (n,) how far all of them typically move while they are scanned one after the other; the voltages of one
              report then rise or fall evenly along the pack (recorded: a standard deviation of 35 mV from end to end)
    """
    scan = np.linspace(-0.5, 0.5, volts.shape[1], dtype=np.float32)
    measured = np.empty(volts.shape, dtype=np.int16)
    begin = 0
    for car, count in enumerate(counts.tolist()):
        rows = slice(begin, begin + count)
        noise = streams.of(car, "cells").standard_normal((count, volts.shape[1]), dtype=np.float32)
        noise *= np.float32(_CELL_NOISE_V)
        noise += volts[rows]
        if swing_v is not None:
            moved = swing_v[rows] * streams.of(car, "scan").standard_normal(count)
            noise += moved.astype(np.float32)[:, None] * scan
        noise *= np.float32(1000)
        np.rint(noise, out=noise)
        measured[rows] = noise
        begin += count
    return measured


def cut_short(cell_mv: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
    """Return the cells as sent: a few reports break off and the rest of their cells reads 0."""
    sent = cell_mv.copy()
    for row in np.flatnonzero(rng.random(len(sent)) < _CUT_SHORT_SHARE):
        sent[row, rng.integers(1, sent.shape[1]) :] = 0
    return sent
