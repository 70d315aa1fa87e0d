"""The monthly report as one HTML file with its plots in it: nothing is loaded from elsewhere."""

import io
from collections.abc import Sequence

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from config.faults import fault_modes
from config.i18n import Translate, translator
from models.feedback import Calibration, Precision
from models.monthly import Report

_SAID, _IDEAL = "#1f5fa8", "#9aa3ad"
# Without a time or a version in it the same figures give the same file.
_METADATA = {"Date": None, "Creator": None}


def page(report: Report, *, language: str) -> str:
    """Return the report as an HTML page in a language of ``config.i18n``."""
    t = translator(language)
    environment = Environment(
        loader=PackageLoader("models"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(share=_share, days=_days)
    return environment.get_template("monthly.html").render(
        report=report,
        t=t,
        language=language,
        name=lambda mode: fault_modes()[mode].name(language) if mode in fault_modes() else mode,
        kinds={
            "input": t("input"),
            "score": t("score"),
            "calibration": t("calibration"),
            "precision": t("precision"),
            "first": t("first model"),
            "promotion": t("promotion"),
            "rollback": t("rollback"),
        },
        calibration_plot=_svg(_calibration(report.calibration)) if report.calibration else None,
        lead_time_plot=_lead_time_plot(report.precision, t),
    )


def _share(value: float | None) -> str:
    return "—" if value is None else f"{value:.1%}"


def _days(quartiles: tuple[float, float, float] | None) -> str:
    return "—" if quartiles is None else f"{quartiles[1]:.1f} ({quartiles[0]:.1f}–{quartiles[2]:.1f})"


def _calibration(found: Sequence[Calibration]) -> Figure:
    """Draw what was said against what came true, a line for each version; on the diagonal both agree."""
    figure = Figure(figsize=(5.6, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=_IDEAL, linestyle="--", linewidth=1)
    for one in found:
        axes.plot(
            [each.predicted for each in one.bins],
            [each.observed for each in one.bins],
            marker="o",
            linewidth=1,
            label=f"{one.fault_mode} {one.model_version}",
        )
    # Names are those of modes and versions, and numbers need no words: the same plot serves both languages.
    axes.legend(fontsize=6, loc="upper left")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    return figure


def _lead_time_plot(found: Sequence[Precision], t: Translate) -> Markup | None:
    told = [one for one in found if one.lead_time_d is not None]
    if not told:
        return None
    figure = Figure(figsize=(5.6, 0.6 + 0.4 * len(told)), layout="constrained")
    axes = figure.subplots()
    for row, one in enumerate(told):
        assert one.lead_time_d is not None
        low, median, high = one.lead_time_d
        axes.plot([low, high], [row, row], color=_SAID, linewidth=5, alpha=0.35, solid_capstyle="butt")
        axes.plot([median], [row], color=_SAID, marker="o")
    axes.set_yticks(range(len(told)), [f"{one.fault_mode} {one.model_version}" for one in told], fontsize=6)
    axes.set_xlim(left=0)
    axes.set_ylim(-0.6, len(told) - 0.4)
    return _svg(figure)


def _svg(figure: Figure) -> Markup:
    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "monthly", "svg.fonttype": "none", "font.size": 8}):
        figure.savefig(stream, format="svg", metadata=_METADATA)
    drawn = stream.getvalue()
    # Made by matplotlib of names that were checked as parts of paths; its header is for files of their own.
    return Markup(drawn[drawn.index("<svg") :])  # noqa: S704
