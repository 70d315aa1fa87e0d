"""Who is evaluated: models trained on simulated fleets with what they have to beat, or the champions of the store."""

from pathlib import Path
from typing import Any

from forewarn.evaluation.results import MODEL
from forewarn.evaluation.scored import Contender
from forewarn.kept_training import trained_for
from forewarn.simulated_training import Progress, TrainingPlan
from models.baselines import THRESHOLD
from models.scoring import load_champions, mode_model


def contenders_on_simulated(
    plan: TrainingPlan, *, data_dir: Path, processes: int | None = None, progress: Progress | None = None
) -> tuple[list[Contender], dict[str, Any]]:
    """Return the models first, then what they have to beat, and what is to be told of them.

    Raises : NotEnoughData, when no mode can be learnt
    """
    trained = trained_for(plan, data_dir=data_dir, processes=processes, progress=progress)
    models = Contender(MODEL, trained.models, {mode: model.threshold for mode, model in trained.models.items()})
    baselines = [
        Contender(name, by_mode, dict.fromkeys(by_mode, THRESHOLD)) for name, by_mode in trained.baselines.items()
    ]
    return [models, *baselines], dict(trained.about)


def champions_as_contender(data_dir: Path) -> tuple[list[Contender], dict[str, Any]]:
    """Return the models that score in this installation.

    Raises : NoModel, ModelFileUntrusted, ModelOutdated
    """
    champions = load_champions(data_dir)
    models = {champion.meta.mode: mode_model(champion) for champion in champions}
    about = {
        "champions": ", ".join(f"{champion.meta.mode} {champion.meta.version}" for champion in champions),
        "trained on": f"the store, up to {max(champion.meta.as_of for champion in champions):%Y-%m-%d}",
    }
    return [Contender(MODEL, models, {mode: model.threshold for mode, model in models.items()})], about
