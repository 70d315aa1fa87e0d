"""Thermal runaway: one cell heats, vents and burns, and its neighbours may follow; and the condition of GB 38031.

Each cell is a heat capacity. It is heated by an internal short, then by its own decomposition, whose rate follows
Arrhenius; it gives heat to its neighbours and to the cooling. So a weak short stays a warm cell, and a stronger one
runs away at a temperature that nobody set. Magnitudes follow published runaway tests of large prismatic cells: onset of
self-heating at some 100 C, more than 1 C/s from some 190 C, highest temperature 450 (LFP) to 900 C (NMC).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.charging.pack import Floats, Pack

# GB 38031-2025: voltage drop above 25 % or the maker's highest temperature, with 1 C/s or more for more than 3 s.
VOLTAGE_DROP = 0.25
RISE_C_S = 1.0
RISE_HELD_S = 3
# The maker's highest temperature of a cell, and the lamp of one carmaker.
MAKERS_HIGHEST_C = 70.0

_ACTIVATION_K = 14434.0
_RATE_AT_473_K = 0.002
_ZERO_C_K = 273.15
_FINE_STEPS = 4
_CALM_C = 100.0
# What the cooling plate takes from one cell (W/K).
_PLATE_W_K = 0.6
_VENT_COOLS_C = 6.0
# How much of a neighbour's temperature a probe sees, by how many cells it is away, and its time constant.
_PROBE_SEES = (0.92, 0.5, 0.15)
_PROBE_TAU_S = 3.0
PROBE_HIGHEST_C = 210.0


@dataclass(frozen=True)
class Runaway:
    """A short in one cell.

    cell       : its place, from 0
    onset_s    : when the short begins, seconds after plugging in
    growth_s   : how long it grows; a few seconds for one without warning
    short_w    : the heat that it grows to
    short_share : what it takes of the cell's voltage at the end
    neighbour_w_k : heat that cells give to each other
    fastest_c_s : how fast a burning cell heats at most
    heats_c    : by how much the decomposition alone heats a cell
    vents_c, melts_c : when the cell opens, when its separator fails
    dies_s     : so long after the condition is met the car's electronics fall silent
    """

    cell: int
    onset_s: float
    growth_s: float
    short_w: float
    short_share: float
    neighbour_w_k: float
    fastest_c_s: float
    heats_c: float
    vents_c: float
    melts_c: float
    dies_s: float


@dataclass(frozen=True)
class Burning:
    """What a runaway does to a pack at 1 Hz: cell_c (n, cells) C, voltage_left (n, cells) share, vented_s or None."""

    cell_c: Floats
    voltage_left: Floats
    vented_s: float | None


def burn(plan: Runaway, pack: Pack, t_s: Floats, pack_c: Floats) -> Burning:
    """Return the cells from ``t_s[0]`` on, one row a second.

    t_s    : (n,) seconds after plugging in, a second apart
    pack_c : (n,) temperature of the pack without the runaway
    """
    cells = pack.cells
    heat_j_k = pack.cell_heat_j_k
    warm = np.full(cells, pack_c[0])
    left = np.ones(cells)
    vented = np.zeros(cells, dtype=bool)
    vented_s = None
    cell_c = np.empty((len(t_s), cells))
    voltage_left = np.empty((len(t_s), cells))
    for i, t in enumerate(t_s.tolist()):
        grown = min(1.0, max(0.0, (t - plan.onset_s) / plan.growth_s))
        grown = float(np.expm1(3.0 * grown) / np.expm1(3.0))
        cell_c[i] = warm
        collapsed = 1.0 / (1.0 + np.exp(-(warm - plan.melts_c) / 5.0))
        voltage_left[i] = np.minimum(1.0 - collapsed, 1.0 if i == 0 else voltage_left[i - 1] + 0.02)
        voltage_left[i, plan.cell] *= 1.0 - plan.short_share * grown
        # Below this nothing is fast.
        steps = _FINE_STEPS if warm.max() > _CALM_C else 1
        for _ in range(steps):
            step_c = _self_heating(warm, left, plan) / steps
            exchange = np.zeros(cells)
            flow = plan.neighbour_w_k * np.diff(warm)
            exchange[:-1] += flow
            exchange[1:] -= flow
            exchange -= _PLATE_W_K * (warm - pack_c[i])
            # A cell that is burnt out has no voltage left that a short could use.
            exchange[plan.cell] += plan.short_w * grown * left[plan.cell]
            warm = warm + step_c + exchange / heat_j_k / steps
            left = np.maximum(left - step_c / plan.heats_c, 0.0)
        opens = (warm >= plan.vents_c) & ~vented
        if opens.any():
            warm = warm - opens * _VENT_COOLS_C
            vented |= opens
            vented_s = t if vented_s is None else vented_s
    return Burning(cell_c, voltage_left, vented_s)


def _self_heating(warm: Floats, left: Floats, plan: Runaway) -> Floats:
    kelvin = np.minimum(warm, 1200.0) + _ZERO_C_K
    rate = _RATE_AT_473_K * np.exp(_ACTIVATION_K * (1 / 473.0 - 1 / kelvin))
    heating: Floats = np.minimum(rate * left * plan.heats_c, plan.fastest_c_s * np.minimum(1.0, left * 8))
    return heating


def probes_c(pack: Pack, cell_c: Floats, pack_c: Floats) -> Floats:
    """Return what the probes (n, probes) truly have: each sees the cells beside it, late, and the rest of the pack."""
    above = cell_c - pack_c[:, None]
    seen = np.zeros((len(cell_c), len(pack.probe_cell)))
    for away, share in enumerate(_PROBE_SEES):
        for side in {away, -away}:
            beside = np.clip(pack.probe_cell + side, 0, pack.cells - 1)
            seen = np.maximum(seen, share * above[:, beside])
    late = np.empty_like(seen)
    now = seen[0]
    for i in range(len(seen)):
        now = now + (seen[i] - now) * (1 - np.exp(-1 / _PROBE_TAU_S))
        late[i] = now
    return np.minimum(late + pack_c[:, None], PROBE_HIGHEST_C)


def condition_index(cell_v: Floats, cell_c: Floats, before_v: Floats) -> int | None:
    """Return the first row at which GB 38031's condition for a thermal runaway holds, None where it never does.

    cell_v, cell_c : (n, cells) true volts and C, a second apart; before_v : (cells,) volts before anything was wrong
    """
    # More than 3 s: the rise holds over the second before each of the last four.
    fast: NDArray[np.bool_] = np.diff(cell_c, axis=0, prepend=cell_c[:1]) >= RISE_C_S
    held = fast.copy()
    for back in range(1, RISE_HELD_S + 1):
        held[back:] &= fast[:-back]
        held[:back] = False
    wrong = (cell_v < (1 - VOLTAGE_DROP) * before_v) | (cell_c >= MAKERS_HIGHEST_C)
    met = (held & wrong).any(axis=1)
    return int(np.argmax(met)) if met.any() else None
