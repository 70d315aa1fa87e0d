"""The weather of a city: the same for every car of a fleet that drives there."""

import zlib
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.people import City
from forewarn.simulator.time import CHINA_OFFSET_S, DAY_S

# The coldest day is about the 20th of January, the warmest hour 14:30.
_COLDEST_DAY = 20
_WARMEST_HOUR = 14.5
# How much of a day's deviation is left the next day, and how large deviations are (C).
_PERSISTENCE = 0.75
_DEVIATION_C = 2.6
# Between November and March a wave of cold comes every so many days, lasts some days and takes so many degrees.
_COLD_SNAP_EVERY_D = 45.0
_COLD_SNAP_D = (3, 7)
_COLD_SNAP_C = (6.0, 12.0)
_WINTER_MONTHS = (11, 12, 1, 2, 3)
# Rain one day makes rain the next more likely by this.
_RAIN_PERSISTENCE = 0.3


class Climate:
    """Air of one city from ``start`` on."""

    def __init__(self, city: City, *, start: datetime, days: int, seed: int) -> None:
        rng = np.random.default_rng((seed, zlib.crc32(city.name.encode())))
        count = days + 2
        deviation = np.zeros(count)
        shocks = rng.normal(0.0, _DEVIATION_C * np.sqrt(1 - _PERSISTENCE**2), count)
        for day in range(1, count):
            deviation[day] = _PERSISTENCE * deviation[day - 1] + shocks[day]
        self._city = city
        self._first_day = start.timetuple().tm_yday
        self._first_s = (start.hour * 60 + start.minute) * 60 + start.second + CHINA_OFFSET_S
        self._deviation = deviation - self._cold_snaps(rng, start.month, count)
        self._rain = _rain(rng, city.rain_share, count)
        self._dryness = rng.normal(0.0, 6.0, count)

    def air_c(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the air temperature (C) ``t_s`` seconds after the start."""
        days = t_s / DAY_S
        weather = np.interp(days, np.arange(len(self._deviation)), self._deviation)
        result: NDArray[np.float64] = self._of_season(days) + self._of_hour(t_s) * self._city.day_c + weather
        return result

    def humidity_pct(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the relative humidity (percent): lower at noon, close to saturation while it rains."""
        day = np.clip((t_s / DAY_S).astype(np.int64), 0, len(self._rain) - 1)
        dry = self._city.humidity_pct - 12.0 * self._of_hour(t_s) + self._dryness[day]
        result: NDArray[np.float64] = np.clip(np.where(self._rain[day], 0.5 * dry + 47.0, dry - 4.0), 12.0, 99.0)
        return result

    def day_mean_c(self) -> NDArray[np.float64]:
        """Return the mean air temperature (C) of every day since the start."""
        return self._of_season(np.arange(len(self._deviation), dtype=np.float64) + 0.5) + self._deviation

    def _of_season(self, days: NDArray[np.float64]) -> NDArray[np.float64]:
        phase = 2 * np.pi * (self._first_day + days - _COLDEST_DAY) / 365.25
        result: NDArray[np.float64] = self._city.mean_c - self._city.season_c * np.cos(phase)
        return result

    def _of_hour(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        hour = ((t_s + self._first_s) % DAY_S) / 3600
        result: NDArray[np.float64] = np.cos(2 * np.pi * (hour - _WARMEST_HOUR) / 24)
        return result

    def _cold_snaps(self, rng: np.random.Generator, first_month: int, count: int) -> NDArray[np.float64]:
        colder = np.zeros(count)
        for _ in range(rng.poisson(count / _COLD_SNAP_EVERY_D)):
            first, length = int(rng.integers(count)), int(rng.integers(*_COLD_SNAP_D))
            depth = rng.uniform(*_COLD_SNAP_C)
            if (first_month - 1 + first // 30) % 12 + 1 in _WINTER_MONTHS:
                colder[first : first + length] = np.maximum(colder[first : first + length], depth)
        return colder


def _rain(rng: np.random.Generator, share: float, count: int) -> NDArray[np.bool_]:
    rain = np.zeros(count, dtype=bool)
    draws = rng.random(count)
    for day in range(count):
        more = _RAIN_PERSISTENCE * (1 - share) if day and rain[day - 1] else -_RAIN_PERSISTENCE * share
        rain[day] = draws[day] < share + more
    return rain
