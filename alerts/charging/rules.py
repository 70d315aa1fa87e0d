"""What is a danger, judged from what a car measured: pure functions of a few seconds of samples.

Every rule answers with a ``Judgement``, or None where the car did not measure what it needs: silence is not "all well".
Limits are those of ``config/charging.toml``, which says where each is from.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

import msgspec

from alerts.charging.anomaly import Kind, Severity
from alerts.charging.holds import CALM, Judgement
from config.charging import ChargingLimits

Probes = Sequence[tuple[int, "array[float]"]]


class CarSample(msgspec.Struct, frozen=True, kw_only=True):
    """What a charging car measured at one instant (epoch ms); None was not measured.

    cell_v, probe_c : V of every cell, C of every probe; NaN where one was not measured
    pack_a          : A, positive while it charges
    warning_level   : the car's own alarm level, 3 and more is the worst
    """

    ts_ms: int
    cell_v: "array[float] | None" = None
    probe_c: "array[float] | None" = None
    cell_min_v: float | None = None
    cell_max_v: float | None = None
    probe_min_c: float | None = None
    probe_max_c: float | None = None
    pack_v: float | None = None
    pack_a: float | None = None
    soc_pct: float | None = None
    insulation_kohm: float | None = None
    warning_level: int | None = None
    is_charging: bool | None = None


class Rise(NamedTuple):
    """The fastest steady rise among the probes: which probe (from 0), C/s, over how many s."""

    probe: int
    rate_c_s: float
    span_s: float


class Drop(NamedTuple):
    """The cell (from 0) that lost the largest share of its voltage, and the share."""

    cell: int
    share: float


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What rules judge, worked out once a sample: the newest values and how they got there; None is not known."""

    hottest_c: float | None = None
    coldest_c: float | None = None
    highest_v: float | None = None
    lowest_v: float | None = None
    rise: Rise | None = None
    drop: Drop | None = None
    pack_v: float | None = None
    insulation_kohm: float | None = None
    warning_level: int | None = None


Rule = Callable[[Facts, ChargingLimits], Judgement | None]


def facts_of(
    now: CarSample, limits: ChargingLimits, *, probes: Probes = (), before_v: "array[float] | None" = None
) -> Facts:
    """Return what a sample and those before it come to.

    probes   : (ts_ms, C of every probe) of the last seconds, oldest first, those of ``now`` included
    before_v : V of every cell half a minute or more ago, before anything was wrong
    """
    volts, degrees = _known(now.cell_v), _known(now.probe_c)
    # What a car says is its extreme and what its sensors say: the worse of the two counts.
    return Facts(
        hottest_c=max(_known((now.probe_max_c,)) + degrees, default=None),
        coldest_c=min(_known((now.probe_min_c,)) + degrees, default=None),
        highest_v=max(_known((now.cell_max_v,)) + volts, default=None),
        lowest_v=min(_known((now.cell_min_v,)) + volts, default=None),
        rise=fastest_rise(probes, limits),
        drop=deepest_drop(now.cell_v, before_v),
        pack_v=now.pack_v,
        insulation_kohm=now.insulation_kohm,
        warning_level=now.warning_level,
    )


def _known(values: Iterable[float | None] | None) -> list[float]:
    # NaN is not equal to itself.
    return [value for value in values or () if value is not None and value == value]


def fastest_rise(probes: Probes, limits: ChargingLimits) -> Rise | None:
    """Return the fastest rise that has lasted for more than ``rise_held_s``, None where no probe rises steadily.

    Steady is what rises from sample to sample. Probes of whole degrees stand still once in a while, so one step of four
    or more may be level. A probe that jumps does not rise.
    """
    if len(probes) < 2:
        return None
    now_ms, now = probes[-1]
    start = next((n for n in range(len(probes) - 2, -1, -1) if now_ms - probes[n][0] > limits.rise_held_s * 1000), None)
    if start is None:
        return None
    seen = list(islice(probes, start, None))
    if any(len(values) != len(now) for _, values in seen):
        return None
    span_s = (now_ms - seen[0][0]) / 1000
    best: Rise | None = None
    for probe, (first, last) in enumerate(zip(seen[0][1], now, strict=True)):
        rate = (last - first) / span_s
        # Comparisons with NaN are false.
        if not rate >= limits.rise_c_s or (best is not None and rate <= best.rate_c_s):
            continue
        steps = [after[probe] - before[probe] for (_, before), (_, after) in pairwise(seen)]
        level = sum(step == 0 for step in steps)
        if min(steps) >= 0 and len(steps) >= 2 and level <= (1 if len(steps) >= 4 else 0):
            best = Rise(probe, rate, span_s)
    return best


def deepest_drop(now_v: "array[float] | None", before_v: "array[float] | None") -> Drop | None:
    """Return which cell lost the largest share of its voltage; None where nobody knows."""
    if now_v is None or before_v is None or len(now_v) != len(before_v):
        return None
    shares = [
        1 - now / before if before > 0 and now == now else 0.0 for now, before in zip(now_v, before_v, strict=True)
    ]
    share = max(shares, default=0.0)
    return Drop(shares.index(share), share) if shares else None


def thermal_runaway(facts: Facts, limits: ChargingLimits) -> Judgement | None:
    """Judge the condition of a thermal runaway.

    Source : GB 38031-2025: (voltage drop above 25 % or the maker's highest temperature) and 1 C/s for more than 3 s
    """
    hottest, drop = facts.hottest_c, facts.drop
    if hottest is None:
        return None
    is_hot = hottest >= limits.highest_c
    has_dropped = drop is not None and drop.share > limits.drop_share
    rise = facts.rise if is_hot or has_dropped else None
    if rise is None:
        return Judgement(None, clear=hottest < limits.ceiling_c - limits.clear_c and not has_dropped)
    measures: dict[str, float | str] = {
        "rise_c_s": round(rise.rate_c_s, 2),
        "hottest_c": hottest,
        "probe": rise.probe + 1,
    }
    why = f"probe {rise.probe + 1} rises by {rise.rate_c_s:.1f} C/s for {rise.span_s:.1f} s"
    if is_hot:
        why += f", hottest {hottest:g} C (limit {limits.highest_c:g})"
    if has_dropped:
        assert drop is not None
        measures |= {"cell": drop.cell + 1, "drop_pct": round(100 * drop.share, 1)}
        why += (
            f", cell {drop.cell + 1} lost {100 * drop.share:.0f} % of its voltage (limit {100 * limits.drop_share:.0f})"
        )
    return Judgement(1, clear=False, why=why, measures=measures)


def over_temperature(facts: Facts, limits: ChargingLimits) -> Judgement | None:
    """Judge the hottest probe.

    Source : GB/T 44500-2024, 65 C for LFP and 60 C for ternary cells while charging; the maker's highest is severity 1
    """
    hottest = facts.hottest_c
    if hottest is None:
        return None
    severity: Severity | None = 1 if hottest >= limits.highest_c else 2 if hottest >= limits.ceiling_c else None
    if severity is None:
        return Judgement(None, clear=hottest < limits.ceiling_c - limits.clear_c)
    limit = limits.highest_c if severity == 1 else limits.ceiling_c
    return Judgement(
        severity, False, f"hottest probe {hottest:g} C (limit {limit:g})", {"hottest_c": hottest, "limit_c": limit}
    )


def temperature_rise(facts: Facts, limits: ChargingLimits) -> Judgement | None:
    """Judge how fast a probe rises, and how far probes are apart.

    Source : GB 38031-2025 for 1 C/s over 3 s, which no charging does to a sound pack; a carmaker's gateway for 20 C
    """
    rise = facts.rise
    if rise is not None:
        measures: dict[str, float | str] = {"rise_c_s": round(rise.rate_c_s, 2), "probe": rise.probe + 1}
        why = f"probe {rise.probe + 1} rises by {rise.rate_c_s:.1f} C/s for {rise.span_s:.1f} s"
        return Judgement(1, False, f"{why} (limit {limits.rise_c_s:g})", measures)
    hottest, coldest = facts.hottest_c, facts.coldest_c
    if hottest is None or coldest is None:
        return None
    apart = hottest - coldest
    if apart < limits.difference_c:
        return Judgement(None, clear=apart < limits.difference_c - limits.clear_c)
    why = f"probes are {apart:g} C apart (limit {limits.difference_c:g})"
    return Judgement(2, False, why, {"difference_c": apart, "limit_c": limits.difference_c})


def cell_collapse(facts: Facts, limits: ChargingLimits) -> Judgement | None:
    """Judge whether a cell has lost its voltage.

    Source : GB 38031-2025 for a drop above 25 %, a carmaker's gateway for 1.9 V
    """
    lowest, drop = facts.lowest_v, facts.drop
    if lowest is None and drop is None:
        return None
    if lowest is not None and lowest <= limits.cell_dead_v:
        why = f"lowest cell {lowest:.3f} V (limit {limits.cell_dead_v:g})"
        return Judgement(1, False, why, {"cell_min_v": lowest, "limit_v": limits.cell_dead_v})
    if drop is not None and drop.share > limits.drop_share:
        share, limit = 100 * drop.share, 100 * limits.drop_share
        why = f"cell {drop.cell + 1} lost {share:.0f} % of its voltage (limit {limit:.0f})"
        return Judgement(1, False, why, {"cell": drop.cell + 1, "drop_pct": round(share, 1), "limit_pct": limit})
    # What has collapsed stays so: it is over with a cell that stands among the others again.
    return Judgement(None, clear=drop is None or drop.share < limits.drop_share / 2)


def cell_spread(facts: Facts, limits: ChargingLimits) -> Judgement | None:
    """Judge how far cells are apart. Source : one carmaker's gateway, 0.3 V"""
    lowest, highest = facts.lowest_v, facts.highest_v
    if lowest is None or highest is None:
        return None
    spread = highest - lowest
    if spread < limits.spread_v:
        return Judgement(None, clear=spread < limits.spread_v / 2)
    why = f"cells are {spread:.3f} V apart (limit {limits.spread_v:g})"
    return Judgement(2, False, why, {"spread_v": round(spread, 3), "limit_v": limits.spread_v})


def over_charge(facts: Facts, limits: ChargingLimits) -> Judgement | None:
    """Judge the highest cell. Source : one carmaker's gateway, 4.35 V; overcharge 4.5 V, clear below 4.25 V"""
    highest = facts.highest_v
    if highest is None:
        return None
    severity: Severity | None = 1 if highest >= limits.cell_worst_v else 2 if highest >= limits.cell_high_v else None
    if severity is None:
        return Judgement(None, clear=highest < limits.cell_clear_v)
    limit = limits.cell_worst_v if severity == 1 else limits.cell_high_v
    return Judgement(
        severity, False, f"highest cell {highest:.3f} V (limit {limit:g})", {"cell_max_v": highest, "limit_v": limit}
    )


def insulation(facts: Facts, limits: ChargingLimits) -> Judgement | None:
    """Judge the insulation resistance that the car measures."""
    return judge_insulation(facts.insulation_kohm, facts.pack_v, limits)


def judge_insulation(kohm: float | None, volts: float | None, limits: ChargingLimits) -> Judgement | None:
    """Judge an insulation resistance (kOhm) against the law and against the lamp.

    Source : GB 18384, 100 Ohm/V of direct current, severity 1; one carmaker's gateway, 250 kOhm, a notice
    """
    if kohm is None or kohm != kohm:
        return None
    lawful = limits.insulation_ohm_per_v * volts / 1000 if volts is not None and volts > 0 else None
    if lawful is not None and kohm < lawful:
        why = f"insulation {kohm:g} kOhm at {volts:g} V (by law {lawful:.0f})"
        return Judgement(1, False, why, {"insulation_kohm": kohm, "limit_kohm": round(lawful, 1)})
    if kohm <= limits.insulation_low_kohm:
        why = f"insulation {kohm:g} kOhm (lamp at {limits.insulation_low_kohm:g})"
        return Judgement(3, False, why, {"insulation_kohm": kohm, "limit_kohm": limits.insulation_low_kohm})
    return CALM


def warning_level(facts: Facts, limits: ChargingLimits) -> Judgement | None:
    """Judge the alarm level that a car raises without saying of what: its worst one stops, a lesser one is a notice.

    Source : GB/T 32960.3, level 3 (since 2025 also 4) is the worst
    """
    level = facts.warning_level
    if level is None:
        return None
    if level < 2:
        return CALM
    return Judgement(1 if level >= 3 else 3, False, f"the car raises alarm level {level}", {"level": float(level)})


RULES: tuple[tuple[Kind, Rule, bool], ...] = (
    # Kind, rule, and whether the rule itself says how long its condition has held.
    ("thermal_runaway", thermal_runaway, True),
    ("over_temperature", over_temperature, False),
    ("temperature_rise", temperature_rise, False),
    ("cell_collapse", cell_collapse, False),
    ("cell_spread", cell_spread, False),
    ("insulation", insulation, False),
    ("over_charge", over_charge, False),
    # The car has held it already.
    ("other", warning_level, True),
)
