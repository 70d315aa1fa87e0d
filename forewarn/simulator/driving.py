"""How cars move: speed, acceleration, and the power that takes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.car_models import CarModel
from forewarn.simulator.relax import remembered
from forewarn.simulator.sampling import Samples
from forewarn.simulator.streams import Streams
from forewarn.simulator.usage import Kind, Segments

# Speed forgets what it was within so many seconds: recorded trips have 0.78 of it left after 10 s, 0.59 after 20 s.
_TRAFFIC_TAU_S = 38.0
# Recorded cars stand for an eighth of a trip, and swing about their mean speed by three quarters of it.
_SWING = 0.85
_STANDS_BELOW = 0.06
_TOP_KMH = 130.0
_ACCELERATION = 0.42
_ROLLING = 0.011
_GRAVITY, _AIR_KG_M3 = 9.81, 1.2


@dataclass(frozen=True)
class Motion:
    """At each sample: km/h, m/s², kW at the wheels (negative brakes), km on the clock since the fleet began."""

    speed_kmh: NDArray[np.float64]
    acceleration: NDArray[np.float64]
    wheel_kw: NDArray[np.float64]
    driven_km: NDArray[np.float64]


def drive(
    model: CarModel, style: NDArray[np.float64], segments: Segments, samples: Samples, streams: Streams
) -> Motion:
    """Return how a block's cars move; 0 while they stand. style : (cars,) as of Habit."""
    at = samples.segment
    driving = segments.kind[at] == Kind.DRIVE
    mean = segments.speed_kmh[at]
    # Traffic of one drive knows nothing of the last.
    since = np.where(samples.number == 0, np.inf, samples.since_s)
    noise = streams.normal("traffic", samples.counts)
    speed = mean * (1.0 + _SWING * remembered(noise, since, _TRAFFIC_TAU_S))
    moving = driving & (samples.number > 0) & (speed > _STANDS_BELOW * _TOP_KMH)
    speed = np.where(moving, np.clip(speed, 0.0, _TOP_KMH), 0.0)
    speed *= np.clip(_to_distance(speed, segments, samples), 0.4, 1.8)
    speed = np.minimum(speed, 150.0)
    acceleration = streams.normal("acceleration", samples.counts) * _ACCELERATION * style[samples.car] * (speed > 0)
    v = speed / 3.6
    force = model.mass_kg * (_ROLLING * _GRAVITY + acceleration) + 0.5 * _AIR_KG_M3 * model.drag_m2 * v**2
    km = np.cumsum(segments.distance_km) - segments.distance_km
    km -= km[segments.first_of_car][segments.car]
    part = (samples.t_s - segments.start_s[at]) / np.maximum(segments.end_s[at] - segments.start_s[at], 1.0)
    return Motion(speed, acceleration, v * force / 1000, km[at] + part * segments.distance_km[at])


def _to_distance(speed: NDArray[np.float64], segments: Segments, samples: Samples) -> NDArray[np.float64]:
    """Return what each speed is to be multiplied by, so that a drive covers its distance."""
    covered = np.bincount(samples.segment, speed * samples.span_s / 3600, minlength=len(segments.car))
    factor = np.divide(segments.distance_km, covered, out=np.ones_like(covered), where=covered > 0)
    result: NDArray[np.float64] = factor[samples.segment]
    return result
