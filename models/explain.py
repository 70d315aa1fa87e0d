"""Reasons: which signals drove a score. Slow (some thousand rows a second and model), so only for what is shown."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from config.quantities import named
from models.features import Feature
from models.registry import LoadedModel
from models.tables import Reason

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

REASONS = 3

_explainers: "WeakKeyDictionary[HistGradientBoostingClassifier, Any]" = WeakKeyDictionary()


def explain(model: LoadedModel, rows: pd.DataFrame) -> list[list[Reason]]:
    """Return for each row the three signals that drove its score, strongest first.

    rows : DataFrame (n_rows, >= n_features) as of ``models.features.feature_rows``
    """
    if rows.empty:
        return []
    table = rows[[feature.name for feature in model.features]]
    effects = np.asarray(_explainer(model.estimator).shap_values(table), dtype=np.float64)
    return top_signals(model.features, table, effects, usual=model.meta.usual)


def _explainer(estimator: "HistGradientBoostingClassifier") -> Any:
    """Return what explains an estimator: taking its trees apart takes longer than explaining a few rows."""
    # Imports numba; a command that explains nothing should not wait for it.
    from shap import TreeExplainer

    if estimator not in _explainers:
        _explainers[estimator] = TreeExplainer(estimator)
    return _explainers[estimator]


def top_signals(
    features: Sequence[Feature],
    rows: pd.DataFrame,
    effects: NDArray[np.float64],
    *,
    usual: Mapping[str, float],
    limit: int = REASONS,
) -> list[list[Reason]]:
    """Add up the effects of each signal's features and return the ``limit`` signals that raised the score most.

    effects : (n_rows, n_features) log-odds, columns in the order of ``features``
    Returns : n_rows lists. Each signal is told by its most effective feature with a value. Where fewer than ``limit``
              signals raised the score the list goes on with those that lowered it least: their effect is negative
    """
    signals = list(dict.fromkeys(feature.column for feature in features))
    belongs = np.array([[feature.column == signal for signal in signals] for feature in features], dtype=np.float64)
    sums = effects @ belongs
    values = rows.to_numpy(dtype=np.float64)
    told = []
    for row in range(len(values)):
        strongest = np.argsort(-sums[row], kind="stable")[:limit]
        told.append(
            [
                _reason(features, values[row], effects[row], belongs[:, at] > 0, float(sums[row, at]), usual)
                for at in strongest
            ]
        )
    return told


def _reason(
    features: Sequence[Feature],
    values: NDArray[np.float64],
    effects: NDArray[np.float64],
    own: NDArray[np.bool_],
    effect: float,
    usual: Mapping[str, float],
) -> Reason:
    # A value that is missing can drive a score too, but it cannot be told to anybody.
    candidates = own & ~np.isnan(values) if (own & ~np.isnan(values)).any() else own
    at = int(np.argmax(np.where(candidates, effects, -np.inf)))
    feature = features[at]
    known = named(feature.column)
    assert known is not None
    return Reason(
        feature=feature.name,
        signal=feature.column,
        regime=feature.regime,
        kind=feature.kind,
        window_d=feature.window_d,
        value=None if np.isnan(values[at]) else round(float(values[at]), 6),
        unit=_unit(feature, known.unit),
        usual=None if feature.name not in usual else round(usual[feature.name], 6),
        effect=round(effect, 6),
    )


def _unit(feature: Feature, unit: str) -> str:
    if feature.kind == "left":
        return "d"
    return f"{unit}/d" if feature.kind in ("trend", "peer_trend") and unit else unit
