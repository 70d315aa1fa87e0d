import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.dealers import Dealer, Place, great_circle_km
from alerts.nearest_dealers import PICK_UP_KM, Candidate, boxes_around, rank_dealers

NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)  # a Monday, ten o'clock in Shanghai
SHANGHAI = Place(31.2304, 121.4737)
places = st.builds(Place, st.floats(-90, 90), st.floats(-180, 180))


def dealer(dealer_id: str, north_km: float = 0.0, **changes: object) -> Dealer:
    fields: dict[str, object] = {
        "name_zh": "门店",
        "name_en": "Dealer",
        "city": "Shanghai",
        "brand": "A",
        "latitude": SHANGHAI.latitude + math.degrees(north_km / 6371.0088),
        "longitude": SHANGHAI.longitude,
        "capabilities": frozenset({"general", "hv_battery"}),
        "admitted": True,
        "phone": "021-5550-0000",
        "hours": "Mo-Sa 08:30-12:00,13:30-18:00; PH off",
        **changes,
    }
    return Dealer(dealer_id=dealer_id, **fields)  # type: ignore[arg-type]


def ranked(*candidates: Candidate, capabilities: frozenset[str] = frozenset({"hv_battery"})) -> list[str]:
    found = rank_dealers(candidates, SHANGHAI, brand="A", capabilities=capabilities, now=NOW)
    return [choice.dealer.dealer_id for choice in found]


def test_three_at_most_and_only_those_who_can_and_may() -> None:
    assert ranked(
        Candidate(dealer("not-admitted", 1, admitted=False)),
        Candidate(dealer("other-brand", 2, brand="B")),
        Candidate(dealer("cannot", 3, capabilities=frozenset({"general"}))),
        Candidate(dealer("full", 4, places=2)),
        Candidate(dealer("never-open", 5, hours="Mo-Su off")),
        Candidate(dealer("fourth", 30)),
        Candidate(dealer("third", 25)),
        Candidate(dealer("second", 19.9, places=2), NOW + timedelta(hours=3)),
        Candidate(dealer("first", 6, hours=None)),
    ) == ["first", "second", "third"]


def test_what_is_told_of_each() -> None:
    slot = NOW + timedelta(hours=3)
    found = rank_dealers(
        [
            Candidate(dealer("a", 5)),
            Candidate(dealer("b", 19.99, hours="Mo 13:00-17:00", places=1), slot),
            Candidate(dealer("c", 20.01, hours=None)),
        ],
        SHANGHAI,
        brand="A",
        capabilities=frozenset(),
        now=NOW,
    )
    assert [choice.distance_km for choice in found] == pytest.approx([5, 19.99, 20.01])
    assert [choice.pick_up for choice in found] == [True, True, False]
    assert [choice.open_now for choice in found] == [True, False, None]
    assert [choice.opens_at for choice in found] == [None, datetime(2026, 3, 2, 5, tzinfo=UTC), None]
    assert [choice.keeps_book for choice in found] == [False, True, False]
    assert [choice.next_slot_at for choice in found] == [None, slot, None]
    assert PICK_UP_KM == 20


def test_closed_for_two_weeks_is_no_choice() -> None:
    holidays_only = Candidate(dealer("holidays-only", hours="PH 09:00-17:00"))
    assert ranked(holidays_only) == []


@settings(deadline=None)
@given(st.permutations([Candidate(dealer(name)) for name in "dbcae"]))
def test_the_id_decides_between_equal_distances(candidates: list[Candidate]) -> None:
    assert ranked(*candidates) == ["a", "b", "c"]


@settings(deadline=None)
@given(st.lists(st.floats(0, 300), min_size=1, max_size=20), st.randoms())
def test_nearest_first_whatever_the_order(distances: list[float], random: object) -> None:
    candidates = [Candidate(dealer(f"d{number}", km)) for number, km in enumerate(distances)]
    random.shuffle(candidates)  # type: ignore[attr-defined]
    found = rank_dealers(candidates, SHANGHAI, brand="A", capabilities=frozenset(), now=NOW)
    wanted = sorted(great_circle_km(SHANGHAI, candidate.dealer.place) for candidate in candidates)[:3]
    assert [choice.distance_km for choice in found] == wanted


@settings(max_examples=500)
@given(places, places, st.floats(0.001, math.pi * 6371.0088))
def test_a_place_within_the_radius_is_in_a_box(middle: Place, place: Place, radius_km: float) -> None:
    boxes = boxes_around(middle, radius_km)
    assert 1 <= len(boxes) <= 2
    for box in boxes:
        assert -180 <= box.west <= box.east <= 180
        assert box.south <= box.north
    if great_circle_km(middle, place) <= radius_km:
        assert any(box.holds(place) for box in boxes)


@given(places, st.floats(0, 2 * math.pi), st.floats(0.01, 3000))
def test_places_just_inside_the_circle_are_in_a_box(middle: Place, bearing: float, radius_km: float) -> None:
    """On the rim at every bearing, where a box that is too narrow would lose somebody first."""
    angle = radius_km * 0.999999 / 6371.0088
    lat = math.radians(middle.latitude)
    north = math.asin(
        max(-1.0, min(1.0, math.sin(lat) * math.cos(angle) + math.cos(lat) * math.sin(angle) * math.cos(bearing)))
    )
    east = math.radians(middle.longitude) + math.atan2(
        math.sin(bearing) * math.sin(angle) * math.cos(lat), math.cos(angle) - math.sin(lat) * math.sin(north)
    )
    rim = Place(math.degrees(north), (math.degrees(east) + 540) % 360 - 180)
    assert any(box.holds(rim) for box in boxes_around(middle, radius_km))


def test_a_box_at_the_date_line_is_two() -> None:
    west, east = boxes_around(Place(0, 179.9), 50)
    assert west.holds(Place(0, 179.99))
    assert east.holds(Place(0, -179.9))
    (cap,) = boxes_around(Place(89.9, 10), 50)
    assert cap.holds(Place(89.99, -170))
