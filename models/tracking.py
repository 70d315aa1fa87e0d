"""Trained models shown in MLflow: runs, parameters, metrics, reports, versions and their aliases.

MLflow is told, never asked: our own files hold the models and ``prediction.model_promotion`` says which one scores. So
its store can be deleted and is made anew of those by the next mirroring. This module alone imports MLflow.
"""

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import msgspec

from models.promotion import Alias
from models.registry import TrainedModel, model_folder

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

# Ours in a store that others may use too.
_PREFIX = "forewarn-"
_FOLDER = "mlflow"
# The longest value that MLflow's store takes.
_LONGEST_PARAMETER = 6000
# Read by MLflow when it is imported: nothing leaves this machine, and its own notes are not ours to print.
_ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_LOGGING_LEVEL": "WARNING"}


def mirror(
    models: list[TrainedModel],
    *,
    aliases: Mapping[tuple[str, str], Alias],
    data_dir: Path,
    uri: str | None = None,
) -> int:
    """Bring MLflow to what the registry holds; return how many models it did not know.

    aliases : "champion" or "challenger" by fault mode and version
    uri     : of MLflow's store, None for a file below ``data_dir``
    Raises  : whatever MLflow and its database raise
    """
    folder = data_dir.resolve() / _FOLDER
    with _client(uri or _file_uri(folder)) as client:
        new = 0
        for mode in sorted({model.mode for model in models}):
            own = [model for model in models if model.mode == mode]
            known = _versions(client, mode)
            # In the order they were trained, so that MLflow numbers them so.
            for model in sorted(own, key=lambda one: one.trained_at):
                if model.version not in known:
                    known[model.version] = _register(client, model, data_dir=data_dir, folder=folder)
                    new += 1
            for alias in get_args(Alias):
                _point(client, mode, alias, [known[v] for (m, v), a in aliases.items() if (m, a) == (mode, alias)])
        return new


def evaluation_report(model: TrainedModel) -> str:
    """Return what is known of a model's worth, in Markdown."""
    trained = (
        f"Trained {model.trained_at:%Y-%m-%d %H:%M} UTC by Forewarn {model.code or 'of before that was kept'} on"
        f" {model.rows} rows of {model.vehicles} cars, {model.failing_vehicles} of them failing, from what had been"
        f" received before {model.as_of:%Y-%m-%d}."
    )
    lines = [
        f"# {model.mode} {model.version}",
        "",
        trained,
        "",
        f"A car is flagged from a probability of {model.threshold:.4f} on. Figures are of cars held out of each fold.",
        "",
        "| figure | value |",
        "|---|---|",
        *(f"| {name} | {value:.6g} |" for name, value in model.metrics.items()),
    ]
    if model.reference is not None:
        lines += [
            "",
            f"Rows are of {model.reference.first:%Y-%m-%d} to {model.reference.last:%Y-%m-%d}.",
            "",
            "| rows | probability | came true |",
            "|---|---|---|",
            *(f"| {one.n} | {one.predicted:.4f} | {one.observed:.4f} |" for one in model.reference.calibration),
        ]
    return "\n".join(lines) + "\n"


@contextmanager
def _client(uri: str) -> "Iterator[MlflowClient]":
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        # What MLflow and SQLAlchemy have to settle with each other is nothing the user can mend.
        warnings.simplefilter("ignore")
        from mlflow.tracking import MlflowClient

        _check_readable(uri)
        yield MlflowClient(tracking_uri=uri, registry_uri=uri)


def _check_readable(uri: str) -> None:
    """Find out at once that a store is damaged or away: MLflow tries again for a hundred seconds."""
    from sqlalchemy import NullPool, create_engine, inspect

    engine = create_engine(uri, poolclass=NullPool)
    try:
        inspect(engine).get_table_names()
    finally:
        engine.dispose()


def _file_uri(folder: Path) -> str:
    from sqlalchemy.engine import URL

    folder.mkdir(parents=True, exist_ok=True)
    return URL.create("sqlite", database=str(folder / "mlflow.db")).render_as_string(hide_password=False)


def _versions(client: "MlflowClient", mode: str) -> dict[str, str]:
    """Return MLflow's number of each version it knows; make the place for them when it knows of none."""
    from mlflow.exceptions import MlflowException

    name = _PREFIX + mode
    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(name, description=f"Probability that the lamp of {mode} comes on.")
    return {one.tags["version"]: str(one.version) for one in client.search_model_versions(f"name='{name}'")}


def _register(client: "MlflowClient", model: TrainedModel, *, data_dir: Path, folder: Path) -> str:
    name = _PREFIX + model.mode
    experiment = client.get_experiment_by_name(name)
    place = (folder / "artifacts" / model.mode).as_uri()
    number = experiment.experiment_id if experiment else client.create_experiment(name, artifact_location=place)
    tags = {
        "version": model.version,
        "code": model.code,
        "sha256": model.sha256,
        "as_of": f"{model.as_of:%Y-%m-%d}",
        "rows": str(model.rows),
        "vehicles": str(model.vehicles),
        "failing_vehicles": str(model.failing_vehicles),
        **{f"library.{library}": version for library, version in model.versions.items()},
    }
    if model.reference is not None:
        tags["data"] = f"{model.reference.first:%Y-%m-%d} to {model.reference.last:%Y-%m-%d}"
    began_ms = _ms(model.trained_at)
    run = client.create_run(number, start_time=began_ms, tags=tags, run_name=model.version)
    run_id = run.info.run_id
    for key, value in (model.parameters | {"threshold": model.threshold}).items():
        client.log_param(run_id, key, str(value)[:_LONGEST_PARAMETER])
    for key, value in model.metrics.items():
        client.log_metric(run_id, key, value, timestamp=began_ms)
    client.log_text(run_id, evaluation_report(model), "evaluation.md")
    client.log_text(run_id, _json(model), "meta.json")
    client.set_terminated(run_id, end_time=began_ms)
    source = model_folder(data_dir.resolve(), model.mode, model.version).as_uri()
    made = client.create_model_version(name, source=source, run_id=run_id, tags=tags)
    return str(made.version)


def _point(client: "MlflowClient", mode: str, alias: str, numbers: list[str]) -> None:
    name = _PREFIX + mode
    before = client.get_registered_model(name).aliases.get(alias)
    if numbers and numbers != [str(before)]:
        client.set_registered_model_alias(name, alias, numbers[0])
    elif not numbers and before is not None:
        client.delete_registered_model_alias(name, alias)


def _json(model: TrainedModel) -> str:
    return msgspec.json.format(msgspec.json.encode(model), indent=2).decode()


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
