"""Electric motor, inverter and DC-DC converter: how warm their losses make them, and what bad cooling does to that."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.car_models import CarModel
from forewarn.simulator.driving import Motion
from forewarn.simulator.faults import Faults
from forewarn.simulator.relax import relax
from forewarn.simulator.sampling import Samples
from forewarn.simulator.usage import Kind, Segments

MOTOR_LAMP_C, INVERTER_LAMP_C, DCDC_LAMP_C = 175.0, 142.0, 85.0

_MOTOR_TAU_S, _INVERTER_TAU_S, _DCDC_TAU_S, _COOL_TAU_S = 700.0, 180.0, 600.0, 5400.0
# Warmer than the air just by being on.
_MOTOR_ON_C, _INVERTER_ON_C, _DCDC_ON_C = 18.0, 14.0, 20.0
_DCDC_C_PER_LOAD = 9.0
# How many times less heat bad cooling carries away at severity 1, above what a healthy one does.
_DRIVE_WORSE, _DCDC_WORSE = 2.6, 0.75
_MOTOR_RPM_PER_KMH, _NM_PER_N = 78.0, 0.034


@dataclass(frozen=True)
class DriveUnit:
    """One car's: share of the model's thermal resistance, of motor, inverter and converter."""

    motor: float
    inverter: float
    dcdc: float


@dataclass(frozen=True)
class DriveHeat:
    """C at each sample."""

    motor_c: NDArray[np.float64]
    inverter_c: NDArray[np.float64]
    dcdc_c: NDArray[np.float64]


def draw_drive_unit(rng: np.random.Generator) -> DriveUnit:
    return DriveUnit(*(float(share) for share in rng.lognormal(0.0, 0.08, 3)))


def run_drive_units(
    model: CarModel,
    units: list[DriveUnit],
    segments: Segments,
    samples: Samples,
    motion: Motion,
    air_c: NDArray[np.float64],
    faults: Faults,
) -> DriveHeat:
    """Return how warm the drive units of a block are."""
    kind = segments.kind[samples.segment]
    driving, awake = kind == Kind.DRIVE, kind != Kind.PARKED
    since, opens = samples.since_s, np.isinf(samples.since_s)
    motor, inverter, dcdc = (
        np.array([getattr(unit, part) for unit in units])[samples.car] for part in ("motor", "inverter", "dcdc")
    )
    worse = 1.0 + _DRIVE_WORSE * faults.severity("drive_heat", samples.car, samples.t_s)
    # Coolant carries the heat of both: below 20 km/h no wind helps.
    kw = np.abs(motion.wheel_kw)
    still = 1.0 + 0.25 * (motion.speed_kmh < 20.0)

    def warmed(on_c: float, heat_c: NDArray[np.float64], on: NDArray[np.bool_], tau_s: float) -> NDArray[np.float64]:
        target = np.where(on & ~opens, on_c + heat_c, 0.0)
        return air_c + relax(target, since, np.where(on, tau_s, _COOL_TAU_S))

    load = 0.5 + 0.05 * np.abs(air_c - 20.0) + 0.4 * (kind == Kind.DRIVE)
    hotter = 1.0 + _DCDC_WORSE * faults.severity("dcdc", samples.car, samples.t_s)
    dcdc_heat = (_DCDC_ON_C + _DCDC_C_PER_LOAD * load) * dcdc * hotter - _DCDC_ON_C
    return DriveHeat(
        motor_c=warmed(_MOTOR_ON_C, model.motor_k_per_kw * motor * worse * still * kw, driving, _MOTOR_TAU_S),
        inverter_c=warmed(
            _INVERTER_ON_C, model.inverter_k_per_kw * inverter * worse * still * kw, driving, _INVERTER_TAU_S
        ),
        dcdc_c=warmed(_DCDC_ON_C, dcdc_heat, awake, _DCDC_TAU_S),
    )


def drive_columns(
    heat: DriveHeat, segments: Segments, samples: Samples, motion: Motion
) -> dict[str, NDArray[np.float64]]:
    """Return motor and converter signals; NaN where they sleep."""
    kind = segments.kind[samples.segment]
    driving, awake = kind == Kind.DRIVE, kind != Kind.PARKED
    force = np.divide(
        motion.wheel_kw * 3600, motion.speed_kmh, out=np.zeros_like(motion.speed_kmh), where=motion.speed_kmh > 0
    )
    motor = "Vehicle.Powertrain.ElectricMotor"
    signals = {
        f"{motor}.Speed": motion.speed_kmh * _MOTOR_RPM_PER_KMH,
        f"{motor}.Torque": np.clip(force * _NM_PER_N, -180, 330),
        f"{motor}.Temperature": heat.motor_c,
        f"{motor}.InverterTemperature": heat.inverter_c,
    }
    columns = {path: np.where(driving, values, np.nan) for path, values in signals.items()}
    columns["Vehicle.Powertrain.TractionBattery.DCDC.Temperature"] = np.where(awake, heat.dcdc_c, np.nan)
    return columns
