"""The web application: pages, downloads and health, on this machine only until there is a sign-in."""

import ipaddress
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from psycopg_pool import ConnectionPool, PoolTimeout
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from alerts.web import safety
from alerts.web.changes import Changes
from alerts.web.pages import router
from alerts.web.rendering import PLOTLY_SCRIPT, Pages, language_of
from config.errors import UserMistake
from config.settings import Settings

# Scripts come from this server only. Plotly sets the look of its own drawing by inline style, scripts never are.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_A_YEAR_S = 365 * 24 * 3600


class NotLoopback(UserMistake):
    """The work list has no sign-in and may not be reachable from other machines."""


def create_app(
    settings: Settings,
    pool: ConnectionPool[psycopg.Connection[Any]],
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> FastAPI:
    """Return the application.

    pool   : connections of role "alerts"; the caller opens and closes it
    clock  : the time now, UTC
    Raises : NotLoopback, when ``settings.web.host`` is not an address of this machine alone
    """
    if not _is_loopback(settings.web.host):
        raise NotLoopback(
            f"web.host is {settings.web.host}, but the work list has no sign-in yet: set it to 127.0.0.1"
            " and reach it from elsewhere through a tunnel"
        )
    app = FastAPI(title="Forewarn", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.pool = pool
    app.state.pages = Pages(language=settings.language, clock=clock)
    app.state.pages.add_globals(safety.globals_of_templates())
    # The pool is not open yet, or not there, when an application is only looked at.
    app.state.changes = Changes(lambda: pool.connection())
    app.include_router(router)
    app.include_router(safety.router)
    app.mount("/static", StaticFiles(packages=[("alerts.web", "static")]), name="static")
    app.add_api_route(PLOTLY_SCRIPT, _plotly, methods=["GET"], include_in_schema=False)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(psycopg.OperationalError, _away)
    app.add_exception_handler(PoolTimeout, _away)
    app.middleware("http")(_secure)
    # A web site that an agent visits must not reach this server under a name of its own (DNS rebinding).
    app.add_middleware(
        TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1", "[::1]", settings.web.host, *_public(settings)]
    )
    return app


def _public(settings: Settings) -> list[str]:
    # Owners confirm messages through a proxy that lets nothing else through: docs/charging-safety.md.
    host = urlsplit(settings.charging.public_url or "").hostname
    return [host] if host is not None else []


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _secure(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.update(_HEADERS)
    # What a page says about people stays out of the browser's cache.
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _plotly() -> Response:
    """Serve the script that the plotly package ships; its name carries the version, so it may be kept for ever."""
    script = Path(str(files("plotly").joinpath("package_data", "plotly.min.js")))
    return FileResponse(
        script,
        media_type="text/javascript",
        headers={"Cache-Control": f"public, max-age={_A_YEAR_S}, immutable", "X-Plotly": version("plotly")},
    )


def _problem(request: Request, status: int, title: str, text: str) -> Response:
    pages: Pages = request.app.state.pages
    return pages.render(request, "problem.html", status=status, title=title, text=text)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    t = request.app.state.pages.translator(language_of(request))
    if error.status_code == 404:
        return _problem(request, 404, t("Not on the list"), t("This case was closed, or its owner may not be called."))
    return _problem(request, error.status_code, t("That did not work"), str(error.detail))


def _not_understood(request: Request, error: Exception) -> Response:
    t = request.app.state.pages.translator(language_of(request))
    return _problem(request, 404, t("Not on the list"), t("There is no such page."))


def _away(request: Request, error: Exception) -> Response:
    t = request.app.state.pages.translator(language_of(request))
    text = t("The database does not answer. Nothing is lost; try again in a moment.")
    return _problem(request, 503, t("One moment"), text)
