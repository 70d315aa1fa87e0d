"""The traction battery of a car that charges: what it can take, how warm it gets, and the voltage of every cell."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.charging.sessions import Visit
from forewarn.simulator.pack import COLD_PER_C

Floats = NDArray[np.float64]

# Resting voltage of a cell over its charge (%). Up to 100 as published for cells of these chemistries at 25 C; beyond
# it rises steeply, as in overcharge tests.
_SOC_PCT = np.array([-5, 0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100, 105, 110, 120, 130], dtype=np.float64)
_OPEN_CIRCUIT_V = {
    "NMC": np.array(
        [2.5, 3.0, 3.38, 3.47, 3.56, 3.61, 3.645, 3.69, 3.785, 3.885, 3.985, 4.08, 4.125, 4.18, 4.26, 4.36, 4.58, 4.85]
    ),
    "LFP": np.array(
        [2.2, 2.6, 3.1, 3.2, 3.25, 3.28, 3.295, 3.3, 3.308, 3.325, 3.335, 3.338, 3.342, 3.42, 4.0, 4.45, 4.7, 4.9]
    ),
}
_PACK_KG_PER_KWH = 6.5
_CELL_KG_PER_KWH = 4.2
_J_PER_KG_K = 1000.0
_CELLS_PER_PROBE = 3


@dataclass(frozen=True)
class Pack:
    """One car's pack.

    resistance_ohm : (cells,) at 25 C
    lead           : (cells,) charge of each cell less the pack's, share
    probe_cell     : (probes,) the cell that each probe sits at, from 0
    most_c         : greatest current, 1/h: multiples of the capacity
    ceiling_c      : where the cooling holds the pack while it charges
    start_c        : above the air when it arrives
    aux_w          : what cooling and electronics take beside the pack
    charger        : efficiency of the car's own charger, for alternating current
    """

    cells: int
    chemistry: str
    capacity_kwh: float
    capacity_ah: float
    resistance_ohm: Floats
    lead: Floats
    probe_cell: NDArray[np.int64]
    most_c: float
    ceiling_c: float
    start_c: float
    insulation_kohm: float
    aux_w: float
    charger: float

    @property
    def heat_j_k(self) -> float:
        """Heat capacity of the pack."""
        return self.capacity_kwh * _PACK_KG_PER_KWH * _J_PER_KG_K

    @property
    def cell_heat_j_k(self) -> float:
        """Heat capacity of one cell."""
        return self.capacity_kwh * _CELL_KG_PER_KWH * _J_PER_KG_K / self.cells

    @property
    def ohm(self) -> float:
        return float(self.resistance_ohm.sum())

    def resting_v(self, soc: Floats) -> Floats:
        """Return the resting voltage (V) of a cell by its charge (share)."""
        volts: Floats = np.interp(soc * 100, _SOC_PCT, _OPEN_CIRCUIT_V[self.chemistry])
        return volts

    def cell_v(self, soc: Floats, current_a: Floats, pack_c: Floats) -> Floats:
        """Return cell voltages (n, cells) by charge (share), current (A, positive charges) and C, each (n,)."""
        resting = self.resting_v(soc[:, None] + self.lead)
        return resting + (current_a * cold_factor(pack_c))[:, None] * self.resistance_ohm


def cold_factor(pack_c: Floats) -> Floats:
    """Return by how much resistance is greater than at 25 C."""
    factor: Floats = np.exp(COLD_PER_C * (25.0 - pack_c))
    return factor


def draw_pack(visit: Visit, rng: np.random.Generator) -> Pack:
    capacity_ah = visit.capacity_kwh * 1000 / visit.nominal_v
    # The product of resistance and capacity is much the same for all sizes of cell.
    cell_ohm = 0.135 / capacity_ah * (1.0 if visit.chemistry == "NMC" else 0.85)
    probes = max(2, visit.cells // _CELLS_PER_PROBE)
    return Pack(
        cells=visit.cells,
        chemistry=visit.chemistry,
        capacity_kwh=visit.capacity_kwh,
        capacity_ah=capacity_ah,
        resistance_ohm=cell_ohm * rng.lognormal(0.0, 0.04, visit.cells),
        lead=rng.normal(0.0, 0.003, visit.cells),
        probe_cell=np.linspace(0, visit.cells - 1, probes).round().astype(np.int64),
        most_c=rng.uniform(1.3, 2.2),
        ceiling_c=rng.uniform(36.0, 44.0),
        start_c=rng.uniform(2.0, 10.0),
        insulation_kohm=float(np.clip(rng.lognormal(8.4, 0.5), 1500, 30000)),
        aux_w=rng.uniform(250.0, 900.0),
        charger=rng.uniform(0.9, 0.945),
    )


def hot_pack(pack: Pack, ceiling_c: float) -> Pack:
    """Return the pack on a hot day after a hard drive, with cooling that only just holds it at ``ceiling_c``."""
    return replace(pack, ceiling_c=ceiling_c, start_c=max(4.0, ceiling_c - 46.0))
