"""The traction battery: charge, current, heat, and every cell's voltage, with a cell that leaks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.car_models import CarModel
from forewarn.simulator.climate import Climate
from forewarn.simulator.faults import FaultPlan, progress
from forewarn.simulator.sampling import Samples
from forewarn.simulator.usage import Kind, Segments

# Resting voltage of a cell over its charge (%), as published for cells of these chemistries at 25 C.
_SOC_PCT = np.array([0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100], dtype=np.float64)
_OPEN_CIRCUIT_V = {
    "NMC": np.array([3.00, 3.38, 3.47, 3.56, 3.61, 3.645, 3.69, 3.785, 3.885, 3.985, 4.08, 4.125, 4.18]),
    "LFP": np.array([2.60, 3.10, 3.20, 3.25, 3.28, 3.295, 3.300, 3.308, 3.325, 3.335, 3.338, 3.342, 3.42]),
}
# The lamp: spread between the highest and the lowest cell.
LAMP_SPREAD_V = 0.3
# Charge a leaking cell is behind the others when its lamp is aimed at: where the spread of an NMC pack gets to 0.3 V.
_LAMP_DEFICIT = 0.29
# Resistance of lithium cells roughly doubles for every 30 degrees colder.
_COLD_PER_C = 0.023
# Heating above the air (C) and time constant (h) while parked, driving, charging slowly and fast.
_WARMER_C = np.array([0.0, 9.0, 5.0, 21.0])
_TAU_H = np.array([7.0, 2.2, 4.0, 0.9])


@dataclass(frozen=True)
class Pack:
    """One car's pack.

    offset      : (cells,) charge of each cell relative to the pack, share of its capacity
    capacity    : (cells,) capacity relative to the pack's
    resistance  : (cells,) mOhm at 25 C
    recovering  : charge cell 0 falls behind and regains by balancing, share: a healthy car that looks ill for a while
    """

    model: CarModel
    soh: float
    offset: NDArray[np.float64]
    capacity: NDArray[np.float64]
    resistance: NDArray[np.float64]
    insulation_kohm: float
    recovering: float = 0.0


@dataclass(frozen=True)
class PackState:
    """What a pack truly does at each sample: share, A (positive charges), C, and V per cell (n_samples, cells)."""

    soc: NDArray[np.float64]
    current_a: NDArray[np.float64]
    temperature_c: NDArray[np.float64]
    cell_v: NDArray[np.float64]


def draw_pack(model: CarModel, rng: np.random.Generator, *, weak_cell: bool = False, recovering: bool = False) -> Pack:
    offset = rng.normal(0.0, 0.004, model.cells)
    resistance = model.cell_mohm * rng.lognormal(0.0, 0.04, model.cells)
    if weak_cell:
        # Low from the factory and staying there: far from the median, yet nothing grows.
        cell = rng.integers(model.cells)
        offset[cell] -= rng.uniform(0.025, 0.06)
        resistance[cell] *= rng.uniform(1.1, 1.5)
    return Pack(
        model=model,
        soh=rng.uniform(0.86, 1.0),
        offset=offset,
        capacity=np.clip(rng.normal(1.0, 0.008, model.cells), 0.95, 1.05),
        resistance=resistance,
        insulation_kohm=float(rng.uniform(2500, 9000)),
        recovering=rng.uniform(0.03, 0.06) if recovering else 0.0,
    )


def run_pack(
    pack: Pack,
    segments: Segments,
    samples: Samples,
    climate: Climate,
    plan: FaultPlan | None,
    *,
    rng: np.random.Generator,
) -> PackState:
    """Return what the pack does at every sample."""
    at = samples.segment
    part = (samples.t_s - segments.start_s[at]) / np.maximum(segments.end_s[at] - segments.start_s[at], 1.0)
    soc = segments.soc_start[at] + part * (segments.soc_end[at] - segments.soc_start[at])
    temperature = _temperature(segments, samples, climate)
    current = _current(pack, segments, samples, rng)
    behind = progress(plan, "hv_self_discharge", samples.t_s) * _LAMP_DEFICIT
    cell_soc = (1.0 - (1.0 - soc[:, None]) / pack.capacity) + pack.offset
    if plan is not None and behind.any():
        cell_soc[:, plan.place] -= behind
    if pack.recovering:
        third = samples.t_s[-1] / 3 if len(samples.t_s) else 1.0
        cell_soc[:, 0] -= pack.recovering * np.clip(1.0 - np.abs(samples.t_s - 1.5 * third) / third, 0.0, None)
    curve = _OPEN_CIRCUIT_V[pack.model.chemistry or "NMC"]
    rest_v = np.interp(cell_soc * 100, _SOC_PCT, curve)
    cold = np.exp(_COLD_PER_C * (25.0 - temperature))
    cell_v = rest_v + (current * cold)[:, None] * (pack.resistance / 1000)
    return PackState(soc, current, temperature, np.clip(cell_v, 0.6, 4.4))


def spread_lamp_s(state: PackState, samples: Samples) -> float | None:
    """Return when the spread first reached the lamp's limit, or None."""
    reached = np.flatnonzero(np.ptp(state.cell_v, axis=1) >= LAMP_SPREAD_V)
    # The condition has to hold for two seconds.
    return float(samples.t_s[reached[0]]) + 2.0 if reached.size else None


def _current(pack: Pack, segments: Segments, samples: Samples, rng: np.random.Generator) -> NDArray[np.float64]:
    at = samples.segment
    capacity_ah = pack.model.capacity_ah * pack.soh
    hours = np.maximum(segments.hours, 1e-3)
    mean = ((segments.soc_end - segments.soc_start) * capacity_ah / hours)[at]
    kind = segments.kind[at]
    swing = rng.normal(1.0, 1.1, len(at))
    # Under way the pedals swing it between hard acceleration and recuperation; a car that just started stands still.
    driving = np.clip(mean * swing, -1.8 * capacity_ah, 0.5 * capacity_ah) * (samples.number > 0)
    charging = mean * rng.normal(1.0, 0.01, len(at))
    return np.select([kind == Kind.DRIVE, kind != Kind.PARKED], [driving, charging], default=-0.3)


def _temperature(segments: Segments, samples: Samples, climate: Climate) -> NDArray[np.float64]:
    middle = climate.air_c((segments.start_s + segments.end_s) / 2)
    target = middle + _WARMER_C[segments.kind]
    tau = _TAU_H[segments.kind]
    decay = np.exp(-segments.hours / tau)
    start = np.empty(len(target))
    now = float(target[0])
    for i in range(len(target)):
        start[i] = now
        now = target[i] + (now - target[i]) * decay[i]
    at = samples.segment
    since_h = (samples.t_s - segments.start_s[at]) / 3600
    warm: NDArray[np.float64] = target[at] + (start[at] - target[at]) * np.exp(-since_h / tau[at])
    return np.clip(warm, -25.0, 55.0)
