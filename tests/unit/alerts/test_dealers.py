import math
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.dealers import Dealer, Place, great_circle_km, nearest_eligible, sample_dealers
from config.faults import fault_modes

places = st.builds(Place, st.floats(-90, 90), st.floats(-180, 180))
SHANGHAI, BEIJING = Place(31.2304, 121.4737), Place(39.9042, 116.4074)


def dealer(dealer_id: str, place: Place = SHANGHAI, **changes: object) -> Dealer:
    fields: dict[str, object] = {
        "name_zh": "门店",
        "name_en": "Dealer",
        "city": "Shanghai",
        "brand": "A",
        "capabilities": frozenset({"general"}),
        "admitted": True,
        "phone": "021-5550-0000",
        **changes,
    }
    return Dealer(dealer_id=dealer_id, latitude=place.latitude, longitude=place.longitude, **fields)  # type: ignore[arg-type]


def test_known_distances() -> None:
    assert great_circle_km(SHANGHAI, BEIJING) == pytest.approx(1067, abs=2)
    assert great_circle_km(Place(0, 0), Place(0, 1)) == pytest.approx(111.195, abs=0.001)
    assert great_circle_km(Place(0, -179.9), Place(0, 179.9)) == pytest.approx(22.239, abs=0.001)
    assert great_circle_km(Place(90, 0), Place(-90, 77)) == pytest.approx(math.pi * 6371.0088)


@given(places, places)
def test_distance_is_symmetric_and_at_most_half_the_earth(a: Place, b: Place) -> None:
    assert great_circle_km(a, b) == pytest.approx(great_circle_km(b, a), abs=1e-6)
    assert 0 <= great_circle_km(a, b) <= math.pi * 6371.0089


def test_the_nearest_dealer_that_can_do_the_work() -> None:
    near, far = Place(31.24, 121.48), Place(31.4, 121.6)
    dealers = [
        dealer("not-admitted", near, admitted=False, capabilities=frozenset({"general", "hv_battery"})),
        dealer("other-brand", near, brand="B", capabilities=frozenset({"general", "hv_battery"})),
        dealer("cannot", near),
        dealer("can", far, capabilities=frozenset({"general", "hv_battery"})),
    ]
    found = nearest_eligible(dealers, SHANGHAI, capabilities=frozenset({"hv_battery", "general"}), brand="A")
    assert found is not None
    assert found.dealer.dealer_id == "can"
    assert found.distance_km == pytest.approx(22.35, abs=0.1)
    assert nearest_eligible(dealers, SHANGHAI, capabilities=frozenset({"hv_drive"}), brand="A") is None
    assert nearest_eligible(dealers, None, capabilities=frozenset({"general"}), brand="A") is None


@given(st.permutations([dealer("b"), dealer("a"), dealer("c")]))
def test_at_the_same_distance_the_id_decides(dealers: list[Dealer]) -> None:
    found = nearest_eligible(dealers, BEIJING, capabilities=frozenset(), brand="A")
    assert found is not None
    assert found.dealer.dealer_id == "a"


def test_sample_dealers_cover_every_fault_in_eight_cities() -> None:
    dealers = sample_dealers()
    cities = {d.city for d in dealers}
    assert len(cities) == 8
    known = {mode.capability for mode in fault_modes().values()}
    for city in cities:
        here = [d for d in dealers if d.city == city]
        assert 3 <= len(here) <= 5
        admitted = [d for d in here if d.admitted]
        assert known <= frozenset().union(*(d.capabilities for d in admitted))
        # A city is 100 km across at most: a slip in a coordinate shows here.
        assert all(great_circle_km(a.place, b.place) < 100 for a in here for b in here)
    assert frozenset().union(*(d.capabilities for d in dealers)) == known


def test_the_file_says_what_the_code_reads() -> None:
    tables = tomllib.loads((Path(__file__).parents[3] / "config" / "dealers.toml").read_text(encoding="utf-8"))
    assert [d.dealer_id for d in sample_dealers()] == list(tables)
