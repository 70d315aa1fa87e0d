"""Stations stand in the cities and have both kinds of connectors."""

import numpy as np
import pytest

from forewarn.simulator.charging.stations import OPERATORS, draw_stations
from forewarn.simulator.people import CITIES


def test_stations_stand_in_every_city_with_two_to_twelve_connectors():
    stations = draw_stations(64, np.random.default_rng(1))
    assert {station.city for station in stations} == {city.name for city in CITIES}
    assert {station.operator for station in stations} == set(OPERATORS)
    assert all(2 <= len(station.connectors) <= 12 for station in stations)
    assert len({connector.at for station in stations for connector in station.connectors}) == sum(
        len(station.connectors) for station in stations
    )
    centre = {city.name: city for city in CITIES}
    for station in stations:
        assert abs(station.latitude - centre[station.city].latitude) < 0.25
        assert abs(station.longitude - centre[station.city].longitude) < 0.35


def test_powers_are_those_on_the_market():
    connectors = [c for station in draw_stations(64, np.random.default_rng(2)) for c in station.connectors]
    assert {c.power_kw for c in connectors if c.kind == "AC"} == {7.0, 11.0}
    assert {c.power_kw for c in connectors if c.kind == "DC"} == {60.0, 120.0, 180.0}


@pytest.mark.parametrize("seed", range(5))
def test_the_first_station_of_a_city_has_both_kinds(seed):
    for station in draw_stations(8, np.random.default_rng(seed)):
        assert {connector.kind for connector in station.connectors} == {"AC", "DC"}


def test_stations_may_be_of_some_cities_only():
    stations = draw_stations(4, np.random.default_rng(1), cities=("Wuhan",))
    assert {station.city for station in stations} == {"Wuhan"}
