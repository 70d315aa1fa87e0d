"""Operating regimes: what a sensor says depends on how an engine is flown, so each way of flying has its own scale."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler

from models.benchmarks.cmapss import SENSORS, SETTINGS, Floats, Ints

# NASA's description names one condition for FD001 and FD003, six for FD002 and FD004.
REGIMES = {"FD001": 1, "FD002": 6, "FD003": 1, "FD004": 6}
# A sensor that moves less than this part of its size in every regime is a constant with rounding, …
_LEAST_SPREAD = 1e-6
# … and one that takes so few values says which of two states a controller is in, not how worn the engine is.
_LEAST_VALUES = 3


@dataclass(frozen=True, slots=True)
class Scale:
    """What was learnt from training units: where the regimes are, and mean and spread of each sensor there.

    mean, spread : (n_regimes, n_sensors)
    sensors      : those that vary
    """

    settings: StandardScaler
    clusters: KMeans
    mean: Floats
    spread: Floats
    sensors: tuple[str, ...]


def fit_scale(cycles: pd.DataFrame, *, regimes: int) -> Scale:
    """Learn regimes, scales and which sensors vary from cycles of training units."""
    settings = StandardScaler().fit(cycles[list(SETTINGS)].to_numpy())
    clusters = KMeans(regimes, n_init=10, random_state=0).fit(settings.transform(cycles[list(SETTINGS)].to_numpy()))
    label = clusters.labels_
    values = cycles[list(SENSORS)].to_numpy()
    mean = np.array([values[label == regime].mean(axis=0) for regime in range(regimes)])
    spread = np.array([values[label == regime].std(axis=0) for regime in range(regimes)])
    several = [
        max(len(np.unique(values[label == regime, at])) for regime in range(regimes)) >= _LEAST_VALUES
        for at in range(len(SENSORS))
    ]
    varies = (spread > _LEAST_SPREAD * np.maximum(np.abs(mean), 1.0)).any(axis=0) & np.array(several)
    return Scale(
        settings=settings,
        clusters=clusters,
        mean=mean,
        spread=np.where(spread > 0, spread, 1.0),
        sensors=tuple(sensor for sensor, moving in zip(SENSORS, varies, strict=True) if moving),
    )


def scaled(cycles: pd.DataFrame, scale: Scale) -> pd.DataFrame:
    """Return cycles whose sensors are in spreads from the mean of their regime: unit, cycle, sensors that vary."""
    label: Ints = scale.clusters.predict(scale.settings.transform(cycles[list(SETTINGS)].to_numpy()))
    values = (cycles[list(SENSORS)].to_numpy() - scale.mean[label]) / scale.spread[label]
    table = pd.DataFrame(values, columns=list(SENSORS), index=cycles.index)[list(scale.sensors)]
    return pd.concat([cycles[["unit", "cycle"]], table], axis=1)
