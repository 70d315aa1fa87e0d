"""Commands about the models: train, score, models list, show, compare."""

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from config.errors import UserMistake
from forewarn.cli import promotion
from forewarn.cli.arguments import AS_OF, midnight
from forewarn.cli.opening import dsn_of, opened, say
from forewarn.workers import ON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from config.settings import Settings
    from forewarn.schedule import JobName
    from models.promotion import Decision
    from models.registry import TrainedModel

# Of those that models.evaluation measures, the ones a person compares models by.
_METRICS = ("average_precision", "roc_auc", "recall")

app = typer.Typer(help="The trained models and who decided that they score.", no_args_is_help=True)


def train(
    as_of: Annotated[str | None, typer.Option(help=AS_OF)] = None,
    on: Annotated[str, typer.Option(help=ON)] = "here",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """Train a model for every fault mode.

    The first model of a mode scores from now on. A later one is a challenger:
    it scores in the shadow until somebody promotes it.

    Example: forewarn train --as-of 2026-03-01
    """
    from ingest.store.connection import connect
    from models.promotion import aliases

    day = midnight(as_of)
    with opened() as settings:
        models = _run(settings, "train", day, "Training", on=on)
        with connect(dsn_of(settings), role="models") as conn:
            _show(models, aliases(conn, settings.data_dir), as_json=as_json)


def score(
    as_of: Annotated[str | None, typer.Option(help=AS_OF)] = None,
    no_triage: Annotated[bool, typer.Option("--no-triage", help="Leave cases as they are.")] = False,
    on: Annotated[str, typer.Option(help=ON)] = "here",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score every car and bring the cases up to date.

    Example: forewarn score
    """
    day = midnight(as_of)
    with opened() as settings:
        scored = _run(settings, "score", day, "Scoring", on=on)
        triaged = None if no_triage else _run(settings, "triage", day, "Opening cases")
    if as_json:
        print(json.dumps(msgspec.to_builtins({"score": scored, "triage": triaged}), default=str))
    else:
        print(scored)
        if triaged is not None:
            print(triaged.message)
    for mode, reason in scored.unusable.items():
        print(f"Not scored for {mode}: {reason}", file=sys.stderr)
    if scored.unusable:
        raise typer.Exit(1)


@app.command("list")
def list_all(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List the trained models: which one scores, and which one in the shadow.

    Example: forewarn models list --json
    """
    from ingest.store.connection import connect
    from models.promotion import aliases
    from models.registry import list_models

    with opened() as settings, connect(dsn_of(settings), role="models") as conn:
        _show(list_models(settings.data_dir), aliases(conn, settings.data_dir), as_json=as_json)


@app.command("show")
def show(
    mode: Annotated[str, typer.Argument(help="Fault mode, as lv_battery.")],
    version: Annotated[str | None, typer.Argument(help="As in the list; default the one that scores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what one model learnt from, how good it is, and every decision about its fault mode.

    Example: forewarn models show lv_battery
    """
    from ingest.store.connection import connect
    from models.promotion import aliases, champion_versions, decisions
    from models.provenance import code_version
    from models.registry import NoModel, read_meta

    with opened() as settings, connect(dsn_of(settings), role="models") as conn:
        chosen = version or champion_versions(conn).get(mode)
        if chosen is None:
            raise NoModel(f"no model of {mode} scores: 'forewarn models list' shows what there is")
        model = read_meta(settings.data_dir, mode, chosen)
        alias = aliases(conn, settings.data_dir).get((mode, chosen))
        decided = decisions(conn, mode)
    if as_json:
        facts = msgspec.to_builtins(model) | {"alias": alias, "decisions": msgspec.to_builtins(decided)}
        print(json.dumps(facts, indent=2))
    else:
        _show_one(model, alias, decided, code=code_version())


@app.command("explain")
def explain(
    vehicle_id: Annotated[int, typer.Argument(help="Number of the car, as in the call list.")],
    fault: Annotated[
        list[str] | None, typer.Option(help="Fault mode, as lv_battery; several times for several.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help=AS_OF)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """Say what the models make of one car and why, whether it is flagged or not.

    Example: forewarn models explain 17 --fault lv_battery
    """
    from config.faults import fault_modes
    from forewarn.cli.clock import utc_now
    from ingest.store.connection import connect
    from models.scoring import explain_vehicle

    for mode in fault or ():
        if mode not in fault_modes():
            raise UserMistake(f"there is no fault mode {mode}; there are {', '.join(fault_modes())}")
    with opened() as settings, connect(dsn_of(settings), role="models") as conn:
        day = midnight(as_of) or utc_now()
        said = explain_vehicle(conn, vehicle_id, as_of=day, data_dir=settings.data_dir, modes=fault or ())
        language = settings.language
    said.sort(key=lambda one: -one.probability)
    if as_json:
        print(json.dumps(msgspec.to_builtins(said), indent=2))
        return
    from alerts import wording
    from alerts.reasons import parse

    for one in said:
        flag = "flagged" if one.probability >= one.threshold else "not flagged"
        days = "" if one.to_lamp is None else wording.days_to_lamp(*one.to_lamp, language)
        print(
            f"{one.fault_mode}: {100 * one.probability:.1f} % (threshold {100 * one.threshold:.1f} %, {flag})"
            + (f", {days}" if days else "")
        )
        for reason in parse(one.reasons).reasons:
            print(f"  {wording.reason_sentence(reason, language)}")


def _run(settings: "Settings", name: "JobName", as_of: datetime | None, text: str, *, on: str = "here") -> Any:
    from forewarn.schedule import JOBS, JobContext

    say(text)
    return JOBS[name](JobContext(settings, as_of=as_of, on=on))


def _show(models: "list[TrainedModel]", named: "Mapping[tuple[str, str], str]", *, as_json: bool) -> None:
    """Print models; named : as of ``models.promotion.aliases``"""
    if as_json:
        print(json.dumps([_facts(model, named) for model in models], indent=2))
        return
    if not models:
        print("no model yet: 'forewarn train' makes one for every fault mode that has enough lamps to learn from")
        return
    from rich.table import Table

    from forewarn.cli.tables import console

    table = Table("Fault mode", "Version", "As of", "Alias", "Cars (failing)", "Average precision", "ROC AUC", "Recall")
    for facts in (_facts(model, named) for model in models):
        metrics = [f"{facts[name]:.2f}" if facts[name] is not None else "" for name in _METRICS]
        cars = f"{facts['vehicles']} ({facts['failing_vehicles']})"
        table.add_row(facts["mode"], facts["version"], facts["as_of"][:10], facts["alias"] or "", cars, *metrics)
    console().print(table)
    waiting = [model for model in models if named.get((model.mode, model.version)) == "challenger"]
    for model in waiting:
        say(
            f"a challenger scores in the shadow: forewarn models promote {model.mode} {model.version}"
            " --by NAME --reason TEXT"
        )


def _facts(model: "TrainedModel", named: "Mapping[tuple[str, str], str]") -> dict[str, Any]:
    alias = named.get((model.mode, model.version))
    return {
        "mode": model.mode,
        "version": model.version,
        "alias": alias,
        "scores": alias == "champion",
        "as_of": model.as_of.isoformat(),
        "trained_at": model.trained_at.isoformat(),
        "vehicles": model.vehicles,
        "failing_vehicles": model.failing_vehicles,
        "threshold": model.threshold,
        **{name: model.metrics.get(name) for name in _METRICS},
    }


def _show_one(model: "TrainedModel", alias: str | None, decided: "list[Decision]", *, code: str) -> None:
    from rich.table import Table

    from forewarn.cli.tables import console

    same = "this code" if model.code == code else f"this code is {code}"
    print(f"{model.mode} {model.version}" + (f" ({alias})" if alias else ""))
    print(f"  trained    {model.trained_at:%Y-%m-%d %H:%M} UTC on what had been received before {model.as_of:%Y-%m-%d}")
    if model.reference is not None:
        print(f"  data       days {model.reference.first:%Y-%m-%d} to {model.reference.last:%Y-%m-%d}")
    print(f"  cars       {model.vehicles}, {model.failing_vehicles} of them failing, {model.rows} rows")
    print(f"  code       {model.code or 'not kept'} ({same})")
    print(f"  libraries  {', '.join(f'{name} {number}' for name, number in model.versions.items())}")
    print(f"  SHA-256    {model.sha256}")
    print(f"  threshold  {model.threshold:.3f}, {len(model.features)} features")
    metrics = Table("Figure", "On cars held out")
    for name, value in model.metrics.items():
        metrics.add_row(name, f"{value:.4g}")
    console().print(metrics)
    if not decided:
        return
    table = Table("Decided", "What", "Version", "By", "Reason", "Gate")
    for one in decided:
        gate = "forced" if one.forced else ("passed" if one.gate else "")
        table.add_row(f"{one.decided_at:%Y-%m-%d %H:%M}", one.kind, one.version, one.decided_by, one.reason, gate)
    console().print(table)


def add_to(main: typer.Typer) -> None:
    """Register the commands."""
    for command in (train, score):
        main.command()(command)
    promotion.add_to(app)
    main.add_typer(app, name="models")
