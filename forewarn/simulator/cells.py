"""Voltages and temperatures inside the packs: every cell its own, and the one that is faulty."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.car_models import CarModel
from forewarn.simulator.open_circuit import Chemistry, open_circuit_v, slope_v
from forewarn.simulator.pack import POLARISATION, PackState
from forewarn.simulator.sampling import Samples

# A cell that leaks meets balancing, which bleeds the others down to it while the car charges (A).
_BALANCING_A = 0.06
# A board balances so many neighbours, from … to. In half of the packs boards bleed their cells unevenly: by up to this
# share of what the leaking cell is behind, so that whole modules move apart with it.
_BOARD_CELLS = (6, 24)
_UNEVEN_SHARE, _MOST_BLED = 0.5, 0.8
# So many packs have a module that was replaced, and this is by how much its charge is off, from … to.
_REPLACED_SHARE, _REPLACED_OFF = 0.02, (0.01, 0.04)
# Makers mix nickel, manganese and cobalt differently: the slope of the curve is off the published one by at most this
# share in a wave over all of the charge, and by this in two.
_CURVE_OFF = (0.25, 0.2)
# By how many times the capacity per hour a joint is loaded when its drop is what the lamp is about.
_PEAK_C = 1.1
LAMP_SPREAD_V = 0.3
CELL_HIGHEST_V, CELL_LOWEST_V = 4.35, 1.9
CELL_HOT_C, CELLS_APART_C = 70.0, 20.0
# Charge a leaking cell of NMC is behind the others when the spread gets to that.
_LAMP_DEFICIT = 0.29
# What a wire of the voltage sensing that corrodes puts on one cell it takes from its neighbour.
LAMP_SAMPLING_V = 0.15
_LOWEST_V, _HIGHEST_V = 0.3, 4.6


@dataclass(frozen=True)
class Pack:
    """One car's pack.

    soh         : share of its capacity that is left
    offset      : (cells,) charge of each cell relative to the pack, share of its capacity
    capacity    : (cells,) capacity relative to the pack's
    resistance  : (cells,) mOhm at 25 C
    sensor_v    : (cells,) error of the voltage sensing
    probe_c     : (probes,) how much warmer a probe is than the pack's mean, at rest, and …
    probe_k     : (probes,) … for each C-rate of load
    recovering  : charge cell 0 falls behind and regains by balancing, share: a healthy car that looks ill for a while
    bled        : (cells,) share of what a leaking cell is behind that balancing takes from each cell
    curve       : (2,) by how much the slope of its open-circuit curve is off the published one, as of _CURVE_OFF
    """

    soh: float
    offset: NDArray[np.float64]
    capacity: NDArray[np.float64]
    resistance: NDArray[np.float64]
    sensor_v: NDArray[np.float64]
    probe_c: NDArray[np.float64]
    probe_k: NDArray[np.float64]
    recovering: float = 0.0
    bled: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    curve: tuple[float, float] = (0.0, 0.0)

    def on_curve(self, soc: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return at which charge the published curve stands where this pack's does: the same when empty and full."""
        once, twice = self.curve
        moved: NDArray[np.float64] = once * np.sin(2 * np.pi * soc) + twice / 2 * np.sin(4 * np.pi * soc)
        return soc + np.where((soc > 0) & (soc < 1), moved, 0.0) / (2 * np.pi)

    def steeper(self, soc: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how many times as steep as the published curve the pack's is."""
        once, twice = self.curve
        factor: NDArray[np.float64] = 1.0 + once * np.cos(2 * np.pi * soc) + twice * np.cos(4 * np.pi * soc)
        return np.where((soc > 0) & (soc < 1), factor, 1.0)


class CellFaults(NamedTuple):
    """Severity of each fault of cells at each sample, 0 for cars that do not have it; ``place`` is the cell's number.

    growth_s : (cars,) how long the leak takes from onset to its full strength
    repair_s : (cars,) when the workshop mends it, infinite where it does not
    """

    leak: NDArray[np.float64]
    connection: NDArray[np.float64]
    sampling: NDArray[np.float64]
    place: NDArray[np.int64]
    growth_s: NDArray[np.float64]
    repair_s: NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """What is inside the packs at each sample.

    true_v, sensed_v : (n, cells) V of every cell, as it is and as it is sensed
    drift_v          : (n,) how far sensing is off where a wire of it corrodes
    probe_c          : (n, probes) C
    """

    true_v: NDArray[np.float32]
    sensed_v: NDArray[np.float32]
    drift_v: NDArray[np.float64]
    probe_c: NDArray[np.float32]


def draw_pack(
    model: CarModel, rng: np.random.Generator, *, old: bool = False, weak_cell: bool = False, recovering: bool = False
) -> Pack:
    even = float(np.clip(rng.lognormal(np.log(0.0055), 0.35), 0.003, 0.012))
    offset = rng.normal(0.0, even, model.cells)
    # Of cells in parallel each has its own; together they differ less.
    apart = np.sqrt(model.parallel)
    single = model.cell_mohm * model.parallel * rng.lognormal(0.0, 0.05 * apart, (model.parallel, model.cells))
    share = current_split(single)
    resistance = single[0] * share[0] * (1.5 if old else 1.0)
    # The one that carries most is the warmest, and its probe feels it.
    near = np.minimum(np.arange(model.probes) * model.cells // max(model.probes, 1), model.cells - 1)
    warmest = (share.max(axis=0) * model.parallel)[near] ** 2
    if weak_cell:
        # Low from the factory and staying there: far from the median, yet nothing grows.
        cell = rng.integers(model.cells)
        offset[cell] -= rng.uniform(0.025, 0.06)
        resistance[cell] *= rng.uniform(1.1, 1.5)
    pack = Pack(
        soh=rng.uniform(0.74, 0.82) if old else rng.uniform(0.86, 1.0),
        offset=offset,
        capacity=np.clip(rng.normal(1.0, 0.008 * apart, (model.parallel, model.cells)).mean(axis=0), 0.95, 1.05),
        resistance=resistance,
        sensor_v=rng.normal(0.0, 0.0015, model.cells),
        probe_c=rng.normal(0.0, 0.5, model.probes),
        probe_k=np.abs(rng.normal(0.0, 1.6, model.probes)) * warmest,
        recovering=rng.uniform(0.03, 0.06) if recovering else 0.0,
    )
    pack = _with_boards(pack, rng)
    if model.chemistry == "NMC":
        once, twice = (float(rng.uniform(-most, most)) for most in _CURVE_OFF)
        pack = replace(pack, curve=(once, twice))
    return pack


def _with_boards(pack: Pack, rng: np.random.Generator) -> Pack:
    """Return the pack with what its boards do to neighbours, and perhaps with a module from another pack."""
    cells = len(pack.offset)
    board = np.arange(cells) // int(rng.integers(_BOARD_CELLS[0], _BOARD_CELLS[1] + 1))
    boards = int(board[-1]) + 1 if cells else 0
    bled = rng.uniform(0.0, _MOST_BLED, boards) if rng.random() < _UNEVEN_SHARE else np.zeros(boards)
    offset = pack.offset
    if boards and rng.random() < _REPLACED_SHARE:
        off = rng.uniform(*_REPLACED_OFF) * rng.choice((-1.0, 1.0))
        offset = np.where(board == rng.integers(boards), offset + off, offset)
    return replace(pack, offset=offset, bled=bled[board])


def current_split(mohm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what share of the current each of some cells in parallel carries.

    mohm    : (parallel, cells)
    Returns : (parallel, cells), 1 in sum over the first axis: they share one voltage (Kirchhoff)
    """
    conductance = 1.0 / mohm
    result: NDArray[np.float64] = conductance / conductance.sum(axis=0)
    return result


def run_cells(model: CarModel, packs: list[Pack], state: PackState, samples: Samples, faults: CellFaults) -> Cells:
    """Return voltages and temperatures in the packs of a block."""
    chemistry: Chemistry = model.chemistry or "NMC"
    loaded_a = state.resistance * (state.current_a + POLARISATION * state.polarisation_a)
    behind = _deficit(state, samples, faults)
    true_v = np.empty((len(state.soc), model.cells), dtype=np.float32)
    probe_c = np.empty((len(state.soc), model.probes), dtype=np.float32)
    sensed_v = true_v
    for car, pack in enumerate(packs):
        rows = samples.rows[car]
        on_curve = pack.on_curve(state.soc[rows])
        base = open_circuit_v(chemistry, on_curve)
        slope = slope_v(chemistry, on_curve) * pack.steeper(state.soc[rows])
        # Small differences between cells follow the slope of the curve: one product of thin matrices.
        causes = np.column_stack(
            (
                base,
                slope,
                slope * (1.0 - state.soc[rows]),
                loaded_a[rows] / 1000,
                np.ones(int(samples.counts[car])),
            )
        ).astype(np.float32)
        effects = np.stack(
            (np.ones(model.cells), pack.offset, 1.0 - 1.0 / pack.capacity, pack.resistance, pack.sensor_v)
        ).astype(np.float32)
        np.matmul(causes, effects, out=true_v[rows])
        load_c = np.abs(state.current_a[rows]) / state.capacity_ah[rows]
        probe_c[rows] = state.temperature_c[rows][:, None] + pack.probe_c + load_c[:, None] * pack.probe_k
        if pack.recovering:
            _recover(true_v[rows], slope, samples.t_s[rows], pack.recovering)
        cell = int(faults.place[car])
        if behind[rows].any():
            if pack.bled.any():
                true_v[rows] += _bled_v(chemistry, pack, state.soc[rows], behind[rows], base)
            charge = state.soc[rows] + pack.offset[cell] - behind[rows]
            charge += (1.0 - state.soc[rows]) * (1.0 - 1.0 / pack.capacity[cell])
            drop = loaded_a[rows] * pack.resistance[cell] / 1000
            true_v[rows, cell] = open_circuit_v(chemistry, pack.on_curve(charge)) + drop + pack.sensor_v[cell]
            # What leaks becomes heat in the cell.
            _warm(probe_c[rows], cell, model, np.minimum(12.0, 2.0 * _leak_a(state, faults, samples, rows, car)))
        if faults.connection[rows].any():
            ohm = faults.connection[rows] * LAMP_SPREAD_V / (_PEAK_C * state.capacity_ah[rows])
            true_v[rows, cell] += (ohm * state.current_a[rows]).astype(np.float32)
            watts = ohm * (state.current_a[rows] ** 2 + state.polarisation_a[rows] ** 2) / 2
            _warm(probe_c[rows], cell, model, np.minimum(60.0, 0.7 * watts))
    np.clip(true_v, _LOWEST_V, _HIGHEST_V, out=true_v)
    drift = faults.sampling * LAMP_SAMPLING_V
    if drift.any():
        sensed_v = true_v.copy()
        wired = faults.place[samples.car]
        row = np.arange(len(state.soc))
        sensed_v[row, wired] += drift.astype(np.float32)
        sensed_v[row, (wired + 1) % model.cells] -= drift.astype(np.float32)
    return Cells(true_v, sensed_v, drift, probe_c)


def _bled_v(
    chemistry: Chemistry,
    pack: Pack,
    soc: NDArray[np.float64],
    behind: NDArray[np.float64],
    base: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Return how much lower (V) than ``base`` each cell stands for what balancing took from it: (n, cells)."""
    shares, of_cell = np.unique(pack.bled, return_inverse=True)
    left = [np.maximum(soc - share * behind, 0.0) for share in shares]
    lower = [open_circuit_v(chemistry, pack.on_curve(charge)) - base for charge in left]
    return np.column_stack(lower).astype(np.float32)[:, of_cell]


def _leak_a(state: PackState, faults: CellFaults, samples: Samples, rows: slice, car: int) -> NDArray[np.float64]:
    """Return the current (A) a cell loses: what empties it by the lamp's deficit within the time the fault grows."""
    # Over its growth a leak has a third of its full strength on average.
    full = _LAMP_DEFICIT * state.capacity_ah[rows] * 3600 / (faults.growth_s[car] / 3)
    result: NDArray[np.float64] = faults.leak[rows] * full
    return result


def _deficit(state: PackState, samples: Samples, faults: CellFaults) -> NDArray[np.float64]:
    """Return how far (share) the leaking cell is behind: its leak less what balancing makes up, never below 0."""
    behind = np.zeros(len(state.soc))
    for car, rows in enumerate(samples.rows):
        if not faults.leak[rows].any():
            continue
        since = np.where(np.isinf(samples.since_s[rows]), 0.0, samples.since_s[rows])
        charging = (state.current_a[rows] > 1.0) * samples.span_s[rows]
        grown = (_leak_a(state, faults, samples, rows, car) * since - _BALANCING_A * np.minimum(charging, since)) / (
            state.capacity_ah[rows] * 3600
        )
        summed = np.cumsum(grown)
        kept = summed - np.minimum(np.minimum.accumulate(summed), 0.0)
        # The module is replaced: the new cell is not behind.
        mended = int(np.searchsorted(samples.t_s[rows], faults.repair_s[car]))
        if mended < len(kept):
            kept[mended:] = np.maximum(0.0, kept[mended:] - kept[mended])
        # An empty cell can lose no more.
        behind[rows] = np.minimum(kept, np.maximum(state.soc[rows] + 0.1, 0.0))
    return behind


def _recover(volts: NDArray[np.float32], slope: NDArray[np.float64], t_s: NDArray[np.float64], depth: float) -> None:
    third = t_s[-1] / 3 if len(t_s) else 1.0
    share = depth * np.clip(1.0 - np.abs(t_s - 1.5 * third) / third, 0.0, None)
    volts[:, 0] -= (slope * share).astype(np.float32)


def _warm(probe_c: NDArray[np.float32], cell: int, model: CarModel, kelvin: NDArray[np.float64]) -> None:
    """Warm the probe next to a cell."""
    probe_c[:, cell * model.probes // model.cells] += kelvin.astype(np.float32)
