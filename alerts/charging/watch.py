"""What is remembered of a charging car and of a pile from sample to sample, and what follows from the next one."""

from array import array
from collections import deque
from collections.abc import Mapping

import msgspec

from alerts.charging.anomaly import Kind, Severity
from alerts.charging.holds import CALM, Change, Hold, Judgement, advance
from alerts.charging.rules import RULES, CarSample, facts_of, judge_insulation
from config.charging import ChargingLimits

# A clock that steps back further than this was set: what was remembered by the old one is worth nothing.
_CLOCK_SET_MS = 60_000
# Probes are compared over a little more than ``rise_held_s``; a car that sends faster than 1 Hz has more of them.
_PROBES_MS = 6_000
_MOST_PROBES = 64
# Voltages that a cell is compared with are so old at least, and twice that at most: a cell that fails within seconds
# to minutes shows, the slow way from full to empty does not.
_BEFORE_MS = 30_000
# Between reports of a pile: most send every 15 s, some every minute.
_PILE_PAUSE_MS = 90_000
# What car and pile said is compared when it is of the same moment.
_TOGETHER_MS = 3_000
# Below this a share says nothing: meters have a threshold, and contactors take a moment.
_LEAST_KW = 5.0


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A danger that begins, gets worse or is over. Times are epoch ms by the source's clock."""

    kind: Kind
    change: Change
    severity: Severity
    began_ms: int
    ts_ms: int
    why: str
    measures: dict[str, float | str] = {}


class CarWatch:
    """What is remembered of one charging car."""

    def __init__(self, limits: ChargingLimits) -> None:
        self._limits = limits
        self._holds: dict[Kind, Hold] = {kind: Hold() for kind, _, _ in RULES}
        self._probes: deque[tuple[int, array[float]]] = deque(maxlen=_MOST_PROBES)
        self._before: tuple[int, array[float]] | None = None
        self._later: tuple[int, array[float]] | None = None
        self._gap_began_ms: int | None = None
        self.last: CarSample | None = None
        self.heard_at_s = 0.0

    def limit_by(self, limits: ChargingLimits) -> None:
        """Judge by other limits from now on: it has become known what car this is."""
        self._limits = limits

    @property
    def dangers(self) -> dict[Kind, Severity]:
        """The dangers that are on, and how bad each has been."""
        found: dict[Kind, Severity] = {}
        for kind, hold in self._holds.items():
            if hold.said is not None:
                found[kind] = hold.said
        return found

    def judge(self, sample: CarSample, *, heard_at_s: float = 0.0) -> list[Finding]:
        """Return what changes with a sample. One that is older than the last says nothing about now.

        heard_at_s : by our own monotonic clock, when it was received
        """
        found = self._end_gap(sample.ts_ms)
        self.heard_at_s = heard_at_s
        if self.last is not None and sample.ts_ms <= self.last.ts_ms:
            if self.last.ts_ms - sample.ts_ms < _CLOCK_SET_MS:
                return found
            self._forget_times()
        self.last = sample
        if sample.probe_c is not None:
            self._probes.append((sample.ts_ms, sample.probe_c))
        while self._probes and sample.ts_ms - self._probes[0][0] > _PROBES_MS:
            self._probes.popleft()
        facts = facts_of(
            sample,
            self._limits,
            probes=self._probes if sample.probe_c is not None else (),
            before_v=self._before[1] if self._before is not None else None,
        )
        limits = self._limits
        is_calm = True
        for kind, rule, holds_itself in RULES:
            judgement = rule(facts, limits)
            if judgement is None:
                continue
            is_calm = is_calm and judgement.severity is None
            finding = self._advance(kind, judgement, sample.ts_ms, held_s=0.0 if holds_itself else limits.held_s)
            if finding is not None:
                found.append(finding)
        if is_calm and sample.cell_v is not None:
            self._remember_voltages(sample.ts_ms, sample.cell_v)
        return found

    def silent(self, now_s: float, *, now_ms: int, listening_since_s: float) -> Finding | None:
        """Return the danger that a car in danger has fallen silent, once.

        now_s, listening_since_s : by the clock of ``heard_at_s``; while we did not listen the silence is ours
        now_ms                   : epoch ms
        """
        if self._gap_began_ms is not None or self.last is None:
            return None
        worst = min(self.dangers.values(), default=3)
        if worst > 2 or now_s - max(self.heard_at_s, listening_since_s) < self._limits.gap_s:
            return None
        # A car that has stopped charging has nothing to say once a second, unless it may burn.
        if self.last.is_charging is False and not self.dangers.keys() & _BURNING:
            return None
        self._gap_began_ms = self.last.ts_ms
        quiet_s = now_s - self.heard_at_s
        return Finding(
            kind="data_gap",
            change="on",
            severity=1,
            began_ms=self._gap_began_ms,
            ts_ms=now_ms,
            why=f"silent for {quiet_s:.0f} s in a danger (limit {self._limits.gap_s:g})",
            measures={"silent_s": round(quiet_s, 1)},
        )

    def _end_gap(self, ts_ms: int) -> list[Finding]:
        if self._gap_began_ms is None:
            return []
        began_ms, self._gap_began_ms = self._gap_began_ms, None
        return [
            Finding(
                kind="data_gap", change="off", severity=1, began_ms=began_ms, ts_ms=ts_ms, why="the car is heard again"
            )
        ]

    def _advance(self, kind: Kind, judgement: Judgement, ts_ms: int, *, held_s: float) -> Finding | None:
        before = self._holds[kind]
        hold, change = advance(
            before,
            judgement,
            ts_ms,
            held_ms=round(held_s * 1000),
            clear_ms=round(self._limits.clear_s * 1000),
            longest_pause_ms=round(self._limits.longest_pause_s * 1000),
        )
        self._holds[kind] = hold
        return None if change is None else finding_of(kind, change, before, hold, judgement, ts_ms)

    def _remember_voltages(self, ts_ms: int, cell_v: "array[float]") -> None:
        if self._later is None:
            self._later = self._before = (ts_ms, cell_v)
        elif ts_ms - self._later[0] >= _BEFORE_MS:
            self._before, self._later = self._later, (ts_ms, cell_v)

    def _forget_times(self) -> None:
        self._probes.clear()
        self._before = self._later = None
        # What is on stays on; only counts by the old clock begin anew.
        self._holds = {
            kind: msgspec.structs.replace(hold, since=(None, None, None), clear_since=None, seen_ms=None)
            for kind, hold in self._holds.items()
        }


_BURNING: frozenset[Kind] = frozenset(
    {"thermal_runaway", "over_temperature", "temperature_rise", "cell_collapse", "over_charge"}
)


class PileSample(msgspec.Struct, frozen=True, kw_only=True):
    """What a connector measured at one instant (epoch ms): V, A, kW, C, kOhm; None was not measured."""

    ts_ms: int
    voltage_v: float | None = None
    current_a: float | None = None
    power_kw: float | None = None
    gun_temp_c: float | None = None
    insulation_kohm: float | None = None

    @property
    def kw(self) -> float | None:
        if self.power_kw is not None:
            return self.power_kw
        if self.voltage_v is not None and self.current_a is not None:
            return self.voltage_v * self.current_a / 1000
        return None


def pile_sample(ts_ms: int, columns: Mapping[str, object]) -> PileSample:
    """Return a connector's sample from the columns of ``ingest.charging.charger_row``."""
    names = [name for name in PileSample.__struct_fields__ if name != "ts_ms"]
    values = {name: float(value) for name in names if isinstance(value := columns.get(name), int | float)}
    return PileSample(ts_ms=ts_ms, **values)


class PileWatch:
    """What is remembered of one connector."""

    def __init__(self, limits: ChargingLimits) -> None:
        self._limits = limits
        self._holds: dict[Kind, Hold] = {kind: Hold() for kind in ("contact_heat", "insulation", "disagreement")}
        self.last_ms = 0

    def judge(self, sample: PileSample, car: CarSample | None) -> list[Finding]:
        """Return what changes with a sample; ``car`` is what the car on this connector measured last."""
        if self.last_ms - _CLOCK_SET_MS < sample.ts_ms <= self.last_ms:
            return []
        self.last_ms = sample.ts_ms
        limits = self._limits
        judgements: list[tuple[Kind, Judgement | None, float]] = [
            ("contact_heat", contact_heat(sample, limits), limits.held_s),
            ("insulation", judge_insulation(sample.insulation_kohm, sample.voltage_v, limits), limits.held_s),
            ("disagreement", disagreement(sample, car, limits), limits.disagree_s),
        ]
        found = []
        for kind, judgement, held_s in judgements:
            if judgement is None:
                continue
            before = self._holds[kind]
            hold, change = advance(
                before,
                judgement,
                sample.ts_ms,
                held_ms=round(held_s * 1000),
                clear_ms=round(limits.clear_s * 1000),
                longest_pause_ms=_PILE_PAUSE_MS,
            )
            self._holds[kind] = hold
            if change is not None:
                found.append(finding_of(kind, change, before, hold, judgement, sample.ts_ms))
        return found


def finding_of(kind: Kind, change: Change, before: Hold, hold: Hold, judgement: Judgement, ts_ms: int) -> Finding:
    """Return a change of a hold as what it means."""
    severity = hold.said if hold.said is not None else before.said
    assert severity is not None
    return Finding(
        kind=kind,
        change=change,
        severity=severity,
        began_ms=before.began_ms if change == "off" else hold.began_ms,
        ts_ms=ts_ms,
        why=judgement.why or "back within its limits",
        measures=judgement.measures,
    )


def contact_heat(sample: PileSample, limits: ChargingLimits) -> Judgement | None:
    """Judge the temperature in the gun. Source : GB/T 20234.1, contacts are made for 90 C"""
    degrees = sample.gun_temp_c
    if degrees is None:
        return None
    if degrees < limits.contact_c:
        return Judgement(None, clear=degrees < limits.contact_c - limits.clear_c)
    why = f"contact {degrees:g} C (limit {limits.contact_c:g})"
    return Judgement(1, False, why, {"contact_c": degrees, "limit_c": limits.contact_c})


def disagreement(sample: PileSample, car: CarSample | None, limits: ChargingLimits) -> Judgement | None:
    """Judge whether car and pile measure the same power; None where one of them does not say, or for AC.

    Between AC and the battery is the car's charger, whose losses nobody knows: voltages far apart tell of it.
    """
    if car is None or abs(sample.ts_ms - car.ts_ms) > _TOGETHER_MS:
        return None
    pile_kw, pack_v, pack_a = sample.kw, car.pack_v, car.pack_a
    if pile_kw is None or pack_v is None or pack_a is None or sample.voltage_v is None:
        return None
    car_kw = pack_v * pack_a / 1000
    larger = max(pile_kw, car_kw)
    if larger < _LEAST_KW:
        return CALM
    if abs(sample.voltage_v - pack_v) > 0.2 * pack_v:
        return None
    # What the car uses itself passes the pile's meter and not the battery's.
    apart_kw = max(0.0, pile_kw - car_kw - limits.car_uses_kw, car_kw - pile_kw)
    share = apart_kw / larger
    if share < limits.disagree_share:
        return Judgement(None, clear=share < limits.disagree_share / 2)
    apart_pct, limit_pct = 100 * share, 100 * limits.disagree_share
    why = f"pile {pile_kw:.1f} kW, car {car_kw:.1f} kW: {apart_pct:.0f} % apart (limit {limit_pct:.0f})"
    return Judgement(
        2, False, why, {"pile_kw": round(pile_kw, 2), "car_kw": round(car_kw, 2), "apart_pct": round(apart_pct, 1)}
    )
