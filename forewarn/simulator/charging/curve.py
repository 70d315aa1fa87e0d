"""How a session goes: current, charge and temperature second by second, of an enrolled car and of the public."""

import math
from dataclasses import dataclass

import numpy as np

from forewarn.simulator.charging.pack import Floats, Pack
from forewarn.simulator.pack import COLD_PER_C

# The pile ramps its current up over so many seconds.
_RAMP_S = 25.0
# Contactors open so soon after a stop.
STOP_TAKES_S = 1.0
# Public sessions: share of the stay at full power before the taper, unless the mean says that it was shorter.
_FULL_SHARE = 0.15
_CABLE_OHM = 0.006
# What a pack takes over its charge, share of its greatest current: constant current, then a taper.
_TAPER_SOC = (0.0, 0.55, 0.8, 0.9, 1.0)
_TAPER = (1.0, 1.0, 0.55, 0.3, 0.06)
# And over its temperature (C): lithium plates when it is cold, everything ages when it is hot.
_DERATE_C = (-20.0, -5.0, 5.0, 18.0, 47.0, 60.0)
_DERATE = (0.03, 0.12, 0.4, 1.0, 1.0, 0.5)
# Heat that leaves an uncooled pack (W/K), and how strongly the cooling holds it below its ceiling (W/K).
_PASSIVE_W_K = 8.0
_ACTIVE_W_K = 900.0
# Below this (C) the car heats its pack from the plug, with so many W.
_HEATED_BELOW_C, _HEATER_W = 10.0, 3000.0


@dataclass(frozen=True)
class Overcharge:
    """From ``onset_s`` on the end of charge is ignored: ``current_c`` (1/h) flows until the charge is ``until``."""

    onset_s: float
    current_c: float
    until: float


@dataclass(frozen=True)
class Course:
    """What truly happens on the car's side, arrays (n,) at ``t_s`` seconds after plugging in.

    soc share, current A into the pack, pack_c C, pack_v V at the pack's terminals
    """

    t_s: Floats
    soc: Floats
    current_a: Floats
    pack_c: Floats
    pack_v: Floats


@dataclass(frozen=True)
class Supply:
    """What the connector can give: kW at the pack at most, A at most."""

    power_kw: float
    current_a: float


def run_course(
    pack: Pack,
    supply: Supply,
    *,
    seconds: int,
    soc_start: float,
    soc_end: float,
    air_c: float,
    step_s: float = 1.0,
    finish_share: float = 0.97,
    stop_s: float | None = None,
    overcharge: Overcharge | None = None,
) -> Course:
    """Return the course of an enrolled car's session.

    The current is the least of what pack and supply allow, times the demand with which ``soc_end`` is reached after
    ``finish_share`` of the time; where even all of it is not enough, the charge ends lower.
    stop_s : when charging is told to stop; the current is zero STOP_TAKES_S later. Until then nothing differs
    """
    plan = _Plan(pack, supply, soc_start, soc_end, air_c)
    demand = _demand(plan, seconds * finish_share)
    return plan.run(demand, seconds, step_s, stop_s=stop_s, overcharge=overcharge)


def _demand(plan: "_Plan", seconds: float) -> float:
    least, most = 0.01, 1.0
    step_s = max(10.0, seconds / 150)
    if plan.run(most, seconds, step_s).soc[-1] < plan.soc_end:
        return most
    for _ in range(9):
        middle = (least + most) / 2
        reached = plan.run(middle, seconds, step_s).soc[-1] >= plan.soc_end
        least, most = (least, middle) if reached else (middle, most)
    return most


class _Line:
    """A curve on an even grid, for one value at a time: what numpy takes longer to be asked than to answer."""

    def __init__(self, x: Floats, y: Floats) -> None:
        self._first, self._per_x, self._last = float(x[0]), float((len(x) - 1) / (x[-1] - x[0])), len(x) - 2
        self._y: list[float] = y.tolist()

    def at(self, x: float) -> float:
        place = (x - self._first) * self._per_x
        left = min(max(int(place), 0), self._last)
        part = min(max(place - left, 0.0), 1.0)
        return self._y[left] + (self._y[left + 1] - self._y[left]) * part


def _line(x: tuple[float, ...], y: tuple[float, ...]) -> _Line:
    grid = np.linspace(x[0], x[-1], 401)
    return _Line(grid, np.interp(grid, x, y))


_TAPER_LINE = _line(_TAPER_SOC, _TAPER)
_DERATE_LINE = _line(_DERATE_C, _DERATE)


@dataclass(frozen=True)
class _Plan:
    pack: Pack
    supply: Supply
    soc_start: float
    soc_end: float
    air_c: float

    def run(
        self,
        demand: float,
        seconds: float,
        step_s: float,
        *,
        stop_s: float | None = None,
        overcharge: Overcharge | None = None,
    ) -> Course:
        pack, supply = self.pack, self.supply
        count = int(seconds // step_s) + 1
        t_s = np.arange(count, dtype=np.float64) * step_s
        soc, current, warm, volts = (np.empty(count) for _ in range(4))
        # Cells of one pack differ so little that a mean cell stands for the sum.
        ohm, heat_j_k = pack.ohm, pack.heat_j_k
        soc_grid = np.linspace(-0.05, 1.3, 271)
        resting = _Line(soc_grid, pack.resting_v(soc_grid) * pack.cells)
        now, now_c = self.soc_start, self.air_c + pack.start_c
        for i in range(count):
            t = float(t_s[i])
            resting_v = resting.at(now)
            if overcharge is not None and t >= overcharge.onset_s:
                ask = overcharge.current_c * pack.capacity_ah if now < overcharge.until else 0.0
            else:
                takes = _TAPER_LINE.at(now) * _DERATE_LINE.at(now_c) if now < min(self.soc_end, 1.0) else 0.0
                ask = pack.most_c * pack.capacity_ah * takes * demand
            cold = math.exp(COLD_PER_C * (25.0 - now_c))
            # Under load the pack's voltage is higher than at rest.
            give = supply.power_kw * 1000 / resting_v
            give = min(supply.power_kw * 1000 / (resting_v + give * ohm * cold), supply.current_a)
            amps = min(ask, give) * min(1.0, t / _RAMP_S)
            if stop_s is not None and t >= stop_s + STOP_TAKES_S:
                amps = 0.0
            soc[i], current[i], warm[i] = now, amps, now_c
            volts[i] = resting_v + amps * ohm * cold
            now += amps * step_s / 3600 / pack.capacity_ah
            heat_w = amps * amps * ohm * cold - _PASSIVE_W_K * (now_c - self.air_c)
            heat_w -= _ACTIVE_W_K * max(0.0, now_c - pack.ceiling_c)
            heat_w += _HEATER_W if now_c < _HEATED_BELOW_C and amps > 0 else 0.0
            now_c += heat_w / heat_j_k * step_s
        return Course(t_s, soc, current, warm, volts)


def public_power_kw(t_s: Floats, *, seconds: float, pmax_kw: float, energy_kwh: float) -> Floats:
    """Return the power (kW) of a public session at ``t_s``: full, then a taper, such that the energy comes out.

    The mean over [0, seconds) is that of the session; no value is above ``pmax_kw``.
    """
    load = min(energy_kwh * 3600 / seconds / pmax_kw, 0.97)
    grid = (np.arange(600) + 0.5) / 600 * seconds
    full_s = min(_FULL_SHARE, load / 2) * seconds

    def power(at: Floats, steepness: float) -> Floats:
        fall: Floats = np.exp(-steepness * np.clip(at - full_s, 0.0, None) / seconds)
        return fall * np.clip(at / min(_RAMP_S, full_s / 2), 0.0, 1.0)

    least, most = 0.0, 400.0
    for _ in range(34):
        middle = (least + most) / 2
        least, most = (middle, most) if power(grid, middle).mean() > load else (least, middle)
    shape = power(grid, least)
    result: Floats = power(t_s, least) * pmax_kw * min(load / shape.mean(), 1.0)
    return np.where((t_s >= 0) & (t_s < seconds), result, 0.0)


def cable_loss_w(current_a: Floats) -> Floats:
    """Return what cable and contacts take on the way from the pile's meter to the car."""
    loss: Floats = current_a * current_a * _CABLE_OHM
    return loss
