"""Invented owners: where they live and what they are called. Telephone numbers are of no real network."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class City:
    """A city with its climate, named as ``config/dealers.toml`` spells it.

    Coordinates are WGS-84 degrees. Air temperature in C: the year's mean, half the year's swing, half a day's.
    Relative humidity in percent, the year's mean; share of days with rain.
    """

    name: str
    latitude: float
    longitude: float
    mean_c: float
    season_c: float
    day_c: float
    humidity_pct: float
    rain_share: float


CITIES = (
    City("Beijing", 39.92, 116.42, 13.0, 15.5, 5.5, 52.0, 0.19),
    City("Shanghai", 31.22, 121.46, 17.0, 12.0, 3.8, 74.0, 0.34),
    City("Guangzhou", 23.12, 113.31, 22.5, 7.5, 4.0, 77.0, 0.41),
    City("Shenzhen", 22.56, 114.06, 23.0, 7.0, 3.3, 75.0, 0.39),
    City("Chengdu", 30.65, 104.06, 16.5, 10.0, 3.8, 80.0, 0.40),
    City("Wuhan", 30.57, 114.30, 17.3, 13.0, 4.2, 76.0, 0.34),
    City("Hangzhou", 30.26, 120.18, 17.2, 12.3, 4.0, 76.0, 0.41),
    City("Xi'an", 34.26, 108.94, 14.5, 13.5, 5.2, 66.0, 0.26),
)

_SURNAMES = "王李张刘陈杨赵黄周吴徐孙马朱胡郭何林高罗"
_GIVEN = ("伟", "芳", "娜", "秀英", "敏", "静", "丽", "强", "磊", "军", "洋", "勇", "艳", "杰", "娟", "涛", "明", "超")
# Some owners want to be spoken to in English.
_ENGLISH = ("Anna Weber", "James Carter", "Maria Rossi", "Daniel Novak", "Priya Nair", "Lucas Martin")
_ENGLISH_SHARE = 0.08
_MARKETING_SHARE = 0.7
# Most owners live within this many km of the centre.
_HOME_SPREAD_KM = 9.0
_KM_PER_DEGREE = 111.2


@dataclass(frozen=True)
class Person:
    """One owner. The home is in WGS-84 degrees, the phone in E.164 form."""

    name: str
    language: str
    phone: str
    city: City
    home_latitude: float
    home_longitude: float
    wants_marketing: bool


def draw_person(rng: np.random.Generator, *, number: int) -> Person:
    """Return the owner of the car ``number``; the number keeps telephone numbers apart."""
    city = CITIES[rng.integers(len(CITIES))]
    north_km, east_km = np.clip(rng.normal(0.0, _HOME_SPREAD_KM, 2), -25, 25)
    english = rng.random() < _ENGLISH_SHARE
    if english:
        name = _ENGLISH[rng.integers(len(_ENGLISH))]
    else:
        name = _SURNAMES[rng.integers(len(_SURNAMES))] + _GIVEN[rng.integers(len(_GIVEN))]
    return Person(
        name=name,
        language="en" if english else "zh_CN",
        # 100 is not a mobile prefix in China: nobody is ever called by mistake.
        phone=f"+86100{number % 10**8:08d}",
        city=city,
        home_latitude=round(city.latitude + north_km / _KM_PER_DEGREE, 5),
        home_longitude=round(city.longitude + east_km / (_KM_PER_DEGREE * np.cos(np.radians(city.latitude))), 5),
        wants_marketing=bool(rng.random() < _MARKETING_SHARE),
    )
