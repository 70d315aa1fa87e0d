"""The addresses: list, case, chart, downloads, language, health."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import psycopg
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from psycopg_pool import PoolTimeout

from alerts import call_list
from alerts.calls import Call, Count, Filter, count_calls, find_call, open_calls, other_leads
from alerts.offers import campaigns
from alerts.script import what_to_say
from alerts.web.chart import HISTORY, signal_chart
from alerts.web.rendering import LANGUAGE_COOKIE, Pages, language_of
from config.faults import fault_modes
from config.i18n import LANGUAGES
from ingest.store import readings

router = APIRouter(include_in_schema=False)
# A page that an agent can still take in; the next ones are a click away.
PAGE_CALLS = 25
# What one download holds at most: more is no call list any more.
MOST_DOWNLOADED = 10_000
_A_YEAR_S = 365 * 24 * 3600
_HEALTH_TIMEOUT_S = 2.0


@router.get("/")
def show_list(
    request: Request,
    fault: str | None = None,
    city: str | None = None,
    after: Annotated[str | None, Query(pattern=r"^\d{1,3}-\d{1,18}$")] = None,
) -> Response:
    """Show the open cases, most urgent first."""
    # A form that was sent with "all" chosen names the field and leaves it empty.
    wanted = Filter(fault_mode=fault or None, city=city or None, after=_after(after))
    with _pool(request).connection() as conn:
        calls = open_calls(conn, wanted=wanted, limit=PAGE_CALLS + 1)
        counts = count_calls(conn)
    page, more = calls[:PAGE_CALLS], len(calls) > PAGE_CALLS
    language = _language(request)
    return _pages(request).render(
        request,
        "list.html",
        lines=[(call, call_list.row(call, language)) for call in page],
        wanted=wanted,
        after=after,
        next_after=f"{page[-1].priority}-{page[-1].case_id}" if more else None,
        totals=_totals(counts),
        faults=_by_fault(counts, city=wanted.city),
        fault_names={key: mode.name(language) for key, mode in fault_modes().items()},
        cities=sorted({count.city for count in counts if count.city}),
        shown=sum(count.cases for count in counts if _matches(count, wanted)),
    )


@router.get("/cases/{case_id}")
def show_case(request: Request, case_id: int) -> Response:
    """Show one case."""
    with _pool(request).connection() as conn:
        call = _call(conn, case_id)
        further = other_leads(conn, call)
    language = _language(request)
    languages = [call.owner_language, *([language] if language != call.owner_language else [])]
    return _pages(request).render(
        request,
        "case.html",
        call=call,
        line=call_list.row(call, language),
        further=further,
        campaign=campaigns().get(call.offer.campaign) if call.offer else None,
        scripts=[(spoken, what_to_say(call, spoken)) for spoken in languages],
    )


@router.get("/cases/{case_id}/chart.json")
def case_chart(request: Request, case_id: int) -> Response:
    """Return the plotly figure of the signal that matters in a case."""
    with _pool(request).connection() as conn:
        call = _call(conn, case_id)
        mode = call.lead.mode
        if mode is None:
            raise HTTPException(404)
        until = call.lead.known_until
        points = readings.day_signal(conn, call.vehicle_id, mode.chart, since=until - HISTORY, until=until)
    return JSONResponse(signal_chart(points, call.lead, mode, language=_language(request)))


@router.get("/call-list.csv")
def download_csv(request: Request) -> Response:
    """Return the call list for a spreadsheet: UTF-8 with the mark by which Excel knows it."""
    text = call_list.to_csv(_rows(request))
    return Response(text.encode("utf-8-sig"), media_type="text/csv; charset=utf-8", headers=_attachment("csv"))


@router.get("/call-list.json")
def download_json(request: Request) -> Response:
    """Return the call list for a program."""
    return Response(call_list.to_json(_rows(request)), media_type="application/json", headers=_attachment("json"))


@router.get("/language/{language}")
def choose_language(language: str, back: str = "/") -> Response:
    """Remember the language and go back to a page of this server."""
    if language not in LANGUAGES:
        raise HTTPException(404)
    response = RedirectResponse(_own_path(back), status_code=303)
    response.set_cookie(LANGUAGE_COOKIE, language, max_age=_A_YEAR_S, httponly=True, samesite="lax")
    return response


@router.get("/healthz")
def health(request: Request) -> Response:
    """Tell a supervisor whether the pages can be served."""
    try:
        with _pool(request).connection(timeout=_HEALTH_TIMEOUT_S) as conn:
            conn.execute("SELECT")
    except (psycopg.OperationalError, PoolTimeout):
        return JSONResponse({"status": "database away"}, status_code=503)
    return JSONResponse({"status": "ok"})


def _pool(request: Request) -> Any:
    return request.app.state.pool


def _pages(request: Request) -> Pages:
    pages: Pages = request.app.state.pages
    return pages


def _language(request: Request) -> str:
    return language_of(request) or _pages(request).language


def _call(conn: psycopg.Connection[Any], case_id: int) -> Call:
    # Beyond a bigint there is no case, and the database would say so in its own words.
    call = find_call(conn, case_id) if 0 < case_id < 2**63 else None
    if call is None:
        raise HTTPException(404)
    return call


def _rows(request: Request) -> list[call_list.CallRow]:
    with _pool(request).connection() as conn:
        return call_list.rows(conn, language=_language(request), limit=MOST_DOWNLOADED)


def _attachment(kind: Literal["csv", "json"]) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="call-list.{kind}"'}


def _after(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    priority, case_id = text.split("-")
    return int(priority), int(case_id)


def _own_path(back: str) -> str:
    # "//host" and "/\host" are other servers to a browser.
    return back if back.startswith("/") and not back.startswith(("//", "/\\")) and back.isprintable() else "/"


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
