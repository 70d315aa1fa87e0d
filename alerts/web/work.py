"""What agents do: take the next case, call, write down what came of it, book, hand over; and what supervisors see."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import psycopg
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from psycopg_pool import PoolTimeout
from starlette.concurrency import run_in_threadpool

from alerts.access.roles import Role
from alerts.case_dealers import distance_to
from alerts.phones import MOST_REASON
from alerts.report import collect
from alerts.report_page import page
from alerts.slots import SlotFull
from alerts.web.case_page import case_page
from alerts.web.changes import Changes
from alerts.web.forms import read_form
from alerts.web.guard import allowed, caller_of, find_caller
from alerts.web.rendering import language_of
from alerts.web.state import now_of, pages_of, pool_of
from alerts.work import appointments, claims, contacts, tasks
from alerts.work.agents import Agent, NotAnAgent, agent_of, agents_at_work
from alerts.work.claims import vehicle_of
from alerts.work.contacts import Disposition, MayNotCall, Outcome, OutcomeMissing
from alerts.work.entries import note
from alerts.work.links import NoOffer, send_offer
from alerts.work.overview import overview
from alerts.work.silences import silence
from config.service import service

router = APIRouter(include_in_schema=False)
_DESK = allowed(Role.AGENT, Role.SUPERVISOR)
_SUPERVISOR = allowed(Role.SUPERVISOR)
_Month = Annotated[str | None, Query(pattern=r"^2[0-9]{3}-(0[1-9]|1[0-2])$")]
_LOOK_EVERY_S = 0.5
# A list that changes all the time is drawn anew this often at most.
_TELL_EVERY_S = 2.0
_HEARTBEAT_S = 10.0
_MOST_TEXT = 2000
_MOST_SILENT_D = 365
# Of a number in a form: what is longer is none of ours, and Python reads no number of thousands.
_MOST_DIGITS = 18


@router.post("/work/next", dependencies=[_DESK])
def next_case(request: Request) -> Response:
    """Take the most urgent case that may be called about now, and show it."""
    try:
        with pool_of(request).connection() as conn:
            case_id = claims.claim_next(conn, _agent(conn, request), now=now_of(request))
    except claims.CallUnfinished as unfinished:
        return _to_case(unfinished.case_id, "unfinished")
    return RedirectResponse("/?said=nothing_now", 303) if case_id is None else _to_case(case_id)


@router.post("/cases/{case_id}/claim", dependencies=[_DESK])
def claim_case(request: Request, case_id: int) -> Response:
    return _act(request, case_id, lambda conn, agent: claims.claim(conn, case_id, agent, now=now_of(request)))


@router.post("/cases/{case_id}/release", dependencies=[_DESK])
def release_case(request: Request, case_id: int) -> Response:
    return _act(request, case_id, lambda conn, agent: claims.release(conn, case_id, agent, now=now_of(request)))


@router.post("/cases/{case_id}/outcome", dependencies=[_DESK])
async def write_outcome(request: Request, case_id: int) -> Response:
    """Write down what came of the call."""
    form = await read_form(request)

    def act(conn: Any, agent: Agent) -> None:
        try:
            disposition = Disposition(form.get("disposition", ""))
        except ValueError as error:
            raise OutcomeMissing("choose what came of the call") from error
        at = _local_time(form.get("call_back_at", ""), form.get("zone", "")) if disposition == "call_back" else None
        outcome = Outcome(disposition=disposition, note=form.get("note", ""), call_back_at=at)
        contacts.finish_contact(conn, case_id, agent, outcome, now=now_of(request))

    return await run_in_threadpool(_act, request, case_id, act, done="/?said=written")


@router.post("/cases/{case_id}/note", dependencies=[_DESK])
async def write_note(request: Request, case_id: int) -> Response:
    text = (await read_form(request)).get("text", "").strip()[:_MOST_TEXT]

    def act(conn: Any, agent: Agent) -> None:
        if text:
            vehicle_of(conn, case_id)
            note(conn, case_id, "note", actor=agent.name, now=now_of(request), text=text)

    return await run_in_threadpool(_act, request, case_id, act)


@router.post("/cases/{case_id}/appointment", dependencies=[_DESK])
async def book_appointment(request: Request, case_id: int) -> Response:
    """Book a visit: a slot of a dealer's book, or a time that was agreed by telephone."""
    form = await read_form(request)

    def act(conn: Any, agent: Agent) -> None:
        dealer_id, _, slot = form.get("slot", "").partition(" ")
        starts_at = None if slot else _local_time(form.get("starts_at", ""), form.get("zone", ""))
        if slot and _whole(slot) is None:
            raise appointments.CannotBook("choose a time")
        try:
            way = appointments.Way(form.get("way", "drive"))
        except ValueError as error:
            raise appointments.CannotBook("choose how the car gets there") from error
        appointments.book(
            conn,
            case_id,
            dealer_id=dealer_id,
            slot_id=int(slot) if slot else None,
            starts_at=starts_at,
            way=way,
            distance_km=distance_to(conn, case_id, dealer_id),
            by=agent.name,
            now=now_of(request),
        )

    return await run_in_threadpool(_act, request, case_id, act)


@router.post("/cases/{case_id}/appointment/cancel", dependencies=[_DESK])
def cancel_appointment(request: Request, case_id: int) -> Response:
    return _act(
        request, case_id, lambda conn, agent: appointments.cancel(conn, case_id, by=agent.name, now=now_of(request))
    )


@router.post("/cases/{case_id}/offer", dependencies=[_DESK])
def send_coupon(request: Request, case_id: int) -> Response:
    """Send the owner the link to the coupon."""
    url = request.app.state.public_url
    return _act(
        request,
        case_id,
        lambda conn, agent: send_offer(conn, case_id, public_url=url, by=agent.name, now=now_of(request)),
        said="offer_sent",
    )


@router.post("/cases/{case_id}/power", dependencies=[_DESK])
def ask_for_power(request: Request, case_id: int) -> Response:
    """Have a car that ran out of charge brought power."""
    due_at = now_of(request) + timedelta(hours=service().power_h)

    def act(conn: Any, agent: Agent) -> None:
        vehicle_id = vehicle_of(conn, case_id)
        tasks.add_task(conn, "power", case_id=case_id, vehicle_id=vehicle_id, due_at=due_at, now=now_of(request))

    return _act(request, case_id, act)


@router.post("/cases/{case_id}/hand-over", dependencies=[_DESK])
async def hand_over(request: Request, case_id: int) -> Response:
    """Give a case to somebody else: the own one, or any for a supervisor."""
    form = await read_form(request)

    def act(conn: Any, agent: Agent) -> None:
        holder = claims.claim_of(conn, case_id, now=now_of(request))
        if caller_of(request).role is not Role.SUPERVISOR and holder.account_id != agent.account_id:
            raise claims.NotYours(claims.NotYours.__doc__)
        why = form.get("why", "").strip()[:_MOST_TEXT]
        claims.hand_over(conn, case_id, to=form.get("to", ""), by=agent.name, why=why, now=now_of(request))

    return await run_in_threadpool(_act, request, case_id, act, done="/?said=handed_over")


@router.post("/cases/{case_id}/silence", dependencies=[_SUPERVISOR])
async def silence_case(request: Request, case_id: int) -> Response:
    """Have nobody call about a car, or one fault of it, for a while and for a reason."""
    form = await read_form(request)

    def act(conn: Any, agent: Agent) -> None:
        reason, days = form.get("reason", "").strip()[:MOST_REASON], _whole(form.get("days", ""))
        if not reason or days is None or not 1 <= days <= _MOST_SILENT_D:
            raise OutcomeMissing("say for how many days, and why")
        now = now_of(request)
        silence(
            conn,
            vehicle_of(conn, case_id),
            fault_mode=form.get("fault_mode") or None,
            ends_at=now + timedelta(days=days),
            reason=reason,
            by=agent.name,
            now=now,
        )
        note(conn, case_id, "silenced", actor=agent.name, now=now, text=reason, detail={"days": days})

    return await run_in_threadpool(_act, request, case_id, act)


@router.get("/work", dependencies=[_DESK])
def show_overview(request: Request) -> Response:
    """Show what waits, what is late, who does what, and the tasks."""
    now = now_of(request)
    with pool_of(request).connection() as conn:
        seen = overview(conn, now=now)
        since = now.astimezone(ZoneInfo(service().time_zone)).replace(hour=0, minute=0, second=0, microsecond=0)
        people = agents_at_work(conn, since=since, now=now) if caller_of(request).role is Role.SUPERVISOR else []
        waiting = tasks.open_tasks(conn)
    return pages_of(request).render(
        request, "work.html", seen=seen, people=people, tasks=waiting, now=now, budget=service().agent_cases_a_day
    )


@router.get("/report", dependencies=[_SUPERVISOR])
def show_report(request: Request, month: _Month = None) -> Response:
    """Show the report of a month, the running one if none is named, by the calendar of the call centre."""
    now, zone = now_of(request), ZoneInfo(service().time_zone)
    local = datetime.strptime(month, "%Y-%m").replace(tzinfo=zone) if month else now.astimezone(zone)
    since = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    until = (since + timedelta(days=32)).replace(day=1)
    with pool_of(request).connection() as conn:
        report = collect(conn, since=since, until=until, now=now)
    language = language_of(request) or pages_of(request).language
    return HTMLResponse(page(report, language=language))


@router.post("/tasks/{task_id}/done", dependencies=[_DESK])
async def finish_task(request: Request, task_id: int) -> Response:
    result = (await read_form(request)).get("result", "").strip()[:_MOST_TEXT]

    def act() -> Response:
        with pool_of(request).connection() as conn:
            try:
                by = _agent(conn, request).name
                tasks.finish_task(conn, task_id, by=by, result=result or "done", now=now_of(request))
            except tasks.NoSuchTask as error:
                raise HTTPException(409, str(error)) from error
        return RedirectResponse("/work", 303)

    return await run_in_threadpool(act)


@router.get("/work/stream", dependencies=[_DESK])
async def stream(request: Request) -> Response:
    """Tell a page whenever the list may have changed, as server-sent events."""
    return StreamingResponse(
        _events(request),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(request: Request) -> AsyncIterator[str]:
    changes: Changes = request.app.state.care_changes
    changes.watch()
    try:
        seen, idle_s = changes.version, 0.0
        yield "retry: 3000\n\n"
        while not await request.is_disconnected():
            await asyncio.sleep(_LOOK_EVERY_S)
            idle_s += _LOOK_EVERY_S
            if (changes.version == seen or idle_s < _TELL_EVERY_S) and idle_s < _HEARTBEAT_S:
                continue
            changed, seen, idle_s = changes.version != seen, changes.version, 0.0
            try:
                caller = await run_in_threadpool(find_caller, request)
            except (psycopg.OperationalError, PoolTimeout):
                yield "event: away\ndata: {}\n\n"
                continue
            if caller is None:
                yield "event: over\ndata: {}\n\n"
                return
            yield "event: changed\ndata: {}\n\n" if changed else ": still here\n\n"
    finally:
        changes.leave()


def _act(
    request: Request,
    case_id: int,
    act: Callable[[Any, Agent], object],
    *,
    done: str | None = None,
    said: str | None = None,
) -> Response:
    """Do something with a case and show it again; what a person has to correct is said on its page."""
    if not 0 < case_id < 2**63:
        raise HTTPException(404)
    try:
        with pool_of(request).connection() as conn:
            act(conn, _agent(conn, request))
    except claims.CallUnfinished as unfinished:
        return _to_case(unfinished.case_id, "unfinished")
    except NotAnAgent as error:
        raise HTTPException(403, str(error)) from error
    except (claims.NotYours, NoOffer, appointments.NoAppointment, SlotFull) as error:
        return case_page(request, case_id, status=409, problem=str(error))
    except (OutcomeMissing, appointments.CannotBook, MayNotCall) as error:
        return case_page(request, case_id, status=422, problem=str(error))
    return RedirectResponse(done, 303) if done else _to_case(case_id, said)


def _whole(text: str) -> int | None:
    """Return a whole number of a form; None for what is none, or none of ours."""
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None


def _local_time(text: str, zone: str) -> datetime | None:
    """Return a time that a form gives by the clock of a place, UTC; None for no time."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) if text else None
    except (ValueError, OSError, KeyError, OverflowError) as error:
        raise OutcomeMissing("write the time as 2026-03-01T14:30") from error


def _to_case(case_id: int, said: str | None = None) -> Response:
    return RedirectResponse(f"/cases/{case_id}" + (f"?said={said}" if said else ""), 303)


def _agent(conn: Any, request: Request) -> Agent:
    return agent_of(conn, caller_of(request))
