"""How good the days to the lamp were that a warning was told with, once it is known when the lamp came on.

Pure: tables in, figures out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import numpy as np
import pandas as pd

from models.protocol import WARNING_COLUMNS, Judged

# What a model says of a warning: in how many days the lamp comes on, and between which two numbers that lies.
SAID_COLUMNS = ("days", "low", "high", "cap_d", "coverage")


class LampTimeFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Days to the lamp at the first warning of cars whose warning came in time and named the right mode.

    A lamp that came on beyond the model's horizon counts as one that came on at it: the model says no more.

    vehicles       : cars; None below: there are none
    median_error_d : of the distance between what was said and what came, as ``p90_error_d``
    bias_d         : median of what was said less what came: above zero, lamps came sooner than said
    width_d        : median width of the interval
    within         : share of cars whose lamp came on inside the interval
    wanted         : that share as the models promise it, of a day drawn at random from the way to the lamp
    """

    vehicles: int
    median_error_d: float | None = None
    p90_error_d: float | None = None
    bias_d: float | None = None
    width_d: float | None = None
    within: float | None = None
    wanted: float | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One fleet: how its warnings were judged, and what was said with each.

    said : DataFrame (n_warnings, >= 8): WARNING_COLUMNS and SAID_COLUMNS; NaN where a model says no days
    """

    judged: Judged
    said: pd.DataFrame


def lamp_time_figures(fleets: Iterable[Told], modes: Iterable[str]) -> dict[str, LampTimeFigures]:
    """Return how good the days to the lamp were: "all", and by fault mode. Modes whose models say none are left out."""
    # A fleet of which nothing was said has columns of no type.
    hits = [_hits(fleet) for fleet in fleets if not fleet.said.empty]
    if not hits:
        return {"all": LampTimeFigures(vehicles=0)}
    rows = pd.concat(hits, ignore_index=True)
    found = {"all": _figures(rows), **{mode: _figures(rows[rows["fault_mode"] == mode]) for mode in modes}}
    return {name: one for name, one in found.items() if one.vehicles or name == "all"}


def _hits(fleet: Told) -> pd.DataFrame:
    """Return the warnings that are judged, with lead_d beside what was said."""
    cars = fleet.judged.cars
    right = cars[cars["lead_d"].notna() & (cars["named"] == cars["fault_mode"])]
    hits = fleet.judged.warnings[fleet.judged.warnings["verdict"] == "hit"]
    told = hits.merge(fleet.said, on=list(WARNING_COLUMNS), how="inner", validate="one_to_one")
    told = told.merge(right[["vehicle_id", "lead_d"]], on="vehicle_id", how="inner", validate="one_to_one")
    return told[told["days"].notna()]


def _figures(hits: pd.DataFrame) -> LampTimeFigures:
    if hits.empty:
        return LampTimeFigures(vehicles=0)
    came = np.minimum(hits["lead_d"], hits["cap_d"])
    error = hits["days"] - came
    inside = (came >= hits["low"]) & (came <= hits["high"])
    return LampTimeFigures(
        vehicles=len(hits),
        median_error_d=float(error.abs().median()),
        p90_error_d=float(error.abs().quantile(0.9)),
        bias_d=float(error.median()),
        width_d=float((hits["high"] - hits["low"]).median()),
        within=float(inside.mean()),
        wanted=float(hits["coverage"].mean()),
    )
