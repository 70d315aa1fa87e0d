"""When a car reports: often under way and on the charger, a few wake-ups while it stands."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.streams import Streams
from forewarn.simulator.usage import Kind, Segments

# A parked car wakes for its first report after hours of standing: only then do voltages say something of the cells.
FIRST_WAKE_S = 3.5 * 3600
WAKE_EVERY_S = 7 * 3600
# What a car's unit may be set to while the car is awake (GB/T 32960 demands 30 s at most, 1 s after an alarm).
STEPS_S = (10.0, 15.0, 20.0, 30.0)
_CHARGE_STEP_S = 30.0
_CELLS_EVERY_S = 60.0


@dataclass(frozen=True)
class Sampling:
    """How often a car reports.

    drive_s  : seconds between two reports of a car that drives; None draws one of STEPS_S for each car
    charge_s : of one that charges
    cells_s  : at most so often a report has all cells and probes; at rest each has
    """

    drive_s: float | None = None
    charge_s: float = _CHARGE_STEP_S
    cells_s: float = _CELLS_EVERY_S


@dataclass(frozen=True)
class Samples:
    """When the cars of a block report, one car after the other, each in time order.

    t_s        : whole seconds since the start, rising
    car        : number of the car in its block
    segment    : index into the block's Segments
    number     : place of the sample in its segment, from 0
    since_s    : seconds since the car's sample before; infinite for its first
    span_s     : length of the interval the sample stands for: up to the next of its segment
    with_cells : whether the report has all cells
    counts     : (cars,) samples of each car
    """

    t_s: NDArray[np.float64]
    car: NDArray[np.int64]
    segment: NDArray[np.int64]
    number: NDArray[np.int64]
    since_s: NDArray[np.float64]
    span_s: NDArray[np.float64]
    with_cells: NDArray[np.bool_]
    counts: NDArray[np.int64]

    @cached_property
    def rows(self) -> list[slice]:
        """Where the samples of each car are."""
        return [
            slice(end - count, end)
            for end, count in zip(np.cumsum(self.counts).tolist(), self.counts.tolist(), strict=True)
        ]


def draw_samples(segments: Segments, *, cars: int, sampling: Sampling, streams: Streams) -> Samples:
    """Return when the cars of a block report."""
    if sampling.drive_s is None:
        drive_s = np.array([STEPS_S[streams.of(car, "step").integers(len(STEPS_S))] for car in range(cars)])
    else:
        drive_s = np.full(cars, sampling.drive_s)
    first = np.array([FIRST_WAKE_S, 0.0, 60.0, 30.0])[segments.kind]
    every = np.array([WAKE_EVERY_S, 0.0, sampling.charge_s, sampling.charge_s])[segments.kind]
    driving = segments.kind == Kind.DRIVE
    every[driving] = drive_s[segments.car[driving]]
    # A little off the full step, so that not every car of the fleet reports at the same second.
    segments_of = np.bincount(segments.car, minlength=cars)
    shift = np.floor(streams.uniform("report shift", segments_of) * 0.1 * every) * ~driving
    length = segments.end_s - segments.start_s
    count = np.maximum(0, np.floor((length - 1 - first - shift) / every) + 1).astype(np.int64)
    segment = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(segment)) - np.repeat(np.cumsum(count) - count, count)
    t_s = np.floor(segments.start_s[segment] + first[segment] + shift[segment] + number * every[segment])
    car = segments.car[segment]
    opens = np.diff(car, prepend=-1) != 0
    since_s = np.where(opens, np.inf, np.diff(t_s, prepend=0.0))
    return Samples(
        t_s=t_s,
        car=car,
        segment=segment,
        number=number,
        since_s=since_s,
        span_s=_spans(segments, t_s, segment, number),
        with_cells=number % np.maximum(1, np.round(sampling.cells_s / every)).astype(np.int64)[segment] == 0,
        counts=np.bincount(car, minlength=cars),
    )


def _spans(
    segments: Segments, t_s: NDArray[np.float64], segment: NDArray[np.int64], number: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return how long each sample stands for its segment: the first from its begin on, the last to its end."""
    begins = np.where(number == 0, segments.start_s[segment], t_s)
    ends = segments.end_s[segment].copy()
    follows = segment[1:] == segment[:-1]
    ends[:-1][follows] = t_s[1:][follows]
    result: NDArray[np.float64] = ends - begins
    return result
