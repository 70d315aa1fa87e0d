"""How good warnings are, by vehicle, once it is known what was really wrong: hits, misses, needless calls, lead times.

Pure: tables in, figures out. docs/evaluation.md says in words what counts as what.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from config.faults import FaultMode
from models.labels import days_to_lamp, lamps_of

# "foreseeable": the lamp came on within the time looked at and the fault showed before; "sudden": it came on without
# anything to see before; "unlit": the lamp came on later or never, since a workshop found the fault or it stayed weak.
Group = Literal["foreseeable", "sudden", "unlit", "healthy"]

DAY_S = 86_400.0
DAYS_PER_MONTH = 365.25 / 12
LEAST_LEAD_D = 1.0
COVERAGE = 0.95
# Percentiles of so many draws no longer move in the second digit.
DRAWS = 4000
BINS = 10

WARNING_COLUMNS = ("vehicle_id", "fault_mode", "first_flagged_at")
TRUTH_COLUMNS = ("vehicle_id", "fault_mode", "onset_at", "lamp_on_at", "has_precursor", "gradual")


@dataclass(frozen=True, slots=True)
class Judged:
    """One fleet's warnings, judged.

    vehicles : how many cars were scored
    car_days : for how many days, added up
    cars     : DataFrame, one row per car that broke or was warned of: vehicle_id, group, fault_mode (None: healthy),
               gradual, warned (between onset and lamp), lead_d (NaN: no hit), named (the hit's fault mode, or None),
               false_warnings
    warnings : DataFrame: WARNING_COLUMNS, verdict: "hit" (the first one between a foreseeable fault's onset and its
               lamp), "again" (another one of those), "false" (of a healthy car), "early" (before there was a fault:
               false too), "late" (when the lamp was or had been on), "apart" (of a fault that is sudden or unlit)
    """

    vehicles: int
    car_days: float
    cars: pd.DataFrame
    warnings: pd.DataFrame


class Lead(msgspec.Struct, frozen=True, kw_only=True):
    """Days from the first warning to the lamp, of cars that were warned of in time. None: there are none."""

    vehicles: int
    median_d: float | None
    p10_d: float | None
    share_24h: float | None


class ModeFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One fault mode. ``false_warnings`` are those that named it; the others are of cars that had it."""

    foreseeable: int
    hits: int
    right_mode: int
    lead: Lead
    sudden: int
    sudden_warned: int
    unlit: int
    unlit_warned: int
    false_warnings: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What warnings are worth; shares are None when there is nothing to divide by.

    foreseeable, hits, missed  : cars; a hit is a warning after the fault's onset and before its lamp, whatever it names
    false_vehicles             : cars that were warned of without reason and had no hit
    f1_low, f1_high and so on  : ends of the interval that 95 % of resampled fleets lie in
    right_mode                 : of the hits, the share whose warning named the fault mode
    lead, lead_gradual         : of all hits; of those whose fault grew over days
    false_warnings             : warnings, of which ``early_warnings`` came before the car's fault had begun
    late_warnings              : when the lamp was on already or had been: neither right nor false
    """

    vehicles: int
    car_months: float
    foreseeable: int
    hits: int
    missed: int
    false_vehicles: int
    precision: float | None
    precision_low: float | None
    precision_high: float | None
    recall: float | None
    recall_low: float | None
    recall_high: float | None
    f1: float | None
    f1_low: float | None
    f1_high: float | None
    right_mode: float | None
    lead: Lead
    lead_gradual: Lead
    false_warnings: int
    early_warnings: int
    late_warnings: int
    false_per_1000_car_months: float
    sudden: int
    sudden_warned: int
    unlit: int
    unlit_warned: int
    modes: dict[str, ModeFigures]


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How far the sets lie apart: the greatest F1 less the least."""

    f1: list[float | None]
    spread: float | None


class Reliability(msgspec.Struct, frozen=True, kw_only=True):
    """How well probabilities are met: of rows scored alike, how many lamps came on within the horizon.

    predicted, observed : mean probability and share of lamps of each bin; None where no row fell into it
    rows                : in each bin
    brier               : mean squared error of the probability; ``brier_of_base`` that of always saying ``base``
    ece                 : mean distance of observed from predicted, by rows
    """

    predicted: list[float | None]
    observed: list[float | None]
    rows: list[int]
    base: float
    brier: float
    brier_of_base: float
    ece: float


def judge(warnings: pd.DataFrame, faults: pd.DataFrame, *, vehicles: int, car_days: float, until: datetime) -> Judged:
    """Judge every warning by what was wrong with its car.

    warnings : DataFrame (n_warnings, >= 3): WARNING_COLUMNS, times in UTC; one row each time somebody would call
    faults   : DataFrame (n_faulty, >= 6): TRUTH_COLUMNS, at most one row for a car; every other car is healthy
    vehicles, car_days : how many cars were scored, and for how many days, added up
    until    : lamps from then on were not waited for
    Raises   : ValueError, when a car has two faults
    """
    if faults["vehicle_id"].duplicated().any():
        raise ValueError("expected one fault for a car at most")
    known = faults[list(TRUTH_COLUMNS)].rename(columns={"fault_mode": "true_mode"})
    known["group"] = _groups(known, until)
    told = warnings[list(WARNING_COLUMNS)].sort_values(["first_flagged_at", "vehicle_id"], kind="stable")
    told = told.merge(known, on="vehicle_id", how="left", validate="many_to_one")
    told["verdict"] = _verdicts(told)
    return Judged(vehicles, car_days, _cars(known, told), told[[*WARNING_COLUMNS, "verdict"]])


def _groups(faults: pd.DataFrame, until: datetime) -> NDArray[np.object_]:
    # A time that is missing is not before anything.
    came_on = (faults["lamp_on_at"] < until).to_numpy(dtype=bool)
    foreseeable = np.where(faults["has_precursor"].to_numpy(dtype=bool), "foreseeable", "sudden")
    return np.where(came_on, foreseeable, "unlit").astype(object)


def _verdicts(told: pd.DataFrame) -> NDArray[np.object_]:
    """told : warnings in the order of time, with the truth of their cars beside them; NaN where a car is healthy"""
    at = told["first_flagged_at"]
    broke = told["group"].notna().to_numpy()
    # What is scored as of the very instant of the onset has seen nothing of the fault yet.
    early = broke & ~(at > told["onset_at"]).to_numpy()
    late = broke & (at >= told["lamp_on_at"]).to_numpy()
    within = broke & ~early & ~late
    foreseeable = within & (told["group"] == "foreseeable").to_numpy()
    first = foreseeable & ~told["vehicle_id"].where(foreseeable).duplicated().to_numpy()
    conditions = [~broke, early, late, first, foreseeable]
    return np.select(conditions, ["false", "early", "late", "hit", "again"], "apart").astype(object)


def _cars(known: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    healthy = np.setdiff1d(told["vehicle_id"], known["vehicle_id"])
    cars = pd.DataFrame(
        {
            "vehicle_id": np.concatenate([known["vehicle_id"].to_numpy(dtype=np.int64), healthy]),
            "group": [*known["group"], *["healthy"] * len(healthy)],
            "fault_mode": [*known["true_mode"], *[None] * len(healthy)],
            "gradual": np.concatenate([known["gradual"].to_numpy(dtype=bool), np.zeros(len(healthy), dtype=bool)]),
        }
    )
    hits = told[told["verdict"] == "hit"].set_index("vehicle_id")
    lead_d = (hits["lamp_on_at"] - hits["first_flagged_at"]).dt.total_seconds() / DAY_S
    named = dict(zip(hits.index, hits["fault_mode"], strict=True))
    needless = told.loc[told["verdict"].isin(("false", "early")), "vehicle_id"].value_counts()
    cars["warned"] = cars["vehicle_id"].isin(told.loc[told["verdict"].isin(("hit", "again", "apart")), "vehicle_id"])
    cars["lead_d"] = cars["vehicle_id"].map(lead_d).astype(np.float64)
    cars["named"] = [named.get(vehicle) for vehicle in cars["vehicle_id"].tolist()]
    cars["false_warnings"] = cars["vehicle_id"].map(needless).fillna(0).astype(np.int64)
    return cars


def figures(fleets: Sequence[Judged], modes: Iterable[str], *, seed: int = 0) -> Figures:
    """Return what the warnings of one or more fleets are worth together.

    modes : the fault modes to tell apart, in their order
    seed  : of the resampling that intervals come from
    """
    cars = pd.concat([fleet.cars for fleet in fleets], ignore_index=True)
    warnings = pd.concat([fleet.warnings for fleet in fleets], ignore_index=True)
    hit = cars[cars["lead_d"].notna()]
    tallies = [_tally(fleet) for fleet in fleets]
    whole = np.sum(tallies, axis=0)
    rates = _rates(whole[None, :])
    drawn = _rates(_resampled(tallies, seed=seed))
    hits, missed, both, false, _ = whole.tolist()
    car_months = sum(fleet.car_days for fleet in fleets) / DAYS_PER_MONTH
    needless = int(cars["false_warnings"].sum())
    sudden, unlit = (cars[cars["group"] == name] for name in ("sudden", "unlit"))
    intervals = {
        f"{name}_{end}": value
        for name, values in drawn.items()
        for end, value in zip(("low", "high"), _ends(values), strict=True)
    }
    return Figures(
        vehicles=sum(fleet.vehicles for fleet in fleets),
        car_months=car_months,
        foreseeable=hits + missed + both,
        hits=hits,
        missed=missed + both,
        false_vehicles=both + false,
        **{name: _number(values[0]) for name, values in rates.items()},
        **intervals,
        right_mode=_share(hit["named"] == hit["fault_mode"]),
        lead=lead_of(hit["lead_d"]),
        lead_gradual=lead_of(hit.loc[hit["gradual"], "lead_d"]),
        false_warnings=needless,
        early_warnings=int((warnings["verdict"] == "early").sum()),
        late_warnings=int((warnings["verdict"] == "late").sum()),
        false_per_1000_car_months=needless / car_months * 1000 if car_months else 0.0,
        sudden=len(sudden),
        sudden_warned=int(sudden["warned"].sum()),
        unlit=len(unlit),
        unlit_warned=int(unlit["warned"].sum()),
        modes={mode: _of_mode(mode, cars, warnings) for mode in modes},
    )


def _of_mode(mode: str, cars: pd.DataFrame, warnings: pd.DataFrame) -> ModeFigures:
    own = cars[cars["fault_mode"] == mode]
    hit = own[own["lead_d"].notna()]
    counts = own["group"].value_counts()
    warned = own.loc[own["warned"], "group"].value_counts()
    needless = warnings["verdict"].isin(("false", "early")) & (warnings["fault_mode"] == mode)
    return ModeFigures(
        foreseeable=int(counts.get("foreseeable", 0)),
        hits=len(hit),
        right_mode=int((hit["named"] == mode).sum()),
        lead=lead_of(hit["lead_d"]),
        sudden=int(counts.get("sudden", 0)),
        sudden_warned=int(warned.get("sudden", 0)),
        unlit=int(counts.get("unlit", 0)),
        unlit_warned=int(warned.get("unlit", 0)),
        false_warnings=int(needless.sum()),
    )


def lead_of(days: "pd.Series[float]") -> Lead:
    """Sum up lead times. days : (n_hits,)"""
    if days.empty:
        return Lead(vehicles=0, median_d=None, p10_d=None, share_24h=None)
    return Lead(
        vehicles=len(days),
        median_d=float(days.median()),
        p10_d=float(days.quantile(0.1)),
        share_24h=float((days >= LEAST_LEAD_D).mean()),
    )


def spread_of(sets: Sequence[Figures]) -> Spread:
    """Return how far the F1 of several sets lie apart; None where a set has none."""
    f1 = [one.f1 for one in sets]
    known = [value for value in f1 if value is not None]
    return Spread(f1=f1, spread=max(known) - min(known) if len(known) == len(f1) else None)


def _tally(fleet: Judged) -> NDArray[np.int64]:
    """Return how many cars were hit, missed, missed and warned of without reason, only the latter, and all others."""
    cars = fleet.cars
    foreseeable = (cars["group"] == "foreseeable").to_numpy()
    hit, needless = cars["lead_d"].notna().to_numpy(), (cars["false_warnings"] > 0).to_numpy()
    missed = foreseeable & ~hit
    # A car with a hit is right once, however many needless calls came before: those are counted as warnings.
    counted = [hit, missed & ~needless, missed & needless, ~foreseeable & needless]
    sizes = [int(kind.sum()) for kind in counted]
    return np.array([*sizes, fleet.vehicles - sum(sizes)], dtype=np.int64)


def _rates(tallies: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """tallies : (n, 5) as of ``_tally``"""
    hits, missed, both, false, _ = tallies.T.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return {
            "precision": hits / (hits + both + false),
            "recall": hits / (hits + missed + both),
            "f1": 2 * hits / (2 * hits + missed + 2 * both + false),
        }


def _resampled(tallies: Sequence[NDArray[np.int64]], *, seed: int) -> NDArray[np.int64]:
    """Draw as many cars again from each fleet, DRAWS times: only how many fall into each kind matters."""
    random = np.random.default_rng(seed)
    drawn = [random.multinomial(tally.sum(), tally / max(tally.sum(), 1), DRAWS) for tally in tallies]
    together: NDArray[np.int64] = np.sum(drawn, axis=0, dtype=np.int64)
    return together


def _ends(values: NDArray[np.float64]) -> tuple[float | None, float | None]:
    known = values[~np.isnan(values)]
    if not len(known):
        return None, None
    tail = (1 - COVERAGE) / 2
    return float(np.quantile(known, tail)), float(np.quantile(known, 1 - tail))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _share(flags: "pd.Series[bool]") -> float | None:
    return float(flags.mean()) if len(flags) else None


def came_on(
    probabilities: pd.DataFrame, lamps: pd.DataFrame, modes: Mapping[str, FaultMode], *, until: datetime
) -> pd.DataFrame:
    """Return for each probability whether the lamp came on within the mode's horizon.

    probabilities : DataFrame indexed by (as_of, vehicle_id), one column per fault mode
    lamps         : as of ``ingest.store.events.lamps``
    until         : lamps from then on are not known: a row whose horizon reaches further has no answer
    Returns       : DataFrame of the same shape, 1, 0 or NaN
    """
    as_of = probabilities.index.get_level_values("as_of").to_numpy(dtype="datetime64[D]")
    vehicle_id = probabilities.index.get_level_values("vehicle_id").to_numpy(dtype=np.int64)
    last = np.datetime64(until.replace(tzinfo=None), "us")
    answers = {}
    for mode in probabilities.columns:
        horizon_d = modes[mode].horizon_d
        left_d = days_to_lamp(lamps_of(modes[mode], lamps), vehicle_id, as_of)
        answer = (left_d < horizon_d).astype(np.float64)
        answer[as_of.astype("datetime64[us]") + np.timedelta64(horizon_d, "D") > last] = np.nan
        answers[mode] = answer
    return pd.DataFrame(answers, index=probabilities.index)


def reliability(
    probability: NDArray[np.float64], answer: NDArray[np.float64], *, bins: int = BINS
) -> Reliability | None:
    """Return how well probabilities are met; None when there is no row to tell by.

    probability, answer : (n_rows,); rows where one of them is NaN are left out
    bins                : of equal width; the last one holds 1 too
    """
    known = ~np.isnan(probability) & ~np.isnan(answer)
    said, was = probability[known], answer[known]
    if not len(said):
        return None
    at = np.minimum((said * bins).astype(np.int64), bins - 1)
    rows = np.bincount(at, minlength=bins)
    predicted, observed = (np.bincount(at, weights=values, minlength=bins).astype(np.float64) for values in (said, was))
    base = float(was.mean())
    return Reliability(
        predicted=_means(predicted, rows),
        observed=_means(observed, rows),
        rows=rows.tolist(),
        base=base,
        brier=float(np.mean((said - was) ** 2)),
        brier_of_base=base * (1 - base),
        ece=float(np.abs(predicted - observed).sum() / len(said)),
    )


def _means(sums: NDArray[np.float64], rows: NDArray[np.int64]) -> list[float | None]:
    return [float(total / count) if count else None for total, count in zip(sums, rows, strict=True)]
