"""What simulated fleets taught, kept as files for as long as it holds.

It lies below the data folder under a name made of the plan and of the code it comes from, so that the next evaluation
of the same code finds it and one of other code trains anew. Nothing that is read back can run code of its own.
"""

import hashlib
import secrets
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import skops.io
import structlog

from forewarn.simulated_training import Progress, Trained, TrainingPlan, train_on_simulated
from models.baselines import Forest, Rule
from models.calibration import Calibration
from models.features import Feature
from models.fleet_scores import ModeModel
from models.registry import TRUSTED_TYPES

_META = "trained.json"

_log = structlog.get_logger(__name__)


class _Model(msgspec.Struct, frozen=True):
    file: str
    sha256: str
    features: tuple[Feature, ...]
    calibration: Calibration
    threshold: float


class _Forest(msgspec.Struct, frozen=True):
    file: str
    features: tuple[Feature, ...]
    usual: dict[str, float]
    seed: int
    cut: float
    scale: float


class _Meta(msgspec.Struct, frozen=True):
    models: dict[str, _Model]
    rules: dict[str, dict[str, Rule]]
    forests: dict[str, dict[str, _Forest]]
    about: dict[str, str]


def trained_for(
    plan: TrainingPlan, *, data_dir: Path, processes: int | None = None, progress: Progress | None = None
) -> Trained:
    """Return what was trained by this plan and this code, trained now unless it is kept below ``data_dir``.

    Raises : NotEnoughData, when no mode can be learnt
    """
    folder = data_dir / "simulated" / fingerprint(plan)
    found = kept(folder)
    if found is None:
        found = train_on_simulated(plan, processes=processes, progress=progress)
        keep(found, folder)
    return found


def fingerprint(plan: TrainingPlan) -> str:
    """Return a name of everything that decides what is learnt: the plan, the code, the libraries."""
    digest = hashlib.sha256(msgspec.json.encode(plan))
    for library in ("scikit-learn", "numpy", "pandas"):
        digest.update(version(library).encode())
    root = Path(__file__).parent.parent
    folders = ("config", "models", "forewarn/simulator")
    files = [file for folder in folders for kind in ("py", "toml") for file in (root / folder).rglob(f"*.{kind}")]
    for file in sorted([*files, *(root / "forewarn" / name for name in ("fleet_frames.py", "simulated_training.py"))]):
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def keep(trained: Trained, folder: Path) -> None:
    """Write what was taught into a folder, all of it or nothing."""
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    draft.mkdir(parents=True)
    try:
        rules: dict[str, dict[str, Rule]] = {}
        forests: dict[str, dict[str, _Forest]] = {}
        for name, by_mode in trained.baselines.items():
            for mode, one in by_mode.items():
                if isinstance(one, Rule):
                    rules.setdefault(name, {})[mode] = one
                else:
                    forests.setdefault(name, {})[mode] = _written_forest(one, draft, mode)
        meta = _Meta(
            {mode: _written(model, draft, mode) for mode, model in trained.models.items()},
            rules,
            forests,
            trained.about,
        )
        (draft / _META).write_bytes(msgspec.json.encode(meta))
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _written(model: ModeModel, folder: Path, mode: str) -> _Model:
    content = skops.io.dumps(model.estimator)
    file = folder / f"{mode}.skops"
    file.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return _Model(file.name, digest, model.features, model.calibration, model.threshold)


def _written_forest(forest: Forest, folder: Path, mode: str) -> _Forest:
    # Grown again from its rows when it is needed: the same seed gives the same trees.
    file = folder / f"{mode}.forest.parquet"
    forest.sample.to_parquet(file, index=False)
    usual = {str(name): float(value) for name, value in forest.usual.items()}
    return _Forest(file.name, forest.features, usual, forest.seed, forest.cut, forest.scale)


def kept(folder: Path) -> Trained | None:
    """Return what a folder holds; None when there is none, or it is damaged and has to be made again."""
    try:
        meta = msgspec.json.decode((folder / _META).read_bytes(), type=_Meta)
        models = {mode: _read(folder, model) for mode, model in meta.models.items()}
        forests = {
            name: {mode: _read_forest(folder, one) for mode, one in by_mode.items()}
            for name, by_mode in meta.forests.items()
        }
    except FileNotFoundError:
        return None
    except (OSError, ValueError, msgspec.DecodeError) as error:
        _log.warning("what was trained cannot be read and is trained again", folder=str(folder), reason=str(error))
        return None
    baselines: dict[str, dict[str, Rule | Forest]] = {name: dict(by_mode) for name, by_mode in meta.rules.items()}
    return Trained(models, {**baselines, **{name: dict(by_mode) for name, by_mode in forests.items()}}, meta.about)


def _read(folder: Path, model: _Model) -> ModeModel:
    content = (folder / model.file).read_bytes()
    if hashlib.sha256(content).hexdigest() != model.sha256:
        raise ValueError(f"{model.file} is not what was written")
    unknown: Any = set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED_TYPES)
    if unknown:
        raise ValueError(f"{model.file} holds {', '.join(sorted(unknown))}")
    estimator = skops.io.loads(content, trusted=list(TRUSTED_TYPES))
    return ModeModel(estimator, model.features, model.calibration, model.threshold)


def _read_forest(folder: Path, forest: _Forest) -> Forest:
    sample = pd.read_parquet(folder / forest.file)
    usual = pd.Series(forest.usual, dtype="float32")
    return Forest(forest.features, sample, usual, forest.seed, forest.cut, forest.scale)
