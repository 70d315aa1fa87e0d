"""How reports reach the platform: in messages, seconds later, or hours later when there was no network."""

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.faults import DAY_S
from forewarn.simulator.sampling import Samples

MESSAGE_SAMPLES = 10
_OUTAGES_PER_DAY = 0.03
_OUTAGE_H = (1.5, 20.0)
# Half of what falls into an outage is kept by the car and sent afterwards; the rest is lost.
_KEPT_SHARE = 0.5
_LATENCY_S = (0.4, 4.0)


def send(
    samples: Samples, *, days: float, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]:
    """Return which samples arrive, the message of each, and when each arrives (seconds since the start)."""
    count = len(samples.t_s)
    # A message holds neighbours of one drive, charge or rest.
    opens = np.ones(count, dtype=bool)
    opens[1:] = (samples.segment[1:] != samples.segment[:-1]) | (samples.number[1:] % MESSAGE_SAMPLES == 0)
    message = np.cumsum(opens) - 1
    last_s = np.zeros(int(message[-1]) + 1 if count else 0)
    last_s[message] = samples.t_s
    received_s = (last_s + rng.uniform(*_LATENCY_S, len(last_s)))[message]
    arrives = np.ones(count, dtype=bool)
    for _ in range(rng.poisson(_OUTAGES_PER_DAY * days)):
        begins = rng.uniform(0.0, days * DAY_S)
        ends = begins + rng.uniform(*_OUTAGE_H) * 3600
        during = (received_s >= begins) & (received_s < ends)
        if rng.random() < _KEPT_SHARE:
            # Sent one after the other, a millisecond apart.
            afterwards = ends + rng.uniform(1.0, 30.0) + message * 0.001
            received_s = np.where(during, afterwards, received_s)
        else:
            arrives &= ~during
    return arrives, message, received_s
