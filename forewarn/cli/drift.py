"""Commands that say whether the models still fit: drift, report."""

import json
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from forewarn.cli.arguments import AS_OF, midnight
from forewarn.cli.opening import dsn_of, opened, say

if TYPE_CHECKING:
    from models.drift import Measured


def drift(
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure now, not only show the last measurement.")
    ] = False,
    as_of: Annotated[str | None, typer.Option(help=f"With --measure: {AS_OF}")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object with every figure.")] = False,
) -> None:
    """Say how far cars and scores have moved from what the models learnt.

    Inputs and scores: population stability index against the training.
    Calibration and precision: of predictions of the last four weeks.

    Example: forewarn drift --measure --json
    """
    from forewarn.schedule import JOBS, JobContext
    from ingest.store.connection import connect
    from models.drift import by_signal, newest

    day = midnight(as_of)
    with opened() as settings:
        if measure:
            say("Measuring drift")
            JOBS["drift"](JobContext(settings, as_of=day))
        with connect(dsn_of(settings), role="models") as conn:
            figures = newest(conn)
    if as_json:
        facts = [msgspec.to_builtins(one) | {"drifted": one.drifted} for one in figures]
        print(json.dumps({"as_of": figures[0].as_of.isoformat() if figures else None, "figures": facts}, indent=2))
    elif figures:
        _show(by_signal(figures))
    else:
        print("drift has not been measured: 'forewarn drift --measure' does, and the schedule does daily")


def report(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write the report about the models in the calendar month before.

    Example: forewarn report
    """
    from forewarn.schedule import JOBS, JobContext

    with opened() as settings:
        written = JOBS["report"](JobContext(settings))
    if as_json:
        print(json.dumps(msgspec.to_builtins(written, enc_hook=str)))
    else:
        print(written)


def _show(figures: "list[Measured]") -> None:
    from rich.table import Table

    from forewarn.cli.tables import console

    print(f"as of {figures[0].as_of:%Y-%m-%d}; of each signal the feature that moved most")
    table = Table("Fault mode", "Version", "What", "Value", "Limit", "Cars", "Drifted")
    for one in figures:
        limit = "" if one.worst is None else f"{one.worst:.3f}"
        what = f"{one.kind} {one.subject}".strip()
        table.add_row(
            one.fault_mode,
            one.model_version,
            what,
            f"{one.value:.3f}",
            limit,
            f"{one.n:,}",
            "yes" if one.drifted else "",
        )
    console().print(table)


def add_to(main: typer.Typer) -> None:
    """Register the commands."""
    for command in (drift, report):
        main.command()(command)
