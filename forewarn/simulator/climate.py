"""The weather of a city: the same for every car of a fleet that drives there."""

import zlib
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.faults import DAY_S
from forewarn.simulator.people import City

CHINA_OFFSET_S = 8 * 3600
# The coldest day is about the 20th of January, the warmest hour 14:30.
_COLDEST_DAY = 20
_WARMEST_HOUR = 14.5
# How much of a day's deviation is left the next day, and how large deviations are (C).
_PERSISTENCE = 0.75
_DEVIATION_C = 2.6


class Climate:
    """Air temperature of one city from ``start`` on."""

    def __init__(self, city: City, *, start: datetime, days: int, seed: int) -> None:
        rng = np.random.default_rng((seed, zlib.crc32(city.name.encode())))
        deviation = np.zeros(days + 2)
        shocks = rng.normal(0.0, _DEVIATION_C * np.sqrt(1 - _PERSISTENCE**2), days + 2)
        for day in range(1, days + 2):
            deviation[day] = _PERSISTENCE * deviation[day - 1] + shocks[day]
        self._city = city
        self._deviation = deviation
        self._first_day = start.timetuple().tm_yday
        self._first_s = (start.hour * 60 + start.minute) * 60 + start.second + CHINA_OFFSET_S

    def air_c(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the air temperature (C) ``t_s`` seconds after the start."""
        days = t_s / DAY_S
        hour = ((t_s + self._first_s) % DAY_S) / 3600
        season = -np.cos(2 * np.pi * (self._first_day + days - _COLDEST_DAY) / 365.25)
        day = np.cos(2 * np.pi * (hour - _WARMEST_HOUR) / 24)
        weather = np.interp(days, np.arange(len(self._deviation)), self._deviation)
        return self._city.mean_c + self._city.season_c * season + self._city.day_c * day + weather
