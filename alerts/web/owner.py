"""What an owner opens from a message, without an account: the coupon, the question after a visit, a receipt."""

import uuid
from typing import Any

import segno
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from alerts.offers import campaigns
from alerts.web.forms import read_form
from alerts.web.guard import anyone
from alerts.web.state import now_of, pages_of, pool_of
from alerts.work import links, messages, surveys

router = APIRouter(include_in_schema=False)
_OWNER = anyone("an owner has no account; the link is known to the receiver of the message alone")


@router.get("/o/{token}", dependencies=[_OWNER])
def show_offer(request: Request, token: str) -> Response:
    """Show an owner the coupon. Opening the page confirms nothing: programs that preview links do."""
    with pool_of(request).connection() as conn:
        try:
            offer = links.offer_of(conn, token)
        except links.NoOffer as error:
            raise HTTPException(404) from error
    return pages_of(request).render(
        request,
        "owner/offer.html",
        spoken=offer.language,
        offer=offer,
        campaign=campaigns().get(offer.campaign),
        square=_square(offer.code) if offer.code else "",
        token=token,
        now=now_of(request),
    )


@router.post("/o/{token}/received", dependencies=[_OWNER])
def confirm_offer(request: Request, token: str) -> Response:
    with pool_of(request).connection() as conn:
        try:
            links.confirm_offer(conn, token, now=now_of(request))
        except links.NoOffer as error:
            raise HTTPException(404) from error
    return RedirectResponse(f"/o/{token}", 303)


@router.post("/o/{token}/driver", dependencies=[_OWNER])
async def name_driver(request: Request, token: str) -> Response:
    """Let a driver whom the owner names carry the coupon."""
    driver = (await read_form(request)).get("driver", "")

    def act() -> Response:
        with pool_of(request).connection() as conn:
            try:
                links.name_driver(conn, token, driver, now=now_of(request))
            except links.NoOffer as error:
                raise HTTPException(404) from error
        return RedirectResponse(f"/o/{token}", 303)

    return await run_in_threadpool(act)


@router.get("/s/{token}", dependencies=[_OWNER])
def show_survey(request: Request, token: str) -> Response:
    """Ask an owner how the visit was."""
    with pool_of(request).connection() as conn:
        survey = _survey(conn, token)
    return pages_of(request).render(
        request, "owner/survey.html", spoken=survey.language, survey=survey, token=token, missing=False
    )


@router.post("/s/{token}", dependencies=[_OWNER])
async def answer_survey(request: Request, token: str) -> Response:
    form = await read_form(request)

    def act() -> Response:
        score = form.get("score", "")
        with pool_of(request).connection() as conn:
            survey = _survey(conn, token)
            if score not in ("1", "2", "3", "4", "5"):
                return pages_of(request).render(
                    request,
                    "owner/survey.html",
                    status=422,
                    spoken=survey.language,
                    survey=survey,
                    token=token,
                    missing=True,
                )
            conn.commit()
            surveys.answer(conn, token, score=int(score), text=form.get("note", "").strip(), now=now_of(request))
        return RedirectResponse(f"/s/{token}", 303)

    return await run_in_threadpool(act)


@router.post("/messages/{message_id}/receipt", dependencies=[_OWNER])
def confirm_message(request: Request, message_id: uuid.UUID) -> Response:
    """Take the receipt that a gateway has of the owner's telephone."""
    with pool_of(request).connection() as conn:
        if not messages.confirm(conn, message_id, now=now_of(request)):
            raise HTTPException(404)
    return Response(status_code=204)


def _survey(conn: Any, token: str) -> surveys.Survey:
    try:
        return surveys.find_survey(conn, token)
    except surveys.NoSuchSurvey as error:
        raise HTTPException(404) from error


def _square(code: str) -> str:
    """Return the QR code of a coupon, as an image that stands in the page."""
    # Not the smaller "Micro QR", which few telephones read.
    return str(segno.make_qr(code, error="m").svg_data_uri(scale=6, border=4))
