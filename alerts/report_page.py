"""The service report as one HTML file with its plots in it: nothing is loaded from elsewhere."""

from collections.abc import Sequence
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from alerts import wording
from alerts.offers import campaigns
from alerts.report import Report
from config.faults import fault_modes
from config.i18n import translator


class Bar(NamedTuple):
    """One bar; the shares are of the longest one."""

    name: str
    part: int
    whole: int | None
    part_share: float
    whole_share: float


def page(report: Report, *, language: str) -> str:
    """Return the report as an HTML page in a language of ``config.i18n``."""
    t = translator(language)
    environment = Environment(
        loader=PackageLoader("alerts", "report_templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(share=_share)
    steps = {
        "opened": t("opened"),
        "called": t("called"),
        "appointment": t("with an appointment"),
        "visit": t("visited"),
        "confirmed": t("confirmed"),
    }

    def name_of(mode: str) -> str:
        return fault_modes()[mode].name(language) if mode in fault_modes() else mode

    return environment.get_template("care.html").render(
        report=report,
        t=t,
        language=language,
        steps=steps,
        clock=lambda kind: wording.clock(kind, language),
        disposition=lambda name: wording.disposition(name, language),
        campaign=lambda key: campaigns()[key].name(language) if key in campaigns() else key,
        mode=name_of,
        funnel_plot=_bars([(steps[one.step], one.cases, None) for one in report.funnel]),
        promises_plot=_bars([(wording.clock(one.kind, language), one.kept, one.due) for one in report.promises]),
        precision_plot=_bars([(name_of(one.group), one.confirmed, one.findings) for one in report.by_mode]),
    )


def _share(part: int, whole: int) -> str:
    return "—" if whole == 0 else f"{part / whole:.0%}"


def _bars(rows: Sequence[tuple[str, int, int | None]]) -> list[Bar] | None:
    """Return a bar for each row, its name, a number and the whole it is a part of; None when there is nothing to draw.

    Drawn by the template: letters are then the reader's own, whatever fonts this machine has.
    """
    most = max((part if whole is None else whole for _, part, whole in rows), default=0)
    if most == 0:
        return None
    return [Bar(name, part, whole, part / most, (whole or 0) / most) for name, part, whole in rows]
