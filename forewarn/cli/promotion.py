"""Commands that decide which model scores: models promote, rollback, compare."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from forewarn.cli.opening import dsn_of, opened

if TYPE_CHECKING:
    from config.settings import Settings
    from models.gate import Check
    from models.promotion import Decision
    from models.shadow import Beside

_MODE = typer.Argument(help="Fault mode, as lv_battery.")
_BY = typer.Option(help="Who decides.")
_REASON = typer.Option(help="Why; it is kept.")


def promote(
    mode: Annotated[str, _MODE],
    version: Annotated[str, typer.Argument(help="Version that is to score.")],
    by: Annotated[str, _BY],
    reason: Annotated[str, _REASON],
    force: Annotated[
        bool, typer.Option("--force", help="Also when it is worse than the champion, or its files have changed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Have a model score from now on.

    Refused when it is worse than the one that scores now, when its files are not
    those that were decided for, or when it could not score.

    Example: forewarn models promote lv_battery 20260301-0a1b2c3d4e5f --by "Li Na" --reason "catches two more cars"
    """
    from ingest.store.connection import connect
    from models.promotion import promote as decide

    with opened() as settings:
        with connect(dsn_of(settings), role="models") as conn:
            decision = decide(conn, mode, version, by=by, reason=reason, force=force, data_dir=settings.data_dir)
        _mirror(settings)
    _show_decision(decision, as_json=as_json)


def rollback(
    mode: Annotated[str, _MODE],
    by: Annotated[str, _BY],
    reason: Annotated[str, _REASON],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Have the model score again that did before the present one.

    Example: forewarn models rollback lv_battery --by "Li Na" --reason "flags healthy taxis"
    """
    from ingest.store.connection import connect
    from models.promotion import roll_back

    with opened() as settings:
        with connect(dsn_of(settings), role="models") as conn:
            decision = roll_back(conn, mode, by=by, reason=reason, data_dir=settings.data_dir)
        _mirror(settings)
    _show_decision(decision, as_json=as_json)


def compare(
    mode: Annotated[str, _MODE],
    a: Annotated[str, typer.Argument(help="Version to compare with, as the champion's.")],
    b: Annotated[str, typer.Argument(help="Version to compare, as a challenger's.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare two models: on cars held out, and by what both said of the same cars.

    Example: forewarn models compare lv_battery 20260301-0a1b2c3d4e5f 20260308-5f4e3d2c1b0a
    """
    from ingest.store.connection import connect
    from models import gate
    from models.registry import read_meta
    from models.shadow import compare_stored

    with opened() as settings, connect(dsn_of(settings), role="models") as conn:
        first, second = (read_meta(settings.data_dir, mode, version) for version in (a, b))
        checks = gate.compare(first.metrics, second.metrics)
        beside = compare_stored(conn, mode, a, b, now=datetime.now(UTC))
    if as_json:
        facts: dict[str, Any] = {
            "mode": mode,
            "a": {"version": a, "metrics": first.metrics},
            "b": {"version": b, "metrics": second.metrics},
            "gate": msgspec.to_builtins(checks),
            "shadow": msgspec.to_builtins(beside),
        }
        print(json.dumps(facts, indent=2))
    else:
        _show_comparison(a, b, first.metrics, second.metrics, checks, beside)


def _mirror(settings: "Settings") -> None:
    from forewarn.mirror import show_in_mlflow

    show_in_mlflow(settings)


def _show_decision(decision: "Decision", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(msgspec.to_builtins(decision), indent=2))
        return
    instead = f" instead of {decision.replaced}" if decision.replaced else ""
    forced = ", against the gate" if decision.forced else ""
    print(f"{decision.fault_mode}: {decision.version} scores from now on{instead}{forced}")


def _show_comparison(
    a: str,
    b: str,
    first: dict[str, float],
    second: dict[str, float],
    checks: "list[Check]",
    beside: "Beside",
) -> None:
    from rich.table import Table

    from forewarn.cli.tables import console

    table = Table("On cars held out", a, b)
    for name in dict.fromkeys([*first, *second]):
        table.add_row(name, *(f"{values[name]:.4g}" if name in values else "" for values in (first, second)))
    console().print(table)
    for check in checks:
        said = f"{check.figure} is good enough" if check.passed else str(check)
        print(f"{'ok  ' if check.passed else 'WORSE'} {said}")
    if not beside.pairs:
        print("never scored the same cars: a challenger scores in the shadow from the next 'forewarn score' on")
        return
    print(
        f"both scored {beside.cars:,} cars on {beside.days} days: mean probability {beside.mean_a:.4f} and"
        f" {beside.mean_b:.4f}, {beside.difference:.4f} apart"
    )
    print(
        f"flagged by both {beside.flagged_both:,}, by {a} alone {beside.flagged_a:,}, by {b} alone {beside.flagged_b:,}"
    )
    if beside.known and beside.brier_a is not None and beside.brier_b is not None:
        print(
            f"of {beside.known:,} that can be judged by now {beside.observed:.2%} came true: Brier score"
            f" {beside.brier_a:.5f} and {beside.brier_b:.5f}"
        )


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (promote, rollback, compare):
        app.command()(command)
