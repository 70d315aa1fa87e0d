"""What goes wrong while a car charges, and what merely looks so: the plan of it, drawn for one visit.

``strength`` is drawn from 0..1 for every kind. Weak ones never reach the condition that makes them a danger, strong
ones do; where the line is, the physics decides.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from forewarn.simulator.charging.curve import Overcharge
from forewarn.simulator.charging.pack import Pack
from forewarn.simulator.charging.runaway import Runaway
from forewarn.simulator.charging.sessions import Visit

Kind = Literal["thermal_runaway", "insulation_loss", "contact_heat", "over_voltage", "disagreement", "data_gap"]
NearMiss = Literal["hot_day", "noisy_sensor", "rain"]
KINDS: tuple[Kind, ...] = (
    "thermal_runaway",
    "insulation_loss",
    "contact_heat",
    "over_voltage",
    "disagreement",
    "data_gap",
)
NEAR_MISSES: tuple[NearMiss, ...] = ("hot_day", "noisy_sensor", "rain")
# What may go on behind a gap in the data.
_BEHIND_GAP: tuple[Kind, ...] = ("thermal_runaway", "insulation_loss", "contact_heat")
# An overcharge needs a charge that goes near the end.
_NEARLY_FULL = 0.85
OVERCHARGE_FINISH_SHARE = 0.6
_SUDDEN_SHARE = 0.35
_GAP_SHARE = 0.12
# By law at least 100 Ohm/V (GB 18384); full of water it is a few kOhm.
_WEAKEST_KOHM, _STRONGEST_KOHM = 150.0, 5.0
_RISE_C = (30.0, 210.0)
_BIAS = (0.03, 0.4)
HOT_AIR_C = 38.0


@dataclass(frozen=True)
class Danger:
    """One danger, or one near miss, of one session. Times are seconds after plugging in.

    physics  : what happens; differs from ``kind`` behind a data gap only
    growth_s : how long it takes to its worst
    end_kohm : insulation resistance at its worst
    rise_c   : contact heat at the session's usual current
    bias     : by how much pile and car disagree at the end, share; ``biased`` is wrong
    gap      : the car is silent in [from, to)
    spike    : (second, amount): one sample of one sensor is off, C for a probe or V for a cell
    delay_s  : how long the pile takes to report a stage
    """

    kind: Kind | NearMiss
    physics: Kind | NearMiss
    onset_s: float
    growth_s: float
    strength: float
    is_gradual: bool
    delay_s: float
    is_reported: bool
    runaway: Runaway | None = None
    overcharge: Overcharge | None = None
    end_kohm: float | None = None
    recovers: bool = False
    rise_c: float = 0.0
    bias: float = 0.0
    biased: Literal["car", "pile"] = "car"
    gap: tuple[float, float] | None = None
    spike: tuple[float, float] | None = None

    @property
    def is_danger(self) -> bool:
        return self.kind in KINDS

    def progress(
        self, t_s: np.ndarray[tuple[int], np.dtype[np.float64]]
    ) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return how far it has come at ``t_s``: 0 before the onset, 1 at its worst; back to 0 where it recovers."""
        part = np.clip((t_s - self.onset_s) / self.growth_s, 0.0, 1.0)
        if self.recovers:
            return np.clip(np.minimum(part * 2, 2 - part * 2), 0.0, 1.0)
        return part


def can_have(kind: Kind, visit: Visit) -> bool:
    return kind != "over_voltage" or visit.soc_end >= _NEARLY_FULL


def draw_danger(
    kind: Kind,
    visit: Visit,
    pack: Pack,
    *,
    rng: np.random.Generator,
    silent_share: float = 0.25,
    strength: float | None = None,
) -> Danger:
    """Return a danger of ``kind`` that fits into the visit.

    silent_share : how many dangers the operator's piles do not report
    strength     : drawn when None
    Raises       : ValueError, when the visit cannot have it (``can_have``)
    """
    if not can_have(kind, visit):
        raise ValueError(f"{kind} needs a visit that charges to {_NEARLY_FULL:.0%} or more")
    seconds = (visit.ended_ms - visit.started_ms) / 1000
    drawn = float(rng.uniform())
    strength = drawn if strength is None else strength
    physics: Kind = _BEHIND_GAP[rng.integers(len(_BEHIND_GAP))] if kind == "data_gap" else kind
    onset_s = round(seconds * rng.uniform(0.12, 0.4), 1)
    is_gradual = bool(rng.random() >= _SUDDEN_SHARE)
    growth_s = min(rng.uniform(240, 1800), 0.45 * (seconds - onset_s)) if is_gradual else rng.uniform(1.0, 5.0)
    danger = Danger(
        kind,
        physics,
        onset_s,
        growth_s,
        strength,
        is_gradual,
        delay_s=rng.uniform(2.0, 25.0),
        is_reported=bool(rng.random() >= silent_share),
    )
    danger = _with_physics(danger, visit, pack, seconds, rng)
    gap_from, gap_s, has_gap = danger.onset_s + danger.growth_s * rng.uniform(0.4, 1.0), *rng.uniform((60, 0), (300, 1))
    if kind == "data_gap" or has_gap < _GAP_SHARE:
        danger = replace(danger, gap=(gap_from, gap_from + gap_s))
    return danger


def _with_physics(danger: Danger, visit: Visit, pack: Pack, seconds: float, rng: np.random.Generator) -> Danger:
    strength = danger.strength
    match danger.physics:
        case "thermal_runaway":
            return replace(danger, runaway=_draw_runaway(danger, pack, rng))
        case "insulation_loss":
            end_kohm = float(np.exp(np.interp(strength, (0, 1), np.log((_WEAKEST_KOHM, _STRONGEST_KOHM)))))
            return replace(danger, end_kohm=end_kohm)
        case "contact_heat":
            # Contacts wear over months; within a session they get worse because they are hot.
            growth_s = danger.growth_s if danger.is_gradual else 30.0
            rise_c = float(np.interp(strength, (0, 1), _RISE_C))
            return replace(danger, rise_c=rise_c, growth_s=growth_s)
        case "over_voltage":
            onset_s = OVERCHARGE_FINISH_SHARE * seconds
            until = float(np.interp(strength, (0, 1), (0.96, 1.16)))
            current_c = np.clip((until - visit.soc_end) / (0.33 * seconds / 3600), 0.05, 1.2)
            overcharge = Overcharge(onset_s, float(current_c), until)
            return replace(danger, onset_s=onset_s, growth_s=0.33 * seconds, is_gradual=True, overcharge=overcharge)
        case _:
            bias = float(np.interp(strength, (0, 1), _BIAS))
            return replace(danger, bias=bias, biased="car" if rng.random() < 0.6 else "pile")


def _draw_runaway(danger: Danger, pack: Pack, rng: np.random.Generator) -> Runaway:
    is_lfp = pack.chemistry == "LFP"
    # A nail through a cell releases kilowatts; a dendrite some hundred watts, and a weak one only warms it.
    if danger.is_gradual:
        short_w = float(np.interp(danger.strength, (0, 0.4, 1), (40.0, 480.0, 2500.0)))
    else:
        short_w = float(np.interp(danger.strength, (0, 0.3, 0.35, 1), (60.0, 250.0, 3000.0, 20000.0)))
    # Small cells need less heat for the same.
    short_w *= pack.cell_heat_j_k / 2300.0
    return Runaway(
        cell=int(rng.integers(pack.cells)),
        onset_s=danger.onset_s,
        growth_s=danger.growth_s,
        short_w=short_w,
        short_share=float(rng.uniform(0.02, 0.12)),
        neighbour_w_k=float(rng.uniform(0.4, 3.0)) * pack.cell_heat_j_k / 2300.0,
        fastest_c_s=float(rng.uniform(3.0, 8.0) if is_lfp else rng.uniform(8.0, 35.0)),
        heats_c=float(rng.uniform(280.0, 380.0) if is_lfp else rng.uniform(500.0, 750.0)),
        vents_c=float(rng.uniform(125.0, 160.0)),
        melts_c=float(rng.uniform(130.0, 155.0)),
        dies_s=float(rng.uniform(45.0, 600.0)),
    )


def draw_near_miss(kind: NearMiss, visit: Visit, pack: Pack, *, rng: np.random.Generator) -> Danger:
    """Return what looks like a danger and is none."""
    seconds = (visit.ended_ms - visit.started_ms) / 1000
    onset_s = round(seconds * rng.uniform(0.15, 0.5), 1)
    growth_s = min(rng.uniform(300.0, 900.0), 0.4 * seconds)
    miss = Danger(
        kind, kind, onset_s, growth_s, 0.0, True, delay_s=rng.uniform(2, 25), is_reported=bool(rng.random() < 0.3)
    )
    if kind == "rain":
        # Well above what the law asks of 400 V.
        return replace(miss, end_kohm=float(rng.uniform(150.0, 400.0)), recovers=True)
    if kind == "noisy_sensor":
        amount = float(rng.uniform(20.0, 70.0)) if rng.random() < 0.6 else float(-rng.uniform(1.0, 1.8))
        return replace(miss, spike=(onset_s, amount))
    return miss
