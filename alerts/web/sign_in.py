"""Signing in and out."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import anyio
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from alerts.access.passwords import LONGEST, Passwords
from alerts.access.roles import Role
from alerts.access.sessions import Attempt, begin_attempt, open_session, revoke_token
from alerts.access.tokens import csrf_of, new_token
from alerts.web.forms import own_path, read_form
from alerts.web.guard import FormRefused, allowed, anyone, check_form, find_caller
from alerts.web.state import now_of, pages_of, pool_of
from alerts.web.visit import Visits

router = APIRouter(include_in_schema=False)
SIGN_IN = "/sign-in"
# Each comparison takes 64 MiB and a core for a tenth of a second: guessers get two of each, and others wait in line.
_AT_ONCE = 2
_MOST_WAITING = 50
_LONGEST_NAME = 64
# Refusals are told at these beats only: how long the database took, which knows one name and not another, is not heard.
_STEP_S = 0.5


class TooManySignIns(Exception):
    """Too many passwords wait to be compared."""


class SignInDesk:
    """Compares passwords, a few at a time, so that guessing never takes the pages' threads or the machine's memory."""

    def __init__(self, hasher: Passwords, *, step_s: float = _STEP_S) -> None:
        self.hasher = hasher
        self.step_s = step_s
        self._limiter: anyio.CapacityLimiter | None = None
        self._inside = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the line; turn away who would wait too long, before it counts as a failure.

        Raises : TooManySignIns
        """
        if self._inside >= _AT_ONCE + _MOST_WAITING:
            raise TooManySignIns(TooManySignIns.__doc__)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    async def compare(self, kept: str | None, password: str) -> bool:
        """Tell whether a password is the one that was kept; for None it takes as long and is false."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(_AT_ONCE)
        return await anyio.to_thread.run_sync(self.hasher.matches, kept, password, limiter=self._limiter)


def until_next_step(elapsed_s: float, step_s: float) -> float:
    """Return how long to wait until a whole number of steps, at least one, has passed, in s."""
    return max(1, math.ceil(elapsed_s / step_s)) * step_s - elapsed_s


@router.get(SIGN_IN, dependencies=[anyone("nobody is signed in before")])
def show_sign_in(request: Request, back: str = "/") -> Response:
    """Show the form, or go on when somebody is signed in."""
    if find_caller(request) is not None:
        return RedirectResponse(own_path(back), status_code=303)
    return _form(request, back=back)


@router.post(SIGN_IN, dependencies=[anyone("the name and the password decide")])
async def sign_in(request: Request) -> Response:
    """Open a session if name and password are right; what was wrong, or that an account waits, is not told."""
    fields = await read_form(request)
    back, name = own_path(fields.get("back", "/")), fields.get("name", "")[:_LONGEST_NAME]
    visits, t = _visits(request), _translator(request)
    visit = visits.visit_of(request)
    try:
        if visit is None:
            raise FormRefused(FormRefused.__doc__)
        # Nobody may sign a visitor in to an account that is not the visitor's own.
        await check_form(request, csrf_of(visit))
    except FormRefused:
        return _form(request, back=back, name=name, problem=t("That form was too old. Try again."), status=403)
    try:
        token = await _open(request, name, fields.get("password", "")[: LONGEST + 1])
    except TooManySignIns:
        problem = t("Too many people sign in at this moment. Try again.")
        return _form(request, back=back, name=name, problem=problem, status=503)
    if token is None:
        problem = t("Name or password is wrong. After several failures an account waits for a while.")
        return _form(request, back=back, name=name, problem=problem, status=403)
    response = RedirectResponse(back, status_code=303)
    visits.open(response, token)
    return response


@router.post("/sign-out", dependencies=[allowed(*Role)])
def sign_out(request: Request) -> Response:
    """End the session, in the database and in the browser."""
    visits = _visits(request)
    token = visits.session_of(request)
    assert token is not None
    with pool_of(request).connection() as conn:
        revoke_token(conn, token, now=now_of(request))
    response = RedirectResponse(SIGN_IN, status_code=303)
    visits.close(response)
    return response


async def _open(request: Request, name: str, password: str) -> str | None:
    """Return the token of a new session, None when it is refused. No connection is held while a password is compared.

    Raises : TooManySignIns
    """
    state = request.app.state
    desk: SignInDesk = state.desk
    visits, now = _visits(request), now_of(request)

    def begin() -> Attempt:
        with state.pool.connection() as conn:
            return begin_attempt(conn, name, now=now)

    with desk.place():
        started = anyio.current_time()
        attempt = await run_in_threadpool(begin)
        right = await desk.compare(attempt.password_hash, password)
    if not right:
        await anyio.sleep(until_next_step(anyio.current_time() - started, desk.step_s))
        return None

    def finish() -> str | None:
        with state.pool.connection() as conn:
            return open_session(
                conn,
                attempt,
                password,
                hasher=desk.hasher,
                limits=visits.limits,
                now=now,
                replaces=visits.session_of(request),
            )

    return await run_in_threadpool(finish)


def _form(request: Request, *, back: str, name: str = "", problem: str | None = None, status: int = 200) -> Response:
    visits = _visits(request)
    visit = visits.visit_of(request)
    token = visit or new_token()
    back = own_path(back)
    response = pages_of(request).render(
        request,
        "sign-in.html",
        status=status,
        here=f"{SIGN_IN}?back={quote(back)}",
        back=back,
        name=name,
        problem=problem,
        form_token=csrf_of(token),
    )
    if visit is None:
        visits.begin(response, token)
    return response


def _visits(request: Request) -> Visits:
    visits: Visits = request.app.state.visits
    return visits


def _translator(request: Request) -> Any:
    return pages_of(request).translator_of(request)
