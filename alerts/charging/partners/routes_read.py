"""Where a partner reads the charging state of the car on its own pile."""

import msgspec
import psycopg
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from psycopg_pool import PoolTimeout

from alerts.charging.partners.describing import CAR_STATE, problems
from alerts.charging.partners.gate import Gate
from alerts.charging.partners.partner import Partner
from alerts.charging.partners.reading_back import CarState, read_car
from alerts.charging.partners.refusals import NotAuthentic, NotCharging, NotRecorded
from alerts.charging.partners.tokens import bearer

router = APIRouter(tags=["Reading back"])
_LONGEST_ID = 200


@router.get(
    "/v1/partners/{partner_id}/sessions/{session_id}/car",
    summary="Read the car that charges",
    description=(
        "The charging state of the car on your pile, of the last minute. Only while the session goes on, the car is"
        " proved to be the one, and says itself that it charges; whatever is missing of that, the answer is the same."
    ),
    response_model=None,
    responses={
        200: {"description": "What the car says", "content": {"application/json": {"schema": CAR_STATE}}},
        **problems(401, 404, 429, 503),
    },
    openapi_extra={"security": [{"read": []}]},
)
async def read_state(request: Request, partner_id: str, session_id: str) -> Response:
    gate: Gate = request.app.state.gate
    partner = gate.registry.by_token((bearer(request.headers.get("authorization", "")),), "read")
    if partner is None or partner.partner_id != partner_id:
        raise NotAuthentic("the bearer token is no valid read key of this partner")
    gate.count(partner)
    if len(session_id) > _LONGEST_ID or "\x00" in session_id:
        raise NotCharging("no session of this id is going on")
    state = await run_in_threadpool(_read, gate, partner, session_id)
    return Response(msgspec.json.encode(state), media_type="application/json")


def _read(gate: Gate, partner: Partner, session_id: str) -> CarState:
    try:
        with gate.connection() as conn:
            return read_car(conn, partner, session_id, now=gate.now())
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise NotRecorded("the database does not answer: ask again in a moment", retry_after_s=5) from error
