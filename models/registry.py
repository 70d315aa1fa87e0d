"""Trained models as files: what is loaded is what was saved, and nothing in it can run code of its own."""

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from config.errors import UserMistake
from models.features import Feature, from_table

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

# Types outside skops' own list that a model of ours is made of. The list is ours and fixed: a file cannot widen it.
TRUSTED_TYPES = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)

_MODEL_FILE, _META_FILE, _CHAMPION_FILE = "model.skops", "meta.json", "champion"
# Names come back from files and command lines; only these may become part of a path.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


class NoModel(UserMistake):
    """There is no trained model to score with."""


class ModelFileUntrusted(UserMistake):
    """A model file is not what was saved, or holds types that no model of ours is made of."""


class ModelOutdated(UserMistake):
    """A model was trained with another version of a library that its meaning depends on."""


class TrainedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about one trained model; ``meta.json`` beside the model file.

    as_of         : UTC midnight before which everything it learnt from had been received
    features      : as of ``models.features.as_table``, in the order of the model's columns
    threshold     : probability from which a car is flagged
    metrics       : as of ``models.evaluation.metrics_of``, from cars held out of each fold
    usual         : median of each feature over rows whose lamp stayed off, in the signal's unit
    parameters    : of the estimator
    versions      : of the libraries
    sha256        : of the model file
    """

    mode: str
    version: str
    as_of: datetime
    trained_at: datetime
    features: list[dict[str, Any]]
    threshold: float
    metrics: dict[str, float]
    usual: dict[str, float]
    rows: int
    vehicles: int
    failing_vehicles: int
    parameters: dict[str, Any]
    versions: dict[str, str]
    sha256: str = ""

    def feature_list(self) -> tuple[Feature, ...]:
        return from_table(self.features)


class LoadedModel(msgspec.Struct, frozen=True):
    """A model ready to predict: ``estimator`` takes a DataFrame with the columns of ``features``, in that order."""

    meta: TrainedModel
    estimator: "HistGradientBoostingClassifier"
    features: tuple[Feature, ...]


def save_model(estimator: "HistGradientBoostingClassifier", meta: TrainedModel, *, data_dir: Path) -> TrainedModel:
    """Write a model below ``data_dir/models/<mode>/<version>``, all of it or nothing; return its meta with the hash."""
    import skops.io

    content = skops.io.dumps(estimator)
    meta = msgspec.structs.replace(meta, sha256=hashlib.sha256(content).hexdigest())
    target = _folder(data_dir, meta.mode, meta.version)
    draft = target.with_name(f".{meta.version}.{secrets.token_hex(4)}")
    draft.mkdir(parents=True)
    try:
        _write_durably(draft / _MODEL_FILE, content)
        _write_durably(draft / _META_FILE, msgspec.json.format(msgspec.json.encode(meta), indent=2))
        # The same version again comes from the same data, features and libraries, so the newer may take its place.
        if target.exists():
            shutil.rmtree(target)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return meta


def promote(data_dir: Path, mode: str, version: str) -> None:
    """Make one version the champion of its fault mode: the one that scores.

    Raises : NoModel, when there is no such version
    """
    read_meta(data_dir, mode, version)
    pointer = _folder(data_dir, mode) / _CHAMPION_FILE
    draft = pointer.with_name(f".{_CHAMPION_FILE}.{secrets.token_hex(4)}")
    _write_durably(draft, version.encode())
    draft.replace(pointer)


def champions(data_dir: Path) -> list[TrainedModel]:
    """Return the model that scores for each fault mode that has one, by fault mode."""
    pointers = sorted((data_dir / "models").glob(f"*/{_CHAMPION_FILE}"))
    return [read_meta(data_dir, pointer.parent.name, pointer.read_text().strip()) for pointer in pointers]


def list_models(data_dir: Path) -> list[TrainedModel]:
    """Return every saved model by fault mode and version."""
    files = sorted((data_dir / "models").glob(f"*/[!.]*/{_META_FILE}"))
    return [read_meta(data_dir, file.parent.parent.name, file.parent.name) for file in files]


def read_meta(data_dir: Path, mode: str, version: str) -> TrainedModel:
    """Return what is known about a saved model.

    Raises : NoModel, when there is no such version
    """
    file = _folder(data_dir, mode, version) / _META_FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=TrainedModel)
    except FileNotFoundError as error:
        raise NoModel(f"there is no model {version} of {mode}: 'forewarn models list' shows what there is") from error
    except msgspec.DecodeError as error:
        raise ModelFileUntrusted(f"{file} is damaged ({error}): run 'forewarn train' again") from error


def load_model(data_dir: Path, mode: str, version: str) -> LoadedModel:
    """Load a saved model, if its file is unchanged, made of trusted types only and of this version of scikit-learn.

    Raises : NoModel, ModelFileUntrusted, ModelOutdated
    """
    import sklearn
    import skops.io

    meta = read_meta(data_dir, mode, version)
    file = _folder(data_dir, mode, version) / _MODEL_FILE
    content = file.read_bytes() if file.is_file() else b""
    if hashlib.sha256(content).hexdigest() != meta.sha256:
        raise ModelFileUntrusted(f"{file} is not the file that was saved: run 'forewarn train' again")
    _check_versions(meta, {"scikit-learn": sklearn.__version__})
    untrusted = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED_TYPES))
    if untrusted:
        raise ModelFileUntrusted(f"{file} holds {', '.join(untrusted)}: delete it and run 'forewarn train' again")
    estimator = skops.io.loads(content, trusted=list(TRUSTED_TYPES))
    features = meta.feature_list()
    if list(getattr(estimator, "feature_names_in_", [])) != [feature.name for feature in features]:
        raise ModelFileUntrusted(f"{file} and {_META_FILE} name other features: run 'forewarn train' again")
    return LoadedModel(meta, estimator, features)


def _check_versions(meta: TrainedModel, here: Mapping[str, str]) -> None:
    for library, version in here.items():
        trained = meta.versions.get(library)
        if trained != version:
            raise ModelOutdated(
                f"the model of {meta.mode} was trained with {library} {trained} and this is {version}: "
                "run 'forewarn train'"
            )


def _folder(data_dir: Path, *names: str) -> Path:
    for name in names:
        if not _NAME.fullmatch(name):
            raise NoModel(f"{name!r} is no name of a model: 'forewarn models list' shows what there is")
    return data_dir.joinpath("models", *names)


def _write_durably(file: Path, content: bytes) -> None:
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
