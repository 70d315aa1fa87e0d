"""Random numbers by car and purpose: what one car draws does not depend on which others are in the fleet."""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class Streams:
    """One stream for every car and purpose; asked twice for the same purpose it gives the same numbers.

    seeds : one per car of a block
    """

    def __init__(self, seeds: Sequence[tuple[int, ...]]) -> None:
        self._seeds = seeds

    def of(self, car: int, purpose: str) -> np.random.Generator:
        return np.random.default_rng((*self._seeds[car], zlib.crc32(purpose.encode())))

    def normal(self, purpose: str, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return standard normal numbers, ``counts[i]`` for car i, one car after the other."""
        # Single precision is drawn twice as fast, and nothing is measured that finely.
        drawn = [
            self.of(car, purpose).standard_normal(count, dtype=np.float32) for car, count in enumerate(counts.tolist())
        ]
        return np.concatenate(drawn).astype(np.float64)

    def uniform(self, purpose: str, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return numbers in [0, 1), ``counts[i]`` for car i, one car after the other."""
        drawn = [self.of(car, purpose).random(count, dtype=np.float32) for car, count in enumerate(counts.tolist())]
        return np.concatenate(drawn).astype(np.float64)
