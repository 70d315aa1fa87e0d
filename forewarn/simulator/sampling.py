"""When a car reports: often under way, seldom on the charger, a few wake-ups while it stands."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.usage import Kind, Segments

# A parked car wakes for its first report after hours of standing: only then do voltages say something of the cells.
FIRST_WAKE_S = 3.5 * 3600
WAKE_EVERY_S = 7 * 3600
_AC_EVERY_S = 900.0
_DC_EVERY_S = 180.0


@dataclass(frozen=True)
class Samples:
    """When a car reports, in time order.

    t_s     : whole seconds since the start, rising
    segment : index into the car's Segments
    number  : place of the sample in its segment, from 0
    """

    t_s: NDArray[np.float64]
    segment: NDArray[np.int64]
    number: NDArray[np.int64]


def draw_samples(segments: Segments, *, step_s: float, rng: np.random.Generator) -> Samples:
    """Return when a car reports; ``step_s`` is how far apart its reports are while it drives."""
    by_kind = {
        Kind.PARKED: (FIRST_WAKE_S, WAKE_EVERY_S),
        Kind.DRIVE: (0.0, step_s),
        Kind.AC: (60.0, _AC_EVERY_S),
        Kind.DC: (30.0, _DC_EVERY_S),
    }
    first = np.array([by_kind[kind][0] for kind in Kind])[segments.kind]
    every = np.array([by_kind[kind][1] for kind in Kind])[segments.kind]
    # A little off the full step, so that not every car of the fleet reports at the same second.
    shift = np.floor(rng.uniform(0.0, 0.1, len(first)) * every) * (segments.kind != Kind.DRIVE)
    length = segments.end_s - segments.start_s
    count = np.maximum(0, np.floor((length - 1 - first - shift) / every) + 1).astype(np.int64)
    segment = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(segment)) - np.repeat(np.cumsum(count) - count, count)
    t_s = np.floor(segments.start_s[segment] + first[segment] + shift[segment] + number * every[segment])
    return Samples(t_s, segment, number)
