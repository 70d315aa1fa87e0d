"""From the appointment to the repaired car: places, coupons, findings, the owner's answer, messages."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import psycopg
import pytest

from alerts.calls import find_call, other_leads
from alerts.cases import NewLead
from alerts.charging.channels import NotTaken
from alerts.coupons import CouponMisread
from alerts.dealers import all_dealers
from alerts.slots import SlotFull, free_slots, make_slots
from alerts.sources import gather
from alerts.triage import apply_leads
from alerts.work.agents import Agent
from alerts.work.appointments import CannotBook, NoAppointment, Way, appointment_of, arrived, book, cancel, no_shows
from alerts.work.claims import claim_next
from alerts.work.closing import close_case
from alerts.work.findings import FindingRefused, Report, report_finding
from alerts.work.links import NoOffer, confirm_offer, name_driver, offer_of, send_offer
from alerts.work.messages import confirm, send_due, write_reminders
from alerts.work.redeeming import CouponRefused, Request, look_up, redeem, roll_back
from alerts.work.silences import silence
from alerts.work.surveys import answer, find_survey
from alerts.work.tasks import NoSuchTask, finish_charged, finish_task, open_tasks, tasks_of_buttons
from config.faults import fault_modes
from config.service import service
from ingest.store.connection import connect
from models.tables import flagged_predictions
from tests.integration.alerts.work.conftest import NOW, triage_all

Connection = psycopg.Connection[Any]
SOON = NOW + timedelta(minutes=1)
MAIL = "INSERT INTO pii.contact (owner_id, channel, address) SELECT owner_id, 'email', 'a@b.cn' FROM pii.owner"


def asked(conn: Connection, query: str, *values: Any) -> list[Any]:
    return conn.execute(query, values).fetchall()


def dealer_of(conn: Connection, case: int) -> str:
    [(dealer,)] = asked(conn, "SELECT dealer_id FROM care.offer WHERE case_id = %s", case)
    return str(dealer)


def code_of(conn: Connection, case: int) -> str:
    [(code,)] = asked(conn, "SELECT code FROM care.coupon JOIN care.offer USING (offer_id) WHERE case_id = %s", case)
    return str(code)


def at_counter(dealer: str, request: str = "r1", **fields: Any) -> Request:
    return Request(dealer_id=dealer, request_id=request, by="counter", **fields)


class Gateway:
    """A channel that remembers what it took, and takes nothing while it is broken."""

    name = "gateway"

    def __init__(self, *kinds: str, broken: bool = False) -> None:
        self.kinds, self.broken, self.taken = kinds, broken, []

    def takes(self, message: Any) -> bool:
        return message.channel in self.kinds

    def send(self, message: Any) -> None:
        if self.broken:
            raise NotTaken("broken on purpose")
        self.taken.append(message)

    def close(self) -> None: ...


def test_fifty_counters_redeem_one_coupon_and_one_succeeds(
    database: str, alerts_conn: Connection, open_cases: Callable[..., list[int]]
) -> None:
    [case] = open_cases()
    code, dealer = code_of(alerts_conn, case), dealer_of(alerts_conn, case)
    start, said = threading.Barrier(50), []

    def ask(number: int) -> None:
        with connect(database, role="alerts", autocommit=True) as conn:
            start.wait(30)
            try:
                redeem(conn, code, at_counter(dealer, f"request {number}"), now=NOW)
                said.append("done")
            except CouponRefused as refused:
                said.append(refused.why)

    threads = [threading.Thread(target=ask, args=[number]) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (said.count("done"), said.count("redeemed")) == (1, 49)
    assert asked(alerts_conn, "SELECT count(*) FROM care.redemption") == [(1,)]


def test_the_same_request_at_once_is_one_redemption_and_one_answer(
    database: str, alerts_conn: Connection, open_cases: Callable[..., list[int]]
) -> None:
    [case] = open_cases()
    code, dealer = code_of(alerts_conn, case), dealer_of(alerts_conn, case)
    start, said = threading.Barrier(10), []

    def ask() -> None:
        with connect(database, role="alerts", autocommit=True) as conn:
            start.wait(30)
            said.append(redeem(conn, code, at_counter(dealer), now=NOW).again)

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(said) == [False] + [True] * 9


def test_a_redemption_is_taken_back_by_its_dealer_alone(
    alerts_conn: Connection, open_cases: Callable[..., list[int]]
) -> None:
    [case] = open_cases()
    code, dealer = code_of(alerts_conn, case), dealer_of(alerts_conn, case)
    [(other,)] = asked(alerts_conn, "SELECT dealer_id FROM care.dealer WHERE dealer_id <> %s LIMIT 1", dealer)

    def refused(do: Callable[..., Any], request: Request) -> str:
        with pytest.raises(CouponRefused) as error:
            do(alerts_conn, code, request, now=NOW)
        return error.value.why

    assert refused(roll_back, at_counter(dealer, "b0", reason="typo")) == "open"
    assert redeem(alerts_conn, code.lower().replace("-", " "), at_counter(dealer), now=NOW).again is False
    assert redeem(alerts_conn, code, at_counter(dealer), now=NOW).again is True
    assert refused(redeem, at_counter(dealer, "r2")) == "redeemed"
    assert refused(roll_back, at_counter(other, "b1", reason="typo")) == "other"
    assert refused(roll_back, at_counter(dealer, "r1", reason="typo")) == "repeated"
    assert roll_back(alerts_conn, code, at_counter(dealer, "b2", reason="wrong car"), now=NOW).again is False
    assert roll_back(alerts_conn, code, at_counter(dealer, "b2", reason="wrong car"), now=NOW).again is True
    assert redeem(alerts_conn, code, at_counter(other, "r3"), now=NOW).again is False
    assert look_up(alerts_conn, code).redeemed_by == other
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        alerts_conn.execute("UPDATE care.redemption SET by_whom = 'nobody'")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE care.coupon SET valid_until = %s", "expired"),
        ("UPDATE care.dealer SET admitted = false WHERE admitted AND %s > '2000-01-01'", "dealer"),
        ("UPDATE care.dealer SET brand = 'Other' WHERE %s > '2000-01-01'", "dealer"),
    ],
)
def test_a_coupon_that_is_not_good_here(
    database: str, alerts_conn: Connection, open_cases: Callable[..., list[int]], change: str, why: str
) -> None:
    [case] = open_cases()
    code, dealer = code_of(alerts_conn, case), dealer_of(alerts_conn, case)
    with connect(database, role="admin") as conn:
        conn.execute(change, (NOW + timedelta(seconds=1),))
    with pytest.raises(CouponRefused) as refused:
        redeem(alerts_conn, code, at_counter(dealer), now=NOW + timedelta(minutes=1))
    assert refused.value.why == why
    wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
    with pytest.raises(CouponMisread):
        look_up(alerts_conn, wrong)


def test_a_place_is_given_once_and_moves_with_its_appointment(
    alerts_conn: Connection, open_cases: Callable[..., list[int]]
) -> None:
    make_slots(alerts_conn, now=NOW, days=3)
    cases = open_cases(8)
    dealer = dealer_of(alerts_conn, cases[0])
    slot, later = free_slots(alerts_conn, dealer, since=SOON, until=NOW + timedelta(days=3))[:2]
    for case in cases[: slot.free]:
        book(alerts_conn, case, dealer_id=dealer, slot_id=slot.slot_id, by="li.na", now=NOW)
    with pytest.raises(SlotFull):
        book(alerts_conn, cases[slot.free], dealer_id=dealer, slot_id=slot.slot_id, by="li.na", now=NOW)
    book(alerts_conn, cases[0], dealer_id=dealer, slot_id=later.slot_id, by="li.na", now=NOW)
    book(alerts_conn, cases[slot.free], dealer_id=dealer, slot_id=slot.slot_id, by="li.na", now=NOW)
    moved = appointment_of(alerts_conn, cases[0])
    assert moved is not None
    assert moved.starts_at == later.starts_at
    cancel(alerts_conn, cases[0], by="li.na", now=NOW)
    with pytest.raises(NoAppointment):
        cancel(alerts_conn, cases[0], by="li.na", now=NOW)
    assert asked(alerts_conn, "SELECT count(*) FROM care.slot_place WHERE case_id = %s", cases[0]) == [(0,)]


def test_what_cannot_be_booked(alerts_conn: Connection, open_cases: Callable[..., list[int]]) -> None:
    make_slots(alerts_conn, now=NOW, days=2)
    [case] = open_cases()
    dealer = dealer_of(alerts_conn, case)
    slot = free_slots(alerts_conn, dealer, since=SOON, until=NOW + timedelta(days=2))[0]

    def refused(what: str, **options: Any) -> None:
        with pytest.raises(CannotBook, match=what):
            book(alerts_conn, case, dealer_id=dealer, by="li.na", now=NOW, **options)

    refused("choose a time")
    refused("no such time", slot_id=slot.slot_id + 100_000)
    refused("book is kept here", starts_at=NOW + timedelta(hours=3))
    refused("pick-up is within 20 km", slot_id=slot.slot_id, way=Way.PICK_UP, distance_km=20.1)
    refused("pick-up is within 20 km", slot_id=slot.slot_id, way=Way.PICK_UP)
    with pytest.raises(CannotBook, match="past"):
        book(alerts_conn, case, dealer_id=dealer, slot_id=slot.slot_id, by="li.na", now=slot.starts_at)
    book(alerts_conn, case, dealer_id=dealer, slot_id=slot.slot_id, way=Way.PICK_UP, distance_km=3.0, by="a", now=NOW)
    assert [task.kind for task in open_tasks(alerts_conn)] == ["pick_up"]


def test_who_does_not_come_is_on_the_list_again(
    alerts_conn: Connection, open_cases: Callable[..., list[int]], agent: Callable[..., Agent]
) -> None:
    make_slots(alerts_conn, now=NOW, days=2)
    [case] = open_cases()
    dealer = dealer_of(alerts_conn, case)
    slot = free_slots(alerts_conn, dealer, since=SOON, until=NOW + timedelta(days=2))[0]
    number = book(alerts_conn, case, dealer_id=dealer, slot_id=slot.slot_id, by="li.na", now=NOW)
    alerts_conn.execute(
        "INSERT INTO care.case_work (case_id, not_before) VALUES (%s, %s)", (case, NOW + timedelta(days=9))
    )
    late = slot.starts_at + timedelta(hours=service().no_show_h, minutes=1)
    assert no_shows(alerts_conn, now=slot.starts_at) == 0
    assert no_shows(alerts_conn, now=late) == 1
    assert no_shows(alerts_conn, now=late) == 0
    morning = (late + timedelta(days=1)).replace(hour=2, minute=0)
    assert claim_next(alerts_conn, agent(), now=morning) == case
    # Later than late is still there.
    arrived(alerts_conn, number, dealer_id=dealer, by="counter", now=late)
    with pytest.raises(NoAppointment):
        arrived(alerts_conn, number, dealer_id="another", by="counter", now=late)


def visited(conn: Connection, case: int) -> str:
    """Book a visit of a case and return its dealer."""
    make_slots(conn, now=NOW, days=2)
    dealer = dealer_of(conn, case)
    slot = free_slots(conn, dealer, since=SOON, until=NOW + timedelta(days=2))[0]
    book(conn, case, dealer_id=dealer, slot_id=slot.slot_id, by="li.na", now=NOW)
    return dealer


def test_nothing_found_quiets_that_car_and_fault_at_once(
    database: str, alerts_conn: Connection, open_cases: Callable[..., list[int]], flag: Callable[..., Any]
) -> None:
    [case] = open_cases()
    [(car,)] = asked(alerts_conn, "SELECT vehicle_id FROM care.case WHERE case_id = %s", case)
    dealer = visited(alerts_conn, case)
    with connect(database, role="models") as conn:
        assert len(flagged_predictions(conn)) == 1
    report_finding(alerts_conn, case, Report(result="nothing"), dealer_id=dealer, by="counter", now=NOW)
    with connect(database, role="models") as conn:
        assert flagged_predictions(conn) == []
    assert asked(alerts_conn, "SELECT state, outcome FROM care.case") == [("closed", "nothing_found")]
    triage_all(alerts_conn, [flag(car, "lv_battery", 0.9, NOW + timedelta(days=1))])
    assert asked(alerts_conn, "SELECT count(*) FROM care.case WHERE state = 'open'") == [(0,)]
    # Another fault of the same car is another matter.
    triage_all(alerts_conn, [flag(car, "tyre_leak", 0.9, NOW + timedelta(days=1))])
    assert asked(alerts_conn, "SELECT count(*) FROM care.case WHERE state = 'open'") == [(1,)]


def test_a_finding_is_a_label_and_what_comes_back_soon_reopens_the_case(
    alerts_conn: Connection, open_cases: Callable[..., list[int]], flag: Callable[..., Any]
) -> None:
    [case] = open_cases()
    [(car,)] = asked(alerts_conn, "SELECT vehicle_id FROM care.case WHERE case_id = %s", case)
    triage_all(alerts_conn, [flag(car, "tyre_leak", 0.9, NOW)])
    dealer = visited(alerts_conn, case)
    report = Report(result="confirmed", fault_mode="lv_battery", parts=("battery",), request_id="f1")
    first = report_finding(alerts_conn, case, report, dealer_id=dealer, by="counter", now=NOW)
    again = report_finding(alerts_conn, case, report, dealer_id=dealer, by="counter", now=NOW + timedelta(hours=1))
    assert (first.again, again.again, again.finding_id) == (False, True, first.finding_id)
    assert asked(
        alerts_conn, "SELECT fault_mode, confirmed FROM prediction.label WHERE source = 'finding' ORDER BY 1"
    ) == [("lv_battery", True), ("tyre_leak", False)]
    assert asked(alerts_conn, "SELECT state FROM care.appointment") == [("arrived",)]
    # On the next days models look at what the battery was before.
    triage_all(alerts_conn, [flag(car, "lv_battery", 0.9, NOW + timedelta(days=2))])
    assert asked(alerts_conn, "SELECT case_id, state, reopened FROM care.case") == [(case, "closed", 0)]
    triage_all(alerts_conn, [flag(car, "lv_battery", 0.9, NOW + timedelta(days=8))])
    assert asked(alerts_conn, "SELECT case_id, state, reopened FROM care.case") == [(case, "open", 1)]


def test_a_lamp_after_a_repair_is_news_at_once(alerts_conn: Connection, open_cases: Callable[..., list[int]]) -> None:
    [case] = open_cases()
    car = repaired(alerts_conn, case)
    for days, state in ((-1, "closed"), (1, "open")):
        seen_at = NOW + timedelta(days=days)
        lead = NewLead(vehicle_id=car, source="lamp", fault_mode="lv_battery", severity=2, seen_at=seen_at)
        apply_leads(
            alerts_conn,
            {car: [lead]},
            {car: [lead]}.__getitem__,
            fault_modes=fault_modes(),
            dealers=all_dealers(alerts_conn),
            now=max(seen_at, NOW),
        )
        assert asked(alerts_conn, "SELECT case_id, state FROM care.case") == [(case, state)]


LED_BY = (
    "SELECT care.case.case_id, reopened, lead.fault_mode FROM care.case JOIN care.case_priority USING (case_id)"
    " JOIN care.lead ON lead_id = (why ->> 'lead_id')::bigint WHERE state = 'open'"
)


def repaired(conn: Connection, case: int, mode: str = "lv_battery") -> int:
    """Have a workshop confirm and repair a fault of a case; return its car."""
    report = Report(result="confirmed", fault_mode=mode)
    report_finding(conn, case, report, dealer_id=visited(conn, case), by="counter", now=NOW)
    [(car,)] = asked(conn, "SELECT vehicle_id FROM care.case WHERE case_id = %s", case)
    return int(car)


def test_another_fault_after_a_repair_is_another_case(
    alerts_conn: Connection, open_cases: Callable[..., list[int]], flag: Callable[..., Any]
) -> None:
    [case] = open_cases()
    car = repaired(alerts_conn, case)
    # What was seen before the repair, told once more, is no news.
    before = flag(car, "lv_battery", 0.9, NOW - timedelta(minutes=5))
    triage_all(alerts_conn, [before])
    assert asked(alerts_conn, LED_BY) == []
    triage_all(alerts_conn, [flag(car, "tyre_leak", 0.6, NOW + timedelta(days=2))])
    [(other, reopened, led_by)] = asked(alerts_conn, LED_BY)
    assert (reopened, led_by) == (0, "tyre_leak")
    assert other != case
    triage_all(alerts_conn, [before])
    assert asked(alerts_conn, "SELECT fault_mode FROM care.lead WHERE case_id = %s", other) == [("tyre_leak",)]


def test_what_was_repaired_leads_its_case_no_more_when_another_fault_of_it_comes_back(
    alerts_conn: Connection, open_cases: Callable[..., list[int]], flag: Callable[..., Any]
) -> None:
    [case] = open_cases()
    [(car,)] = asked(alerts_conn, "SELECT vehicle_id FROM care.case WHERE case_id = %s", case)
    triage_all(alerts_conn, [flag(car, "tyre_leak", 0.6, NOW - timedelta(hours=1))])
    repaired(alerts_conn, case)
    tyre = flag(car, "tyre_leak", 0.6, NOW + timedelta(days=8))
    for again in ([tyre], [tyre, flag(car, "lv_battery", 0.9, NOW - timedelta(minutes=5))]):
        triage_all(alerts_conn, again)
        assert asked(alerts_conn, LED_BY) == [(case, 1, "tyre_leak")]
    call = find_call(alerts_conn, case)
    assert call is not None
    [battery] = other_leads(alerts_conn, call)
    assert (battery.fault_mode, battery.settled_at) == ("lv_battery", NOW)
    # The workshop is asked about the tyre alone, and what it says of it is no word against the battery's repair.
    tyre_found = Report(result="confirmed")
    dealer, later = visited(alerts_conn, case), NOW + timedelta(days=9)
    report_finding(alerts_conn, case, tyre_found, dealer_id=dealer, by="counter", now=later)
    assert asked(alerts_conn, "SELECT fault_mode, confirmed FROM prediction.label WHERE occurred_at = %s", later) == [
        ("tyre_leak", True)
    ]


def test_a_repair_that_did_not_hold_leads_its_case_again(
    alerts_conn: Connection, open_cases: Callable[..., list[int]], flag: Callable[..., Any]
) -> None:
    [case] = open_cases()
    car = repaired(alerts_conn, case)
    triage_all(alerts_conn, [flag(car, "lv_battery", 0.9, NOW + timedelta(days=8))])
    triage_all(alerts_conn, [flag(car, "tyre_leak", 0.6, NOW + timedelta(days=9))])
    assert asked(alerts_conn, LED_BY) == [(case, 1, "lv_battery")]


@pytest.mark.parametrize(
    ("report", "what"),
    [
        (Report(result="confirmed", fault_mode="tyre_leak"), "report it as other"),
        (Report(result="other", fault_mode="lv_battery"), "report it as confirmed"),
        (Report(result="other"), "give fault_mode"),
        (Report(result="other", fault_mode="gremlins"), "is no fault mode: use one of hv_self_discharge"),
        (Report(result="nothing", fault_mode="lv_battery"), "leave it out"),
        (Report(result="nothing", odometer_km=-1.0), "no mileage"),
    ],
)
def test_a_finding_that_cannot_be(
    alerts_conn: Connection, open_cases: Callable[..., list[int]], report: Report, what: str
) -> None:
    [case] = open_cases()
    dealer = visited(alerts_conn, case)
    with pytest.raises(FindingRefused, match=what):
        report_finding(alerts_conn, case, report, dealer_id=dealer, by="counter", now=NOW)
    with pytest.raises(FindingRefused, match="no visit"):
        report_finding(alerts_conn, case, Report(result="nothing"), dealer_id="elsewhere", by="counter", now=NOW)
    assert asked(alerts_conn, "SELECT count(*) FROM prediction.label") == [(0,)]


def test_an_unhappy_owner_is_a_task_for_the_dealers_manager(
    alerts_conn: Connection, open_cases: Callable[..., list[int]]
) -> None:
    [case] = open_cases()
    dealer = visited(alerts_conn, case)
    done = report_finding(alerts_conn, case, Report(result="confirmed"), dealer_id=dealer, by="counter", now=NOW)
    assert done.survey is not None
    assert find_survey(alerts_conn, done.survey).answered_at is None
    assert answer(alerts_conn, done.survey, score=2, text="waited two hours", now=NOW)
    assert not answer(alerts_conn, done.survey, score=5, text="", now=NOW)
    assert open_tasks(alerts_conn) == []
    [task] = open_tasks(alerts_conn, dealer_id=dealer)
    assert (task.kind, task.text) == ("low_survey", "waited two hours")
    assert task.due_at > NOW
    with pytest.raises(NoSuchTask):
        finish_task(alerts_conn, task.task_id, by="x", result="called", now=NOW, dealer_id="another")
    finish_task(alerts_conn, task.task_id, by="manager", result="called", now=NOW, dealer_id=dealer)
    assert open_tasks(alerts_conn, dealer_id=dealer) == []


def test_a_message_counts_when_it_is_received(
    database: str, alerts_conn: Connection, open_cases: Callable[..., list[int]]
) -> None:
    [case] = open_cases()
    with connect(database, role="admin") as conn:
        conn.execute(
            "INSERT INTO pii.contact (owner_id, channel, address) SELECT owner_id, 'email', 'a@b.cn' FROM pii.owner"
        )
    token = send_offer(alerts_conn, case, public_url="https://care.example", by="li.na", now=NOW)
    text, mail = Gateway("phone", "app"), Gateway("email")
    assert send_due(alerts_conn, [text, mail], public_url="https://care.example", now=NOW)[:2] == (1, 0)
    assert f"https://care.example/o/{token}" in text.taken[0].text
    assert send_due(alerts_conn, [text, mail], public_url=None, now=NOW) == (0, 0, 0)
    # No receipt in time: the next channel, and after the last one a person.
    later = NOW + timedelta(minutes=service().receipt_min)
    assert send_due(alerts_conn, [text, mail], public_url=None, now=later)[0] == 1
    assert mail.taken[0].address == "a@b.cn"
    later += timedelta(minutes=service().receipt_min)
    assert send_due(alerts_conn, [text, mail], public_url=None, now=later).given_up == 1
    assert [task.kind for task in open_tasks(alerts_conn)] == ["no_receipt"]
    number = text.taken[0].delivery_id
    assert confirm(alerts_conn, number, now=later)
    assert not confirm(alerts_conn, uuid.uuid4(), now=later)


@pytest.mark.parametrize(
    "left_alone",
    [
        "UPDATE pii.owner SET do_not_call = true",
        (
            "INSERT INTO pii.consent (vehicle_id, purpose, granted, policy_version, source, chosen_at)"
            " SELECT vehicle_id, 'care', false, '1', 'test', now() FROM pii.vehicle_identity"
        ),
    ],
)
def test_nobody_is_told_to_reach_an_owner_who_is_to_be_left_alone(
    database: str, alerts_conn: Connection, open_cases: Callable[..., list[int]], left_alone: str
) -> None:
    [case] = open_cases()
    send_offer(alerts_conn, case, public_url=None, by="li.na", now=NOW)
    text, later = Gateway("phone"), NOW + timedelta(minutes=service().receipt_min)
    assert send_due(alerts_conn, [text], public_url=None, now=NOW).taken == 1
    with connect(database, role="admin") as conn:
        conn.execute(left_alone)
    assert send_due(alerts_conn, [text], public_url=None, now=later).given_up == 1
    assert asked(alerts_conn, "SELECT kind FROM care.task") == []


def test_a_task_to_reach_an_owner_is_shown_until_they_ask_to_be_left_alone(
    database: str, alerts_conn: Connection, open_cases: Callable[..., list[int]]
) -> None:
    [case] = open_cases()
    send_offer(alerts_conn, case, public_url=None, by="li.na", now=NOW)
    for minutes in (0, service().receipt_min):
        send_due(alerts_conn, [Gateway("phone")], public_url=None, now=NOW + timedelta(minutes=minutes))
    assert [task.kind for task in open_tasks(alerts_conn)] == ["no_receipt"]
    with connect(database, role="admin") as conn:
        conn.execute("UPDATE pii.owner SET do_not_call = true")
    assert open_tasks(alerts_conn) == []


def test_a_channel_that_is_broken_is_passed_over_at_once(
    database: str, alerts_conn: Connection, open_cases: Callable[..., list[int]]
) -> None:
    [case] = open_cases()
    with connect(database, role="admin") as conn:
        conn.execute(
            "INSERT INTO pii.contact (owner_id, channel, address) SELECT owner_id, 'email', 'a@b.cn' FROM pii.owner"
        )
    token = send_offer(alerts_conn, case, public_url=None, by="li.na", now=NOW)
    mail = Gateway("email")
    done = send_due(alerts_conn, [Gateway("phone", broken=True), mail], public_url=None, now=NOW)
    assert (done.taken, done.not_taken) == (1, 1)
    assert len(mail.taken) == 1
    confirm_offer(alerts_conn, token, now=NOW)
    assert send_due(alerts_conn, [mail], public_url=None, now=NOW + timedelta(days=1)) == (0, 0, 0)
    assert asked(alerts_conn, "SELECT nth, channel, taken FROM care.message_try ORDER BY nth") == [
        (1, "phone", False),
        (2, "email", True),
    ]


def test_a_driver_may_carry_the_coupon_and_a_new_link_ends_the_old_one(
    alerts_conn: Connection, open_cases: Callable[..., list[int]]
) -> None:
    [case] = open_cases()
    old = send_offer(alerts_conn, case, public_url=None, by="li.na", now=NOW)
    token = send_offer(alerts_conn, case, public_url=None, by="li.na", now=NOW)
    with pytest.raises(NoOffer):
        offer_of(alerts_conn, old)
    name_driver(alerts_conn, token, "  Wang   Wei ", now=NOW)
    assert offer_of(alerts_conn, token).driver == "Wang Wei"
    assert look_up(alerts_conn, code_of(alerts_conn, case)).driver == "Wang Wei"


def test_a_visit_is_reminded_of_once(alerts_conn: Connection, open_cases: Callable[..., list[int]]) -> None:
    [case] = open_cases()
    visited(alerts_conn, case)
    assert write_reminders(alerts_conn, now=NOW) == 1
    assert write_reminders(alerts_conn, now=NOW) == 0
    assert "预约" in asked(alerts_conn, "SELECT body FROM care.message")[0][0]


def test_the_button_in_the_car_is_a_task_at_any_hour_and_a_charged_car_needs_no_power(
    database: str, alerts_conn: Connection, open_cases: Callable[..., list[int]]
) -> None:
    from alerts.work.tasks import add_task

    [case] = open_cases()
    [(car,)] = asked(alerts_conn, "SELECT vehicle_id FROM care.case WHERE case_id = %s", case)
    night = NOW.replace(hour=19)
    with connect(database, role="admin") as conn:
        conn.execute(
            "INSERT INTO telemetry.vehicle_event (vehicle_id, ts, received_at, kind, code, state)"
            " VALUES (%s, %s, %s, 'help', 'sos', 'on')",
            (car, night, night),
        )
    assert tasks_of_buttons(alerts_conn, since=night - timedelta(days=1), now=night) == 1
    assert tasks_of_buttons(alerts_conn, since=night - timedelta(days=1), now=night) == 0
    [task] = open_tasks(alerts_conn)
    assert (task.kind, task.vehicle_id, task.case_id) == ("help", car, case)
    assert task.due_at == night + timedelta(minutes=5)
    add_task(alerts_conn, "power", due_at=night + timedelta(hours=3), now=night, vehicle_id=car)
    assert finish_charged(alerts_conn, soc=90, now=night) == 0
    with connect(database, role="admin") as conn:
        conn.execute(
            "INSERT INTO telemetry.vehicle_state (vehicle_id, ts, received_at, readings, soc_pct, soc_pct_at)"
            " VALUES (%s, %s, %s, 1, 91, %s)",
            [car, *[night + timedelta(hours=2)] * 3],
        )
    assert finish_charged(alerts_conn, soc=90, now=night + timedelta(hours=2)) == 1


@pytest.mark.parametrize(
    ("days", "km", "source"),
    [(100, 5_000, None), (100, 9_200, "service"), (331, 100, "loyalty"), (340, 100, "service"), (541, 100, "dormant")],
)
def test_what_is_due_by_distance_and_time(
    database: str, alerts_conn: Connection, enrolled: Callable[..., dict[str, int]], days: int, km: float, source: Any
) -> None:
    car = enrolled("LFWA0000000009999")["LFWA0000000009999"]
    with connect(database, role="admin") as conn:
        conn.execute(
            "INSERT INTO care.visit (vehicle_id, visited_at, odometer_km) VALUES (%s, %s, 20000)",
            (car, NOW - timedelta(days=days)),
        )
        conn.execute(
            "INSERT INTO telemetry.vehicle_state (vehicle_id, ts, received_at, readings, odometer_km)"
            " VALUES (%s, %s, %s, 1, %s)",
            (car, NOW, NOW, 20_000 + km),
        )
    assert gather(alerts_conn, now=NOW).found == ({source: 1} if source else {})
    assert gather(alerts_conn, now=NOW).counts.opened == 0
    if source in ("loyalty", "dormant"):
        # It is a gift beyond any fault: it goes to who agreed to marketing.
        assert asked(alerts_conn, "SELECT campaign, yuan_off FROM care.offer JOIN care.coupon USING (offer_id)") in (
            [],
            [("yearly_care", 360)],
        )


def test_what_is_due_opens_no_more_cases_than_the_agents_can_work_off_in_a_day(
    database: str,
    alerts_conn: Connection,
    enrolled: Callable[..., dict[str, int]],
    open_cases: Callable[..., list[int]],
    agent: Callable[..., Agent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("alerts.sources.service", lambda: msgspec.structs.replace(service(), agent_cases_a_day=4))
    open_cases(2)
    agent()
    # By days since the visit: yearly care, three services, and one whose owner asked to be left alone.
    ages = {"LFWA0000000009990": 335, **{f"LFWA000000000999{n}": 340 + n for n in (1, 2, 3)}, "LFWA0000000009999": 500}
    cars = {vin: enrolled(vin)[vin] for vin in ages}
    with connect(database, role="admin") as conn:
        for vin, car in cars.items():
            values = (car, NOW - timedelta(days=ages[vin]))
            conn.execute("INSERT INTO care.visit (vehicle_id, visited_at, odometer_km) VALUES (%s, %s, 20000)", values)
    silence(
        alerts_conn,
        cars["LFWA0000000009999"],
        ends_at=NOW + timedelta(days=9),
        reason="asked for it",
        by="li.na",
        now=NOW - timedelta(hours=1),
    )
    alerts_conn.commit()

    def told() -> set[int]:
        query = "SELECT vehicle_id FROM care.lead JOIN care.case USING (case_id) WHERE source <> 'prediction'"
        return {car for (car,) in asked(alerts_conn, query)}

    # Four a day, two predictions are ready: there is room for the two that have waited longest.
    assert gather(alerts_conn, now=NOW).found == {"service": 2}
    longest = {cars["LFWA0000000009993"], cars["LFWA0000000009992"]}
    assert told() == longest
    # No more is found while they wait; what has its case is seen again.
    assert gather(alerts_conn, now=NOW).counts.opened == 0
    # Another agent makes room for all of them, and nothing is opened of the car that is left alone.
    agent("zhang.wei")
    assert gather(alerts_conn, now=NOW).counts.opened == 2
    assert told() == set(cars.values()) - {cars["LFWA0000000009999"]}


def test_a_case_that_calms_down_closes_by_itself_unless_somebody_is_on_it(
    alerts_conn: Connection, open_cases: Callable[..., list[int]], agent: Callable[..., Agent]
) -> None:
    from alerts.work.claims import claim

    calm, held = open_cases(2)
    claim(alerts_conn, held, agent(), now=NOW)
    assert gather(alerts_conn, now=NOW + timedelta(days=service().calm_d - 1)).calm == 0
    assert gather(alerts_conn, now=NOW + timedelta(days=service().calm_d + 1)).calm == 1
    assert asked(alerts_conn, "SELECT case_id, outcome FROM care.case WHERE state = 'closed'") == [(calm, "calm")]


def test_the_same_request_at_once_about_two_cases_is_one_finding_and_one_refusal(
    database: str, alerts_conn: Connection, open_cases: Callable[..., list[int]]
) -> None:
    cases = open_cases(2)
    [dealer] = {visited(alerts_conn, case) for case in cases}
    start, said = threading.Barrier(2), []

    def tell(case: int) -> None:
        with connect(database, role="alerts", autocommit=True) as conn:
            start.wait(30)
            report = Report(result="nothing", request_id="f1")
            try:
                report_finding(conn, case, report, dealer_id=dealer, by="counter", now=NOW)
                said.append("done")
            except FindingRefused as refused:
                said.append(str(refused))

    threads = [threading.Thread(target=tell, args=[case]) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(said) == ["done", "this request was made before, about another case: use a new request id"]


@pytest.mark.parametrize("how", ["moved", "cancelled", "closed"])
def test_no_truck_is_sent_for_a_visit_that_was_called_off(
    alerts_conn: Connection, open_cases: Callable[..., list[int]], how: str
) -> None:
    make_slots(alerts_conn, now=NOW, days=3)
    [case] = open_cases()
    dealer = dealer_of(alerts_conn, case)
    slot, later = free_slots(alerts_conn, dealer, since=SOON, until=NOW + timedelta(days=3))[:2]
    book(alerts_conn, case, dealer_id=dealer, slot_id=slot.slot_id, way=Way.TOW, by="li.na", now=NOW)
    assert [task.kind for task in open_tasks(alerts_conn)] == ["tow"]
    if how == "moved":
        book(alerts_conn, case, dealer_id=dealer, slot_id=later.slot_id, by="li.na", now=NOW)
    elif how == "cancelled":
        cancel(alerts_conn, case, by="li.na", now=NOW)
    else:
        close_case(alerts_conn, case, outcome="declined", by="li.na", now=NOW)
    assert open_tasks(alerts_conn) == []


def test_a_dealer_that_lost_its_admission_is_booked_no_more(
    alerts_conn: Connection, open_cases: Callable[..., list[int]]
) -> None:
    make_slots(alerts_conn, now=NOW, days=2)
    [case] = open_cases()
    dealer = dealer_of(alerts_conn, case)
    slot = free_slots(alerts_conn, dealer, since=SOON, until=NOW + timedelta(days=2))[0]
    alerts_conn.execute("UPDATE care.dealer SET admitted = false WHERE dealer_id = %s", (dealer,))
    with pytest.raises(CannotBook):
        book(alerts_conn, case, dealer_id=dealer, slot_id=slot.slot_id, by="li.na", now=NOW)
