"""Who is evaluated: models trained on simulated fleets with what they have to beat, or the champions of the store."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

from forewarn.evaluation.results import MODEL
from forewarn.evaluation.scored import Contender
from forewarn.simulated_training import TRAINING_PLANS, Progress, simulated_models
from forewarn.simulator.fleet import DEFAULT_FAULTY_SHARE, FleetPlan
from models.baselines import THRESHOLD
from models.scoring import load_champions, mode_model


def training_plans(*, vehicles: int | None = None, days: int | None = None) -> tuple[FleetPlan, ...]:
    """Return the fleets that are learnt from, with as many cars and days as asked for."""
    return tuple(replace(plan, vehicles=vehicles or plan.vehicles, days=days or plan.days) for plan in TRAINING_PLANS)


def contenders_on_simulated(
    plans: tuple[FleetPlan, ...], *, data_dir: Path, processes: int | None = None, progress: Progress | None = None
) -> tuple[list[Contender], dict[str, Any]]:
    """Return the models first, then what they have to beat, and what is to be told of them.

    Raises : NotEnoughData, when no mode can be learnt
    """
    trained = simulated_models(data_dir, plans=plans, with_baselines=True, processes=processes, progress=progress)
    baselines = [
        Contender(name, by_mode, dict.fromkeys(by_mode, THRESHOLD)) for name, by_mode in trained.baselines.items()
    ]
    first = plans[0]
    about = {
        "trained on": (
            f"{len(plans)} simulated fleets of {first.vehicles:,} cars over {first.days} days, seeds "
            f"{', '.join(str(plan.seed) for plan in plans)}, ending {', '.join(f'{p.end:%Y-%m-%d}' for p in plans)}, "
            f"{first.faulty_share:.0%} of the cars faulty, weighed as {DEFAULT_FAULTY_SHARE:.0%}"
        ),
        "failing cars": ", ".join(f"{mode} {meta.failing_vehicles}" for mode, meta in trained.metas.items()),
        "thresholds": ", ".join(f"{mode} {threshold:.3f}" for mode, threshold in trained.thresholds.items()),
        "libraries": ", ".join(f"{name} {version(name)}" for name in ("scikit-learn", "numpy", "pandas")),
    }
    return [Contender(MODEL, trained.models, trained.thresholds, trained.lamp_times), *baselines], about


def champions_as_contender(conn: psycopg.Connection[Any], data_dir: Path) -> tuple[list[Contender], dict[str, Any]]:
    """Return the models that score in this installation.

    conn   : role "models"
    Raises : NoModel, ModelFileUntrusted, ModelOutdated
    """
    champions = load_champions(conn, data_dir)
    models = {champion.meta.mode: mode_model(champion) for champion in champions}
    about = {
        "champions": ", ".join(f"{champion.meta.mode} {champion.meta.version}" for champion in champions),
        "trained on": f"the store, up to {max(champion.meta.as_of for champion in champions):%Y-%m-%d}",
    }
    thresholds = {mode: model.threshold for mode, model in models.items()}
    lamp_times = {one.meta.mode: one.lamp_time for one in champions if one.lamp_time is not None}
    return [Contender(MODEL, models, thresholds, lamp_times)], about
