import itertools
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from alerts import call_list, cases
from alerts.calls import Filter, count_calls, find_call, open_calls, other_leads
from alerts.dealers import all_dealers, load_sample_dealers
from alerts.triage import Counts, apply_predictions
from config.faults import fault_modes
from ingest.store.connection import connect

NOW = datetime(2026, 3, 1, 3, tzinfo=UTC)
VINS = [f"LFWA{number:013d}" for number in range(30)]
Connection = psycopg.Connection[Any]


def apply(conn: Connection, predictions: list[Any], *, now: datetime = NOW, **keywords: Any) -> Counts:
    return apply_predictions(
        conn,
        predictions,
        fault_modes=fault_modes(),
        dealers=all_dealers(conn),
        observe=lambda *_: None,
        now=now,
        **keywords,
    )


def one(conn: Connection, query: Any, *values: object) -> Any:
    row = conn.execute(query, values).fetchone()
    assert row is not None
    return row[0]


def test_a_flagged_car_becomes_a_case_with_dealer_and_coupon(
    alerts_conn: Connection, enrolled: Callable[..., dict[str, int]], flag: Callable[..., Any]
) -> None:
    vehicle = enrolled(VINS[0])[VINS[0]]
    counts = apply(alerts_conn, [flag(vehicle, "hv_self_discharge", 0.9)])
    assert counts == Counts(flagged=1, opened=1, leads_added=1, offers=1)
    (row,) = call_list.rows(alerts_conn, language="en")
    assert row.vehicle_id == vehicle
    assert row.priority == 85
    assert (row.owner_masked, row.phone_masked, row.vin_masked) == ("王**", "138****8000", "LFWA…0000")
    # Nearer workshops cannot open a high-voltage battery.
    assert (row.dealer_id, row.distance_km) == ("sh-zhangjiang", 11.9)
    assert row.coupon is not None
    assert row.percent_off == 20
    (chinese,) = call_list.rows(alerts_conn, language="zh_CN")
    assert chinese.fault == "动力电池单体自放电"


def test_a_second_triage_changes_nothing_but_what_signals_say(
    alerts_conn: Connection, enrolled: Callable[..., dict[str, int]], flag: Callable[..., Any]
) -> None:
    vehicle = enrolled(VINS[0])[VINS[0]]
    first = flag(vehicle, probability=0.6)
    apply(alerts_conn, [first])
    before = open_calls(alerts_conn)[0]
    later = flag(vehicle, probability=0.9, scored_at=first.scored_at + timedelta(days=1))
    assert apply(alerts_conn, [later], now=NOW + timedelta(days=1)) == Counts(flagged=1, leads_refreshed=1)
    # An older scoring that comes late does not take the newer one back.
    assert apply(alerts_conn, [first], now=NOW + timedelta(days=1)) == Counts(flagged=1)
    after = open_calls(alerts_conn)[0]
    assert (after.case_id, after.coupon, after.offer, after.opened_at) == (
        before.case_id,
        before.coupon,
        before.offer,
        before.opened_at,
    )
    assert after.lead.probability == pytest.approx(0.9)
    assert after.lead.first_seen_at == before.lead.first_seen_at
    assert after.priority > before.priority


def test_two_faults_are_one_case_and_one_dealer_for_both(
    alerts_conn: Connection, enrolled: Callable[..., dict[str, int]], flag: Callable[..., Any]
) -> None:
    vehicle = enrolled(VINS[0])[VINS[0]]
    apply(alerts_conn, [flag(vehicle, "lv_battery", 0.95)])
    nearest = open_calls(alerts_conn)[0]
    assert nearest.offer is not None
    assert nearest.offer.dealer_id == "sh-changfeng"
    counts = apply(alerts_conn, [flag(vehicle, "hv_self_discharge", 0.7, datetime(2026, 3, 2, 2, tzinfo=UTC))])
    assert counts == Counts(flagged=1, leads_added=1, offers_moved=1)
    call = open_calls(alerts_conn)[0]
    assert call.offer is not None
    assert call.offer.dealer_id == "sh-zhangjiang"
    assert call.coupon == nearest.coupon
    assert call.lead.fault_mode == "hv_self_discharge"
    assert [lead.fault_mode for lead in other_leads(alerts_conn, call)] == ["lv_battery"]


def test_nobody_is_called_against_their_will(
    alerts_conn: Connection, enrolled: Callable[..., dict[str, int]], flag: Callable[..., Any], database: str
) -> None:
    refused, silent, withdrawing = (
        enrolled(VINS[0], purposes=frozenset({"safety", "marketing"}))[VINS[0]],
        enrolled(VINS[1])[VINS[1]],
        enrolled(VINS[2])[VINS[2]],
    )
    with connect(database, role="admin", autocommit=True) as admin:
        silence = (
            "UPDATE pii.owner SET do_not_call = true WHERE owner_id ="
            " (SELECT owner_id FROM pii.vehicle_identity WHERE vehicle_id = %s)"
        )
        admin.execute(silence, (silent,))
        counts = apply(alerts_conn, [flag(refused), flag(silent), flag(withdrawing), flag(999_999)])
        assert counts == Counts(flagged=4, not_callable=3, opened=1, leads_added=1, offers=1)
        (call,) = open_calls(alerts_conn)
        admin.execute(
            "INSERT INTO pii.consent (vehicle_id, purpose, granted, policy_version, source, chosen_at)"
            " VALUES (%s, 'care', false, '1', 'car', %s)",
            (withdrawing, NOW),
        )
    assert open_calls(alerts_conn) == []
    assert find_call(alerts_conn, call.case_id) is None
    assert count_calls(alerts_conn) == []


def test_the_dealer_is_nearest_to_where_the_car_is_parked(
    alerts_conn: Connection, enrolled: Callable[..., dict[str, int]], flag: Callable[..., Any], database: str
) -> None:
    vehicle = enrolled(VINS[0])[VINS[0]]
    with connect(database, role="ingest", autocommit=True) as ingest:
        ingest.execute("INSERT INTO pii.position VALUES (%s, %s, 39.99, 116.46)", (vehicle, NOW))
    apply(alerts_conn, [flag(vehicle)])
    (row,) = call_list.rows(alerts_conn, language="en")
    assert (row.dealer_id, row.distance_km) == ("bj-wangjing", 1.1)


def test_without_a_place_or_a_dealer_the_case_waits_for_one(
    alerts_conn: Connection, enrolled: Callable[..., dict[str, int]], flag: Callable[..., Any]
) -> None:
    lost = enrolled(VINS[0], home_latitude=None, home_longitude=None)[VINS[0]]
    foreign = enrolled(VINS[1], brand="Another Brand")[VINS[1]]
    counts = apply(alerts_conn, [flag(lost), flag(foreign)])
    assert counts == Counts(flagged=2, opened=2, leads_added=2, without_dealer=2)
    assert [row.dealer for row in call_list.rows(alerts_conn, language="en")] == [None, None]


def test_a_dealer_that_loses_admission_hands_its_cars_on(
    alerts_conn: Connection, enrolled: Callable[..., dict[str, int]], flag: Callable[..., Any]
) -> None:
    vehicle = enrolled(VINS[0])[VINS[0]]
    prediction = flag(vehicle)
    apply(alerts_conn, [prediction])
    coupon = open_calls(alerts_conn)[0].coupon
    alerts_conn.execute("UPDATE care.dealer SET admitted = false WHERE dealer_id = 'sh-changfeng'")
    # Loading the samples again does not give it back.
    load_sample_dealers(alerts_conn)
    assert apply(alerts_conn, [prediction]).offers_moved == 1
    (call,) = open_calls(alerts_conn)
    assert call.offer is not None
    assert call.offer.dealer_id != "sh-changfeng"
    assert call.coupon == coupon


def test_a_redeemed_coupon_stays_where_it_was_redeemed(
    alerts_conn: Connection, enrolled: Callable[..., dict[str, int]], flag: Callable[..., Any]
) -> None:
    prediction = flag(enrolled(VINS[0])[VINS[0]])
    apply(alerts_conn, [prediction])
    alerts_conn.execute("UPDATE care.coupon SET redeemed_at = %s", (NOW,))
    alerts_conn.execute("UPDATE care.dealer SET admitted = false WHERE dealer_id = 'sh-changfeng'")
    assert apply(alerts_conn, [prediction]).offers_moved == 0


def test_a_code_that_exists_is_drawn_again(
    alerts_conn: Connection, enrolled: Callable[..., dict[str, int]], flag: Callable[..., Any]
) -> None:
    cars = enrolled(*VINS[:2])
    codes = iter(["SAME", "SAME", "OTHER"])
    apply(alerts_conn, [flag(vehicle) for vehicle in cars.values()], code=lambda: next(codes))
    assert one(alerts_conn, "SELECT array_agg(code ORDER BY code) FROM care.coupon") == ["OTHER", "SAME"]


def seen(vehicle: int) -> cases.NewLead:
    return cases.NewLead(vehicle_id=vehicle, source="prediction", fault_mode="lv_battery", severity=2, seen_at=NOW)


def test_two_who_open_cases_never_wait_for_each_other_in_a_circle(
    enrolled: Callable[..., dict[str, int]], database: str
) -> None:
    one_car, other_car = enrolled(*VINS[:2]).values()
    first_has_one = threading.Event()

    def second() -> None:
        with connect(database, role="alerts", autocommit=True) as conn, conn.transaction():
            first_has_one.wait(10)
            cases.open_and_lock(conn, [seen(other_car)], now=NOW)
            cases.open_and_lock(conn, [seen(one_car)], now=NOW)

    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(second)
        with connect(database, role="alerts", autocommit=True) as conn, conn.transaction():
            cases.open_and_lock(conn, [seen(one_car)], now=NOW)
            first_has_one.set()
            # Time for the second to take the other car, if it could.
            time.sleep(0.3)
            assert len(cases.open_and_lock(conn, [seen(one_car), seen(other_car)], now=NOW).case_of) == 2
        assert outcome.exception(10) is None


def test_one_car_has_one_open_case_whatever_runs_at_once(
    alerts_conn: Connection, enrolled: Callable[..., dict[str, int]], flag: Callable[..., Any], database: str
) -> None:
    predictions = [flag(vehicle) for vehicle in enrolled(*VINS).values()]
    failures: list[BaseException] = []
    start = threading.Barrier(6)

    def triage(seed: int) -> None:
        try:
            with connect(database, role="alerts", autocommit=True) as conn:
                shuffled = random.Random(seed).sample(predictions, len(predictions))
                start.wait(10)
                for _ in range(3):
                    apply(conn, shuffled)
        except BaseException as error:  # noqa: BLE001 a thread's failure is the test's
            failures.append(error)

    def close() -> None:
        try:
            with connect(database, role="alerts", autocommit=True) as conn:
                start.wait(10)
                for _, prediction in zip(range(60), itertools.cycle(predictions), strict=False):
                    conn.execute(
                        "UPDATE care.case SET state = 'closed', closed_at = now()"
                        " WHERE vehicle_id = %s AND state = 'open'",
                        (prediction.vehicle_id,),
                    )
        except BaseException as error:  # noqa: BLE001 a thread's failure is the test's
            failures.append(error)

    threads = [threading.Thread(target=triage, args=(seed,)) for seed in range(5)] + [threading.Thread(target=close)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    apply(alerts_conn, predictions)
    open_cases = one(alerts_conn, "SELECT count(*) FROM care.case WHERE state = 'open'")
    assert open_cases == one(alerts_conn, "SELECT count(DISTINCT vehicle_id) FROM care.case WHERE state = 'open'") == 30
    assert one(alerts_conn, "SELECT count(*) FROM care.case") == one(alerts_conn, "SELECT count(*) FROM care.coupon")
    assert len(open_calls(alerts_conn)) == 30


def test_what_a_person_wrote_stays(
    alerts_conn: Connection, enrolled: Callable[..., dict[str, int]], flag: Callable[..., Any]
) -> None:
    vehicle = enrolled(VINS[0])[VINS[0]]
    apply(alerts_conn, [flag(vehicle)])
    read = "SELECT to_jsonb(c) FROM care.case AS c"
    before = one(alerts_conn, read)
    apply(alerts_conn, [flag(vehicle, scored_at=datetime(2026, 3, 2, 2, tzinfo=UTC))], now=NOW + timedelta(days=1))
    assert one(alerts_conn, read) == before


def test_a_closed_case_is_closed(
    alerts_conn: Connection, enrolled: Callable[..., dict[str, int]], flag: Callable[..., Any]
) -> None:
    vehicle = enrolled(VINS[0])[VINS[0]]
    apply(alerts_conn, [flag(vehicle)])
    (call,) = open_calls(alerts_conn)
    alerts_conn.execute("UPDATE care.case SET state = 'closed', closed_at = now()")
    assert find_call(alerts_conn, call.case_id) is None
    with alerts_conn.transaction():
        opened = cases.open_and_lock(alerts_conn, [seen(vehicle)], now=NOW)
    assert opened.new == {opened.case_of[vehicle]}
    assert opened.case_of[vehicle] != call.case_id


def test_a_fault_mode_that_left_the_catalogue_opens_nothing(
    alerts_conn: Connection, enrolled: Callable[..., dict[str, int]], flag: Callable[..., Any]
) -> None:
    vehicle = enrolled(VINS[0])[VINS[0]]
    assert apply(alerts_conn, [flag(vehicle, "steam_boiler")]) == Counts(flagged=1)


def test_the_list_is_filtered_and_read_in_pages(
    alerts_conn: Connection, enrolled: Callable[..., dict[str, int]], flag: Callable[..., Any]
) -> None:
    here, there = enrolled(*VINS[:5]), enrolled(*VINS[5:8], city="Beijing")
    weak = [flag(vehicle, "lv_battery", 0.6) for vehicle in here.values()]
    apply(alerts_conn, weak + [flag(vehicle, "hv_self_discharge", 0.6) for vehicle in there.values()])
    every = [call.case_id for call in open_calls(alerts_conn)]
    assert len(every) == 8
    paged: list[int] = []
    after = None
    while page := open_calls(alerts_conn, wanted=Filter(after=after), limit=3):
        paged += [call.case_id for call in page]
        after = (page[-1].priority, page[-1].tie, page[-1].case_id)
    assert paged == every
    assert len(open_calls(alerts_conn, wanted=Filter(city="Beijing"))) == 3
    assert len(open_calls(alerts_conn, wanted=Filter(fault_mode="lv_battery"))) == 5
    assert open_calls(alerts_conn, wanted=Filter(fault_mode="lv_battery", city="Beijing")) == []
    assert sum(count.cases for count in count_calls(alerts_conn)) == 8
