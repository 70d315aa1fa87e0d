"""The report in Markdown. The same recordings and the same simulator give the same text."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from forewarn.realism import electric, engines, sessions
from forewarn.realism.closed import CLOSED, KNOWN
from forewarn.realism.comparison import Comparison, Plan
from forewarn.realism.finding import Finding, worst
from forewarn.realism.plots import plots

NAME = "realism.md"
_PLOTS = "realism"
_WORST = 12
# What each section is about: how it is measured, and what a reader should know of it.
SECTIONS: dict[str, str] = {
    electric.DISTRIBUTION: (
        "Wasserstein distance in recorded interquartile ranges (IQR), and Kolmogorov-Smirnov distance (KS), by regime."
    ),
    electric.MEMORY: "Within uninterrupted stretches of drives. A step that does not divide a lag is not measured.",
    electric.TRAFFIC: "A drive reaches from its first to its last report with speed; stops are in it.",
    electric.GAPS: (
        "Under way are gaps of up to 15 minutes. A recorded car sends nothing while it is off; a simulated one "
        "wakes every seven hours, so that its longer gaps are no longer than that."
    ),
    electric.SENSORS: "Noise while the pack rests, no less than what rounding makes; the step of what is told.",
    electric.CELLS: (
        "At rest: standing, at most 2 A. Under load: the tenth of drives in which most flows out. Ordinary cells: "
        "robust deviation, without what one faulty cell does. The recorded cars have one; simulated ones here are "
        "healthy."
    ),
    electric.ALARMS: (
        "The level the car shows by itself, all of it nuisance here: simulated cars are healthy. How long it lasts is "
        "measured of cars that show it in more than 1 % of their reports."
    ),
    engines.DISTRIBUTION: "While the engine runs, in trips that move. A diesel has no throttle: left out of it.",
    engines.MEMORY: "As above.",
    engines.TRAFFIC: "As above.",
    engines.STARTER: "Dips: the lowest voltage from 4 s before to 2 s after the engine runs.",
    engines.WARM_UP: (
        "From the first report to 80 C in trips that begin colder than 35 C, by the engine's own clock. Counting the "
        "rows of the recording as seconds gives 622 to 662 s; they come twice a second, as its clock and the minutes "
        "since trouble codes were cleared agree."
    ),
    sessions.SECTION: (
        "Sessions of 3 minutes and more at 22 kW and more. The station counts what it gives, the car what arrives."
    ),
    electric.OWNER: (
        "What owner, weather and the number of cells decide, for completeness: not ranked, for one recorded car says "
        "nothing of other owners."
    ),
}


def write_report(comparison: Comparison, plan: Plan, out: Path) -> Path:
    """Write the report and its plots into the folder ``out``; return the report's path."""
    out.mkdir(parents=True, exist_ok=True)
    pictures = plots(comparison, out / _PLOTS)
    path = out / NAME
    path.write_text(markdown(comparison, plan, pictures), encoding="utf-8")
    return path


def markdown(comparison: Comparison, plan: Plan, pictures: Sequence[tuple[str, str]]) -> str:
    """Return the report. pictures : file name and caption of each plot"""
    findings = comparison.findings
    ranked = [finding for finding in findings if finding.section != electric.OWNER]
    parts = [_INTRODUCTION.format(cars=plan.cars, days=plan.days, seed=plan.seed)]
    if comparison.missing:
        parts.append("Missing, and so not compared: " + ", ".join(f"`{name}`" for name in comparison.missing) + ".")
    parts.append("## In short\n\n" + _in_short(ranked))
    parts.append("## Closed\n\n" + _closed(findings))
    parts.append(f"## The {_WORST} worst figures now\n\n" + _table(worst(ranked, _WORST), with_section=True))
    parts.append("## What stays bad, and why\n\n" + "\n".join(f"- {line}" for line in KNOWN))
    parts += [f"![{caption}]({_PLOTS}/{name})\n\n*{caption}*" for name, caption in pictures]
    for section, text in SECTIONS.items():
        of_section = [finding for finding in findings if finding.section == section]
        body = _table(of_section) if of_section else "Not measured: the recording is missing."
        parts.append(f"## {section}\n\n{text}\n\n{body}")
    return "\n\n".join(parts) + "\n"


def _in_short(findings: Sequence[Finding]) -> str:
    rows = []
    for section, group in groupby(findings_by_section(findings), key=lambda finding: finding.section):
        verdicts = [finding.verdict for finding in group]
        rows.append([section, *(str(verdicts.count(verdict)) for verdict in ("good", "fair", "bad", "not measured"))])
    total = ["**all**", *(str(sum(int(row[i]) for row in rows)) for i in range(1, 5))]
    return _rows(["section", "good", "fair", "bad", "not measured"], [*rows, total])


def findings_by_section(findings: Sequence[Finding]) -> list[Finding]:
    order = {section: number for number, section in enumerate(SECTIONS)}
    return sorted(findings, key=lambda finding: order[finding.section])


def _closed(findings: Sequence[Finding]) -> str:
    now = {(finding.section, finding.of, finding.what): finding for finding in findings}
    rows = []
    for closed in CLOSED:
        finding = now.get(closed.key)
        after = "not measured" if finding is None else _number(finding.simulated)
        if finding is not None and np.isfinite(finding.low):
            after += f" ({_number(finding.low)} … {_number(finding.high)})"
        verdict = "" if finding is None else finding.verdict
        rows.append(
            [
                f"{closed.key[0]}: {closed.key[2]} ({closed.key[1]})",
                "0 is best" if finding is not None and finding.kind == "distance" else _number(closed.recorded),
                _number(closed.before),
                after,
                verdict,
                closed.change,
            ]
        )
    table = _rows(["measure", "recorded", "before", "after", "verdict now", "what was changed in the simulator"], rows)
    said = "What was among the worst and was closed by changing the simulator. In brackets what four of five cars have."
    return f"{said}\n\n{table}"


def _table(findings: Sequence[Finding], *, with_section: bool = False) -> str:
    rows = []
    for finding in findings:
        if finding.kind == "distance":
            figures = ["", f"{_number(finding.simulated)} IQR, KS {_number(finding.ks)}", ""]
        else:
            spread = f"{_number(finding.low)} … {_number(finding.high)}" if np.isfinite(finding.low) else ""
            unit = f" {finding.unit}" if finding.unit else ""
            figures = [f"{_number(finding.recorded)}{unit}", _number(finding.simulated), spread]
        what = f"{finding.section}: {finding.what}" if with_section else finding.what
        rows.append([finding.of, what, *figures, finding.verdict])
    return _rows(["recording", "measure", "recorded", "simulated", "10th … 90th percentile of cars", "verdict"], rows)


def _number(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


_INTRODUCTION = """# How real the simulated fleet is

Simulated against recorded cars, signal by signal, made by `forewarn simulate realism --data DIRECTORY --out docs`. The
recordings are public and not part of the product ([replay](replay.md) says what they are): three electric cars (`car1`
to `car3`), 53 trips of a petrol car (`carobd`), two of a diesel (`kit-obd2`), 1,878 sessions at fast chargers (`epfl`).

Beside each recording stand {cars} healthy simulated cars like it, of the same chemistry and about as many cells, in the
same season, that report at the same step (up to {days} days of each, seed {seed}). Every figure is taken of each car by
itself; the simulated one is the median over cars. A recorded car is one draw from a population nobody has recorded:
**good** is a figure that lies where four of five simulated cars do, or is off by no more than a quarter; **fair** by no
more than 0.6; everything else is **bad**. Ratios are judged by the logarithm of their factor, correlations by twice and
shares by four times their difference.

What "after" means: the simulator was tuned in several rounds on the very recordings it is judged by, and none was
held back; only the seed can be another one. What is listed as closed held with seed 7 too. The diesel was tuned on
least, and shows what is left: its memory of speed improved and is still bad. While tuning, three measures were
corrected (noise is no less than rounding; gaps under way stand apart from those of a car that is off; the length of
alarms is that of cars that show them out of habit), and figures of owner and weather were taken out of the ranking.
Every "before" is of the simulator as it was, by the measures as they are now."""
