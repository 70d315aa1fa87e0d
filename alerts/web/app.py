"""The web application: pages, downloads and health; past this machine by TLS only."""

import ipaddress
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from psycopg_pool import ConnectionPool, PoolTimeout
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from alerts.access.passwords import Passwords, passwords
from alerts.web import api, dealer, owner, pages, safety, sign_in, work
from alerts.web.changes import CARE, SAFETY, Changes
from alerts.web.counts import Counts
from alerts.web.guard import Anyone, FormRefused, NotAllowed, NotSignedIn, anyone, check_declared
from alerts.web.rendering import PLOTLY_SCRIPT, Pages, language_of
from alerts.web.sign_in import SIGN_IN, SignInDesk
from alerts.web.visit import Visits
from config.errors import UserMistake
from config.settings import Settings, WebSettings, listed

# Scripts come from this server only. Plotly sets the look of its own drawing by inline style, scripts never are.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Other servers are told nothing; our own forms say that they come from here.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_A_YEAR_S = 365 * 24 * 3600
# No form of ours is as large as that.
_MOST_BODY = 256 * 1024
_HEALTH = "/healthz"


class NotSafeToServe(UserMistake):
    """Passwords would travel over a network in the clear, or under a name that nobody checks."""


class _PublicFiles(StaticFiles):
    """Files that say nothing of anybody."""

    access = Anyone("a page that asks for a password needs its style")


def create_app(
    settings: Settings,
    pool: ConnectionPool[psycopg.Connection[Any]],
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    hasher: Passwords | None = None,
) -> FastAPI:
    """Return the application.

    pool   : connections of role "alerts"; the caller opens and closes it
    clock  : the time now, UTC
    hasher : of passwords; None is this process's
    Raises : NotSafeToServe, when other machines could reach it without TLS; UndeclaredRoute, when a route does not say
             who may use it
    """
    web = settings.web
    check_safe(web)
    app = FastAPI(title="Forewarn", docs_url=None, redoc_url=None, openapi_url=None, max_body_size=_MOST_BODY)
    app.state.pool, app.state.clock = pool, clock
    app.state.pages = Pages(language=settings.language, clock=clock)
    app.state.visits = Visits(web)
    app.state.desk = SignInDesk(hasher or passwords())
    app.include_router(sign_in.router)
    app.state.pages.add_globals(safety.globals_of_templates())
    # The pool is not open yet, or not there, when an application is only looked at.
    app.state.changes = Changes(lambda: pool.connection(), SAFETY)
    app.state.care_changes = Changes(lambda: pool.connection(), CARE)
    app.state.counts = Counts(lambda: pool.connection())
    app.state.public_url = settings.owners_address
    app.include_router(pages.router)
    app.include_router(safety.router)
    app.include_router(work.router)
    app.include_router(dealer.router)
    app.include_router(owner.router)
    app.include_router(api.router)
    app.mount("/static", _PublicFiles(packages=[("alerts.web", "static")]), name="static")
    app.add_api_route(
        PLOTLY_SCRIPT,
        _plotly,
        methods=["GET"],
        include_in_schema=False,
        dependencies=[anyone("a script of a published package")],
    )
    for refusal, answer in _ANSWERS.items():
        app.add_exception_handler(refusal, answer)
    app.middleware("http")(_secure)
    # A web site that an agent visits must not reach this server under a name of its own (DNS rebinding).
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*host_names(web), *_host_of_receipts(settings)])
    check_declared(app)
    return app


def check_safe(web: WebSettings) -> None:
    """Refuse to be reachable from other machines unless browsers come by TLS and under a known name.

    Raises : NotSafeToServe, with what to set
    """
    if _is_loopback(web.host) and not listed(web.proxy):
        return
    if not web.is_secure:
        raise NotSafeToServe(
            f"web.host is {web.host}, so passwords would travel in the clear: set web.cert_file and web.key_file, or"
            " web.proxy to the address of the proxy that speaks TLS, or set web.host to 127.0.0.1"
        )
    if not listed(web.names):
        raise NotSafeToServe(
            "web.names is empty: set it to the host names that browsers reach the work list by, as calls.example.com"
        )
    for address in listed(web.proxy):
        try:
            everybody = ipaddress.ip_network(address).prefixlen == 0
        except ValueError as error:
            raise NotSafeToServe(
                f"web.proxy: {address!r} is no address: write it as 10.0.0.5 or 10.0.0.0/24"
            ) from error
        if everybody:
            raise NotSafeToServe(f"web.proxy: {address} is everybody: name the proxy alone, as 10.0.0.5")


def host_names(web: WebSettings) -> list[str]:
    """Return the names under which the server answers: those that were set, and this machine's own for itself."""
    own = [] if web.host in ("0.0.0.0", "::", "") else [web.host]  # noqa: S104
    return [*listed(web.names), "localhost", "127.0.0.1", "[::1]", *own]


def _host_of_receipts(settings: Settings) -> list[str]:
    """Return the host under which owners confirm messages: a proxy that lets nothing else through has its own."""
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
    visits: Visits = request.app.state.visits
    response: Response
    if visits.secure and request.url.scheme != "https" and request.url.path != _HEALTH:
        # Somebody came past the proxy that speaks TLS.
        response = PlainTextResponse("use https", status_code=403)
    else:
        response = await call_next(request)
    response.headers.update(_HEADERS)
    if visits.secure:
        response.headers["Strict-Transport-Security"] = f"max-age={_A_YEAR_S}"
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
    rendering: Pages = request.app.state.pages
    return rendering.render(request, "problem.html", status=status, title=title, text=text)


def _is_page(request: Request) -> bool:
    """Tell whether a person looks at the answer: a browser that goes somewhere, not a program or a script."""
    return "text/html" in request.headers.get("accept", "") and "authorization" not in request.headers


def _not_signed_in(request: Request, error: Exception) -> Response:
    if not _is_page(request):
        return JSONResponse({"detail": str(error)}, status_code=401, headers={"WWW-Authenticate": "Bearer"})
    if request.method in ("GET", "HEAD"):
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"{SIGN_IN}?back={quote(back, safe='/')}", status_code=303)
    t = request.app.state.pages.translator(language_of(request))
    return _problem(request, 401, t("Your session is over"), t("Nothing was changed. Sign in and do it again."))


def _not_allowed(request: Request, error: Exception) -> Response:
    if not _is_page(request):
        return JSONResponse({"detail": str(error)}, status_code=403)
    t = request.app.state.pages.translator(language_of(request))
    return _problem(request, 403, t("Not for you"), t("Your role may not do this. A supervisor can tell you who may."))


def _form_refused(request: Request, error: Exception) -> Response:
    if not _is_page(request):
        return JSONResponse({"detail": str(error)}, status_code=403)
    t = request.app.state.pages.translator(language_of(request))
    return _problem(
        request, 403, t("That did not work"), t("The page was too old. Go back, load it anew and try again.")
    )


def _is_api(request: Request) -> bool:
    return request.url.path.startswith("/api/")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if _is_api(request):
        return await http_exception_handler(request, error)
    t = request.app.state.pages.translator(language_of(request))
    if error.status_code == 404:
        return _problem(request, 404, t("Not on the list"), t("This case was closed, or its owner may not be called."))
    return _problem(request, error.status_code, t("That did not work"), str(error.detail))


def _not_understood(request: Request, error: Exception) -> Response:
    if _is_api(request):
        assert isinstance(error, RequestValidationError)
        # Each place and what is wrong there, without what was sent: not all of that can be sent back.
        places = [{key: place[key] for key in ("type", "loc", "msg")} for place in error.errors()]
        detail = json.dumps({"detail": places}, ensure_ascii=False).encode("utf-8", "replace")
        return Response(detail, status_code=422, media_type="application/json")
    t = request.app.state.pages.translator(language_of(request))
    return _problem(request, 404, t("Not on the list"), t("There is no such page."))


def _away(request: Request, error: Exception) -> Response:
    if _is_api(request):
        detail = "the database does not answer; nothing is lost, try again in a moment"
        return JSONResponse({"detail": detail}, status_code=503, headers={"Retry-After": "5"})
    t = request.app.state.pages.translator(language_of(request))
    text = t("The database does not answer. Nothing is lost; try again in a moment.")
    return _problem(request, 503, t("One moment"), text)


_ANSWERS: Mapping[type[Exception], Callable[[Request, Exception], Response | Awaitable[Response]]] = {
    HTTPException: _refused,
    RequestValidationError: _not_understood,
    NotSignedIn: _not_signed_in,
    NotAllowed: _not_allowed,
    FormRefused: _form_refused,
    psycopg.OperationalError: _away,
    PoolTimeout: _away,
}
