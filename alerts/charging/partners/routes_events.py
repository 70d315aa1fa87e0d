"""Where signed CloudEvents are posted."""

import hashlib
from datetime import UTC, datetime

import msgspec
from fastapi import APIRouter, Request, Response

from alerts.charging.partners.bodies import read_body
from alerts.charging.partners.describing import EVENT_BODY, WEBHOOK_HEADERS, problems
from alerts.charging.partners.events import read_event, read_said
from alerts.charging.partners.gate import Gate, Message, Outcome
from alerts.charging.partners.refusals import NotAuthentic, Stale
from alerts.charging.partners.reports import Said
from alerts.charging.partners.webhooks import is_signed, read_headers

router = APIRouter(tags=["CloudEvents"])
_CHANNEL = "webhook"
_LATEST_S = 32_503_680_000


@router.post(
    "/v1/partners/{partner_id}/events",
    summary="Push an event",
    description="A CloudEvent 1.0 in JSON, signed by Standard Webhooks. An anomaly is acted on before it is answered.",
    response_model=None,
    responses={200: {"description": "Taken, or taken before"}, **problems(400, 401, 403, 409, 413, 415, 429, 503)},
    openapi_extra={"requestBody": EVENT_BODY, "parameters": WEBHOOK_HEADERS, "security": [{"webhook": []}]},
)
async def push_event(request: Request, partner_id: str) -> Response:
    gate: Gate = request.app.state.gate
    body = await read_body(request, most_bytes=request.app.state.settings.body_kib * 1024)
    message = _authentic(gate, partner_id, request, body)
    gate.count(message.partner)
    outcome = await gate.pass_on(message, lambda: _said(gate, message, body))
    return Response(msgspec.json.encode(answer(outcome)), media_type="application/json")


def _authentic(gate: Gate, partner_id: str, request: Request, body: bytes) -> Message:
    message_id, timestamp, signature = read_headers(request.headers)
    partner, now = gate.registry.partner(partner_id), gate.now()
    secrets = [key.secret for key in partner.valid("webhook", now)] if partner is not None else []
    signed = is_signed(secrets, message_id=message_id, timestamp=timestamp, signature=signature, body=body)
    if partner is None or not signed:
        raise NotAuthentic("no valid key of this partner signed webhook-id, webhook-timestamp and body")
    if timestamp >= _LATEST_S:
        raise Stale("webhook-timestamp is no time of this millennium")
    sent_at = datetime.fromtimestamp(timestamp, UTC)
    gate.check_time(sent_at, name="webhook-timestamp")
    return Message(
        partner=partner,
        channel=_CHANNEL,
        message_id=message_id,
        sent_at=sent_at,
        digest=hashlib.sha256(body).digest(),
    )


def _said(gate: Gate, message: Message, body: bytes) -> Said:
    return read_said(read_event(body), message.partner, gate.occurrences, received_at=gate.now())


def answer(outcome: Outcome) -> dict[str, object]:
    """Return what a partner is told: what its message came to, and which stops left because of it."""
    return {
        "duplicate": outcome.is_duplicate or (bool(outcome.receipts) and not any(r.is_new for r in outcome.receipts)),
        "dangers": [
            {
                "danger_id": str(receipt.danger_id),
                "case_id": str(receipt.case_id) if receipt.case_id is not None else None,
                "stops": [str(stop) for stop in receipt.stops],
            }
            for receipt in outcome.receipts
        ],
        "ignored": list(outcome.said.ignored),
    }
