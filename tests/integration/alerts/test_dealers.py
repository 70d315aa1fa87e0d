"""Dealers in the database: found by index, booked once, imported whole or not at all."""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from alerts import nearest_dealers
from alerts.case_dealers import dealers_for
from alerts.dealer_file import DealerFileWrong, import_dealers, write_dealers
from alerts.dealers import Dealer, Place, all_dealers, great_circle_km, store_dealers
from alerts.nearest_dealers import Candidate, find_nearest_dealers, rank_dealers
from alerts.slots import SlotFull, free_slots, give_back_place, make_slots, take_place
from config import sql
from config.faults import fault_modes
from ingest.datum import gcj02_to_wgs84
from ingest.store.connection import connect

NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)  # a Monday, ten o'clock in Shanghai
SHANGHAI = Place(31.2304, 121.4737)
WORK = frozenset({"hv_battery"})
CARS = [f"LFWA{number:013d}" for number in range(12)]


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(database, role="alerts", autocommit=True) as conn:
        yield conn


def dealer(dealer_id: str, place: Place, **changes: object) -> Dealer:
    fields: dict[str, object] = {
        "name_zh": "门店",
        "name_en": "Dealer",
        "city": "Shanghai",
        "brand": "Forewarn Motors",
        "capabilities": frozenset({"general", "hv_battery"}),
        "admitted": True,
        "phone": "021-5550-0000",
        **changes,
    }
    return Dealer(dealer_id=dealer_id, latitude=place.latitude, longitude=place.longitude, **fields)  # type: ignore[arg-type]


def cases(database: str, enrolled: Callable[..., dict[str, int]], count: int) -> list[int]:
    cars = enrolled(*CARS[:count])
    with connect(database, role="alerts") as conn:
        opened = [
            conn.execute(
                "INSERT INTO care.case (vehicle_id, opened_at) VALUES (%s, %s) RETURNING case_id", [car, NOW]
            ).fetchone()
            for car in cars.values()
        ]
    return [row[0] for row in opened if row is not None]


@pytest.fixture
def ten_thousand(conn: psycopg.Connection[Any]) -> list[Dealer]:
    """Dealers all over the earth, more of them in China, every third without high-voltage work, some not admitted."""
    conn.execute(
        "INSERT INTO care.dealer (dealer_id, name_zh, name_en, city, brand, latitude, longitude, capabilities,"
        " admitted, phone, hours)"
        " SELECT 'd' || n, '门店', 'Dealer', 'City', CASE WHEN n % 7 = 0 THEN 'Other' ELSE 'Forewarn Motors' END,"
        " CASE WHEN n % 4 = 0 THEN random() * 170 - 85 ELSE 20 + random() * 30 END,"
        " CASE WHEN n % 4 = 0 THEN random() * 360 - 180 ELSE 85 + random() * 45 END,"
        " CASE WHEN n % 3 = 0 THEN '{general}'::text[] ELSE '{general,hv_battery}' END, n % 11 <> 0,"
        " '021-5550-0000', 'Mo-Su 08:00-18:00'"
        " FROM generate_series(1, 10000) AS n"
    )
    conn.execute("ANALYZE care.dealer")
    return list(all_dealers(conn, admitted_only=False))


@pytest.mark.parametrize(
    "place",
    [SHANGHAI, Place(43.8, 87.6), Place(0, 179.95), Place(-17, -179.9), Place(84.9, 10), Place(-89.9, 0), Place(0, 0)],
    ids=str,
)
def test_the_search_finds_what_looking_at_all_would(
    conn: psycopg.Connection[Any], ten_thousand: list[Dealer], place: Place
) -> None:
    wanted = rank_dealers(
        [Candidate(dealer) for dealer in ten_thousand],
        place,
        brand="Forewarn Motors",
        capabilities=WORK,
        now=NOW,
    )
    found = find_nearest_dealers(conn, place, brand="Forewarn Motors", capabilities=WORK, now=NOW)
    assert len(found) == 3
    assert [choice.dealer for choice in found] == [choice.dealer for choice in wanted]


def test_among_ten_thousand_the_index_is_used(conn: psycopg.Connection[Any], ten_thousand: list[Dealer]) -> None:
    """With ``-s`` it prints the plans of docs/dealers.md, with times."""
    plans = []
    for radius_km in nearest_dealers._RADII_KM:
        values = nearest_dealers._search(SHANGHAI, radius_km, brand="Forewarn Motors", capabilities=WORK, now=NOW)
        rows = conn.execute("EXPLAIN (ANALYZE) " + sql.load("alerts", "dealers_near"), values).fetchall()
        plans.append("\n".join(row[0] for row in rows))
        sys.stdout.write(f"\n{radius_km:.0f} km\n{plans[-1]}\n")
    assert "dealer_place" in plans[0]
    assert "Seq Scan on dealer" not in plans[0]


def test_who_is_full_is_passed_over_and_who_keeps_no_book_is_not(
    conn: psycopg.Connection[Any], database: str, enrolled: Callable[..., dict[str, int]]
) -> None:
    near, middle, far = Place(31.24, 121.47), Place(31.30, 121.47), Place(31.5, 121.47)
    hours = "Mo-Su 09:00-17:00"
    store_dealers(
        conn,
        [
            dealer("near", near, hours=hours, places=1),
            dealer("middle", middle, hours=hours, places=2),
            dealer("far", far),
        ],
        set_admission=True,
    )
    case_ids = cases(database, enrolled, 2)

    def found() -> list[tuple[str, datetime | None]]:
        choices = find_nearest_dealers(conn, SHANGHAI, brand="Forewarn Motors", capabilities=WORK, now=NOW)
        return [(choice.dealer.dealer_id, choice.next_slot_at) for choice in choices]

    # Before its slots are made nothing can be booked.
    assert found() == [("far", None)]
    make_slots(conn, now=NOW, days=1)
    assert found() == [("near", NOW), ("middle", NOW), ("far", None)]
    (first, *_) = free_slots(conn, "near", since=NOW, until=NOW + timedelta(days=1))
    take_place(conn, first.slot_id, case_ids[0], now=NOW)
    assert found()[0] == ("near", NOW + timedelta(hours=1))
    conn.execute("UPDATE care.slot SET capacity = 0 WHERE dealer_id = 'near' AND slot_id <> %s", [first.slot_id])
    assert [dealer_id for dealer_id, _ in found()] == ["middle", "far"]
    assert give_back_place(conn, first.slot_id, case_ids[0])
    assert found()[0] == ("near", NOW)


def test_slots_are_made_once_and_kept_as_somebody_left_them(conn: psycopg.Connection[Any]) -> None:
    store_dealers(
        conn,
        [dealer("a", SHANGHAI, hours="Mo-Fr 09:00-12:00", places=2), dealer("b", SHANGHAI, hours="Mo 09:00-12:00")],
        set_admission=True,
    )
    assert make_slots(conn, now=NOW, days=7) == 15
    conn.execute("UPDATE care.slot SET capacity = 0 WHERE day = '2026-03-03'")
    assert make_slots(conn, now=NOW, days=7) == 0
    assert make_slots(conn, now=NOW, days=8) == 3
    free = free_slots(conn, "a", since=NOW, until=NOW + timedelta(days=2))
    assert [(slot.day.isoformat(), slot.free) for slot in free] == [
        ("2026-03-02", 2),
        ("2026-03-02", 2),
        ("2026-03-04", 2),
    ]


@pytest.fixture
def slot(conn: psycopg.Connection[Any]) -> int:
    """A slot with three places."""
    store_dealers(conn, [dealer("a", SHANGHAI, hours="Mo 10:00-11:00", places=3)], set_admission=True)
    make_slots(conn, now=NOW, days=1)
    (only,) = free_slots(conn, "a", since=NOW, until=NOW + timedelta(days=1))
    return only.slot_id


def test_many_who_book_one_slot_at_once_get_as_many_places_as_there_are(
    database: str, slot: int, enrolled: Callable[..., dict[str, int]]
) -> None:
    case_ids = cases(database, enrolled, len(CARS))
    ready = threading.Barrier(len(case_ids))

    def book(case_id: int) -> int | None:
        with connect(database, role="alerts") as conn:
            ready.wait(30)
            try:
                return take_place(conn, slot, case_id, now=NOW)
            except SlotFull:
                return None

    with ThreadPoolExecutor(len(case_ids)) as threads:
        places = [place for place in threads.map(book, case_ids) if place is not None]
    assert sorted(places) == [1, 2, 3]


def test_a_case_that_books_twice_has_one_place(
    conn: psycopg.Connection[Any], database: str, slot: int, enrolled: Callable[..., dict[str, int]]
) -> None:
    one, two = cases(database, enrolled, 2)
    assert take_place(conn, slot, one, now=NOW) == take_place(conn, slot, one, now=NOW) == 1
    assert take_place(conn, slot, two, now=NOW) == 2
    assert give_back_place(conn, slot, one)
    assert not give_back_place(conn, slot, one)
    assert take_place(conn, slot, one, now=NOW) == 1
    with pytest.raises(SlotFull):
        take_place(conn, 10**12, one, now=NOW)


def test_the_database_itself_refuses_a_place_twice_and_past_the_capacity(
    conn: psycopg.Connection[Any], database: str, slot: int, enrolled: Callable[..., dict[str, int]]
) -> None:
    """Whatever a program does wrong."""
    one, two = cases(database, enrolled, 2)
    insert = "INSERT INTO care.slot_place (slot_id, place, capacity, case_id, taken_at) VALUES (%s, %s, %s, %s, now())"
    conn.execute(insert, [slot, 3, 3, one])
    with pytest.raises(psycopg.errors.UniqueViolation):
        conn.execute(insert, [slot, 3, 3, two])
    with pytest.raises(psycopg.errors.CheckViolation):
        conn.execute(insert, [slot, 4, 3, two])
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        conn.execute(insert, [slot, 4, 4, two])
    with pytest.raises(psycopg.errors.CheckViolation):
        conn.execute("UPDATE care.slot SET capacity = 2 WHERE slot_id = %s", [slot])
    conn.execute("UPDATE care.slot SET capacity = 4 WHERE slot_id = %s", [slot])
    assert take_place(conn, slot, two, now=NOW) == 1


def test_measured_from_where_the_car_is_parked_else_from_home_and_only_with_consent(
    conn: psycopg.Connection[Any], database: str, enrolled: Callable[..., dict[str, int]]
) -> None:
    """Home is in Shanghai, the car in Beijing."""
    beijing = Place(39.9042, 116.4074)
    store_dealers(conn, [dealer("sh", SHANGHAI), dealer("bj", beijing, city="Beijing")], set_admission=True)
    vehicle = enrolled(CARS[0])[CARS[0]]
    modes = [fault_modes()["hv_self_discharge"], None]

    def nearest() -> tuple[bool | None, list[str]]:
        near = dealers_for(conn, vehicle, modes, now=NOW)
        return near.from_parked, [choice.dealer.dealer_id for choice in near.choices]

    assert nearest() == (False, ["sh", "bj"])
    with connect(database, role="admin") as admin:
        admin.execute(
            "INSERT INTO pii.position (vehicle_id, parked_at, latitude, longitude) VALUES (%s, %s, %s, %s)",
            [vehicle, NOW, beijing.latitude, beijing.longitude],
        )
    assert nearest() == (True, ["bj", "sh"])
    with connect(database, role="admin") as admin:
        admin.execute(
            "INSERT INTO pii.consent (vehicle_id, purpose, granted, policy_version, source, chosen_at)"
            " VALUES (%s, 'care', false, '1', 'car', now())",
            [vehicle],
        )
    assert nearest() == (None, [])


def test_hours_that_somebody_wrote_by_hand_do_not_stop_the_others(conn: psycopg.Connection[Any]) -> None:
    store_dealers(
        conn,
        [
            dealer("a", SHANGHAI, hours="every day", places=1),
            dealer("b", SHANGHAI, hours="Mo-Su 09:00-17:00", time_zone="Asia/Nowhere"),
            dealer("c", SHANGHAI, hours="Mo-Su 09:00-17:00", country="XX"),
            dealer("d", SHANGHAI, hours="Mo-Su 09:00-17:00", places=1),
        ],
        set_admission=True,
    )
    assert make_slots(conn, now=NOW, days=1) == 8
    found = find_nearest_dealers(conn, SHANGHAI, brand="Forewarn Motors", capabilities=WORK, now=NOW)
    assert [(choice.dealer.dealer_id, choice.open_now) for choice in found] == [("b", None), ("c", None), ("d", True)]


def test_one_visit_must_do_for_everything(
    conn: psycopg.Connection[Any], enrolled: Callable[..., dict[str, int]]
) -> None:
    able = frozenset({"general", "hv_battery", "hv_drive"})
    store_dealers(
        conn,
        [dealer("half", SHANGHAI), dealer("all", Place(31.4, 121.5), capabilities=able)],
        set_admission=True,
    )
    vehicle = enrolled(CARS[0])[CARS[0]]
    wanted = {mode.capability: mode for mode in fault_modes().values()}
    near = dealers_for(conn, vehicle, [wanted["hv_battery"], wanted["hv_drive"]], now=NOW)
    assert [choice.dealer.dealer_id for choice in near.choices] == ["all"]


def test_a_file_is_imported_whole_or_not_at_all(conn: psycopg.Connection[Any]) -> None:
    good = [dealer("a-1", SHANGHAI), dealer("a-2", Place(31.3, 121.5))]
    text = write_dealers(good)
    wrong = text + text.splitlines()[1].replace("31.2304000,121.4737000", "121.4737000,31.2304000")
    with pytest.raises(DealerFileWrong, match=r"^2 problems, nothing was imported; line 4: .*line 4: "):
        import_dealers(conn, wrong.encode(), from_gcj02=gcj02_to_wgs84, check_only=False)
    assert all_dealers(conn, admitted_only=False) == []
    assert import_dealers(conn, text.encode(), from_gcj02=gcj02_to_wgs84, check_only=True) == 2
    assert all_dealers(conn, admitted_only=False) == []
    assert import_dealers(conn, text.encode(), from_gcj02=gcj02_to_wgs84, check_only=False) == 2
    assert list(all_dealers(conn)) == good
    # A file decides who is admitted; the sample of the demo does not.
    import_dealers(conn, text.replace(",true,", ",false,").encode(), from_gcj02=gcj02_to_wgs84, check_only=False)
    assert all_dealers(conn) == []
    store_dealers(conn, good, set_admission=False)
    assert all_dealers(conn) == []


def test_the_radius_of_the_earth_is_one(conn: psycopg.Connection[Any]) -> None:
    """The distance that ranks in the database is the one that is shown."""
    store_dealers(conn, [dealer("far", Place(-33.8, 151.2))], set_admission=True)
    (choice,) = find_nearest_dealers(conn, SHANGHAI, brand="Forewarn Motors", capabilities=WORK, now=NOW)
    assert choice.distance_km == great_circle_km(SHANGHAI, Place(-33.8, 151.2))
    assert not choice.pick_up
