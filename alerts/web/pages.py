"""The addresses: list, case, chart, downloads, language, health."""

from collections.abc import Sequence
from typing import Annotated, Literal

import psycopg
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from psycopg_pool import PoolTimeout
from starlette.concurrency import run_in_threadpool

from alerts import call_list
from alerts.access.roles import Role, Scope
from alerts.calls import MARK, Count, Filter, mark_of, open_calls, read_mark
from alerts.phones import MOST_REASON, needs_reason, reveal_phone
from alerts.web.case_page import case_page, open_call
from alerts.web.chart import HISTORY, signal_chart
from alerts.web.forms import NO_NUL, own_path, read_form
from alerts.web.guard import allowed, anyone, caller_of
from alerts.web.homes import HOMES, LIST_ROLES
from alerts.web.rendering import LANGUAGE_COOKIE, language_of
from alerts.web.state import now_of, pages_of, pool_of
from alerts.web.visit import Visits
from alerts.work.agents import agent_of
from alerts.work.claims import CallUnfinished, NotYours, claimed_by
from alerts.work.contacts import MayNotCall, begin_contact
from config.faults import fault_modes
from config.i18n import LANGUAGES
from ingest.store import readings

router = APIRouter(include_in_schema=False)
_Chosen = Annotated[str | None, Query(pattern=NO_NUL)]
# What was just done, as a word that the page has a sentence for.
_Said = Annotated[str | None, Query(pattern="^[a-z_]{1,20}$")]
_DESK = allowed(Role.AGENT, Role.SUPERVISOR)
_EXPORT = allowed(Role.AGENT, Role.SUPERVISOR, scope=Scope.ALERTS_READ)
# A page that an agent can still take in; the next ones are a click away.
PAGE_CALLS = 25
# What one download holds at most: more is no call list any more.
MOST_DOWNLOADED = 10_000
_A_YEAR_S = 365 * 24 * 3600
_HEALTH_TIMEOUT_S = 2.0


@router.get("/", dependencies=[allowed(*Role)])
def show_list(
    request: Request,
    fault: _Chosen = None,
    city: _Chosen = None,
    after: Annotated[str | None, Query(pattern=MARK)] = None,
    said: _Said = None,
) -> Response:
    """Show the open cases, most urgent first, or send those whose desk is elsewhere there."""
    role = caller_of(request).role
    if role is not None and role not in LIST_ROLES:
        return _at_home(request, role)
    # A form that was sent with "all" chosen names the field and leaves it empty.
    wanted = Filter(fault_mode=fault or None, city=city or None, after=read_mark(after) if after else None)
    now = now_of(request)
    with pool_of(request).connection() as conn:
        calls = open_calls(conn, wanted=wanted, limit=PAGE_CALLS + 1, now=now)
        mine = claimed_by(conn, agent_of(conn, caller_of(request)), now=now)
        counts = request.app.state.counts.get(conn)
    page, more = calls[:PAGE_CALLS], len(calls) > PAGE_CALLS
    language = _language(request)
    return pages_of(request).render(
        request,
        "list.html",
        lines=[(call, call_list.row(call, language)) for call in page],
        wanted=wanted,
        after=after,
        next_after=mark_of(page[-1]) if more else None,
        totals=_totals(counts),
        faults=_by_fault(counts, city=wanted.city),
        fault_names={key: mode.name(language) for key, mode in fault_modes().items()},
        cities=sorted({count.city for count in counts if count.city}),
        said=said,
        mine=mine,
        now=now,
        shown=sum(count.cases for count in counts if _matches(count, wanted)),
    )


def _at_home(request: Request, role: Role) -> Response:
    if role in HOMES:
        return RedirectResponse(HOMES[role], status_code=303)
    t = pages_of(request).translator_of(request)
    text = t("You are signed in. The pages of your role are not part of this version.")
    return pages_of(request).render(request, "problem.html", title=t("Welcome"), text=text)


@router.get("/cases/{case_id}", dependencies=[_DESK])
def show_case(request: Request, case_id: int, said: _Said = None) -> Response:
    """Show one case."""
    return case_page(request, case_id, said=said)


@router.post("/cases/{case_id}/phone", dependencies=[_DESK])
async def show_phone(request: Request, case_id: int) -> Response:
    """Show a case with the owner's telephone number, and record who saw it.

    An agent who asks for it begins to call, so the case has to be theirs and the owner one who may be called now; a
    supervisor says why.
    """
    reason = (await read_form(request)).get("reason", "").strip()[:MOST_REASON]
    caller = caller_of(request)

    def reveal() -> Response:
        now = now_of(request)
        if needs_reason(caller) and not reason:
            return case_page(request, case_id, reason_missing=True)
        with pool_of(request).connection() as conn:
            open_call(conn, case_id, now=now)
            conn.commit()
            try:
                if not needs_reason(caller):
                    begin_contact(conn, case_id, agent_of(conn, caller), now=now)
            except MayNotCall as refused:
                return case_page(request, case_id, status=422, problem=refused.why)
            except NotYours as refused:
                return case_page(request, case_id, status=409, problem=str(refused))
            except CallUnfinished as unfinished:
                return RedirectResponse(f"/cases/{unfinished.case_id}?said=unfinished", 303)
            phone = reveal_phone(conn, case_id, caller=caller, reason=reason or None, now=now)
        if phone is None:
            raise HTTPException(404)
        return case_page(request, case_id, phone=phone)

    return await run_in_threadpool(reveal)


@router.get("/cases/{case_id}/chart.json", dependencies=[_DESK])
def case_chart(request: Request, case_id: int) -> Response:
    """Return the plotly figure of the signal that matters in a case."""
    with pool_of(request).connection() as conn:
        call = open_call(conn, case_id)
        mode = call.lead.mode
        if mode is None:
            raise HTTPException(404)
        until = call.lead.known_until
        points = readings.day_signal(conn, call.vehicle_id, mode.chart, since=until - HISTORY, until=until)
    return JSONResponse(signal_chart(points, call.lead, mode, language=_language(request)))


@router.get("/call-list.csv", dependencies=[_EXPORT])
def download_csv(request: Request) -> Response:
    """Return the call list for a spreadsheet: UTF-8 with the mark by which Excel knows it."""
    text = call_list.to_csv(_rows(request))
    return Response(text.encode("utf-8-sig"), media_type="text/csv; charset=utf-8", headers=_attachment("csv"))


@router.get("/call-list.json", dependencies=[_EXPORT])
def download_json(request: Request) -> Response:
    """Return the call list for a program."""
    return Response(call_list.to_json(_rows(request)), media_type="application/json", headers=_attachment("json"))


@router.get("/call-list.xlsx", dependencies=[_EXPORT])
def download_xlsx(request: Request) -> Response:
    """Return the call list as a workbook."""
    media = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return Response(call_list.to_xlsx(_rows(request)), media_type=media, headers=_attachment("xlsx"))


@router.get("/language/{language}", dependencies=[anyone("the sign-in speaks both languages")])
def choose_language(request: Request, language: str, back: str = "/") -> Response:
    """Remember the language and go back to a page of this server."""
    if language not in LANGUAGES:
        raise HTTPException(404)
    response = RedirectResponse(own_path(back), status_code=303)
    visits: Visits = request.app.state.visits
    response.set_cookie(
        LANGUAGE_COOKIE, language, max_age=_A_YEAR_S, httponly=True, secure=visits.secure, samesite="strict"
    )
    return response


@router.get("/healthz", dependencies=[anyone("a supervisor asks without an account")])
def health(request: Request) -> Response:
    """Tell a supervisor whether the pages can be served."""
    try:
        with pool_of(request).connection(timeout=_HEALTH_TIMEOUT_S) as conn:
            conn.execute("SELECT")
    except (psycopg.OperationalError, PoolTimeout):
        return JSONResponse({"status": "database away"}, status_code=503)
    return JSONResponse({"status": "ok"})


def _language(request: Request) -> str:
    return language_of(request) or pages_of(request).language


def _rows(request: Request) -> list[call_list.CallRow]:
    with pool_of(request).connection() as conn:
        return call_list.rows(conn, language=_language(request), limit=MOST_DOWNLOADED)


def _attachment(kind: Literal["csv", "json", "xlsx"]) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="call-list.{kind}"'}


def _matches(count: Count, wanted: Filter) -> bool:
    return wanted.fault_mode in (None, count.fault_mode) and wanted.city in (None, count.city)


def _totals(counts: Sequence[Count]) -> dict[str, int]:
    cases = sum(count.cases for count in counts)
    return {
        "cases": cases,
        "safety": sum(count.cases for count in counts if count.severity == 1),
        "without_dealer": cases - sum(count.with_dealer for count in counts),
    }


def _by_fault(counts: Sequence[Count], *, city: str | None) -> list[tuple[str, int]]:
    found: dict[str, int] = {}
    for count in counts:
        if count.fault_mode and city in (None, count.city):
            found[count.fault_mode] = found.get(count.fault_mode, 0) + count.cases
    return sorted(found.items(), key=lambda entry: (-entry[1], entry[0]))
