"""How cars move: speed, acceleration, and the power that takes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from forewarn.simulator.car_models import CarModel
from forewarn.simulator.relax import relax, remembered
from forewarn.simulator.sampling import Samples
from forewarn.simulator.streams import Streams
from forewarn.simulator.usage import Kind, Segments

# Speed remembers on two scales, as in recorded drives, which have 0.81 to 0.93 of it left after 10 s and a third to two
# thirds after 2 min: the road stays the same for minutes, the traffic on it for half a minute. A car has inertia:
# what traffic wants of it comes some seconds later.
_ROAD_TAU_S, _TRAFFIC_TAU_S, _INERTIA_S = 600.0, 32.0, 7.0
_ROAD_SWING, _TRAFFIC_SWING = 1.9, 0.26
# Lights and queues: recorded cars stand for a tenth to two fifths of a drive, the more the slower it is, and for some
# twenty seconds at a time. Around a stop they are slow.
_STOPS_TAU_S = 55.0
_STANDS_MOST, _STANDS_LESS_BY_KMH = 0.55, 42.0
_SLOW_AROUND_STOPS = 0.7
# Some live among more lights, some on more kinds of roads (standard deviations of the logarithm, between cars).
_LIGHTS_DIFFER, _ROADS_DIFFER = 0.4, 0.3
_TOP_KMH = 120.0
# Speeds up and brakes by so much (m/s², standard deviation) in a town; half as much at the second.
_ACCELERATION, _CALM_AT_KMH = 0.40, 140.0
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
    road = remembered(streams.normal("road", samples.counts), since, _ROAD_TAU_S)
    traffic = _smooth(streams.normal("traffic", samples.counts), since, _TRAFFIC_TAU_S)
    stops = _smooth(streams.normal("stops", samples.counts), since, _STOPS_TAU_S)
    ones = np.ones(len(style), dtype=np.int64)
    roads = _ROAD_SWING * np.exp(_ROADS_DIFFER * streams.normal("roads", ones))[samples.car]
    lights = np.exp(_LIGHTS_DIFFER * streams.normal("lights", ones))[samples.car]
    # No road is twice as fast as the others of a drive.
    flow = 2.0 / (1.0 + np.exp(-roads * road)) + _TRAFFIC_SWING * traffic
    standing = ndtri(np.minimum(_STANDS_MOST * lights * np.exp(-mean / _STANDS_LESS_BY_KMH), _STANDS_MOST))
    speed = mean * np.clip(flow, 0.15, None) * np.clip((stops - standing) / _SLOW_AROUND_STOPS, 0.0, 1.0)
    speed = np.where(driving & (samples.number > 0), np.clip(speed, 0.0, _TOP_KMH), 0.0)
    speed *= np.clip(_to_distance(speed, segments, samples), 0.4, 1.8)
    speed = np.minimum(speed, _TOP_KMH)
    acceleration = streams.normal("acceleration", samples.counts) * _ACCELERATION * style[samples.car] * (speed > 0)
    acceleration *= 1.0 - speed / (2.0 * _CALM_AT_KMH)
    v = speed / 3.6
    force = model.mass_kg * (_ROLLING * _GRAVITY + acceleration) + 0.5 * _AIR_KG_M3 * model.drag_m2 * v**2
    km = np.cumsum(segments.distance_km) - segments.distance_km
    km -= km[segments.first_of_car][segments.car]
    part = (samples.t_s - segments.start_s[at]) / np.maximum(segments.end_s[at] - segments.start_s[at], 1.0)
    return Motion(speed, acceleration, v * force / 1000, km[at] + part * segments.distance_km[at])


def _smooth(noise: NDArray[np.float64], since_s: NDArray[np.float64], tau_s: float) -> NDArray[np.float64]:
    """Return noise of about unit variance that remembers for ``tau_s`` and follows with the car's inertia."""
    kept, lag = np.exp(-since_s / tau_s), np.exp(-since_s / _INERTIA_S)
    followed = relax(remembered(noise, since_s, tau_s), since_s, _INERTIA_S)
    # What following takes from the variance is given back.
    result: NDArray[np.float64] = followed / np.sqrt((1 - lag) / (1 + lag) * (1 + lag * kept) / (1 - lag * kept))
    return result


def _to_distance(speed: NDArray[np.float64], segments: Segments, samples: Samples) -> NDArray[np.float64]:
    """Return what each speed is to be multiplied by, so that a drive covers its distance."""
    covered = np.bincount(samples.segment, speed * samples.span_s / 3600, minlength=len(segments.car))
    factor = np.divide(segments.distance_km, covered, out=np.ones_like(covered), where=covered > 0)
    result: NDArray[np.float64] = factor[samples.segment]
    return result
