"""The page of one case: all an agent needs to call, and all that was done before."""

from datetime import timedelta
from typing import Any

import psycopg
from fastapi import HTTPException, Request, Response

from alerts import call_list
from alerts.access.roles import Role
from alerts.calls import Call, find_call, other_leads
from alerts.case_dealers import dealers_for_call
from alerts.nearest_dealers import PICK_UP_KM
from alerts.offers import campaigns
from alerts.phones import needs_reason
from alerts.script import what_to_say
from alerts.slots import free_slots
from alerts.web.guard import caller_of
from alerts.web.rendering import language_of
from alerts.web.state import pages_of, pool_of
from alerts.work.agents import agent_of
from alerts.work.appointments import appointment_of
from alerts.work.claims import claim_of
from alerts.work.contacts import Disposition
from alerts.work.entries import entries_of
from alerts.work.windows import may_call, next_window

# Of each dealer: enough to find a time that suits, few enough to read out.
_SLOTS = 12
_BOOKABLE = timedelta(days=14)
# Nobody is there any sooner.
_SOONEST = timedelta(minutes=30)


def case_page(
    request: Request,
    case_id: int,
    *,
    status: int = 200,
    phone: str | None = None,
    reason_missing: bool = False,
    problem: str | None = None,
    said: str | None = None,
) -> Response:
    """Return the page of an open case, or what is left of one that ended while the caller was on the telephone.

    phone   : the owner's number, when it was just revealed
    problem : what a person has to correct; said: what was just done
    Raises  : HTTPException 404, when the case is closed or its owner may not be called
    """
    pages = pages_of(request)
    now, caller = pages.clock(), caller_of(request)
    with pool_of(request).connection() as conn:
        agent = agent_of(conn, caller)
        try:
            call = open_call(conn, case_id, now=now)
        except HTTPException:
            if agent.contact == case_id:
                return _call_over(request, case_id, status=status, problem=problem)
            raise
        further = other_leads(conn, call)
        near = dealers_for_call(conn, call, further, now=now)
        slots = {
            choice.dealer.dealer_id: free_slots(
                conn, choice.dealer.dealer_id, since=now + _SOONEST, until=now + _BOOKABLE, limit=_SLOTS
            )
            for choice in near.choices
            if choice.keeps_book
        }
        claim = claim_of(conn, case_id, now=now)
        visit = appointment_of(conn, case_id)
        entries = entries_of(conn, case_id)
    language = language_of(request) or pages.language
    languages = [call.owner_language, *([language] if language != call.owner_language else [])]
    return pages.render(
        request,
        "case.html",
        status=status if not reason_missing else 422,
        here=f"/cases/{case_id}",
        call=call,
        line=call_list.row(call, language),
        further=further,
        campaign=campaigns().get(call.offer.campaign) if call.offer else None,
        scripts=[(spoken, what_to_say(call, spoken)) for spoken in languages],
        near=near,
        slots=slots,
        phone=phone,
        needs_reason=needs_reason(caller),
        reason_missing=reason_missing,
        problem=problem,
        said=said,
        claim=claim,
        mine=claim.account_id is not None and claim.account_id == caller.account_id,
        in_call=agent.contact == case_id,
        supervises=caller.role is Role.SUPERVISOR,
        visit=visit if visit is not None and visit.state == "booked" else None,
        entries=entries,
        dispositions=list(Disposition),
        callable_now=may_call(call.time_zone, now),
        callable_at=next_window(call.time_zone, now),
        pick_up_km=PICK_UP_KM,
        now=now,
    )


def _call_over(request: Request, case_id: int, *, status: int, problem: str | None) -> Response:
    # Without an outcome its agent gets no other case: a workshop or an owner may end this one during the call.
    return pages_of(request).render(
        request,
        "call-over.html",
        status=status,
        here=f"/cases/{case_id}",
        case_id=case_id,
        problem=problem,
        dispositions=[one for one in Disposition if one not in (Disposition.APPOINTMENT, Disposition.CALL_BACK)],
    )


def open_call(conn: psycopg.Connection[Any], case_id: int, *, now: Any = None) -> Call:
    """Return an open case. Raises : HTTPException 404"""
    # Beyond a bigint there is no case, and the database would say so in its own words.
    call = find_call(conn, case_id, now=now) if 0 < case_id < 2**63 else None
    if call is None:
        raise HTTPException(404)
    return call
