"""OCPI 2.2.1, our side as receiver of sessions and of the results of commands."""

import uuid
from typing import Any

import msgspec
import psycopg
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout

from alerts.charging.partners.bodies import read_body
from alerts.charging.partners.describing import OCPI_ANSWER, OCPI_RESULT, OCPI_SESSION
from alerts.charging.partners.gate import Gate
from alerts.charging.partners.ocpi import (
    CLIENT_ERROR,
    INVALID,
    SERVER_ERROR,
    UNKNOWN,
    envelope,
    operator_name,
    read_session,
    token_in,
)
from alerts.charging.partners.partner import Partner
from alerts.charging.partners.refusals import (
    NotAuthentic,
    NotCharging,
    NotRecorded,
    NotUnderstood,
    Refused,
    TooMany,
)
from alerts.charging.partners.reports import Said, StopResult
from alerts.charging.partners.spelling import by_name, text
from alerts.charging.partners.stop_ocpi import LATER
from config import sql

router = APIRouter(prefix="/ocpi", tags=["OCPI 2.2.1"])
_CODES: dict[type[Refused], int] = {
    NotUnderstood: INVALID,
    NotCharging: UNKNOWN,
    NotRecorded: SERVER_ERROR,
    TooMany: SERVER_ERROR,
}
_SECURITY: dict[str, Any] = {"security": [{"ocpi": []}]}
_LONGEST_ID = 200


def refused(request: Request, error: Refused) -> Response:
    """Return a refusal as OCPI says it."""
    gate: Gate = request.app.state.gate
    code = _CODES.get(type(error), CLIENT_ERROR)
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    return _answer(request, gate, None, code=code, message=error.detail, status=error.status, headers=headers)


def _described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    words = {
        200: "Taken",
        400: "Cannot be read",
        401: "No valid token",
        403: "Another party's",
        404: "Unknown",
        413: "Too large",
        415: "No JSON",
        429: "Too many",
        503: "Send it again",
    }
    content = {"application/json": {"schema": OCPI_ANSWER}}
    return {status: {"description": words[status], "content": content} for status in statuses}


@router.get(
    "/versions", summary="Versions", response_model=None, responses=_described(200, 401), openapi_extra=_SECURITY
)
async def versions(request: Request) -> Response:
    gate, _ = _admitted(request)
    base = request.app.state.settings.address()
    return _answer(request, gate, [{"version": "2.2.1", "url": f"{base}/ocpi/2.2.1"}])


@router.get("/2.2.1", summary="Endpoints", response_model=None, responses=_described(200, 401), openapi_extra=_SECURITY)
async def endpoints(request: Request) -> Response:
    gate, _ = _admitted(request)
    base = request.app.state.settings.address()
    found = [{"identifier": "sessions", "role": "RECEIVER", "url": f"{base}/ocpi/emsp/2.2.1/sessions"}]
    return _answer(request, gate, {"version": "2.2.1", "endpoints": found})


@router.put(
    "/emsp/2.2.1/sessions/{country_code}/{party_id}/{session_id}",
    summary="Put a session",
    response_model=None,
    responses=_described(200, 400, 401, 403, 413, 415, 429, 503),
    openapi_extra={"requestBody": OCPI_SESSION, **_SECURITY},
)
async def put_session(request: Request, country_code: str, party_id: str, session_id: str) -> Response:
    return await _session(request, country_code, party_id, session_id, is_whole=True)


@router.patch(
    "/emsp/2.2.1/sessions/{country_code}/{party_id}/{session_id}",
    summary="Change a session",
    response_model=None,
    responses=_described(200, 400, 401, 403, 413, 415, 429, 503),
    openapi_extra={"requestBody": OCPI_SESSION, **_SECURITY},
)
async def patch_session(request: Request, country_code: str, party_id: str, session_id: str) -> Response:
    return await _session(request, country_code, party_id, session_id, is_whole=False)


@router.get(
    "/emsp/2.2.1/sessions/{country_code}/{party_id}/{session_id}",
    summary="Read a session as it was put",
    response_model=None,
    responses=_described(200, 401, 403, 404, 503),
    openapi_extra=_SECURITY,
)
async def get_session(request: Request, country_code: str, party_id: str, session_id: str) -> Response:
    gate, partner = _admitted(request)
    operator = partner.operator_of(operator_name(country_code, party_id))
    _check_id(session_id)
    row = await run_in_threadpool(_stored, gate, operator, session_id)
    if row is None:
        raise NotCharging("no session of this id was put here")
    return _answer(request, gate, {"country_code": country_code, "party_id": party_id, **row})


@router.post(
    "/emsp/2.2.1/commands/STOP_SESSION/{action_id}",
    summary="Say what became of a stop",
    response_model=None,
    responses=_described(200, 400, 401, 413, 415, 429, 503),
    openapi_extra={"requestBody": OCPI_RESULT, **_SECURITY},
)
async def stop_result(request: Request, action_id: str) -> Response:
    gate, partner = _admitted(request)
    fields = by_name(await _json(request), ("result", "message"))
    result = (text(fields.get("result")) or "").upper()
    if result not in LATER:
        raise NotUnderstood(f"result is none of {', '.join(LATER)}")
    try:
        action = uuid.UUID(action_id)
    except ValueError as error:
        raise NotUnderstood("this is no address that we gave as response_url") from error
    results = tuple(
        StopResult(operator=operator, action_id=action, result=LATER[result], detail=f"OCPI {result}")  # type: ignore[arg-type]
        for operator in partner.operators
    )
    await gate.pass_on_unsigned(partner, Said(results=results))
    return _answer(request, gate, None)


async def _session(request: Request, country_code: str, party_id: str, session_id: str, *, is_whole: bool) -> Response:
    gate, partner = _admitted(request)
    fields = await _json(request)
    _check_id(session_id)
    said = read_session(
        fields,
        partner,
        country_code=country_code,
        party_id=party_id,
        session_id=session_id,
        is_whole=is_whole,
        received_at=gate.now(),
    )
    await gate.pass_on_unsigned(partner, said)
    return _answer(request, gate, None)


def _admitted(request: Request) -> tuple[Gate, Partner]:
    gate: Gate = request.app.state.gate
    partner = gate.registry.by_token(token_in(request.headers.get("authorization", "")), "ocpi")
    if partner is None:
        raise NotAuthentic("the token is none of ours: Authorization: Token, and the token in Base64")
    gate.count(partner)
    return gate, partner


async def _json(request: Request) -> dict[str, Any]:
    body = await read_body(request, most_bytes=request.app.state.settings.body_kib * 1024)
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotUnderstood("the body is no JSON: was it cut off?") from error
    if not isinstance(fields, dict):
        raise NotUnderstood("the body is no JSON object")
    return fields


def _check_id(session_id: str) -> None:
    if len(session_id) > _LONGEST_ID or "\x00" in session_id:
        raise NotUnderstood(f"the session's id has more than {_LONGEST_ID} characters")


def _stored(gate: Gate, operator: str, session_id: str) -> dict[str, Any] | None:
    try:
        with gate.connection() as conn, conn.cursor(row_factory=dict_row) as cursor:
            values = {"operator": operator, "session_id": session_id}
            return cursor.execute(sql.load(__package__, "ocpi_session"), values).fetchone()
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise NotRecorded("the database does not answer: ask again in a moment", retry_after_s=5) from error


def _answer(
    request: Request,
    gate: Gate,
    data: Any,
    *,
    code: int = 1000,
    message: str = "",
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    # OCPI 2.2.1, 4.1.4: they come back as they were sent.
    kept = {
        name: value
        for name in ("x-request-id", "x-correlation-id")
        if (value := request.headers.get(name)) is not None and len(value) <= _LONGEST_ID
    }
    if status == 401:
        kept["WWW-Authenticate"] = "Token"
    body = msgspec.json.encode(envelope(data, now=gate.now(), code=code, message=message))
    return Response(body, status_code=status, media_type="application/json", headers={**kept, **(headers or {})})
