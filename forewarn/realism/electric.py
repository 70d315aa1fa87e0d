"""Electric cars: a recording beside simulated cars like it."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from forewarn.realism import measures
from forewarn.realism.finding import Finding, Kind, by_car
from forewarn.realism.trace import BATTERY, CURRENT, REGIMES, SPEED, Regime, Trace, calm, regimes, stretches

LAGS_S = (10.0, 30.0, 60.0, 120.0)
LEVEL = f"{BATTERY}.WarningLevel"
_MIN_C, _MAX_C = f"{BATTERY}.Temperature.Min", f"{BATTERY}.Temperature.Max"
# Signals that are compared by regime, and those that depend on the owner, the weather and the number of cells.
DISTRIBUTIONS: tuple[tuple[str, str, tuple[Regime, ...]], ...] = (
    ("speed", SPEED, ("drive",)),
    ("current", CURRENT, ("drive", "charge")),
)
OWNERS: tuple[tuple[str, str, tuple[Regime, ...]], ...] = (
    ("pack voltage", f"{BATTERY}.CurrentVoltage", ("drive", "charge")),
    ("state of charge", f"{BATTERY}.StateOfCharge.Current", ("drive", "charge")),
    ("highest temperature", _MAX_C, ("drive", "charge")),
)
RESOLVED = (
    ("speed", SPEED, "km/h"),
    ("current", CURRENT, "A"),
    ("pack voltage", f"{BATTERY}.CurrentVoltage", "V"),
    ("state of charge", f"{BATTERY}.StateOfCharge.Current", "%"),
    ("highest temperature", _MAX_C, "C"),
)
NOISY = (("current", CURRENT, "A"), ("pack voltage", f"{BATTERY}.CurrentVoltage", "V"))
# A car is under load beyond this share of what the recorded car draws at most.
_LOAD_QUANTILE = 0.9
# A car that shows an alarm in this share of its reports does so out of habit, as both recorded ones that have a level.
_HABITUAL_SHARE = 0.01
# Cars with fewer reports say nothing.
FEWEST = 400
DISTRIBUTION, OWNER, MEMORY, TRAFFIC, GAPS, SENSORS, CELLS, ALARMS = (
    "Distribution",
    "Owner and weather",
    "Autocorrelation",
    "Traffic",
    "Gaps",
    "Sensors",
    "Cells",
    "Alarm level",
)


def compare_electric(recorded: Trace, cars: Sequence[Trace]) -> list[Finding]:
    """Return how simulated electric cars compare with a recorded one. cars : of the same step"""
    enough = [car for car in cars if len(car.ts_s) >= FEWEST]

    def each(section: str, what: str, unit: str, kind: Kind, measure: Callable[[Trace], float]) -> Finding:
        return by_car(section, recorded.name, what, unit, kind, measure(recorded), [measure(car) for car in enough])

    findings = distributions(recorded, enough)
    for name, path in (("speed", SPEED), ("current", CURRENT)):
        for lag_s in LAGS_S:
            findings.append(each(MEMORY, f"{name}, {lag_s:g} s later", "", "correlation", memory(path, lag_s)))
    findings += [
        each(TRAFFIC, "share of a drive spent standing", "", "share", standing_share),
        each(TRAFFIC, "mean speed while moving", "km/h", "ratio", moving_speed),
        each(TRAFFIC, "length of a stop, median", "s", "ratio", stop_s),
        each(GAPS, "reports lost under way", "", "share", lambda car: measures.lost_share(car.ts_s, car.step_s)),
        each(GAPS, "uninterrupted stretch, median", "reports", "ratio", stretch_reports),
        each(GAPS, "gap under way, median", "s", "ratio", lambda car: gap_s(car, 0.5, under_way=True)),
        each(GAPS, "gap under way, 90th percentile", "s", "ratio", lambda car: gap_s(car, 0.9, under_way=True)),
        each(GAPS, "gap while switched off, median", "h", "ratio", lambda car: gap_s(car, 0.5, under_way=False) / 3600),
    ]
    for name, path, unit in NOISY:
        findings.append(each(SENSORS, f"noise of {name} at rest", unit, "ratio", noise(path)))
    for name, path, unit in RESOLVED:
        findings.append(each(SENSORS, f"step of {name}", unit, "ratio", step_of(path)))
    findings += [
        each(CELLS, "spread at rest, median", "mV", "ratio", lambda car: spread(car, loaded=False)),
        each(CELLS, "spread under load, median", "mV", "ratio", lambda car: spread(car, loaded=True)),
        each(CELLS, "ordinary cells at rest, median", "mV", "ratio", lambda car: even(car, loaded=False)),
        each(CELLS, "ordinary cells under load, median", "mV", "ratio", lambda car: even(car, loaded=True)),
        each(CELLS, "slope along the pack under load", "mV", "ratio", scan_slope),
        each(CELLS, "deviations stay those of their cells", "", "correlation", persistence),
        each(CELLS, "warmest less coldest probe, median", "C", "ratio", probe_spread),
    ]
    if np.isfinite(recorded.signal(LEVEL)).any():
        findings += [
            each(ALARMS, "share of reports with level 1 to 3", "", "ratio", alarm_share),
            each(ALARMS, "an alarm lasts, median", "min", "ratio", lambda car: alarm_min(car, 0.5)),
            each(ALARMS, "an alarm lasts, 90th percentile", "min", "ratio", lambda car: alarm_min(car, 0.9)),
        ]
    return findings


def distributions(recorded: Trace, cars: Sequence[Trace]) -> list[Finding]:
    findings = []
    for section, signals in ((DISTRIBUTION, DISTRIBUTIONS), (OWNER, OWNERS)):
        for name, path, where in signals:
            for regime in where:
                one = during(recorded, path, regime)
                parts = [during(car, path, regime) for car in cars]
                apart = measures.distance(one, np.concatenate(parts) if parts else np.empty(0))
                findings.append(
                    Finding(
                        section,
                        recorded.name,
                        f"{name}, {regime}",
                        "IQR",
                        "distance",
                        0.0,
                        apart.wasserstein,
                        ks=apart.ks,
                    )
                )
    return findings


def during(car: Trace, path: str, regime: Regime) -> NDArray[np.float64]:
    """Return the values of a signal in one regime, those that were not sent left out."""
    values = car.signal(path)[regimes(car) == REGIMES.index(regime)]
    result: NDArray[np.float64] = values[np.isfinite(values)]
    return result


def memory(path: str, lag_s: float) -> Callable[[Trace], float]:
    def measure(car: Trace) -> float:
        driving = regimes(car) == REGIMES.index("drive")
        stretch = stretches(car)
        return measures.autocorrelation(
            np.where(driving, car.signal(path), np.nan), car.ts_s, stretch, lag_s, car.step_s
        )

    return measure


def standing_share(car: Trace) -> float:
    speed = during(car, SPEED, "drive")
    return float((speed == 0).mean()) if len(speed) else np.nan


def moving_speed(car: Trace) -> float:
    speed = during(car, SPEED, "drive")
    return float(speed[speed > 0].mean()) if (speed > 0).any() else np.nan


def stop_s(car: Trace) -> float:
    """Return how long a car stands within a drive (s), median."""
    stops = (regimes(car) == REGIMES.index("drive")) & (car.signal(SPEED) == 0)
    lengths = measures.run_lengths_s(stops, car.ts_s, stretches(car), car.step_s)
    return float(np.median(lengths)) if len(lengths) else np.nan


def stretch_reports(car: Trace) -> float:
    """Return how many reports come without a break while the car is awake, median over stretches of 2 and more."""
    _, counts = np.unique(stretches(car), return_counts=True)
    several = counts[counts > 1]
    return float(np.median(several)) if len(several) else np.nan


def gap_s(car: Trace, quantile: float, *, under_way: bool) -> float:
    """Return how long gaps are (s): those of up to 15 minutes, or those of a car that is switched off."""
    gaps = measures.gap_lengths(car.ts_s, car.step_s)
    gaps = gaps[(gaps <= measures.LONGEST_UNDER_WAY_S) == under_way]
    return float(np.quantile(gaps, quantile)) if len(gaps) else np.nan


def noise(path: str) -> Callable[[Trace], float]:
    def measure(car: Trace) -> float:
        # Neighbours in time, not those that remain when others are left out.
        resting = np.where(calm(car), car.signal(path), np.nan)
        # No noise can be told that rounding hides: a step of a sensor is one over the root of twelve by itself.
        rounding = measures.resolution(car.signal(path)) / np.sqrt(12)
        return float(np.maximum(measures.sensor_noise(resting, stretches(car)), rounding))

    return measure


def step_of(path: str) -> Callable[[Trace], float]:
    return lambda car: measures.resolution(car.signal(path))


def loaded_rows(car: Trace) -> NDArray[np.bool_]:
    """Return where more flows out of the pack than in nine tenths of what it drives."""
    out = np.where(regimes(car) == REGIMES.index("drive"), -car.signal(CURRENT), np.nan)
    flowing = out[np.isfinite(out) & (out > 0)]
    if not len(flowing):
        return np.zeros(len(out), dtype=bool)
    result: NDArray[np.bool_] = np.nan_to_num(out) >= np.quantile(flowing, _LOAD_QUANTILE)
    return result


def spread(car: Trace, *, loaded: bool) -> float:
    return _median(measures.spread_mv(car.cells_v)[loaded_rows(car) if loaded else calm(car)])


def even(car: Trace, *, loaded: bool) -> float:
    return _median(measures.even_spread_mv(car.cells_v)[loaded_rows(car) if loaded else calm(car)])


def scan_slope(car: Trace) -> float:
    return measures.scan_slope_mv(car.cells_v[loaded_rows(car)])


def persistence(car: Trace) -> float:
    return measures.deviation_persistence(car.cells_v[calm(car)])


def probe_spread(car: Trace) -> float:
    return _median(car.signal(_MAX_C) - car.signal(_MIN_C))


def alarm_share(car: Trace) -> float:
    level = car.signal(LEVEL)
    return float((level[np.isfinite(level)] > 0).mean()) if np.isfinite(level).any() else np.nan


def alarm_min(car: Trace, quantile: float) -> float:
    """Return how long alarms last (min) in a car that shows them habitually; NaN for one that seldom does."""
    on = np.nan_to_num(car.signal(LEVEL)) > 0
    if on.mean() < _HABITUAL_SHARE:
        return np.nan
    lengths = measures.run_lengths_s(on, car.ts_s, stretches(car), car.step_s) / 60
    return float(np.quantile(lengths, quantile)) if len(lengths) else np.nan


def _median(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan
