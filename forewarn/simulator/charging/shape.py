"""The joint shape of real fast-charging sessions: quantiles of each variable and their rank correlations.

Source: 1,878 sessions at a fast charger in Lausanne, 2022-04 to 2023-07 (DESL-EPFL, Level-3-EV-charging-dataset, commit
680bc3bb, MIT licence). Only the figures in ``epfl_sessions.toml`` are kept; ``fit`` makes them from the recording.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# What is drawn together. Stay, energy and departure charge follow from them, so that they always agree: load is mean
# power / Pmax, filled is the part of the empty charge that was filled, capacity is energy / charge added.
VARIABLES = ("hour", "pmax_kw", "capacity_kwh", "soc_start_pct", "filled", "load")
_CONSEQUENCES = ("soc_end_pct", "energy_kwh", "stay_min")
_QUANTILES = 41
# The range of the recording; what follows from a draw beyond it is drawn again. A capacity past the upper one comes
# from a charge that rose by a few percent and was rounded.
STAY_MIN = (4.0, 150.0)
CAPACITY_KWH = (9.0, 200.0)
_LARGEST_RANK = 1 - 1e-4


@dataclass(frozen=True)
class Shape:
    """Quantiles (6, n) of VARIABLES at n equal steps of probability, and the correlation (6, 6) of normal scores."""

    quantiles: NDArray[np.float64]
    correlation: NDArray[np.float64]


@cache
def epfl_shape() -> Shape:
    """Return the shape of the EPFL recording."""
    table = tomllib.loads(files(__package__).joinpath("epfl_sessions.toml").read_text(encoding="utf-8"))
    return Shape(
        np.array([table["quantiles"][name] for name in VARIABLES], dtype=np.float64),
        np.array(table["correlation"], dtype=np.float64),
    )


def read_recording(sheet: pd.DataFrame) -> pd.DataFrame:
    """Return VARIABLES and what follows from them for each session of the recording's sheet.

    sheet   : as its workbook has it: Arrival, Stay (min), Energy (Wh), Pmax (W), SOC arrival, SOC departure
    Returns : DataFrame (n_sessions, 9): VARIABLES, soc_end_pct, energy_kwh, stay_min
    """
    arrival = pd.to_datetime(sheet["Arrival"])
    added = (sheet["SOC departure"] - sheet["SOC arrival"]) / 100
    return pd.DataFrame(
        {
            "hour": arrival.dt.hour + arrival.dt.minute / 60,
            "pmax_kw": sheet["Pmax (W)"] / 1000,
            "capacity_kwh": sheet["Energy (Wh)"] / 1000 / added,
            "soc_start_pct": sheet["SOC arrival"],
            "filled": added * 100 / (100 - sheet["SOC arrival"]),
            "load": sheet["Energy (Wh)"] / (sheet["Pmax (W)"] * sheet["Stay (min)"] / 60),
            "soc_end_pct": sheet["SOC departure"],
            "energy_kwh": sheet["Energy (Wh)"] / 1000,
            "stay_min": sheet["Stay (min)"].astype(float),
        }
    )


def fit(recording: pd.DataFrame) -> Shape:
    """Return the shape of sessions as ``read_recording`` gives them: what ``epfl_sessions.toml`` holds."""
    steps = np.linspace(0, 1, _QUANTILES)
    values = recording[list(VARIABLES)].to_numpy()
    ranks = recording[list(VARIABLES)].rank(method="average").to_numpy() / (len(recording) + 1)
    scores = np.vectorize(NormalDist().inv_cdf)(ranks)
    return Shape(np.quantile(values, steps, axis=0).T, np.corrcoef(scores, rowvar=False))


def draw_sessions(count: int, rng: np.random.Generator, *, shape: Shape | None = None) -> pd.DataFrame:
    """Return ``count`` sessions of the given shape, within STAY_MIN and CAPACITY_KWH.

    Returns : DataFrame (count, 9) as ``read_recording``
    """
    shape = shape or epfl_shape()
    kept: list[pd.DataFrame] = []
    missing = count
    while missing > 0:
        drawn = _draw(missing + 16, shape, rng)
        fits = drawn["stay_min"].between(*STAY_MIN) & drawn["capacity_kwh"].between(*CAPACITY_KWH)
        possible = drawn[fits].head(missing)
        kept.append(possible)
        missing -= len(possible)
    columns = [*VARIABLES, *_CONSEQUENCES]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=columns, dtype=float)


def _draw(count: int, shape: Shape, rng: np.random.Generator) -> pd.DataFrame:
    root = np.linalg.cholesky(shape.correlation)
    scores = rng.standard_normal((count, len(VARIABLES))) @ root.T
    ranks = np.clip(np.vectorize(NormalDist().cdf)(scores), 1 - _LARGEST_RANK, _LARGEST_RANK)
    steps = np.linspace(0, 1, shape.quantiles.shape[1])
    columns = {name: np.interp(ranks[:, i], steps, shape.quantiles[i]) for i, name in enumerate(VARIABLES)}
    added = columns["filled"] * (100 - columns["soc_start_pct"])
    energy_kwh = columns["capacity_kwh"] * added / 100
    stay_min = energy_kwh / (columns["load"] * columns["pmax_kw"]) * 60
    values = (columns["soc_start_pct"] + added, energy_kwh, stay_min)
    return pd.DataFrame(columns | dict(zip(_CONSEQUENCES, values, strict=True)))
