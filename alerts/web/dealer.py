"""The dealer's counter: visits of the day, coupons, what was found, and what its manager has to answer."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from alerts.access.roles import Role
from alerts.access.tokens import new_token
from alerts.coupons import CouponMisread
from alerts.dealers import Dealer, all_dealers
from alerts.masking import mask_name, mask_vin
from alerts.web.forms import read_form
from alerts.web.guard import allowed, caller_of
from alerts.web.rendering import Pages
from alerts.web.state import now_of, pool_of
from alerts.work import appointments, redeeming, tasks
from alerts.work.findings import FindingRefused, Report, report_finding
from alerts.work.messages import write_survey
from config.faults import fault_modes

router = APIRouter(prefix="/dealer", include_in_schema=False)
_COUNTER = allowed(Role.DEALER)
_DAYS_BACK, _DAYS_AHEAD = 7, 14
_MOST_TEXT = 2000


@router.get("", dependencies=[_COUNTER])
def show_counter(request: Request, said: str | None = None) -> Response:
    """Show the visits around today and the tasks of the manager."""
    return _page(request, said=said)


@router.post("/coupon", dependencies=[_COUNTER])
async def use_coupon(request: Request) -> Response:
    """Look a coupon up, redeem it, or take its redemption back."""
    form = await read_form(request)

    def act() -> Response:
        code, action = form.get("code", ""), form.get("action", "look")
        asked = redeeming.Request(
            dealer_id=_dealer_id(request),
            # The page that was sent twice asks for the same thing twice.
            request_id=form.get("request_id", "")[: redeeming.MOST_REQUEST_ID] or new_token(),
            by=caller_of(request).name,
            bearer=form.get("bearer", "").strip()[:100] or None,
            reason=form.get("reason", "").strip()[:_MOST_TEXT] or None,
        )
        try:
            with pool_of(request).connection() as conn:
                if action == "redeem":
                    redeeming.redeem(conn, code, asked, now=now_of(request))
                elif action == "roll_back":
                    redeeming.roll_back(conn, code, asked, now=now_of(request))
                coupon = redeeming.look_up(conn, code)
        except (CouponMisread, redeeming.CouponRefused) as error:
            return _page(request, status=422, problem=str(error), code=code)
        return _page(request, coupon=coupon, done=action if action != "look" else None)

    return await run_in_threadpool(act)


@router.post("/visits/{appointment_id}/arrived", dependencies=[_COUNTER])
def note_arrival(request: Request, appointment_id: int) -> Response:
    return _do(
        request,
        lambda conn: appointments.arrived(
            conn, appointment_id, dealer_id=_dealer_id(request), by=caller_of(request).name, now=now_of(request)
        ),
    )


@router.post("/cases/{case_id}/finding", dependencies=[_COUNTER])
async def write_finding(request: Request, case_id: int) -> Response:
    """Write down what the workshop found."""
    form = await read_form(request)

    def act(conn: Any) -> None:
        result: Any = form.get("result", "")
        if result not in ("confirmed", "other", "nothing"):
            raise FindingRefused("say what was found")
        try:
            odometer = float(form["odometer_km"]) if form.get("odometer_km", "").strip() else None
        except ValueError as error:
            raise FindingRefused("odometer_km is no mileage: correct it") from error
        report = Report(
            result=result,
            fault_mode=form.get("fault_mode") or None if result != "nothing" else None,
            parts=tuple(part.strip() for part in form.get("parts", "").split(",") if part.strip()),
            odometer_km=odometer,
            note=form.get("note", "").strip(),
            request_id=form.get("request_id", "")[: redeeming.MOST_REQUEST_ID] or None,
        )
        record_finding(conn, case_id, report, dealer_id=_dealer_id(request), request=request)

    return await run_in_threadpool(_do, request, act)


@router.post("/tasks/{task_id}/done", dependencies=[_COUNTER])
async def finish_task(request: Request, task_id: int) -> Response:
    result = (await read_form(request)).get("result", "").strip()[:_MOST_TEXT]

    def act(conn: Any) -> None:
        by, dealer_id = caller_of(request).name, _dealer_id(request)
        tasks.finish_task(conn, task_id, by=by, result=result or "done", now=now_of(request), dealer_id=dealer_id)

    return await run_in_threadpool(_do, request, act)


def record_finding(conn: Any, case_id: int, report: Report, *, dealer_id: str, request: Request) -> int:
    """Write a finding down and put the question to the owner on its way. Raises : FindingRefused"""
    by, now = caller_of(request).name, now_of(request)
    recorded = report_finding(conn, case_id, report, dealer_id=dealer_id, by=by, now=now)
    if recorded.survey is not None:
        write_survey(conn, case_id, recorded.survey, public_url=request.app.state.public_url, now=now)
    return recorded.finding_id


def _do(request: Request, act: Callable[[Any], object]) -> Response:
    try:
        with pool_of(request).connection() as conn:
            act(conn)
    except FindingRefused as error:
        return _page(request, status=422, problem=str(error))
    except (appointments.NoAppointment, tasks.NoSuchTask) as error:
        return _page(request, status=409, problem=str(error))
    return RedirectResponse("/dealer?said=written", 303)


def _page(
    request: Request,
    *,
    status: int = 200,
    problem: str | None = None,
    code: str = "",
    coupon: redeeming.Coupon | None = None,
    done: str | None = None,
    said: str | None = None,
) -> Response:
    pages: Pages = request.app.state.pages
    now, dealer_id = now_of(request), _dealer_id(request)
    with pool_of(request).connection() as conn:
        dealer = next(one for one in all_dealers(conn, admitted_only=False) if one.dealer_id == dealer_id)
        begins = _midnight(now, dealer)
        visits = appointments.visits_at(
            conn, dealer_id, since=begins - timedelta(days=_DAYS_BACK), until=begins + timedelta(days=_DAYS_AHEAD)
        )
        waiting = tasks.open_tasks(conn, dealer_id=dealer_id)
    for visit in visits:
        visit["vin_masked"] = mask_vin(visit.pop("vin"))
        visit["owner_masked"] = mask_name(visit.pop("owner_name") or "")
    return pages.render(
        request,
        "dealer.html",
        status=status,
        here="/dealer",
        dealer=dealer,
        visits=visits,
        tasks=waiting,
        problem=problem,
        code=code,
        coupon=coupon,
        done=done,
        said=said,
        request_id=new_token(),
        modes=fault_modes(),
        now=now,
    )


def _midnight(now: datetime, dealer: Dealer) -> datetime:
    return now.astimezone(ZoneInfo(dealer.time_zone)).replace(hour=0, minute=0, second=0, microsecond=0)


def _dealer_id(request: Request) -> str:
    dealer_id = caller_of(request).dealer_id
    assert dealer_id is not None
    return dealer_id
