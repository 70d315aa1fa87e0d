"""The command that says how like recorded cars simulated ones are."""

import json
from pathlib import Path
from typing import Annotated

import typer

from config.errors import UserMistake


def realism(
    data: Annotated[Path, typer.Option(help="Folder of the recordings, as docs/replay.md names them.")],
    out: Annotated[Path, typer.Option(help="Folder the report and its plots are written to.")] = Path("docs"),
    fleet: Annotated[
        Path | None, typer.Option(help="Compare the cars of this fleet in files; by default some are simulated for it.")
    ] = None,
    vehicles: Annotated[int, typer.Option(min=1, max=200, help="Simulated cars beside each recording.")] = 16,
    days: Annotated[
        int, typer.Option(min=1, max=120, help="Days they live, fewer where they report every second.")
    ] = 28,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same report.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare simulated cars with recorded ones, signal by signal, and write the report.

    Example: forewarn simulate realism --data recordings --out docs
    """
    from forewarn.progress import progress_bar
    from forewarn.realism.comparison import STEPS, Plan, compare
    from forewarn.realism.report import write_report

    if not data.is_dir():
        raise UserMistake(f"--data {data} is no folder: name the one that holds the recordings")
    plan = Plan(vehicles, days, seed)
    with progress_bar("Comparing with recordings", total=STEPS) as advance:
        comparison = compare(data, plan=plan, fleet=fleet, on_progress=advance)
    if not comparison.findings:
        raise UserMistake(f"--data {data} holds no recording: it should hold {', '.join(comparison.missing)}")
    try:
        report = write_report(comparison, plan, out)
    except OSError as error:
        raise UserMistake(f"--out {out} cannot be written ({error.strerror}): name another folder") from error
    verdicts = [finding.verdict for finding in comparison.findings]
    counts = {verdict: verdicts.count(verdict) for verdict in ("good", "fair", "bad")}
    if as_json:
        print(json.dumps({"report": str(report), "missing": comparison.missing, **counts}))
        return
    print(f"{report}: {counts['good']} figures good, {counts['fair']} fair, {counts['bad']} bad")
    for path in comparison.missing:
        print(f"missing, not compared: {path}")
