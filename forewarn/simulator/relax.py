"""What lags behind its cause: temperatures, polarisation, traffic. One recurrence for all of them, without a loop."""

import numpy as np
from numpy.typing import NDArray


def relax(
    target: NDArray[np.float64], since_s: NDArray[np.float64], tau_s: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """Return what moves towards ``target`` and has come as close as time allowed.

    target  : (n,) what it moves to in the interval that ends with each sample
    since_s : (n,) seconds since the sample before; infinite where a car begins, which starts at its target
    tau_s   : time constant
    Returns : (n,) x[k] = target[k] + (x[k-1] - target[k]) * exp(-since_s[k] / tau_s[k])
    """
    keep = np.exp(-since_s / tau_s)
    return accumulate(keep, target * (1.0 - keep))


def remembered(
    noise: NDArray[np.float64], since_s: NDArray[np.float64], tau_s: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """Return noise of unit variance that remembers what it was for ``tau_s``; noise : (n,) standard normal."""
    keep = np.exp(-since_s / tau_s)
    return accumulate(keep, noise * np.sqrt(1.0 - keep**2))


def accumulate(keep: NDArray[np.float64], add: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return x[k] = keep[k] * x[k-1] + add[k], x before the first being 0.

    keep : (n,) in [0, 1]; 0 where a car begins

    Doubling: after the round with step s every x knows of the 2 s samples before it; what is kept of older ones soon
    is nothing. A loop in Python takes ten times as long.
    """
    keep, value = keep.copy(), add.copy()
    step = 1
    while step < len(keep) and keep.max() > 1e-9:
        value[step:] += keep[step:] * value[:-step]
        keep[step:] *= keep[:-step]
        step *= 2
    return value
