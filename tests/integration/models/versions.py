"""Models saved beside a trained one: the same estimator under another name, as good or bad as a test wants it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from models.registry import TrainedModel, list_models, load_model, save_model


def another(data_dir: Path, version: str, *, hours_later: float = 1, **metrics: float) -> TrainedModel:
    """Save the first model of the folder again as a later version with some metrics changed."""
    first = min(list_models(data_dir), key=lambda meta: meta.trained_at)
    loaded = load_model(data_dir, first.mode, first.version)
    changes: dict[str, Any] = {
        "version": version,
        "trained_at": first.trained_at + timedelta(hours=hours_later),
        "metrics": first.metrics | metrics,
    }
    return save_model(loaded.estimator, msgspec.structs.replace(first, **changes), data_dir=data_dir)
