"""Commands about the models: train, score, models list."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from config.errors import UserMistake
from forewarn.cli.opening import opened, say, settings_of_process

if TYPE_CHECKING:
    from config.settings import Settings
    from forewarn.schedule import JobName
    from models.registry import TrainedModel

_AS_OF = "UTC day whose midnight ends the data that may be used, as 2026-03-01; default today."

# Of those that models.evaluation measures, the ones a person compares models by.
_METRICS = ("average_precision", "roc_auc", "recall")

app = typer.Typer(help="The trained models.", no_args_is_help=True)


def train(
    as_of: Annotated[str | None, typer.Option(help=_AS_OF)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """Train a model for every fault mode.

    The new models are the ones that score from now on.

    Example: forewarn train --as-of 2026-03-01
    """
    day = _midnight(as_of)
    with opened() as settings:
        _show(_run(settings, "train", day, "Training"), as_json=as_json, champions=None)


def score(
    as_of: Annotated[str | None, typer.Option(help=_AS_OF)] = None,
    no_triage: Annotated[bool, typer.Option("--no-triage", help="Leave cases as they are.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score every car and bring the cases up to date.

    Example: forewarn score
    """
    day = _midnight(as_of)
    with opened() as settings:
        scored = _run(settings, "score", day, "Scoring")
        triaged = None if no_triage else _run(settings, "triage", day, "Opening cases")
    if as_json:
        print(json.dumps(msgspec.to_builtins({"score": scored, "triage": triaged}), default=str))
        return
    print(scored)
    if triaged is not None:
        print(triaged.message)


@app.command("list")
def list_all(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List the trained models.

    Example: forewarn models list --json
    """
    from models.registry import champions, list_models

    data_dir = settings_of_process().data_dir
    scoring = {(model.mode, model.version) for model in champions(data_dir)}
    _show(list_models(data_dir), as_json=as_json, champions=scoring)


def _run(settings: "Settings", name: "JobName", as_of: datetime | None, text: str) -> Any:
    from forewarn.schedule import JOBS, JobContext

    say(text)
    return JOBS[name](JobContext(settings, as_of=as_of))


def _midnight(day: str | None) -> datetime | None:
    if day is None:
        return None
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise UserMistake(f"--as-of {day} is not a day: write it as 2026-03-01") from error


def _show(models: "list[TrainedModel]", *, as_json: bool, champions: set[tuple[str, str]] | None) -> None:
    """Print models; ``champions`` are those that score, None when all do."""
    if as_json:
        print(json.dumps([_facts(model, champions) for model in models], indent=2))
        return
    if not models:
        print("no model yet: 'forewarn train' makes one for every fault mode that has enough lamps to learn from")
        return
    from rich.table import Table

    from forewarn.cli.tables import console

    table = Table(
        "Fault mode", "Version", "As of", "Scores", "Cars (failing)", "Average precision", "ROC AUC", "Recall"
    )
    for facts in (_facts(model, champions) for model in models):
        metrics = [f"{facts[name]:.2f}" if facts[name] is not None else "" for name in _METRICS]
        cars = f"{facts['vehicles']} ({facts['failing_vehicles']})"
        scores = "yes" if facts["scores"] else ""
        table.add_row(facts["mode"], facts["version"], facts["as_of"][:10], scores, cars, *metrics)
    console().print(table)


def _facts(model: "TrainedModel", champions: set[tuple[str, str]] | None) -> dict[str, Any]:
    return {
        "mode": model.mode,
        "version": model.version,
        "scores": champions is None or (model.mode, model.version) in champions,
        "as_of": model.as_of.isoformat(),
        "trained_at": model.trained_at.isoformat(),
        "vehicles": model.vehicles,
        "failing_vehicles": model.failing_vehicles,
        "threshold": model.threshold,
        **{name: model.metrics.get(name) for name in _METRICS},
    }


def add_to(main: typer.Typer) -> None:
    """Register the commands."""
    for command in (train, score):
        main.command()(command)
    main.add_typer(app, name="models")
