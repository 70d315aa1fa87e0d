"""What the models have to beat: the standard's alarms moved earlier, the best single feature, an isolation forest.

Each has for every fault mode something that answers like a model and goes through the same decision; what there is to
choose is chosen on the cars that the models learn from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import IsolationForest

from config.decision import CERTAIN, weights_of
from config.faults import FaultMode
from models.dataset import KnownFleet
from models.decision import Hysteresis, log_odds
from models.features import Feature, Regime
from models.fleet_scores import scored_rows
from models.labels import days_to_lamp, lamps_of
from models.peers import with_peers
from models.protocol import DAYS_PER_MONTH
from models.thresholds import RIGHT_WITHIN
from models.watched import features_of

Floats = NDArray[np.float64]

BASELINES = ("standard thresholds, earlier", "best single feature", "isolation forest")
# The score at a baseline's cut: from there on a car is flagged.
THRESHOLD = 0.5
# Training fleets have many more faults than a fleet has; what is chosen on them is to suit one with so many.
FAULTY_SHARE = 0.02
# How far from the alarm towards what is usual the standard's thresholds are moved.
MARGINS = tuple(np.linspace(0.0, 0.95, 20).tolist())
# Needless calls in 1,000 months of a car that the forests of all modes together may make.
FALSE_BUDGET = 2.0
TREES = 100
# A tree of an isolation forest looks at 256 rows; more than this only fill memory.
FOREST_ROWS = 20_000


class Limit(msgspec.Struct, frozen=True):
    """One feature beyond a cut. side : +1 when above it is bad, -1 when below; scale : its usual spread"""

    feature: Feature
    side: int
    cut: float
    scale: float

    def margin(self, rows: pd.DataFrame) -> Floats:
        """Return how far beyond the cut each row is, in spreads: (n_rows,), NaN where the feature was not seen."""
        values = rows[self.feature.name].to_numpy(dtype=np.float64)
        beyond: Floats = self.side * (values - self.cut) / self.scale
        return beyond


class Rule(msgspec.Struct, frozen=True):
    """A fault mode is flagged when one of its limits is passed."""

    limits: tuple[Limit, ...]

    @property
    def features(self) -> tuple[Feature, ...]:
        return tuple(limit.feature for limit in self.limits)

    def probability(self, rows: pd.DataFrame) -> Floats:
        """Return a score in 0..1 that is THRESHOLD at the limit: (n_rows,), NaN where nothing was seen."""
        return _score(np.fmax.reduce([limit.margin(rows) for limit in self.limits]))


@dataclass(frozen=True)
class Forest:
    """An isolation forest on the features of one mode.

    sample  : DataFrame (n_rows, n_features) of healthy cars, without NaN, that it is grown from
    usual   : (n_features,) what stands for a value that was not seen
    cut     : of the anomaly score, from which a car is flagged
    scale   : its usual spread
    """

    features: tuple[Feature, ...]
    sample: pd.DataFrame
    usual: "pd.Series[float]"
    seed: int
    cut: float = 0.0
    scale: float = 1.0

    @cached_property
    def _forest(self) -> IsolationForest:
        return IsolationForest(n_estimators=TREES, random_state=self.seed).fit(self.sample.to_numpy(dtype=np.float32))

    def anomaly(self, rows: pd.DataFrame) -> Floats:
        """Return how odd each row is: (n_rows,), the greater the odder."""
        table = rows[list(self.sample.columns)].fillna(self.usual).to_numpy(dtype=np.float32)
        return -np.asarray(self._forest.score_samples(table), dtype=np.float64) if len(table) else np.zeros(0)

    def probability(self, rows: pd.DataFrame) -> Floats:
        """Return a score in 0..1 that is THRESHOLD at the cut: (n_rows,)."""
        return _score((self.anomaly(rows) - self.cut) / self.scale)


def _score(margin: Floats) -> Floats:
    """Return what passes for a probability: margins, in spreads, are its log odds; so many are as good as more."""
    return np.asarray(expit(np.clip(margin, -CERTAIN, CERTAIN)), dtype=np.float64)


class Alarm(msgspec.Struct, frozen=True):
    """A threshold from which a car has to show an alarm, or a carmaker's gateway does. side : as in ``Limit``"""

    column: str
    regimes: tuple[Regime, ...]
    side: int
    limit: float


# From public thresholds of one carmaker's gateway and of GB/T 32960's alarms; tyres: a quarter under a usual placard of
# 240 kPa; 12 V: a lead battery that is empty at rest; pads: where the squealer touches. Nobody's threshold tells a bad
# joint or wire from a bad cell: all three show as cells apart, at rest or under load.
STANDARD: Mapping[str, tuple[Alarm, ...]] = {
    "hv_self_discharge": (Alarm("cell_spread_mv", ("rest",), +1, 300.0),),
    "hv_connection": (Alarm("cell_spread_mv", ("drive", "charge"), +1, 300.0),),
    "hv_sampling": (Alarm("cell_spread_mv", ("rest",), +1, 300.0),),
    "insulation": (Alarm("insulation_kohm", ("drive", "charge"), -1, 250.0),),
    "lv_battery": (Alarm("lv_battery_v", ("rest",), -1, 11.8),),
    "brake_wear": (
        Alarm("pad_wear_front_pct", ("drive",), +1, 85.0),
        Alarm("pad_wear_rear_pct", ("drive",), +1, 85.0),
    ),
    "tyre_leak": tuple(Alarm(f"tire_{wheel}_kpa", ("drive",), -1, 180.0) for wheel in ("fl", "fr", "rl", "rr")),
    "coolant": (Alarm("coolant_c", ("drive",), +1, 115.0),),
    "oil_pressure": (Alarm("oil_pressure_kpa", ("drive",), -1, 30.0),),
    "drive_heat": (Alarm("motor_c", ("drive",), +1, 175.0), Alarm("inverter_c", ("drive",), +1, 142.0)),
    "dcdc": (Alarm("dcdc_c", ("drive", "charge"), +1, 85.0),),
}
# An alarm of one day is still seen for as long as a flag takes to open.
_ALARM_DAYS = 3


def standard_features(mode: FaultMode) -> tuple[Feature, ...]:
    """Return the features that the standard's thresholds of a mode are about; none where it has none."""
    return tuple(
        Feature(alarm.column, regime, "highest" if alarm.side > 0 else "lowest", _ALARM_DAYS)
        for alarm in STANDARD.get(mode.key, ())
        for regime in alarm.regimes
    )


@dataclass(frozen=True)
class Lesson:
    """What baselines of one mode are chosen on: the rows that the mode is scored on, car by car in the order of time.

    rows    : DataFrame (n_rows, n_features) with every feature asked for
    begins  : (n_cars,) first row of each car
    sick    : (n_cars,) whether it has the fault and lights its lamp
    healthy : (n_cars,) whether nothing is wrong with it
    counts  : (n_rows,) of a sick car whether a flag would be a hit: before the lamp and not long before
    rule    : when a flag opens
    """

    rows: pd.DataFrame
    begins: NDArray[np.int64]
    sick: NDArray[np.bool_]
    healthy: NDArray[np.bool_]
    counts: NDArray[np.bool_]
    rule: Hysteresis

    def peaks(self, score: Floats) -> tuple[Floats, Floats]:
        """Return from which cut down each sick car would be caught, each healthy one called: (n_sick,), (n_healthy,).

        score : (n_rows,) the greater the worse; NaN was not seen
        """
        held = held_score(score, self.begins, self.rule)
        if not len(self.begins):
            return np.zeros(0), np.zeros(0)
        hits = np.maximum.reduceat(np.where(self.counts, held, -np.inf), self.begins)
        ever = np.maximum.reduceat(held, self.begins)
        return hits[self.sick], ever[self.healthy]

    def usual(self, feature: Feature) -> tuple[float, float]:
        """Return median and spread of a feature over healthy cars; NaN where none has it."""
        of_healthy = np.repeat(self.healthy, np.diff(np.append(self.begins, len(self.rows))))
        values = self.rows[feature.name].to_numpy(dtype=np.float64)[of_healthy]
        values = values[~np.isnan(values)]
        if not len(values):
            return np.nan, np.nan
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        # What stands still in most cars has a spread by its few.
        return float(middle), float(max(high - low, np.std(values), 1e-9))


def held_score(score: Floats, begins: NDArray[np.int64], rule: Hysteresis) -> Floats:
    """Return at each scoring the highest cut at which a flag would open there: (n_rows,), -inf where nothing was seen.

    score  : (n_rows,) car by car in the order of time, on a scale on which the decision takes its mean: log odds or
             whatever passes for them; NaN was not seen
    begins : (n_cars,) first row of each car
    """
    held = np.full(len(score), -np.inf)
    seen = np.flatnonzero(~np.isnan(score))
    values = score[seen]
    first = np.searchsorted(seen, begins)
    place = np.arange(len(seen)) - np.repeat(first, np.diff(np.append(first, len(seen))))
    total, weight = np.zeros(len(seen)), np.zeros(len(seen))
    for back, counts in enumerate(weights_of(rule.half_life)):
        own = np.flatnonzero(place >= back)
        total[own] += counts * values[own - back]
        weight[own] += counts
    held[seen] = np.minimum(values, total / np.maximum(weight, 1e-12))
    return held


def lesson(mode: FaultMode, fleet: KnownFleet, features: Sequence[Feature], *, rule: Hysteresis) -> Lesson:
    """Return what the baselines of one mode can be chosen on.

    fleet    : its rows hold what is behind ``features`` and behind the mode's own
    features : with what is looked at by the mode's model, everything that is asked for
    """
    # The standard and the model may look at the same.
    asked = tuple({feature.name: feature for feature in features}.values())
    own = features_of(mode)
    watched = with_peers(fleet.rows, fleet.vehicles, own)
    scored = scored_rows(mode, watched, fleet.lamps, fleet.vehicles)
    table = with_peers(fleet.rows, fleet.vehicles, asked)[scored].swaplevel().sort_index()
    vehicle_id = table.index.get_level_values("vehicle_id").to_numpy(dtype=np.int64)
    as_of = table.index.get_level_values("as_of").to_numpy(dtype="datetime64[D]")
    cars, begins = np.unique(vehicle_id, return_index=True)
    left_d = days_to_lamp(lamps_of(mode, fleet.lamps), vehicle_id, as_of)
    counts = (left_d > 0) & (left_d <= RIGHT_WITHIN * mode.horizon_d)
    # A car in which a fault was found, or whose lamp is lit, is no example of one that nothing is wrong with.
    found = fleet.findings.loc[fleet.findings["confirmed"].astype(bool), "vehicle_id"]
    unsure = pd.concat([fleet.lamps["vehicle_id"], found]).unique()
    return Lesson(
        rows=table,
        begins=begins.astype(np.int64),
        sick=np.isin(cars, vehicle_id[counts]),
        healthy=~np.isin(cars, unsure),
        counts=counts,
        rule=rule,
    )


def joined_lessons(parts: Sequence[Lesson]) -> Lesson:
    """Return the cars of several fleets as one."""
    offsets = np.cumsum([0, *(len(part.rows) for part in parts[:-1])])
    return Lesson(
        rows=pd.concat([part.rows for part in parts]),
        begins=np.concatenate([part.begins + offset for part, offset in zip(parts, offsets, strict=True)]),
        sick=np.concatenate([part.sick for part in parts]),
        healthy=np.concatenate([part.healthy for part in parts]),
        counts=np.concatenate([part.counts for part in parts]),
        rule=parts[0].rule,
    )


def best_cut(sick: Floats, healthy: Floats, *, faulty_share: float = FAULTY_SHARE) -> tuple[float, float]:
    """Return the cut with the highest F1 by car in a fleet with so many faulty cars, and that F1.

    sick, healthy : as of ``Lesson.peaks``
    Returns       : halfway to the next lower peak of any car; (inf, 0) when no sick car can be caught
    """
    found = np.sort(sick[np.isfinite(sick)])[::-1]
    if not len(found) or not len(healthy):
        return np.inf, 0.0
    weight = len(sick) * (1 - faulty_share) / faulty_share / len(healthy)
    hits = np.searchsorted(-found, -found, side="right")
    needless = weight * np.searchsorted(np.sort(-healthy), -found, side="right")
    f1 = 2 * hits / (hits + needless + len(sick))
    best = int(np.argmax(f1))
    every = np.concatenate([sick, healthy])
    lower = every[np.isfinite(every) & (every < found[best])]
    below = float(lower.max()) if len(lower) else float(found[best])
    return (float(found[best]) + below) / 2, float(f1[best])


def moved_earlier(mode: FaultMode, lesson: Lesson) -> Rule | None:
    """Return the standard's thresholds of a mode, moved towards what is usual by the margin that catches most.

    Returns : None when the standard has no threshold for it, or none that a car sends
    """
    alarms = [alarm for alarm in STANDARD.get(mode.key, ()) for _ in alarm.regimes]
    pairs = list(zip(alarms, standard_features(mode), strict=True))
    usual = {feature.name: lesson.usual(feature) for _, feature in pairs}
    pairs = [(alarm, feature) for alarm, feature in pairs if not np.isnan(usual[feature.name][0])]
    if not pairs:
        return None
    rules = []
    for margin in MARGINS:
        limits = []
        for alarm, feature in pairs:
            middle, scale = usual[feature.name]
            # A threshold that is on the usual's other side is not moved.
            towards = middle if alarm.side * (alarm.limit - middle) > 0 else alarm.limit
            limits.append(Limit(feature, alarm.side, alarm.limit + margin * (towards - alarm.limit), scale))
        rules.append(Rule(tuple(limits)))
    worth = np.array([_f1(lesson, rule.probability(lesson.rows)) for rule in rules])
    # Of two that catch as many, the earlier.
    return rules[int(np.flatnonzero(worth == worth.max())[-1])]


def _f1(lesson: Lesson, probability: Floats) -> float:
    """Return the F1 by car of flags at THRESHOLD, whose log odds are none."""
    sick, healthy = lesson.peaks(log_odds(probability))
    if not len(sick) or not len(healthy):
        return 0.0
    hits = int((sick >= 0.0).sum())
    weight = len(sick) * (1 - FAULTY_SHARE) / FAULTY_SHARE / len(healthy)
    return 2 * hits / (hits + weight * int((healthy >= 0.0).sum()) + len(sick))


def single_feature(lesson: Lesson, features: Sequence[Feature]) -> Rule | None:
    """Return the feature and the cut that alone catch most; None when none catches anything."""
    best: tuple[float, Limit] | None = None
    for feature in features:
        _, scale = lesson.usual(feature)
        if np.isnan(scale):
            continue
        values = lesson.rows[feature.name].to_numpy(dtype=np.float64)
        for side in (+1, -1):
            cut, worth = best_cut(*lesson.peaks(side * values))
            if np.isfinite(cut) and (best is None or worth > best[0]):
                best = worth, Limit(feature, side, side * cut, scale)
    return None if best is None else Rule((best[1],))


def isolation_forest(lesson: Lesson, features: Sequence[Feature], *, modes: int, seed: int) -> Forest | None:
    """Return an isolation forest that calls no more healthy cars than its part of FALSE_BUDGET; None without rows.

    modes : how many share the budget
    """
    of_healthy = np.repeat(lesson.healthy, np.diff(np.append(lesson.begins, len(lesson.rows))))
    rows = lesson.rows[[feature.name for feature in features]][of_healthy]
    usual = rows.median().dropna()
    if rows.empty or usual.empty:
        return None
    sample = rows[usual.index].sample(min(len(rows), FOREST_ROWS), random_state=seed).fillna(usual)
    used = tuple(feature for feature in features if feature.name in usual.index)
    grown = Forest(used, sample.astype(np.float32), usual, seed)
    anomaly = grown.anomaly(lesson.rows)
    _, healthy = lesson.peaks(anomaly)
    months = len(rows) / DAYS_PER_MONTH
    allowed = min(int(FALSE_BUDGET / modes / 1000 * months), len(healthy) - 1)
    odd = np.sort(healthy)[::-1]
    spread = max(float(np.std(anomaly[of_healthy])), 1e-9)
    # A hair above the first one that is one too many.
    return Forest(used, grown.sample, usual, seed, float(np.nextafter(odd[allowed], np.inf)), spread)


def fit_baselines(
    fleets: Sequence[KnownFleet], modes: Sequence[FaultMode], *, rule: Hysteresis, seed: int
) -> dict[str, dict[str, Rule | Forest]]:
    """Choose every baseline of every mode on the fleets that the models learn from.

    fleets  : their rows hold what is behind ``features_asked`` of the modes; no two cars share a vehicle_id
    Returns : by name of the baseline and by fault mode; a mode that a baseline can say nothing of is left out
    """
    found: dict[str, dict[str, Rule | Forest]] = {name: {} for name in BASELINES}
    for mode in modes:
        own = features_of(mode)
        taught = joined_lessons([lesson(mode, fleet, features_asked([mode]), rule=rule) for fleet in fleets])
        made = (
            moved_earlier(mode, taught),
            single_feature(taught, own),
            isolation_forest(taught, own, modes=len(modes), seed=seed),
        )
        for name, one in zip(BASELINES, made, strict=True):
            if one is not None:
                found[name][mode.key] = one
    return found


def features_asked(modes: Sequence[FaultMode]) -> tuple[Feature, ...]:
    """Return every feature that some baseline of these modes may look at."""
    return tuple(feature for mode in modes for feature in (*features_of(mode), *standard_features(mode)))
