"""What drives the car: motor, inverter, DC-DC converter, and the combustion engine where there is one."""

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.car_models import CarModel
from forewarn.simulator.sampling import Samples
from forewarn.simulator.usage import Kind, Segments

_MOTOR = "Vehicle.Powertrain.ElectricMotor"
_ENGINE = "Vehicle.Powertrain.CombustionEngine"
_MOTOR_RPM_PER_KMH = 78.0
_IDLE_RPM = 780.0
_WARM_C = 88.0
# An engine warms up, a motor and its inverter settle, within minutes.
_COOLANT_TAU_S = 420.0
_MOTOR_TAU_S = 900.0
# Below this charge, or faster than this, a plug-in hybrid runs its engine.
_HYBRID_SOC = 0.20
_HYBRID_KMH = 85.0

Columns = dict[str, NDArray[np.float64]]


def draw_speed(segments: Segments, samples: Samples, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the speed (km/h) at every sample: 0 while standing, in traffic, and when a drive begins."""
    at = samples.segment
    speed = np.maximum(0.0, segments.speed_kmh[at] * rng.normal(1.1, 0.5, len(at)))
    moving = (segments.kind[at] == Kind.DRIVE) & (samples.number > 0) & (rng.random(len(at)) > 0.12)
    return np.where(moving, np.minimum(speed, 135.0), 0.0)


def run_motor(
    segments: Segments,
    samples: Samples,
    speed: NDArray[np.float64],
    power_a: NDArray[np.float64],
    air_c: NDArray[np.float64],
    rng: np.random.Generator,
) -> Columns:
    """Return motor and converter signals; NaN where they sleep."""
    at = samples.segment
    driving = segments.kind[at] == Kind.DRIVE
    awake = segments.kind[at] != Kind.PARKED
    warm = 1.0 - np.exp(-(samples.t_s - segments.start_s[at]) / _MOTOR_TAU_S)
    load = np.abs(power_a)
    columns = {
        f"{_MOTOR}.Speed": np.where(driving, speed * _MOTOR_RPM_PER_KMH, np.nan),
        f"{_MOTOR}.Torque": np.where(driving, np.clip(-power_a * 1.6, -180, 310), np.nan),
        f"{_MOTOR}.Temperature": np.where(driving, air_c + warm * (28 + 0.12 * load), np.nan),
        f"{_MOTOR}.InverterTemperature": np.where(driving, air_c + warm * (18 + 0.10 * load), np.nan),
    }
    dcdc = air_c + warm * (16 + rng.normal(0.0, 1.2, len(at)))
    columns["Vehicle.Powertrain.TractionBattery.DCDC.Temperature"] = np.where(awake, dcdc, np.nan)
    return columns


def run_engine(
    model: CarModel,
    segments: Segments,
    samples: Samples,
    speed: NDArray[np.float64],
    soc: NDArray[np.float64],
    air_c: NDArray[np.float64],
    rng: np.random.Generator,
) -> Columns:
    """Return combustion-engine signals; NaN where the car sleeps, 0 rpm where a hybrid drives on its battery."""
    at = samples.segment
    count = len(at)
    driving = segments.kind[at] == Kind.DRIVE
    cranking = driving & (samples.number == 0)
    running = driving & ~cranking
    if model.powertrain == "phev":
        running &= (soc < _HYBRID_SOC) | (speed > _HYBRID_KMH)
    load = np.clip(rng.normal(18 + 0.35 * speed, 9), 8, 96)
    rpm = np.where(speed > 0, _IDLE_RPM + 16 * speed + rng.normal(0, 160, count).clip(-300, 600), _IDLE_RPM)
    crank_rpm = 220.0 if model.powertrain == "ice" else 0.0
    rpm = np.where(running, rpm, np.where(cranking, crank_rpm, 0.0))
    warm = 1.0 - np.exp(-(samples.t_s - segments.start_s[at]) / _COOLANT_TAU_S)
    coolant = air_c + (_WARM_C + rng.normal(0, 1.0, count) - air_c) * warm
    # What is burnt is filled up again now and then: a saw tooth over the distance driven.
    driven_km = np.cumsum(segments.distance_km)[at]
    fuel = 100.0 - (driven_km + rng.uniform(0, 400)) % 520 / 520 * 85

    def while_running(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(running, values, np.nan)

    return {
        f"{_ENGINE}.Speed": np.where(driving, rpm, np.nan),
        f"{_ENGINE}.EngineCoolant.Temperature": np.where(driving, coolant, np.nan),
        f"{_ENGINE}.EOP": while_running(110 + 0.11 * rpm + rng.normal(0, 9, count) - 0.6 * (coolant - 60)),
        f"{_ENGINE}.MAP": while_running(np.clip(22 + 0.75 * load + rng.normal(0, 3, count), 18, 101)),
        f"{_ENGINE}.TPS": while_running(np.clip(13 + 0.3 * load + rng.normal(0, 2, count), 12, 90)),
        "Vehicle.OBD.EngineLoad": while_running(load),
        "Vehicle.OBD.IntakeTemp": while_running(air_c + 8 + rng.normal(0, 2, count)),
        "Vehicle.OBD.ShortTermFuelTrim1": while_running(rng.normal(0.5, 2.8, count)),
        "Vehicle.OBD.LongTermFuelTrim1": while_running(rng.normal(rng.normal(0, 1.5), 0.8, count)),
        "Vehicle.OBD.TimingAdvance": while_running(np.clip(rng.normal(14, 8, count), -15, 40)),
        "Vehicle.OBD.FuelLevel": np.where(driving, fuel, np.nan),
    }
