"""The safety desk: its board, live, what a person does there, and the page on which an owner confirms a message."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any, Literal

import psycopg
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool

from alerts.access.roles import Role
from alerts.charging import board, wording
from alerts.charging.board import BoardCase, NotOpen
from alerts.charging.messages import words_for_owner
from alerts.masking import mask_name
from alerts.web.changes import Changes
from alerts.web.guard import allowed, anyone, caller_of, find_caller
from alerts.web.state import pages_of, pool_of
from config.dangers import dangers

router = APIRouter(prefix="/safety", include_in_schema=False)
_DESK = allowed(Role.SAFETY, Role.SUPERVISOR)
_OWNER = anyone("an owner has no account; the number of the message is known to its receiver alone")
_LOOK_EVERY_S = 0.1
# A proxy closes what is silent for longer.
_HEARTBEAT_S = 10.0


class _Body(BaseModel):
    """JSON only, and nothing but what is known."""

    model_config = ConfigDict(extra="forbid")


class _Closing(_Body):
    outcome: Literal["stopped", "fire", "false_alarm", "other"]


class _Done(_Body):
    result: Literal["reached", "not_reached", "done", "not_done"]


class _Decision(_Body):
    stop: bool


@router.get("", dependencies=[_DESK])
def show_board(request: Request) -> Response:
    """Show the board."""
    return pages_of(request).render(request, "safety/desk.html", board=_board(request))


@router.get("/stream", dependencies=[_DESK])
async def stream(request: Request) -> Response:
    """Send the board whenever something has changed, as server-sent events."""
    return StreamingResponse(
        _events(request),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.post("/cases/{case_id}/acknowledge", dependencies=[_DESK])
def acknowledge(request: Request, case_id: uuid.UUID) -> Response:
    with pool_of(request).connection() as conn:
        _still_open(board.acknowledge, conn, case_id, by=caller_of(request).name)
    return Response(status_code=204)


@router.post("/cases/{case_id}/close", dependencies=[_DESK])
def close(request: Request, case_id: uuid.UUID, said: _Closing) -> Response:
    with pool_of(request).connection() as conn:
        _still_open(board.close, conn, case_id, by=caller_of(request).name, outcome=said.outcome)
    return Response(status_code=204)


@router.post("/tasks/{task_id}/done", dependencies=[_DESK])
def finish_task(request: Request, task_id: uuid.UUID, said: _Done) -> Response:
    with pool_of(request).connection() as conn:
        _still_open(board.finish_task, conn, task_id, by=caller_of(request).name, result=said.result)
    return Response(status_code=204)


@router.post("/stops/{action_id}/decide", dependencies=[_DESK])
def decide_stop(request: Request, action_id: uuid.UUID, said: _Decision) -> Response:
    with pool_of(request).connection() as conn:
        _still_open(board.decide_stop, conn, action_id, by=caller_of(request).name, stop=said.stop)
    return Response(status_code=204)


@router.get("/receipts/{delivery_id}", dependencies=[_OWNER])
def show_receipt(request: Request, delivery_id: uuid.UUID) -> Response:
    """Show an owner what to do, and a button that says it was read. Opening the page confirms nothing: programs do."""
    with pool_of(request).connection() as conn:
        try:
            told = board.told_in(conn, delivery_id)
        except NotOpen as error:
            raise HTTPException(404) from error
    language = told["language"] or pages_of(request).language
    title, text = words_for_owner(told["kind"], operator=told["operator"], station=told["station"], language=language)
    return pages_of(request).render(
        request,
        "safety/receipt.html",
        spoken=language,
        title=title,
        text=text,
        confirmed=told["receipt_at"] is not None,
    )


@router.post("/receipts/{delivery_id}", dependencies=[_OWNER])
def confirm_receipt(request: Request, delivery_id: uuid.UUID) -> Response:
    """Take an owner's receipt."""
    with pool_of(request).connection() as conn:
        _still_open(board.confirm_receipt, conn, delivery_id)
    return RedirectResponse(f"/safety/receipts/{delivery_id}", status_code=303)


def place(case: BoardCase) -> str:
    """Return where the car is, in the operator's names; empty when nobody knows."""
    return " / ".join(part for part in (case.operator, case.station, case.connector) if part)


def masked_owner(case: BoardCase) -> str | None:
    return mask_name(case.owner_name) if case.owner_name is not None else None


async def _events(request: Request) -> AsyncIterator[str]:
    changes: Changes = request.app.state.changes
    changes.watch()
    try:
        seen, idle_s = -1, 0.0
        while not await request.is_disconnected():
            if changes.version == seen and idle_s < _HEARTBEAT_S:
                await asyncio.sleep(_LOOK_EVERY_S)
                idle_s += _LOOK_EVERY_S
                continue
            seen, idle_s = changes.version, 0.0
            try:
                # A session may have ended, or been revoked, under a page that stays open.
                if not await run_in_threadpool(_still_allowed, request):
                    yield "event: over\ndata: {}\n\n"
                    return
                loud, html = await run_in_threadpool(_fragment, request)
            except (psycopg.OperationalError, PoolTimeout):
                yield "event: away\ndata: {}\n\n"
                continue
            yield f"event: board\ndata: {json.dumps({'loud': loud, 'html': html})}\n\n"
    finally:
        changes.leave()


def _still_allowed(request: Request) -> bool:
    caller = find_caller(request)
    return caller is not None and caller.role in (Role.SAFETY, Role.SUPERVISOR)


def _fragment(request: Request) -> tuple[int, str]:
    cases = _board(request)
    page = pages_of(request).render(request, "safety/cases.html", board=cases)
    return sum(case.is_loud for case in cases), bytes(page.body).decode()


def _board(request: Request) -> list[BoardCase]:
    with pool_of(request).connection() as conn:
        return board.board(conn)


def _still_open(do: Any, conn: Any, number: uuid.UUID, **values: Any) -> None:
    try:
        do(conn, number, **values)
    except NotOpen as error:
        raise HTTPException(409, "somebody else was faster, or there is no such thing") from error


def globals_of_templates() -> dict[str, Any]:
    """Return what the templates of the desk call by name."""
    return {
        "place": place,
        "masked_owner": masked_owner,
        "danger_of": lambda kind: dangers().get(kind) or dangers()["other"],
        "says": wording,
    }
