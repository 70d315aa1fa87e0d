"""The traction battery: charge, current and heat. Charge is conserved: it changes by the current and nothing else."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.car_models import CarModel
from forewarn.simulator.charge_curve import charged
from forewarn.simulator.driving import Motion
from forewarn.simulator.open_circuit import open_circuit_v
from forewarn.simulator.relax import relax
from forewarn.simulator.sampling import Samples
from forewarn.simulator.usage import HYBRID_FLOOR, Kind, Segments, auxiliary_kw

# Resistance of lithium cells roughly doubles for every 30 degrees colder, and rises when they are nearly empty.
COLD_PER_C = 0.023
_EMPTY_BELOW, _EMPTY_FACTOR = 0.2, 0.6
# Polarisation: this share of the resistance again, with this time constant.
POLARISATION, _POLARISATION_TAU_S = 0.45, 60.0
_MOTOR_EFFICIENCY, _RECUPERATED = 0.88, 0.62
# Limits of discharge and of recuperation, in multiples of the capacity per hour.
_MOST_OUT, _MOST_IN = 2.2, 0.7
# The heat a pack holds (J/K for each Ah and V of it), and by kind of segment how much warmer a watt makes it in the
# long run (K/W, times that heat) and how long that takes: a pack on a fast charger is cooled.
_J_PER_WH_K = 6.6
_TAU_S = np.array([8.0, 2.5, 4.0, 0.75]) * 3600
# A hybrid's engine runs when charge is this near the floor or the car is fast; its pack then takes a part of the work.
_NEAR_FLOOR, _HYBRID_KMH, _HYBRID_ASSIST = 0.02, 85.0, 0.35
_HOTTEST_C = 57.0


@dataclass(frozen=True)
class PackState:
    """What the packs of a block truly do at each sample.

    soc            : share
    current_a      : positive charges; the mean of the interval that the sample stands for
    temperature_c  : mean of the pack
    resistance     : share of the resistance at 25 C and half charge
    polarisation_a : current that polarisation has come to
    capacity_ah    : of the sample's car
    """

    soc: NDArray[np.float64]
    current_a: NDArray[np.float64]
    temperature_c: NDArray[np.float64]
    resistance: NDArray[np.float64]
    polarisation_a: NDArray[np.float64]
    capacity_ah: NDArray[np.float64]


def engine_runs(model: CarModel, segments: Segments, samples: Samples, motion: Motion) -> NDArray[np.bool_]:
    """Return when the combustion engine turns by itself; the first report of a drive is the start."""
    driving = segments.kind[samples.segment] == Kind.DRIVE
    running: NDArray[np.bool_] = driving & (samples.number > 0) & model.has_engine
    if model.powertrain == "phev":
        at = samples.segment
        part = (samples.t_s - segments.start_s[at]) / (segments.end_s[at] - segments.start_s[at])
        soc = segments.soc_start[at] + part * (segments.soc_end[at] - segments.soc_start[at])
        running &= (soc < HYBRID_FLOOR + _NEAR_FLOOR) | (motion.speed_kmh > _HYBRID_KMH)
    return running


def run_packs(
    model: CarModel,
    soh: NDArray[np.float64],
    segments: Segments,
    samples: Samples,
    motion: Motion,
    air_c: NDArray[np.float64],
) -> PackState:
    """Return what the packs of a block do. soh : (cars,) share of the capacity that is left."""
    at, kind = samples.segment, segments.kind[samples.segment]
    capacity_ah = model.capacity_ah * soh[samples.car]
    coulombs = capacity_ah * 3600
    soc, current = _charging(segments, samples, coulombs)
    driving = kind == Kind.DRIVE
    if driving.any():
        out = _drive_current(model, segments, samples, motion, air_c, capacity_ah, coulombs)
        moved = np.cumsum(out * samples.span_s / coulombs)
        # Charge that went since the segment's begin, up to the sample.
        before = moved - out * samples.span_s / coulombs
        opens = samples.number == 0
        base = before[opens][np.cumsum(opens) - 1]
        # The first report of a segment comes with its begin or shortly after.
        waited = np.where(opens, samples.t_s - segments.start_s[at], 0.0) * out / coulombs
        soc = np.where(driving, segments.soc_start[at] + before - base + waited, soc)
        current = np.where(driving, out, current)
    temperature = _temperature(model, segments, samples, current, air_c)
    low = np.clip((_EMPTY_BELOW - soc) / _EMPTY_BELOW, 0.0, 1.0)
    resistance = np.exp(COLD_PER_C * (25.0 - temperature)) * (1.0 + _EMPTY_FACTOR * low)
    polarisation = relax(current, samples.since_s, _POLARISATION_TAU_S)
    return PackState(soc, current, temperature, resistance, polarisation, capacity_ah)


def _charging(
    segments: Segments, samples: Samples, coulombs: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return charge and current of cars that charge or stand."""
    at = samples.segment
    start, length = segments.start_s[at], np.maximum(segments.end_s[at] - segments.start_s[at], 1.0)
    begins = np.where(samples.number == 0, start, samples.t_s)
    parts = [(moment - start) / length for moment in (samples.t_s, begins, begins + samples.span_s)]
    first, last = segments.soc_start[at], segments.soc_end[at]
    now, before, after = (first + part * (last - first) for part in parts)
    for kind, fast in ((Kind.AC, False), (Kind.DC, True)):
        rows = segments.kind[at] == kind
        if rows.any():
            for values, part in zip((now, before, after), parts, strict=True):
                values[rows] = charged(first[rows], last[rows], part[rows], fast=fast)
    return now, (after - before) * coulombs / np.maximum(samples.span_s, 1e-9)


def _drive_current(
    model: CarModel,
    segments: Segments,
    samples: Samples,
    motion: Motion,
    air_c: NDArray[np.float64],
    capacity_ah: NDArray[np.float64],
    coulombs: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the current that moving takes, brought to what the drive takes from the pack as a whole."""
    at = samples.segment
    driving = segments.kind[at] == Kind.DRIVE
    wheel = motion.wheel_kw
    electric = np.where(wheel > 0, wheel / _MOTOR_EFFICIENCY, wheel * _RECUPERATED)
    electric = np.where(engine_runs(model, segments, samples, motion), electric * _HYBRID_ASSIST, electric)
    volts = open_circuit_v(model.chemistry or "NMC", segments.soc_start[at]) * model.cells
    raw = -(electric + auxiliary_kw(air_c)) * 1000 / volts
    raw = np.clip(raw, -_MOST_OUT * capacity_ah, _MOST_IN * capacity_ah) * driving
    span = samples.span_s * driving
    count = len(segments.car)
    length = np.maximum(np.bincount(at, span, minlength=count), 1e-9)
    taken = np.bincount(at, raw * span, minlength=count)
    wanted = np.zeros(count)
    wanted[at] = (segments.soc_end - segments.soc_start)[at] * coulombs
    factor = np.ones(count)
    both = (taken < 0) & (wanted < 0)
    factor[both] = np.clip(wanted[both] / taken[both], 0.6, 1.6)
    rest = (wanted - factor * taken) / length
    result: NDArray[np.float64] = (raw * factor[at] + rest[at]) * driving
    return result


def _temperature(
    model: CarModel, segments: Segments, samples: Samples, current: NDArray[np.float64], air_c: NDArray[np.float64]
) -> NDArray[np.float64]:
    kind = segments.kind[samples.segment]
    ohm = model.cells * model.cell_mohm / 1000 * (1 + POLARISATION)
    heat_w = current**2 * ohm
    tau = _TAU_S[kind]
    target = air_c + heat_w * tau / (_J_PER_WH_K * model.pack_kwh * 1000)
    # What a car did before the fleet began nobody knows: it begins as warm as the air.
    opens = np.isinf(samples.since_s)
    target = np.where(opens, air_c, target)
    return np.clip(relax(target, samples.since_s, tau), -28.0, _HOTTEST_C)
