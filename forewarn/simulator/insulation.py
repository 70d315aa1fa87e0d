"""Insulation between the high voltage and the body: it falls with damp and heat, and through a path of its own."""

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.faults import Faults
from forewarn.simulator.sampling import Samples

LAMP_KOHM = 250.0

_HUMIDITY_PER_PCT = 0.012
_HEAT_PER_C = 0.012
# A path through dirt and damp: at severity 1 it alone is about what the lamp is about, and wet it leads better.
_PATH_KOHM = 330.0
_GROWTH = 3.0
_WET_LEADS = 0.7
_HIGHEST_KOHM = 30000.0


def draw_insulation_kohm(rng: np.random.Generator) -> float:
    """Return a car's insulation at 50 % humidity and 25 C."""
    return float(np.clip(rng.lognormal(np.log(4500.0), 0.5), 1800.0, 14000.0))


def run_insulation(
    dry_kohm: NDArray[np.float64],
    samples: Samples,
    pack_c: NDArray[np.float64],
    humidity_pct: NDArray[np.float64],
    faults: Faults,
) -> NDArray[np.float64]:
    """Return the insulation resistance (kOhm) at every sample. dry_kohm : (cars,)"""
    healthy = dry_kohm[samples.car] * np.exp(-_HUMIDITY_PER_PCT * (humidity_pct - 50.0) - _HEAT_PER_C * (pack_c - 25.0))
    severity = faults.severity("insulation", samples.car, samples.t_s)
    wet = 1.0 + _WET_LEADS * np.clip(humidity_pct - 60.0, 0.0, 40.0) / 40.0
    leads = np.expm1(_GROWTH * severity) / np.expm1(_GROWTH) * wet / _PATH_KOHM
    kohm: NDArray[np.float64] = np.minimum(1.0 / (1.0 / healthy + leads), _HIGHEST_KOHM)
    return kohm
