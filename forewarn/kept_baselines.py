"""What models trained on simulated fleets have to beat, kept beside them."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pandas as pd
import structlog

from models.baselines import Forest, Rule
from models.features import Feature

Baselines = Mapping[str, Mapping[str, Rule | Forest]]

_FILE = "baselines.json"

_log = structlog.get_logger(__name__)


class _Forest(msgspec.Struct, frozen=True):
    """A forest is grown again from its rows when it is needed: the same seed gives the same trees."""

    file: str
    features: tuple[Feature, ...]
    usual: dict[str, float]
    seed: int
    cut: float
    scale: float


class _Kept(msgspec.Struct, frozen=True):
    rules: dict[str, dict[str, Rule]]
    forests: dict[str, dict[str, _Forest]]


def keep_baselines(baselines: Baselines, folder: Path) -> None:
    """Write baselines into a folder; what is interrupted is not taken for what is kept."""
    rules: dict[str, dict[str, Rule]] = {}
    forests: dict[str, dict[str, _Forest]] = {}
    folder.mkdir(parents=True, exist_ok=True)
    for name, by_mode in baselines.items():
        for mode, one in by_mode.items():
            if isinstance(one, Rule):
                rules.setdefault(name, {})[mode] = one
            else:
                forests.setdefault(name, {})[mode] = _written(one, folder, mode)
    draft = folder / f".{_FILE}"
    draft.write_bytes(msgspec.json.encode(_Kept(rules, forests)))
    draft.replace(folder / _FILE)


def _written(forest: Forest, folder: Path, mode: str) -> _Forest:
    file = folder / f"{mode}.forest.parquet"
    forest.sample.to_parquet(file, index=False)
    usual = {str(name): float(value) for name, value in forest.usual.items()}
    return _Forest(file.name, forest.features, usual, forest.seed, forest.cut, forest.scale)


def kept_baselines(folder: Path) -> Baselines | None:
    """Return what a folder holds; None when there is none, or it is damaged and has to be made again."""
    try:
        found = msgspec.json.decode((folder / _FILE).read_bytes(), type=_Kept)
        forests: dict[str, dict[str, Rule | Forest]] = {
            name: {mode: _read(folder, one) for mode, one in by_mode.items()} for name, by_mode in found.forests.items()
        }
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _log.warning("baselines cannot be read and are chosen again", folder=str(folder), reason=str(error))
        return None
    return {**{name: dict(by_mode) for name, by_mode in found.rules.items()}, **forests}


def _read(folder: Path, forest: _Forest) -> Forest:
    usual = pd.Series(forest.usual, dtype="float32")
    sample = pd.read_parquet(folder / forest.file)
    return Forest(forest.features, sample, usual, forest.seed, forest.cut, forest.scale)
