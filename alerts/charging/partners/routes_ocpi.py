"""OCPI 2.2.1, our side as receiver of sessions and of the results of commands."""

import uuid
from typing import Any

import psycopg
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout

from alerts.charging.partners.describing import OCPI_RESULT, OCPI_SESSION
from alerts.charging.partners.gate import Gate
from alerts.charging.partners.ocpi import operator_name, read_session
from alerts.charging.partners.ocpi_serving import LONGEST_ID, SECURITY, admitted, answered, described, read_fields
from alerts.charging.partners.refusals import NotCharging, NotRecorded, NotUnderstood
from alerts.charging.partners.reports import Said, StopResult
from alerts.charging.partners.spelling import by_name, text
from alerts.charging.partners.stop_ocpi import LATER
from config import sql

router = APIRouter(prefix="/ocpi", tags=["OCPI 2.2.1"])


@router.put(
    "/emsp/2.2.1/sessions/{country_code}/{party_id}/{session_id}",
    summary="Put a session",
    response_model=None,
    responses=described(200, 400, 401, 403, 413, 415, 429, 503),
    openapi_extra={"requestBody": OCPI_SESSION, **SECURITY},
)
async def put_session(request: Request, country_code: str, party_id: str, session_id: str) -> Response:
    return await _session(request, country_code, party_id, session_id, is_whole=True)


@router.patch(
    "/emsp/2.2.1/sessions/{country_code}/{party_id}/{session_id}",
    summary="Change a session",
    response_model=None,
    responses=described(200, 400, 401, 403, 413, 415, 429, 503),
    openapi_extra={"requestBody": OCPI_SESSION, **SECURITY},
)
async def patch_session(request: Request, country_code: str, party_id: str, session_id: str) -> Response:
    return await _session(request, country_code, party_id, session_id, is_whole=False)


@router.get(
    "/emsp/2.2.1/sessions/{country_code}/{party_id}/{session_id}",
    summary="Read a session as it was put",
    response_model=None,
    responses=described(200, 401, 403, 404, 503),
    openapi_extra=SECURITY,
)
async def get_session(request: Request, country_code: str, party_id: str, session_id: str) -> Response:
    gate, partner, _ = admitted(request, "ocpi")
    operator = partner.operator_of(operator_name(country_code, party_id))
    _check_id(session_id)
    row = await run_in_threadpool(_stored, gate, operator, session_id)
    if row is None:
        raise NotCharging("no session of this id was put here")
    return answered(request, {"country_code": country_code, "party_id": party_id, **row})


@router.post(
    "/emsp/2.2.1/commands/STOP_SESSION/{action_id}",
    summary="Say what became of a stop",
    response_model=None,
    responses=described(200, 400, 401, 413, 415, 429, 503),
    openapi_extra={"requestBody": OCPI_RESULT, **SECURITY},
)
async def stop_result(request: Request, action_id: str) -> Response:
    gate, partner, _ = admitted(request, "ocpi")
    fields = by_name(await read_fields(request), ("result", "message"))
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
    return answered(request, None)


async def _session(request: Request, country_code: str, party_id: str, session_id: str, *, is_whole: bool) -> Response:
    gate, partner, _ = admitted(request, "ocpi")
    fields = await read_fields(request)
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
    return answered(request, None)


def _check_id(session_id: str) -> None:
    if len(session_id) > LONGEST_ID or "\x00" in session_id:
        raise NotUnderstood(f"the session's id has more than {LONGEST_ID} characters")


def _stored(gate: Gate, operator: str, session_id: str) -> dict[str, Any] | None:
    try:
        with gate.connection() as conn, conn.cursor(row_factory=dict_row) as cursor:
            values = {"operator": operator, "session_id": session_id}
            return cursor.execute(sql.load(__package__, "ocpi_session"), values).fetchone()
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise NotRecorded("the database does not answer: ask again in a moment", retry_after_s=5) from error
