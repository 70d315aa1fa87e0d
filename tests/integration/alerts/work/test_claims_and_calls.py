"""Who works on which case, when owners are called, and what follows from each outcome."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from alerts.access.roles import Role
from alerts.work.agents import Agent
from alerts.work.claims import CallUnfinished, NotYours, claim, claim_next, claim_of, hand_over, release
from alerts.work.contacts import Disposition, MayNotCall, Outcome, OutcomeMissing, begin_contact, finish_contact
from alerts.work.entries import entries_of
from alerts.work.silences import silence
from config.service import service
from ingest.store.connection import connect
from tests.integration.alerts.work.conftest import NOW, again, triage_all

Connection = psycopg.Connection[Any]


def call(conn: Connection, dsn: str, case: int, agent: Agent, outcome: Outcome, *, now: Any = NOW) -> None:
    begin_contact(conn, case, agent, now=now)
    finish_contact(conn, case, again(dsn, agent), outcome, now=now)


def asked(conn: Connection, query: str, *values: Any) -> list[Any]:
    return conn.execute(query, values).fetchall()


def test_fifty_agents_at_once_get_fifty_cases(
    database: str, agent: Callable[..., Agent], open_cases: Callable[..., list[int]]
) -> None:
    cases = open_cases(60)
    agents = [agent(f"agent-{number:02d}") for number in range(50)]
    taken: list[int | None] = []
    start = threading.Barrier(50)

    def work(one: Agent) -> None:
        with connect(database, role="alerts", autocommit=True) as conn:
            start.wait(30)
            taken.append(claim_next(conn, one, now=NOW))

    threads = [threading.Thread(target=work, args=[one]) for one in agents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(taken) == 50
    assert None not in taken
    assert len(set(taken)) == 50
    assert set(taken) <= set(cases)


def test_one_agent_who_asks_six_times_at_once_gets_one_case(
    database: str, alerts_conn: Connection, agent: Callable[..., Agent], open_cases: Callable[..., list[int]]
) -> None:
    open_cases(6)
    one, start, taken = agent(), threading.Barrier(6), []

    def work() -> None:
        with connect(database, role="alerts", autocommit=True) as conn:
            start.wait(30)
            taken.append(claim_next(conn, one, now=NOW))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(taken) == 6
    assert len(set(taken)) == 1
    assert asked(alerts_conn, "SELECT case_id FROM care.case_work WHERE claimed_by IS NOT NULL") == [(taken[0],)]
    assert asked(alerts_conn, "SELECT count(*) FROM care.entry WHERE kind = 'claimed'") == [(1,)]


def test_a_case_is_one_agents_until_the_lease_is_over(
    alerts_conn: Connection, agent: Callable[..., Agent], open_cases: Callable[..., list[int]]
) -> None:
    [case] = open_cases()
    first, second = agent("first"), agent("second")
    claim(alerts_conn, case, first, now=NOW)
    with pytest.raises(NotYours):
        claim(alerts_conn, case, second, now=NOW)
    with pytest.raises(NotYours):
        release(alerts_conn, case, second, now=NOW)
    assert claim_next(alerts_conn, second, now=NOW) is None
    later = NOW + timedelta(minutes=service().lease_min)
    assert claim_of(alerts_conn, case, now=later).account_id is None
    assert claim_next(alerts_conn, second, now=later) == case
    release(alerts_conn, case, second, now=later)
    assert claim_next(alerts_conn, first, now=later) == case
    # Pressed twice, it is the same case.
    assert claim_next(alerts_conn, first, now=later) == case


def test_the_most_urgent_case_goes_first_and_grade_breaks_a_tie(
    database: str, alerts_conn: Connection, agent: Callable[..., Agent], open_cases: Callable[..., list[int]],
    flag: Callable[..., Any],
) -> None:  # fmt: skip
    weak, graded = open_cases(2)
    [urgent] = open_cases(mode="hv_self_discharge")
    with connect(database, role="admin") as conn:
        conn.execute(
            "UPDATE pii.owner SET grade = 'A' FROM pii.vehicle_identity AS identity, care.case"
            " WHERE identity.owner_id = owner.owner_id AND care.case.vehicle_id = identity.vehicle_id AND case_id = %s",
            [graded],
        )
    [(car,)] = asked(alerts_conn, "SELECT vehicle_id FROM care.case WHERE case_id = %s", graded)
    triage_all(alerts_conn, [flag(car, "lv_battery", 0.8, NOW + timedelta(days=1))])
    order = []
    for number in range(3):
        order.append(claim_next(alerts_conn, agent(f"agent-{number}"), now=NOW))
    assert order == [urgent, graded, weak]


@pytest.mark.parametrize(
    ("columns", "gets"),
    [({"skills": ["general"]}, "weak"), ({"skills": ["hv_battery"]}, "strong"), ({"languages": ["en"]}, None)],
)
def test_skills_and_language(
    alerts_conn: Connection, agent: Callable[..., Agent], open_cases: Callable[..., list[int]], columns: Any, gets: Any
) -> None:
    known = {"weak": open_cases()[0], "strong": open_cases(mode="hv_self_discharge")[0], None: None}
    assert claim_next(alerts_conn, agent(**columns), now=NOW) == known[gets]


@pytest.mark.parametrize(
    ("zone", "hours", "callable_"),
    [
        ("Asia/Shanghai", 0, True),
        # 19:30 is still the evening there, 21:00 is not; 13:00 is lunch.
        ("Asia/Shanghai", 8.5, True),
        ("Asia/Shanghai", 10, False),
        ("Asia/Shanghai", 2, False),
        # 04:00 in Berlin; 09:30 there; the first of May is a holiday, which Shanghai has too.
        ("Europe/Berlin", 0, False),
        ("Europe/Berlin", 5.5, True),
        ("Europe/Berlin", 24 * 30 + 5, False),
    ],
)
def test_owners_are_called_by_the_clock_where_they_live(
    alerts_conn: Connection, agent: Callable[..., Agent], open_cases: Callable[..., list[int]], zone: str,
    hours: float, callable_: bool,
) -> None:  # fmt: skip
    [case] = open_cases(time_zone=zone)
    now = NOW + timedelta(hours=hours)
    # Good Friday of 2026 is the third of April.
    assert (claim_next(alerts_conn, agent(), now=now) == case) is callable_
    caller = agent("caller")
    if not callable_:
        with pytest.raises(MayNotCall, match="outside the calling window") as refused:
            begin_contact(alerts_conn, case, caller, now=now)
        assert refused.value.until is not None
        assert refused.value.until > now


def test_no_case_after_a_call_without_an_outcome(
    database: str, alerts_conn: Connection, agent: Callable[..., Agent], open_cases: Callable[..., list[int]]
) -> None:
    first, second = open_cases(2)
    one = agent()
    number = begin_contact(alerts_conn, first, one, now=NOW)
    one = again(database, one)
    assert begin_contact(alerts_conn, first, one, now=NOW) == number
    for attempt in (
        lambda: claim_next(alerts_conn, one, now=NOW),
        lambda: claim(alerts_conn, second, one, now=NOW),
        lambda: begin_contact(alerts_conn, second, one, now=NOW),
        lambda: release(alerts_conn, first, one, now=NOW),
    ):
        with pytest.raises(CallUnfinished) as refused:
            attempt()
        assert refused.value.case_id == first
    finish_contact(alerts_conn, first, one, Outcome(disposition=Disposition.THINKS_ABOUT_IT), now=NOW)
    assert claim_next(alerts_conn, again(database, one), now=NOW) == second


def test_an_owner_is_called_three_times_a_week_at_most_whatever_the_cases(
    database: str, alerts_conn: Connection, agent: Callable[..., Agent], open_cases: Callable[..., list[int]]
) -> None:
    [case] = open_cases()
    one = agent()
    at = NOW
    for _ in range(service().contacts):
        outcome = Outcome(disposition=Disposition.CALL_BACK, call_back_at=at + timedelta(hours=1))
        call(alerts_conn, database, case, one, outcome, now=at)
        at += timedelta(hours=24)
    assert claim_next(alerts_conn, again(database, one), now=at) is None
    with pytest.raises(MayNotCall, match="often enough"):
        begin_contact(alerts_conn, case, again(database, one), now=at)
    a_week_later = NOW + timedelta(days=service().contacts_d, minutes=30)
    assert claim_next(alerts_conn, again(database, one), now=a_week_later) == case


def test_a_call_back_comes_first_when_its_time_has_come(
    database: str, alerts_conn: Connection, agent: Callable[..., Agent], open_cases: Callable[..., list[int]]
) -> None:
    [weak] = open_cases()
    one = agent()
    at = NOW + timedelta(hours=5)
    call(alerts_conn, database, weak, one, Outcome(disposition=Disposition.CALL_BACK, call_back_at=at))
    [urgent] = open_cases(mode="hv_self_discharge")
    assert claim_next(alerts_conn, agent("early"), now=at - timedelta(minutes=1)) == urgent
    assert claim_next(alerts_conn, agent("in.time"), now=at) == weak


def test_nobody_answers_again_and_again(
    database: str, alerts_conn: Connection, agent: Callable[..., Agent], open_cases: Callable[..., list[int]]
) -> None:
    [case] = open_cases()
    one, at, pauses = agent(), NOW, []
    for _ in range(service().most_unanswered):
        # The cap of a week would end this before.
        alerts_conn.execute("UPDATE care.contact SET owner_id = NULL")
        call(alerts_conn, database, case, one, Outcome(disposition=Disposition.NO_ANSWER), now=at)
        [(state, outcome)] = asked(alerts_conn, "SELECT state, outcome FROM care.case WHERE case_id = %s", case)
        if state == "closed":
            break
        [(until,)] = asked(alerts_conn, "SELECT not_before FROM care.case_work WHERE case_id = %s", case)
        pauses.append(until - at)
        at = until
    assert (state, outcome) == ("closed", "not_reached")
    assert len(pauses) == service().most_unanswered - 1
    assert pauses == sorted(pauses)


def test_do_not_call_stays_whatever_is_flagged_later(
    database: str, alerts_conn: Connection, agent: Callable[..., Agent], open_cases: Callable[..., list[int]],
    flag: Callable[..., Any],
) -> None:  # fmt: skip
    [case] = open_cases()
    [(car,)] = asked(alerts_conn, "SELECT vehicle_id FROM care.case WHERE case_id = %s", case)
    call(alerts_conn, database, case, agent(), Outcome(disposition=Disposition.DO_NOT_CALL))
    assert asked(alerts_conn, "SELECT outcome FROM care.case") == [("do_not_call",)]
    triage_all(alerts_conn, [flag(car, "hv_self_discharge", 0.99, NOW)])
    assert asked(alerts_conn, "SELECT count(*) FROM care.case WHERE state = 'open'") == [(0,)]
    assert asked(alerts_conn, "SELECT action FROM audit.event WHERE case_id = %s", case) == [("do not call set",)]


def test_who_declined_is_left_alone_about_it_but_a_lamp_is_another_matter(
    database: str, alerts_conn: Connection, agent: Callable[..., Agent], open_cases: Callable[..., list[int]],
    flag: Callable[..., Any],
) -> None:  # fmt: skip
    from alerts.sources import gather

    [case] = open_cases()
    [(car,)] = asked(alerts_conn, "SELECT vehicle_id FROM care.case WHERE case_id = %s", case)
    call(alerts_conn, database, case, agent(), Outcome(disposition=Disposition.DECLINED, note="sells it"))
    triage_all(alerts_conn, [flag(car, "lv_battery", 0.9, NOW + timedelta(days=1))])
    assert asked(alerts_conn, "SELECT count(*) FROM care.case WHERE state = 'open'") == [(0,)]
    with connect(database, role="admin") as conn:
        conn.execute(
            "INSERT INTO telemetry.vehicle_event (vehicle_id, ts, received_at, kind, code, state)"
            " VALUES (%s, %s, %s, 'lamp', 'lv_battery', 'on')",
            (car, NOW, NOW),
        )
    assert gather(alerts_conn, now=NOW).found == {"lamp": 1}
    assert asked(alerts_conn, "SELECT source FROM care.case JOIN care.lead USING (case_id) WHERE state = 'open'") == [
        ("lamp",)
    ]


def test_a_complaint_starts_its_clocks(
    database: str, alerts_conn: Connection, agent: Callable[..., Agent], open_cases: Callable[..., list[int]]
) -> None:
    [case] = open_cases()
    assert asked(alerts_conn, "SELECT kind, met_at FROM care.clock") == [("answer", None)]
    call(alerts_conn, database, case, agent(), Outcome(disposition=Disposition.COMPLAINT, note="too many calls"))
    assert asked(alerts_conn, "SELECT kind, met_at FROM care.clock ORDER BY clock_id") == [
        ("answer", NOW),
        ("complaint", None),
        ("close", None),
    ]


@pytest.mark.parametrize(
    ("outcome", "what"),
    [
        (Outcome(disposition=Disposition.CALL_BACK), "when the owner wants"),
        (Outcome(disposition=Disposition.CALL_BACK, call_back_at=NOW - timedelta(hours=1)), "lies ahead"),
        (Outcome(disposition=Disposition.NO_ANSWER, call_back_at=NOW + timedelta(hours=1)), "only a call-back"),
        (Outcome(disposition=Disposition.DECLINED, note=" "), "what the owner said"),
        (Outcome(disposition=Disposition.APPOINTMENT), "book the appointment first"),
        (Outcome(disposition=Disposition.NO_ANSWER, note="x" * 2001), "at most 2000"),
    ],
)
def test_an_outcome_that_lacks_something_is_asked_for_again(
    database: str, alerts_conn: Connection, agent: Callable[..., Agent], open_cases: Callable[..., list[int]],
    outcome: Outcome, what: str,
) -> None:  # fmt: skip
    [case] = open_cases()
    one = agent()
    begin_contact(alerts_conn, case, one, now=NOW)
    with pytest.raises(OutcomeMissing, match=what):
        finish_contact(alerts_conn, case, again(database, one), outcome, now=NOW)
    assert asked(alerts_conn, "SELECT disposition FROM care.contact") == [(None,)]


def test_a_case_is_handed_over_and_its_history_tells(
    alerts_conn: Connection, agent: Callable[..., Agent], open_cases: Callable[..., list[int]]
) -> None:
    [case] = open_cases()
    first, second = agent("first"), agent("second")
    claim(alerts_conn, case, first, now=NOW)
    hand_over(alerts_conn, case, to="second", by="first", why="speaks German", now=NOW)
    assert claim_of(alerts_conn, case, now=NOW).name == "second"
    assert claim_next(alerts_conn, second, now=NOW) == case
    with pytest.raises(NotYours):
        hand_over(alerts_conn, case, to="nobody", by="first", why="", now=NOW)
    agent("counter", role=Role.SAFETY)
    with pytest.raises(NotYours):
        hand_over(alerts_conn, case, to="counter", by="first", why="", now=NOW)
    assert [(entry.kind, entry.actor) for entry in entries_of(alerts_conn, case)] == [
        ("handed over", "first"),
        ("claimed", "first"),
        ("opened", "Forewarn"),
    ]


def test_what_one_fault_brings_about_is_not_spoken_of_besides(
    alerts_conn: Connection, open_cases: Callable[..., list[int]], flag: Callable[..., Any]
) -> None:
    from alerts.calls import find_call, other_leads

    [case] = open_cases(mode="hv_sampling")
    [(car,)] = asked(alerts_conn, "SELECT vehicle_id FROM care.case WHERE case_id = %s", case)
    flags = [flag(car, mode, 0.9, NOW) for mode in ("hv_self_discharge", "hv_connection", "lv_battery")]
    triage_all(alerts_conn, flags)
    call_ = find_call(alerts_conn, case, now=NOW)
    assert call_ is not None
    assert call_.lead.fault_mode == "hv_self_discharge"
    assert next(part for part in call_.parts if part.key == "further_leads").value == 1
    explained = {lead.fault_mode: lead.explained_by for lead in other_leads(alerts_conn, call_)}
    assert explained == {
        "lv_battery": None,
        "hv_connection": "hv_self_discharge",
        "hv_sampling": "hv_connection",
    }


def test_what_happens_is_pushed_in_order_and_again_until_it_is_taken(
    database: str, alerts_conn: Connection, agent: Callable[..., Agent], open_cases: Callable[..., list[int]]
) -> None:
    import json

    from standardwebhooks import Webhook

    from alerts.charging.partners.webhooks import text_of
    from alerts.work.push import push_entries

    secret = b"0123456789abcdef0123456789abcdef"
    first, second = open_cases(2)
    claim(alerts_conn, first, agent(), now=NOW)
    # Another server's clock is some seconds ahead of the one that wrote the entry after.
    alerts_conn.commit()
    with connect(database, role="admin") as conn:
        conn.execute(
            "UPDATE care.entry SET at = at + interval '40 s' WHERE case_id = %s AND kind = 'opened'", (second,)
        )
    answers, got = [200, 503, 200, 200], []

    def post(url: str, body: bytes, headers: dict[str, str]) -> int:
        # Read as a CRM reads it, by the standard's own library; its clock is now, and so is ours for that.
        got.append((headers["webhook-id"], json.loads(body)))
        return answers.pop(0)

    now = NOW + timedelta(minutes=1)
    options: dict[str, Any] = {"url": "https://crm.example", "secret": secret, "language": "en", "post": post}
    assert push_entries(alerts_conn, now=NOW, **options) == 0
    # The first of the three alone: the second is not settled yet, and the third is not told before it.
    assert push_entries(alerts_conn, now=NOW + timedelta(seconds=35), **options) == 1
    later = now + timedelta(minutes=1)
    assert push_entries(alerts_conn, now=later, **options) == 0
    assert push_entries(alerts_conn, now=later, **options) == 2
    assert push_entries(alerts_conn, now=later, **options) == 0
    assert [(one["type"], one["case_id"]) for _, one in got] == [
        ("case.opened", first),
        ("case.opened", second),
        ("case.opened", second),
        ("case.claimed", first),
    ]
    assert got[1][0] == got[2][0]
    assert "****" in got[0][1]["case"]["phone_masked"]
    assert Webhook(text_of(secret))


def test_a_complaint_is_answered_by_the_call_that_reaches_the_owner(
    database: str, alerts_conn: Connection, open_cases: Callable[..., list[int]], agent: Callable[..., Agent]
) -> None:
    [case] = open_cases()
    li = agent()
    call(alerts_conn, database, case, li, Outcome(disposition=Disposition.COMPLAINT, note="late again"))
    query = "SELECT kind, met_at FROM care.clock WHERE kind <> 'answer' ORDER BY kind"
    later = NOW + timedelta(hours=3, minutes=30)
    call(alerts_conn, database, case, again(database, li), Outcome(disposition=Disposition.NO_ANSWER), now=later)
    assert asked(alerts_conn, query) == [("close", None), ("complaint", None)]
    later += timedelta(hours=1)
    call(alerts_conn, database, case, again(database, li), Outcome(disposition=Disposition.THINKS_ABOUT_IT), now=later)
    assert asked(alerts_conn, query) == [("close", None), ("complaint", later)]


@pytest.mark.parametrize("mode", [None, "lv_battery"])
def test_an_open_case_that_is_silenced_is_given_to_nobody_until_the_end(
    alerts_conn: Connection, open_cases: Callable[..., list[int]], agent: Callable[..., Agent], mode: str | None
) -> None:
    [case] = open_cases()
    [(car,)] = asked(alerts_conn, "SELECT vehicle_id FROM care.case")
    ends_at = NOW + timedelta(days=1)
    silence(alerts_conn, car, fault_mode=mode, ends_at=ends_at, reason="a recall", by="boss", now=NOW)
    li = agent()
    assert claim_next(alerts_conn, li, now=NOW) is None
    assert claim_next(alerts_conn, li, now=ends_at) == case


def test_who_ends_a_call_takes_the_case_from_nobody(
    database: str, alerts_conn: Connection, open_cases: Callable[..., list[int]], agent: Callable[..., Agent]
) -> None:
    [case] = open_cases()
    li, _ = agent(), agent("zhang.wei")
    begin_contact(alerts_conn, case, li, now=NOW)
    hand_over(alerts_conn, case, to="zhang.wei", by="boss", why="end of shift", now=NOW)
    finish_contact(alerts_conn, case, again(database, li), Outcome(disposition=Disposition.THINKS_ABOUT_IT), now=NOW)
    assert claim_of(alerts_conn, case, now=NOW).name == "zhang.wei"


def test_a_second_page_of_the_same_agent_begins_no_second_call(
    alerts_conn: Connection, open_cases: Callable[..., list[int]], agent: Callable[..., Agent]
) -> None:
    one, two = open_cases(2)
    # As the page had read the agent before the first call began.
    before = agent()
    begin_contact(alerts_conn, one, before, now=NOW)
    with pytest.raises(CallUnfinished):
        begin_contact(alerts_conn, two, before, now=NOW)


def test_calls_at_once_about_several_cars_of_one_owner_are_counted(
    database: str, alerts_conn: Connection, open_cases: Callable[..., list[int]], agent: Callable[..., Agent]
) -> None:
    cases = open_cases(6)
    with connect(database, role="admin") as conn:
        conn.execute("UPDATE pii.vehicle_identity SET owner_id = (SELECT min(owner_id) FROM pii.owner)")
    agents = [agent(f"agent-{number}") for number in range(6)]
    start, refused = threading.Barrier(6), []

    def ring(number: int) -> None:
        with connect(database, role="alerts", autocommit=True) as conn:
            start.wait(30)
            try:
                begin_contact(conn, cases[number], agents[number], now=NOW)
            except MayNotCall:
                refused.append(number)

    threads = [threading.Thread(target=ring, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    most = service().contacts
    assert (len(refused), asked(alerts_conn, "SELECT count(*) FROM care.contact")) == (6 - most, [(most,)])
