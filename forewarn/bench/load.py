"""What the ingest benchmark publishes, and the keys by which it is found again."""

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from forewarn.message import Message
from ingest import topics
from ingest.layout import Layout, layout

# A worker meets a car again and again, as it does in a fleet that sends once a minute or more often.
_MOST_CARS = 1000
_SIGNALS = 24
# Cars do not repeat themselves, but making up every value anew would take longer than storing it.
_VARIANTS = 997
# The newest sample is older than any clock difference between two machines.
_NEWEST_AGE_MS = 60_000


class Load:
    """Messages of ``batch`` samples, one a second and car, 24 signals each; cars take turns.

    messages, batch : how many, and how many samples in each
    now_ms          : every sample is before it
    """

    def __init__(self, *, messages: int, batch: int, now_ms: int, seed: int = 1, signals: Layout | None = None) -> None:
        self.messages = messages
        self.batch = batch
        self.n_cars = min(_MOST_CARS, messages)
        self.vins = [f"LFWB{number:013d}" for number in range(self.n_cars)]
        turns = -(-messages // self.n_cars)
        self._begin_ms = now_ms - _NEWEST_AGE_MS - turns * batch * 1000 - 1000
        self._signals = _encoded_signals(signals or layout(), np.random.default_rng(seed))

    @property
    def rows(self) -> int:
        return self.messages * self.batch

    def __iter__(self) -> Iterator[Message]:
        for number in range(self.messages):
            car = number % self.n_cars
            samples = [
                b'{"ts":%d,"seq":0,"signals":%b}' % (ts, self._signals[(number * self.batch + index) % _VARIANTS])
                for index, ts in enumerate(self._times_ms(number))
            ]
            payload = b'{"samples":[' + b",".join(samples) + b"]}"
            yield Message(self._begin_ms, topics.telemetry(self.vins[car]), payload, self.batch)

    def keys(self, vehicle_ids: dict[str, int]) -> NDArray[np.int64]:
        """Return (rows, 3): vehicle_id, ts in epoch ms and seq of every sample that is published."""
        numbers = np.repeat(np.arange(self.messages), self.batch)
        indexes = np.tile(np.arange(self.batch), self.messages)
        turns, cars = np.divmod(numbers, self.n_cars)
        ids = np.array([vehicle_ids[name] for name in self.vins], dtype=np.int64)
        ts_ms = self._begin_ms + (turns * self.batch + indexes) * 1000 + cars
        return np.column_stack((ids[cars], ts_ms, np.zeros_like(ts_ms)))

    def _times_ms(self, number: int) -> range:
        turn, car = divmod(number, self.n_cars)
        first = self._begin_ms + turn * self.batch * 1000 + car
        return range(first, first + self.batch * 1000, 1000)


def _encoded_signals(signals: Layout, random: np.random.Generator) -> list[bytes]:
    """Return JSON objects of 24 floating-point signals that wander inside their ranges, with a sensor's digits."""
    measured = [signal for signal in signals.numeric[: signals.n_decoded] if signal.type in ("real", "double")]
    chosen = [(s.path, s.lowest, s.highest) for s in measured if s.lowest is not None and s.highest is not None]
    chosen = chosen[:_SIGNALS]
    if len(chosen) < _SIGNALS:
        raise ValueError(f"the catalogue has {len(chosen)} floating-point signals with a range, {_SIGNALS} are needed")
    shares = np.clip(0.5 + np.cumsum(random.normal(0, 0.01, (_VARIANTS, _SIGNALS)), axis=0), 0.05, 0.95)
    return [
        msgspec.json.encode(
            {path: round(low + (high - low) * share, 2) for (path, low, high), share in zip(chosen, row, strict=True)}
        )
        for row in shares.tolist()
    ]


def compare_keys(published: NDArray[np.int64], stored: NDArray[np.int64]) -> tuple[int, int]:
    """Return how many published keys are not stored, and how many stored rows are too many.

    published, stored : (n, 3) vehicle_id, ts, seq
    Too many is every row after the first of its key, and every row of a key that nobody published.
    """
    wanted, found = np.unique(published, axis=0), np.unique(stored, axis=0)
    both = len(wanted) + len(found) - len(np.unique(np.concatenate((wanted, found)), axis=0))
    return len(wanted) - both, len(stored) - both
