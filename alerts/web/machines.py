"""An application of interfaces alone: programs with keys, no pages, no cookies."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from psycopg_pool import ConnectionPool

from alerts.web.guard import FormRefused, NotAllowed, NotSignedIn, check_declared


def guard_machines(
    app: FastAPI, pool: ConnectionPool[psycopg.Connection[Any]], *, clock: Callable[[], datetime]
) -> None:
    """Have an application ask for keys. Call it last: every route must be there to be looked at.

    pool   : connections of role "alerts"
    clock  : the time now, UTC
    Raises : UndeclaredRoute, when a route does not say who may use it
    """
    app.state.pool, app.state.clock, app.state.visits = pool, clock, None
    for refusal, status in ((NotSignedIn, 401), (NotAllowed, 403), (FormRefused, 403)):
        app.add_exception_handler(refusal, _answer(status))
    check_declared(app)


def _answer(status: int) -> Callable[[Request, Exception], Response]:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None

    def answer(_request: Request, refusal: Exception) -> Response:
        return JSONResponse({"detail": str(refusal)}, status_code=status, headers=headers)

    return answer
