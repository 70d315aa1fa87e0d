"""Charging sessions at fast chargers: what a station records of them, and the same out of a car's telemetry."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from forewarn.realism import measures
from forewarn.realism.finding import Finding
from forewarn.realism.trace import BATTERY, CURRENT, REGIMES, Trace, regimes, stretches

_VOLTAGE, _SOC = f"{BATTERY}.CurrentVoltage", f"{BATTERY}.StateOfCharge.Current"
# Chargers at home give 11 kW at most; stations of level 3 at least twice that.
_FAST_KW = 22.0
SECTION, NAME = "Fast charging", "epfl"
# Sessions shorter than this are failed starts.
SHORTEST_MIN = 3.0


class Session(NamedTuple):
    """One visit to a fast charger: minutes, percent of charge on arrival and departure, kWh."""

    minutes: float
    soc_start_pct: float
    soc_end_pct: float
    energy_kwh: float

    @property
    def mean_kw(self) -> float:
        return self.energy_kwh * 60 / self.minutes


def fast_sessions(trace: Trace) -> list[Session]:
    """Return the fast-charging sessions that a car's telemetry shows.

    Energy is what went into the pack, by voltage and current; a station counts its own losses too (some percent).
    """
    charging = regimes(trace) == REGIMES.index("charge")
    part = np.cumsum((np.diff(charging.astype(np.int64), prepend=0) != 0) | (np.diff(stretches(trace), prepend=0) != 0))
    kw = trace.signal(_VOLTAGE) * trace.signal(CURRENT) / 1000
    soc = trace.signal(_SOC)
    sessions = []
    for number in np.unique(part[charging]).tolist():
        rows = np.flatnonzero(part == number)
        minutes = (trace.ts_s[rows[-1]] - trace.ts_s[rows[0]]) / 60
        known = rows[np.isfinite(soc[rows])]
        if minutes < SHORTEST_MIN or not len(known):
            continue
        energy = float(np.nansum(kw[rows[:-1]] * np.diff(trace.ts_s[rows])) / 3600)
        session = Session(minutes, float(soc[known[0]]), float(soc[known[-1]]), energy)
        if session.mean_kw >= _FAST_KW:
            sessions.append(session)
    return sessions


def compare_sessions(recorded: Sequence[Session], simulated: Sequence[Session]) -> list[Finding]:
    """Return how fast-charging sessions of simulated cars compare with those of a station."""
    findings = []
    quantities: tuple[tuple[str, str, Callable[[Session], float]], ...] = (
        ("energy of a session", "kWh", lambda one: one.energy_kwh),
        ("duration of a session", "min", lambda one: one.minutes),
        ("mean power of a session", "kW", lambda one: one.mean_kw),
        ("charge on arrival", "%", lambda one: one.soc_start_pct),
        ("charge on departure", "%", lambda one: one.soc_end_pct),
    )
    sides = [
        [one for one in side if one.minutes >= SHORTEST_MIN and one.energy_kwh > 0] for side in (recorded, simulated)
    ]
    for what, unit, value in quantities:
        values = [np.array([value(one) for one in side], dtype=np.float64) for side in sides]
        medians = [float(np.median(side)) if len(side) else np.nan for side in values]
        apart = measures.distance(values[0], values[1])
        findings.append(Finding(SECTION, NAME, f"{what}, median", unit, "ratio", *medians))
        findings.append(
            Finding(SECTION, NAME, f"{what}, distribution", "IQR", "distance", 0.0, apart.wasserstein, ks=apart.ks)
        )
    return findings
