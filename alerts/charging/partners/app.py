"""The server that partners speak to: an application of its own, which knows no pages and no people."""

from collections.abc import Awaitable, Callable

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from alerts.charging.partners import (
    ocpi_serving,
    routes_cec,
    routes_credentials,
    routes_events,
    routes_ocpi,
    routes_read,
)
from alerts.charging.partners.describing import describe, docs_page
from alerts.charging.partners.gate import Gate
from alerts.charging.partners.refusals import Refused
from alerts.charging.partners.registration import Registrar
from alerts.charging.partners.sealing import Sealer
from config.settings import PartnerSettings

_log = structlog.get_logger(__name__)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def create_app(
    gate: Gate, sealer: Sealer, registrar: Registrar, settings: PartnerSettings, *, language: str = "en"
) -> FastAPI:
    """Return the application.

    gate   : where messages go
    sealer : signs and knows the tokens of T/CEC
    registrar : exchanges credentials of OCPI
    """
    app = FastAPI(title="Forewarn partners", version="1", docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    app.state.gate, app.state.sealer, app.state.settings, app.state.language = gate, sealer, settings, language
    app.state.registrar = registrar
    for routes in (routes_events, routes_read, routes_cec, routes_credentials, routes_ocpi):
        app.include_router(routes.router)
    app.add_api_route("/health", _health, methods=["GET"], include_in_schema=False)
    app.add_api_route("/docs", docs_page, methods=["GET"], include_in_schema=False)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
    app.middleware("http")(_secure)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


def problem(status: int, reason: str, detail: str, *, headers: dict[str, str] | None = None) -> Response:
    """Return a refusal as JSON: ``reason`` for a program, ``detail`` for a person."""
    body = msgspec.json.encode({"reason": reason, "detail": detail})
    return Response(body, status_code=status, media_type="application/json", headers=headers)


async def _secure(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _health() -> dict[str, str]:
    return {"status": "ok"}


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    _log.info("a partner's message was refused", reason=error.reason, detail=error.detail, path=request.url.path)
    in_protocol = _PROTOCOLS.get(request.url.path.split("/", 2)[1])
    if in_protocol is not None:
        return in_protocol(request, error)
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return problem(error.status, error.reason, error.detail, headers=headers)


_PROTOCOLS: dict[str, Callable[[Request, Refused], Response]] = {
    "evcs": routes_cec.refused,
    "ocpi": ocpi_serving.refused,
}


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason = {404: "no_such_address", 405: "method"}.get(error.status_code, "http")
    headers = dict(error.headers or {})
    methods = _methods_at(request) if error.status_code == 405 else set()
    if methods:
        # The framework names those of the first route at this address alone.
        headers = {name: value for name, value in headers.items() if name.casefold() != "allow"}
        headers["Allow"] = ", ".join(sorted(methods))
    return problem(error.status_code, reason, str(error.detail), headers=headers)


def _methods_at(request: Request) -> set[str]:
    paths = describe(request.app)["paths"].items()
    return {
        method.upper()
        for path, operations in paths
        if compile_path(path)[0].match(request.url.path)
        for method in operations
    }


def _unexpected(request: Request, error: Exception) -> Response:
    # Logged once, by the server, with its trace.
    return problem(500, "unexpected", "we could not handle the message: send it again in a moment")
