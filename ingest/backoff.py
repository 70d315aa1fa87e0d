"""How long to wait before trying again."""

import random
from collections.abc import Callable

LONGEST_BACKOFF_S = 30.0


def backoff_s(attempt: int, *, uniform: Callable[[float, float], float] = random.uniform) -> float:
    """Return how long to wait before the ``attempt``-th reconnection (from 0): full jitter, capped.

    With full jitter a thousand consumers that lost one broker do not come back in one wave.
    """
    return uniform(0.0, min(LONGEST_BACKOFF_S, 0.5 * 2 ** min(attempt, 10)))
