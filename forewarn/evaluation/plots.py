"""Plots of an evaluation as SVG text, to stand inside a page that needs nothing else."""

import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from config.faults import fault_modes
from forewarn.evaluation.results import MODEL, Evaluation
from models.protocol import BINS

_MODEL, _OTHER, _FAINT = "#1f5fa8", "#9a9a9a", "#d9822b"
# Below this many rows a share says more about those rows than about the probability.
_LEAST_ROWS = 20


def plots(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return caption and SVG of each plot; the same figures give the same text."""
    with mpl.rc_context({"font.size": 9, "axes.grid": True, "grid.alpha": 0.3, "svg.hashsalt": "evaluation"}):
        made = [
            ("F1 by vehicle with its 95 % interval: the models and what they have to beat", _contenders(evaluation)),
            ("Share of foreseeable faults that were warned of in time, by fault mode", _modes(evaluation)),
        ]
        if any(evaluation.leads_d.values()):
            made.append(("Days from the first warning to the lamp", _leads(evaluation)))
        if "all" in evaluation.calibration:
            made.append(("How well probabilities are met, over all fault modes", _reliability(evaluation)))
        return [(caption, _svg(figure)) for caption, figure in made]


def _svg(figure: Figure) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    # What comes before is about the file that it no longer is.
    return text[text.index("<svg") :]


def _figure(height: float) -> Figure:
    return Figure(figsize=(5.6, height), layout="constrained")


def _bars(figure: Figure, names: Sequence[str], values: Sequence[float], colours: Sequence[str]) -> None:
    axes = figure.subplots()
    places = np.arange(len(names))[::-1]
    axes.barh(places, values, color=list(colours), height=0.7)
    axes.set_yticks(places, list(names))
    axes.set_xlim(0, 1)
    axes.grid(visible=False, axis="y")


def _contenders(evaluation: Evaluation) -> Figure:
    names = list(evaluation.together)
    found = [evaluation.together[name] for name in names]
    figure = _figure(0.7 + 0.4 * len(names))
    values = [one.f1 or 0.0 for one in found]
    _bars(figure, names, values, [_MODEL if name == MODEL else _OTHER for name in names])
    places = np.arange(len(names))[::-1]
    low = [one.f1_low if one.f1_low is not None else value for one, value in zip(found, values, strict=True)]
    high = [one.f1_high if one.f1_high is not None else value for one, value in zip(found, values, strict=True)]
    for place, value, begin, end in zip(places, values, low, high, strict=True):
        # The middle of the draws may lie beside what was measured when there are few cars.
        reach = [[max(value - begin, 0.0)], [max(end - value, 0.0)]]
        figure.axes[0].errorbar([value], [place], xerr=reach, color="black", capsize=3)
    figure.axes[0].set_xlabel("F1")
    return figure


def _modes(evaluation: Evaluation) -> Figure:
    found = {mode: one for mode, one in evaluation.together[MODEL].modes.items() if one.foreseeable}
    figure = _figure(0.7 + 0.3 * max(len(found), 1))
    names = [f"{fault_modes()[mode].en} ({one.hits}/{one.foreseeable})" for mode, one in found.items()]
    _bars(figure, names, [one.hits / one.foreseeable for one in found.values()], [_MODEL] * len(found))
    figure.axes[0].set_xlabel("warned of before the lamp")
    return figure


def _leads(evaluation: Evaluation) -> Figure:
    days = np.concatenate([np.array(values) for values in evaluation.leads_d.values() if values])
    figure = _figure(2.6)
    axes = figure.subplots()
    axes.hist(days, bins=np.arange(0, max(float(days.max()), 1.0) + 3.5, 3.5).tolist(), color=_MODEL)
    axes.axvline(float(np.median(days)), color=_FAINT, label=f"median {np.median(days):.0f} days")
    axes.set_xlabel("days before the lamp")
    axes.set_ylabel("cars")
    axes.legend()
    return figure


def _reliability(evaluation: Evaluation) -> Figure:
    found = evaluation.calibration["all"]
    enough = [number for number in range(BINS) if found.rows[number] >= _LEAST_ROWS]
    figure = _figure(3.4)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=_OTHER, linestyle="--", label="as it should be")
    said = [found.predicted[number] or 0.0 for number in enough]
    was = [found.observed[number] or 0.0 for number in enough]
    axes.plot(said, was, color=_MODEL, marker="o", label="the models")
    axes.set_xlabel("probability that was told")
    axes.set_ylabel("lamps that came on within the horizon")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.legend()
    return figure
