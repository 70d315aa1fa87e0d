"""Plots of the report: recorded beside simulated."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from forewarn.realism import engines, measures
from forewarn.realism.comparison import Comparison, Pair
from forewarn.realism.electric import LAGS_S, during, loaded_rows, memory
from forewarn.realism.trace import CURRENT, SPEED, Trace, calm

_RECORDED, _SIMULATED = "#1f5fa8", "#d9822b"
_QUANTILES = np.linspace(0.005, 0.995, 199)
# Without a time or a version in it the same figures give the same file.
_METADATA = {"Software": None}


def plots(comparison: Comparison, folder: Path) -> list[tuple[str, str]]:
    """Write the plots there is data for; return the file name and the caption of each."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    with mpl.rc_context({"font.size": 8, "axes.grid": True, "grid.alpha": 0.3, "svg.hashsalt": "realism"}):
        electric = {
            name: pair for name, pair in comparison.pairs.items() if name.startswith("car") and name[3:].isdigit()
        }
        if electric:
            made.append(
                _saved(_driving(electric), folder / "driving.png", "Speed and current under way; memory of speed")
            )
            made.append(_saved(_cells(electric), folder / "cells.png", "Spread of cells at rest and under load"))
        if "carobd" in comparison.pairs:
            made.append(_saved(_engine(comparison.pairs["carobd"]), folder / "engine.png", "A petrol engine under way"))
        if comparison.sessions and comparison.sessions["simulated"]:
            made.append(_saved(_sessions(comparison), folder / "sessions.png", "Sessions at fast chargers"))
    return made


def _saved(figure: Figure, path: Path, caption: str) -> tuple[str, str]:
    figure.savefig(path, dpi=80, metadata=_METADATA)
    return path.name, caption


def _axes(rows: int, columns: int) -> tuple[Figure, list[list[Axes]]]:
    figure = Figure(figsize=(3.4 * columns, 2.3 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    return figure, grid.tolist()


def _curves(axes: Axes, recorded: NDArray[np.float64], simulated: NDArray[np.float64], title: str) -> None:
    """Draw both as cumulative distributions."""
    for values, colour, label in ((recorded, _RECORDED, "recorded"), (simulated, _SIMULATED, "simulated")):
        known = values[np.isfinite(values)]
        if len(known):
            axes.plot(np.quantile(known, _QUANTILES), _QUANTILES, color=colour, label=label)
    axes.set_title(title)
    axes.set_ylim(0, 1)
    axes.legend(loc="lower right")


def _driving(pairs: dict[str, Pair]) -> Figure:
    figure, grid = _axes(len(pairs), 3)
    for row, (name, pair) in zip(grid, pairs.items(), strict=True):
        (one,) = pair.recorded
        for axes, path, unit in ((row[0], SPEED, "speed, km/h"), (row[1], CURRENT, "current, A")):
            simulated = np.concatenate([during(car, path, "drive") for car in pair.cars])
            _curves(axes, during(one, path, "drive"), simulated, f"{name}: {unit}")
        for car in pair.cars:
            row[2].plot(LAGS_S, _memories(car), color=_SIMULATED, alpha=0.35, linewidth=0.8)
        row[2].plot(LAGS_S, _memories(one), color=_RECORDED, marker="o")
        row[2].set_title(f"{name}: autocorrelation of speed, s")
        row[2].set_ylim(-0.2, 1)
    return figure


def _memories(car: Trace) -> list[float]:
    return [memory(SPEED, lag_s)(car) for lag_s in LAGS_S]


def _cells(pairs: dict[str, Pair]) -> Figure:
    figure, grid = _axes(len(pairs), 2)
    for row, (name, pair) in zip(grid, pairs.items(), strict=True):
        (one,) = pair.recorded
        for axes, rows_of, title in ((row[0], calm, "at rest"), (row[1], loaded_rows, "under load")):
            simulated = np.concatenate([measures.spread_mv(car.cells_v)[rows_of(car)] for car in pair.cars])
            _curves(axes, measures.spread_mv(one.cells_v)[rows_of(one)], simulated, f"{name}: spread {title}, mV")
    return figure


def _engine(pair: Pair) -> Figure:
    figure, grid = _axes(2, 3)
    trips = [trip for trip in pair.recorded if engines.moves(trip)]
    simulated = [trip for car in pair.cars for trip in engines.drives(car) if engines.moves(trip)]
    chosen = [entry for entry in engines.DISTRIBUTIONS if entry[0] != "long fuel trim"][:6]
    for axes, (name, path) in zip(chain.from_iterable(grid), chosen, strict=True):
        _curves(axes, engines.running(trips, path), engines.running(simulated, path), name)
    return figure


def _sessions(comparison: Comparison) -> Figure:
    figure, grid = _axes(1, 3)
    (row,) = grid
    sides: Sequence[NDArray[np.float64]] = [
        np.array(comparison.sessions[side], dtype=np.float64) for side in ("recorded", "simulated")
    ]
    for axes, column, title in (
        (row[0], 3, "energy, kWh"),
        (row[1], 0, "duration, min"),
        (row[2], 1, "charge on arrival, %"),
    ):
        _curves(axes, sides[0][:, column], sides[1][:, column], title)
    return figure
