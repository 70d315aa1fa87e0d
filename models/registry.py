"""Trained models as files: what is loaded is what was saved, and nothing in it can run code of its own."""

import hashlib
import os
import re
import secrets
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import structlog

from config.errors import UserMistake
from config.quantities import named
from models.calibration import Calibration
from models.features import REGIMES, Feature, Kind, from_table
from models.reference import Reference
from models.remaining import Bands, Remaining

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

# Types outside skops' own list that a model of ours is made of. The list is ours and fixed: a file cannot widen it.
TRUSTED_TYPES = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)

_MODEL_FILE, _LAMP_TIME_FILE, _META_FILE = "model.skops", "lamp-time.skops", "meta.json"
# Until promotions were rows of ``prediction.model_promotion``, this file beside the versions named the champion.
_POINTER_FILE = "champion"
# Names come back from files and command lines; only these may become part of a path.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")

# numpy reads the heads of its arrays by Python's own parser, which in Python 3.11 fails now and then in two threads.
_LOADING = threading.Lock()

_log = structlog.get_logger(__name__)


class NoModel(UserMistake):
    """There is no trained model to score with."""


class ModelFileUntrusted(UserMistake):
    """A model file is not what was saved, or holds types that no model of ours is made of."""


class ModelOutdated(UserMistake):
    """A model was trained with another version of a library, or of Forewarn, that its meaning depends on."""


class LampTime(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about the model of the days to the lamp, beside ``lamp-time.skops``, which holds its members.

    columns  : names of the features that it takes, in order
    cap_d    : what is further off is said to be so many days off
    coverage : share of cars whose days are to lie between the ends
    bands    : as in ``models.remaining.Remaining``
    sha256   : of the file
    """

    columns: list[str]
    cap_d: float
    coverage: float
    bands: Bands
    sha256: str


class TrainedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about one trained model; ``meta.json`` beside the model file.

    as_of         : UTC midnight before which everything it learnt from had been received
    features      : as of ``models.features.as_table``, in the order of the model's columns
    threshold     : probability from which a car is flagged
    metrics       : as of ``models.evaluation.metrics_of``, from cars held out of each fold
    usual         : median of each feature over rows whose lamp stayed off, in the signal's unit
    parameters    : of the estimator
    versions      : of the libraries
    code          : as of ``models.provenance.code_version``; "" of a model from before that was kept
    reference     : what its training looked like; None of a model from before that was kept
    lamp_time     : about the days to the lamp; None of a model that does not know them
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
    code: str = ""
    reference: Reference | None = None
    lamp_time: LampTime | None = None
    sha256: str = ""

    def feature_list(self) -> tuple[Feature, ...]:
        return from_table(self.features)


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to predict: ``estimator`` takes a DataFrame with the columns of ``features``, in that order.

    members : the bytes of ``lamp-time.skops``, as they were saved; None: there are none
    digest  : SHA-256 of ``meta.json``, which holds those of the other files
    """

    meta: TrainedModel
    estimator: "HistGradientBoostingClassifier"
    features: tuple[Feature, ...]
    calibration: Calibration
    members: bytes | None = field(default=None, repr=False)
    digest: str = ""

    @cached_property
    def lamp_time(self) -> Remaining | None:
        """In how many days the lamp comes on; made of ``members`` when first asked for, since only flagged cars are.

        Raises : ModelFileUntrusted
        """
        about = self.meta.lamp_time
        if about is None or self.members is None:
            return None
        from sklearn.ensemble import HistGradientBoostingRegressor

        members = _trusted(_LAMP_TIME_FILE, self.members, self.meta.mode)
        if not isinstance(members, list) or not members:
            raise ModelFileUntrusted(f"{_LAMP_TIME_FILE} holds no models: {what_instead(self.meta.mode)}")
        for member in members:
            _check_kind(_LAMP_TIME_FILE, member, HistGradientBoostingRegressor, self.meta.mode)
            _check_columns(_LAMP_TIME_FILE, member, about.columns, self.meta.mode)
        return Remaining(tuple(members), tuple(about.columns), about.cap_d, about.coverage, about.bands)


def save_model(
    estimator: "HistGradientBoostingClassifier",
    meta: TrainedModel,
    *,
    data_dir: Path,
    lamp_time: Remaining | None = None,
    digest: str | None = None,
) -> TrainedModel:
    """Write a model below ``data_dir/models/<mode>/<version>``, all of it or nothing; return its meta with the hashes.

    The same model again, which the same data, features and libraries make, leaves what is there as it is, unless that
    is damaged: a champion may be what is there.

    lamp_time : of the same features; None writes a model that does not know when
    digest    : as of ``load_model``; what is there under another one is damaged
    """
    import skops.io

    content = skops.io.dumps(estimator)
    members: bytes | None = None
    about: LampTime | None = None
    if lamp_time is not None:
        members = skops.io.dumps(list(lamp_time.members))
        about = LampTime(
            columns=list(lamp_time.columns),
            cap_d=lamp_time.cap_d,
            coverage=lamp_time.coverage,
            bands=lamp_time.bands,
            sha256=hashlib.sha256(members).hexdigest(),
        )
    meta = msgspec.structs.replace(meta, sha256=hashlib.sha256(content).hexdigest(), lamp_time=about)
    target = _folder(data_dir, meta.mode, meta.version)
    kept = _kept_whole(data_dir, meta, digest)
    if kept is not None:
        return kept
    draft = target.with_name(f".{meta.version}.{secrets.token_hex(4)}")
    draft.mkdir(parents=True)
    try:
        _write_durably(draft / _MODEL_FILE, content)
        if members is not None:
            _write_durably(draft / _LAMP_TIME_FILE, members)
        _write_durably(draft / _META_FILE, msgspec.json.format(msgspec.json.encode(meta), indent=2))
        _take_place(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return meta


def _kept_whole(data_dir: Path, meta: TrainedModel, digest: str | None) -> TrainedModel | None:
    """Return what is kept of the same model, if none of its files is damaged or says something else."""
    try:
        kept = load_model(data_dir, meta.mode, meta.version, digest=digest).meta
    except (NoModel, ModelFileUntrusted, ModelOutdated):
        return None
    return kept if _but_when(kept) == _but_when(meta) else None


def _but_when(meta: TrainedModel) -> TrainedModel:
    """Return what training the same again does not change: files differ by when they were written."""
    about = meta.lamp_time and msgspec.structs.replace(meta.lamp_time, sha256="")
    return msgspec.structs.replace(meta, trained_at=meta.as_of, code="", sha256="", lamp_time=about)


def _take_place(draft: Path, target: Path) -> None:
    """Have a draft take the place of what is there, which stays when it cannot: a champion may be what is there."""
    if not target.exists():
        draft.rename(target)
        return
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    target.rename(aside)
    try:
        draft.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def list_models(data_dir: Path) -> list[TrainedModel]:
    """Return every saved model by fault mode and version; one that cannot be read is passed over and logged."""
    return list(_readable(data_dir, (data_dir / "models").glob(f"*/[!.]*/{_META_FILE}")))


def newest_model(data_dir: Path, mode: str) -> TrainedModel | None:
    """Return the model of a fault mode that was trained last; one that cannot be read is passed over and logged."""
    newest: TrainedModel | None = None
    for meta in _readable(data_dir, _folder(data_dir, mode).glob(f"[!.]*/{_META_FILE}")):
        if newest is None or meta.trained_at >= newest.trained_at:
            newest = meta
    return newest


def _readable(data_dir: Path, files: Iterable[Path]) -> Iterator[TrainedModel]:
    for file in sorted(files):
        mode, version = file.parent.parent.name, file.parent.name
        try:
            yield read_meta(data_dir, mode, version)
        except (NoModel, ModelFileUntrusted) as error:
            _log.warning("model passed over", mode=mode, version=version, reason=str(error))


def pointers(data_dir: Path) -> dict[str, str]:
    """Return the version that each pointer file names, by fault mode: champions of an installation before decisions."""
    files = sorted((data_dir / "models").glob(f"*/{_POINTER_FILE}"))
    return {file.parent.name: file.read_text(encoding="utf-8").strip() for file in files}


def model_folder(data_dir: Path, mode: str, version: str) -> Path:
    """Return where a model's files are.

    Raises : NoModel, when the names cannot be those of a model
    """
    return _folder(data_dir, mode, version)


def read_meta(data_dir: Path, mode: str, version: str, *, digest: str | None = None) -> TrainedModel:
    """Return what is known about a saved model.

    digest : as of ``load_model``
    Raises : NoModel, when there is no such version; ModelFileUntrusted
    """
    return _meta_of(_folder(data_dir, mode, version) / _META_FILE, _read_meta(data_dir, mode, version), mode, digest)


def digest_of(data_dir: Path, mode: str, version: str) -> str:
    """Return the SHA-256 of what is known about a saved model, which holds those of its other files.

    Raises : NoModel, when there is no such version; ModelFileUntrusted
    """
    return hashlib.sha256(_read_meta(data_dir, mode, version)).hexdigest()


def _read_meta(data_dir: Path, mode: str, version: str) -> bytes:
    try:
        return (_folder(data_dir, mode, version) / _META_FILE).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NoModel(f"there is no model {version} of {mode}: 'forewarn models list' shows what there is") from error
    except OSError as error:
        raise _unreadable(_folder(data_dir, mode, version) / _META_FILE, error, mode) from error


def _unreadable(file: Path, error: OSError, mode: str) -> ModelFileUntrusted:
    return ModelFileUntrusted(f"{file} cannot be read ({error.strerror}): {what_instead(mode)}")


def _meta_of(file: Path, content: bytes, mode: str, digest: str | None) -> TrainedModel:
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        raise ModelFileUntrusted(f"{file} is not the one that was decided for: {what_instead(mode)}")
    try:
        return msgspec.json.decode(content, type=TrainedModel)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelFileUntrusted(f"{file} is damaged ({error}): {what_instead(mode)}") from error


def load_model(data_dir: Path, mode: str, version: str, *, digest: str | None = None) -> LoadedModel:
    """Load a saved model, if its file is unchanged, made of trusted types only and of these versions of its libraries.

    digest : of the model that was decided for, as of ``digest_of``; None takes what is there at its own word
    Raises : NoModel, ModelFileUntrusted, ModelOutdated
    """
    import sklearn
    from sklearn.ensemble import HistGradientBoostingClassifier

    told = _read_meta(data_dir, mode, version)
    file = _folder(data_dir, mode, version) / _MODEL_FILE
    meta = _meta_of(file.with_name(_META_FILE), told, mode, digest)
    content = _unchanged(file, meta.sha256, mode)
    if (meta.mode, meta.version) != (mode, version):
        raise ModelFileUntrusted(f"{file} belongs to {meta.version} of {meta.mode}: {what_instead(mode)}")
    _check_versions(meta, {"scikit-learn": sklearn.__version__})
    features = _features_of(meta)
    calibration = _calibration_of(file.with_name(_META_FILE), meta)
    estimator = _trusted(file, content, mode)
    _check_kind(file, estimator, HistGradientBoostingClassifier, mode)
    _check_columns(file, estimator, [feature.name for feature in features], mode)
    members = _members_of(meta, file.with_name(_LAMP_TIME_FILE))
    return LoadedModel(meta, estimator, features, calibration, members, hashlib.sha256(told).hexdigest())


def _members_of(meta: TrainedModel, file: Path) -> bytes | None:
    about = meta.lamp_time
    return None if about is None else _unchanged(file, about.sha256, meta.mode)


def _unchanged(file: Path, sha256: str, mode: str) -> bytes:
    if not file.is_file():
        raise ModelFileUntrusted(f"{file} is gone: {what_instead(mode)}")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _unreadable(file, error, mode) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelFileUntrusted(f"{file} is not the file that was saved: {what_instead(mode)}")
    return content


def _trusted(file: Path | str, content: bytes, mode: str) -> Any:
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    with _LOADING:
        try:
            # Looks at every type before it makes anything of one.
            return skops.io.loads(content, trusted=list(TRUSTED_TYPES))
        except UntrustedTypesFoundException as error:
            untrusted = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED_TYPES))
            raise ModelFileUntrusted(
                f"{file} holds {', '.join(untrusted)}: delete it, then {what_instead(mode)}"
            ) from error
        except Exception as error:
            # What was never written by skops makes it fail in any way it likes.
            raise ModelFileUntrusted(
                f"{file} holds no model ({type(error).__name__}): delete it, then {what_instead(mode)}"
            ) from error


def _check_kind(file: Path | str, estimator: Any, kind: type, mode: str) -> None:
    """Make sure of what is asked for predictions: skops trusts estimators that no model of ours is."""
    if type(estimator) is not kind:
        raise ModelFileUntrusted(
            f"{file} holds a {type(estimator).__name__} and no {kind.__name__}: delete it, then {what_instead(mode)}"
        )


def _calibration_of(file: Path, meta: TrainedModel) -> Calibration:
    """Return the calibration of a model; one from before there was any leaves what the estimator says as it is."""
    try:
        return msgspec.convert(meta.parameters.get("calibration", {}), Calibration)
    except msgspec.ValidationError as error:
        raise ModelFileUntrusted(f"{file} holds no calibration ({error}): {what_instead(meta.mode)}") from error


def _check_columns(file: Path | str, estimator: Any, columns: Sequence[str], mode: str) -> None:
    if list(getattr(estimator, "feature_names_in_", [])) != list(columns):
        raise ModelFileUntrusted(f"{file} and {_META_FILE} name other features: {what_instead(mode)}")


def what_instead(mode: str) -> str:
    """Return what to do about a model of a fault mode that is not loaded."""
    return (
        f"put it back from a backup, go back with 'forewarn models rollback {mode}', or run 'forewarn train' and"
        f" 'forewarn models promote {mode}'"
    )


def _check_versions(meta: TrainedModel, here: Mapping[str, str]) -> None:
    for library, version in here.items():
        trained = meta.versions.get(library)
        if trained != version:
            raise ModelOutdated(
                f"model {meta.version} of {meta.mode} was trained with {library} {trained} and this is {version}: "
                f"run 'forewarn train' and 'forewarn models promote {meta.mode}'"
            )


def _features_of(meta: TrainedModel) -> tuple[Feature, ...]:
    """Return the features of a model, each of which this version must know what to make of.

    Raises : ModelOutdated
    """
    try:
        features = meta.feature_list()
    except TypeError as error:
        raise ModelOutdated(_of_another_forewarn(meta, str(error))) from error
    for feature in features:
        if named(feature.column) is None:
            raise ModelOutdated(_of_another_forewarn(meta, f"no signal or quantity is called {feature.column}"))
        if feature.kind not in get_args(Kind) or feature.regime not in REGIMES:
            raise ModelOutdated(_of_another_forewarn(meta, f"nothing here makes {feature.name}"))
    return features


def _of_another_forewarn(meta: TrainedModel, what: str) -> str:
    return (
        f"model {meta.version} of {meta.mode} was trained by another Forewarn ({what}): "
        f"run 'forewarn train' and 'forewarn models promote {meta.mode}', or use that version"
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
