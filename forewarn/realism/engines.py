"""Cars with an engine: recorded trips beside drives of simulated cars."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forewarn.realism import measures
from forewarn.realism.finding import Finding, by_car
from forewarn.realism.trace import REGIMES, SPEED, Trace, regimes, stretches

ENGINE = "Vehicle.Powertrain.CombustionEngine"
RPM, COOLANT = f"{ENGINE}.Speed", f"{ENGINE}.EngineCoolant.Temperature"
LV_VOLTAGE = "Vehicle.LowVoltageBattery.CurrentVoltage"
DISTRIBUTIONS = (
    ("speed", SPEED),
    ("engine speed", RPM),
    ("engine load", "Vehicle.OBD.EngineLoad"),
    ("throttle", f"{ENGINE}.TPS"),
    ("manifold pressure", f"{ENGINE}.MAP"),
    ("timing advance", "Vehicle.OBD.TimingAdvance"),
    ("short fuel trim", "Vehicle.OBD.ShortTermFuelTrim1"),
    ("long fuel trim", "Vehicle.OBD.LongTermFuelTrim1"),
    ("coolant when warm", COOLANT),
    ("intake air", "Vehicle.OBD.IntakeTemp"),
    ("12 V running", LV_VOLTAGE),
)
# A diesel engine has no throttle and is charged: these are not what a petrol engine's are.
_OF_PETROL_ONLY = frozenset({f"{ENGINE}.TPS", f"{ENGINE}.MAP"})
REMEMBERED = (("speed", SPEED), ("engine speed", RPM), ("engine load", "Vehicle.OBD.EngineLoad"))
LAGS_S = (10.0, 30.0, 60.0, 120.0)
DISTRIBUTION, MEMORY, TRAFFIC, STARTER, WARM_UP = (
    "Engine: distribution",
    "Engine: autocorrelation",
    "Engine: traffic",
    "12 V",
    "Coolant",
)
# An engine that runs turns faster than this; it is cranked for some seconds before.
_RUNS_RPM = 400.0
_CRANK_BEFORE_S, _CRANK_AFTER_S = 4.0, 2.0
# Warm coolant is what the thermostat holds.
_WARM_C = 75.0
_FEWEST = 60


def drives(car: Trace) -> list[Trace]:
    """Return the uninterrupted stretches of a car in which it moves or its engine turns, as trips."""
    stretch = stretches(car)
    trips = []
    for number in np.unique(stretch).tolist():
        rows = np.flatnonzero(stretch == number)
        if len(rows) >= _FEWEST and np.nanmax(car.signal(RPM)[rows], initial=0.0) > _RUNS_RPM:
            values = {path: values[rows] for path, values in car.values.items()}
            trips.append(Trace(f"{car.name} {number}", car.ts_s[rows], values, car.cells_v[rows], car.step_s))
    return trips


def compare_engine(
    name: str, recorded: Sequence[Trace], cars: Sequence[Sequence[Trace]], *, diesel: bool = False
) -> list[Finding]:
    """Return how drives of simulated cars compare with the trips of a recorded one.

    recorded : trips; those that never move are looked at for starting and warming up only
    cars     : for each simulated car its drives
    """
    sides = [[trip for trip in trips if moves(trip)] for trips in (recorded, *cars)]
    trips, simulated = sides[0], [side for side in sides[1:] if side]
    findings = []
    for what, path in DISTRIBUTIONS:
        if diesel and path in _OF_PETROL_ONLY:
            continue
        one = running(trips, path)
        other = np.concatenate([running(of_car, path) for of_car in simulated]) if simulated else np.empty(0)
        apart = measures.distance(one, other)
        findings.append(Finding(DISTRIBUTION, name, what, "IQR", "distance", 0.0, apart.wasserstein, ks=apart.ks))
    for what, path in REMEMBERED:
        for lag_s in LAGS_S:
            values = [memory(of_car, path, lag_s) for of_car in (trips, *simulated)]
            findings.append(
                by_car(MEMORY, name, f"{what}, {lag_s:g} s later", "", "correlation", values[0], values[1:])
            )
    standing = [standing_share(of_car) for of_car in (trips, *simulated)]
    findings.append(by_car(TRAFFIC, name, "share of a drive spent standing", "", "share", standing[0], standing[1:]))
    every = [dips(recorded), *(dips(of_car) for of_car in cars)]
    for what, quantile in (("dip while cranking, median", 0.5), ("dip while cranking, 5th percentile", 0.05)):
        values = [float(np.quantile(found, quantile)) if len(found) >= 5 else np.nan for found in every]
        findings.append(by_car(STARTER, name, what, "V", "ratio", values[0], values[1:]))
    values = [_median(running(of_car, LV_VOLTAGE)) for of_car in (trips, *simulated)]
    findings.append(by_car(STARTER, name, "running, median", "V", "ratio", values[0], values[1:]))
    warm_ups = [warm_ups_s(of_car) for of_car in (recorded, *cars)]
    values = [float(np.median(found)) if len(found) >= 2 else np.nan for found in warm_ups]
    findings.append(by_car(WARM_UP, name, "from a cold start to 80 C, median", "s", "ratio", values[0], values[1:]))
    return [finding for finding in findings if not np.isnan(finding.recorded) and not np.isnan(finding.simulated)]


def moves(trip: Trace) -> bool:
    return bool(np.nanmax(trip.signal(SPEED), initial=0.0) > 0)


def running(trips: Sequence[Trace], path: str) -> NDArray[np.float64]:
    """Return the values of a signal while the engine runs; of the coolant those when it is warm."""
    parts = []
    for trip in trips:
        values = trip.signal(path)
        keep = np.isfinite(values) & (np.nan_to_num(trip.signal(RPM)) > _RUNS_RPM)
        if path == COOLANT:
            keep &= values > _WARM_C
        parts.append(values[keep])
    return np.concatenate(parts) if parts else np.empty(0)


def memory(trips: Sequence[Trace], path: str, lag_s: float) -> float:
    """Return the autocorrelation of a signal over all trips of a car."""
    if not trips:
        return np.nan
    step_s = trips[0].step_s
    values, ts_s, stretch = [], [], []
    for number, trip in enumerate(trips):
        driving = regimes(trip) == REGIMES.index("drive")
        values.append(np.where(driving, trip.signal(path), np.nan))
        ts_s.append(trip.ts_s)
        stretch.append(np.full(len(trip.ts_s), number))
    return measures.autocorrelation(
        np.concatenate(values), np.concatenate(ts_s), np.concatenate(stretch), lag_s, step_s
    )


def standing_share(trips: Sequence[Trace]) -> float:
    speed = [trip.signal(SPEED)[regimes(trip) == REGIMES.index("drive")] for trip in trips]
    joined = np.concatenate(speed) if speed else np.empty(0)
    return float((joined[np.isfinite(joined)] == 0).mean()) if len(joined) else np.nan


def dips(trips: Sequence[Trace]) -> NDArray[np.float64]:
    """Return the lowest 12 V voltage (V) around each start of the engine that a trip shows."""
    found = []
    for trip in trips:
        rpm, volts = trip.signal(RPM), trip.signal(LV_VOLTAGE)
        known = np.isfinite(rpm)
        rpm, volts, ts_s = rpm[known], volts[known], trip.ts_s[known]
        starts = np.flatnonzero((rpm[1:] > _RUNS_RPM) & (rpm[:-1] <= _RUNS_RPM)) + 1
        if not len(starts):
            continue
        at_s = ts_s[starts[0]]
        around = volts[(ts_s >= at_s - _CRANK_BEFORE_S) & (ts_s <= at_s + _CRANK_AFTER_S)]
        if np.isfinite(around).any():
            found.append(float(np.nanmin(around)))
    return np.array(found)


def warm_ups_s(trips: Sequence[Trace]) -> NDArray[np.float64]:
    found = np.array([measures.warm_up_s(trip.ts_s, trip.signal(COOLANT)) for trip in trips])
    return found[np.isfinite(found)] if len(found) else np.empty(0)


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else np.nan
