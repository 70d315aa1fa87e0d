"""OCPI 2.2.1 versions and credentials: an operator finds out what we serve and exchanges tokens by itself."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response

from alerts.charging.partners.credentials import VERSION, our_credentials
from alerts.charging.partners.describing import OCPI_CREDENTIALS
from alerts.charging.partners.ocpi import token_in
from alerts.charging.partners.ocpi_serving import SECURITY, admitted, answered, described, read_fields
from alerts.charging.partners.registration import Registrar

router = APIRouter(prefix="/ocpi", tags=["OCPI 2.2.1"])
T = TypeVar("T")
_PATH = f"/{VERSION}/credentials"
_BODY: dict[str, Any] = {"requestBody": OCPI_CREDENTIALS, **SECURITY}


@router.get("/versions", summary="Versions", response_model=None, responses=described(200, 401), openapi_extra=SECURITY)
async def versions(request: Request) -> Response:
    admitted(request, "ocpi", "ocpi_register")
    return answered(request, [{"version": VERSION, "url": f"{_address(request)}/ocpi/{VERSION}"}])


@router.get(
    f"/{VERSION}", summary="Endpoints", response_model=None, responses=described(200, 401), openapi_extra=SECURITY
)
async def endpoints(request: Request) -> Response:
    admitted(request, "ocpi", "ocpi_register")
    base = _address(request)
    found = [
        # Its role has no meaning (7.1), and has to be there.
        {"identifier": "credentials", "role": "SENDER", "url": f"{base}/ocpi{_PATH}"},
        {"identifier": "sessions", "role": "RECEIVER", "url": f"{base}/ocpi/emsp/{VERSION}/sessions"},
    ]
    return answered(request, {"version": VERSION, "endpoints": found})


@router.get(
    _PATH,
    summary="Our credentials, with the token that asks",
    response_model=None,
    responses=described(200, 401),
    openapi_extra=SECURITY,
)
async def get_credentials(request: Request) -> Response:
    admitted(request, "ocpi")
    # Of tokens only digests are kept: the one that was sent is the one we could show.
    return _credentials(request, token_in(request.headers["authorization"])[-1])


@router.post(
    _PATH,
    summary="Register",
    response_model=None,
    responses=described(200, 400, 401, 403, 405, 413, 415, 429, 503),
    openapi_extra=_BODY,
)
async def post_credentials(request: Request) -> Response:
    _, partner, key = admitted(request, "ocpi", "ocpi_register")
    fields = await read_fields(request)
    registrar = _registrar(request)
    return _credentials(request, await _aside(registrar, lambda: registrar.register(partner, key, fields)))


@router.put(
    _PATH,
    summary="Change credentials; the token before goes on for an hour",
    response_model=None,
    responses=described(200, 400, 401, 403, 405, 413, 415, 429, 503),
    openapi_extra=_BODY,
)
async def put_credentials(request: Request) -> Response:
    _, partner, key = admitted(request, "ocpi")
    fields = await read_fields(request)
    registrar = _registrar(request)
    return _credentials(request, await _aside(registrar, lambda: registrar.renew(partner, key, fields)))


@router.delete(
    _PATH,
    summary="End the registration and its tokens",
    response_model=None,
    responses=described(200, 401, 405, 429, 503),
    openapi_extra=SECURITY,
)
async def delete_credentials(request: Request) -> Response:
    _, partner, key = admitted(request, "ocpi")
    registrar = _registrar(request)
    await _aside(registrar, lambda: registrar.end(partner, key))
    return answered(request, None)


async def _aside(registrar: Registrar, act: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(registrar.threads, act)


def _credentials(request: Request, token: str) -> Response:
    settings = request.app.state.settings
    party = (settings.country_code, settings.party_id)
    return answered(request, our_credentials(token, address=_address(request), party=party))


def _address(request: Request) -> str:
    return str(request.app.state.settings.address())


def _registrar(request: Request) -> Registrar:
    registrar: Registrar = request.app.state.registrar
    return registrar
