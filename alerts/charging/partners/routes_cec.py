"""The interfaces of T/CEC 102 that operators call.

Answers are HTTP 200 with a Ret, as the standard's clients expect; what the web itself refuses has its own status too.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from alerts.charging.partners import cec_messages
from alerts.charging.partners.bodies import read_body
from alerts.charging.partners.cec import (
    BAD_CONTENT,
    BAD_PARAMETERS,
    BAD_SIGNATURE,
    BAD_TOKEN,
    BUSY,
    OK,
    SYSTEM_ERROR,
    Envelope,
    Keys,
    Ret,
    decrypted,
    is_signed,
    read_envelope,
    seal_answer,
)
from alerts.charging.partners.cec_messages import Context
from alerts.charging.partners.describing import CEC_ANSWER, CEC_BODY
from alerts.charging.partners.gate import Gate, Message
from alerts.charging.partners.partner import Key, Partner, cec_keys
from alerts.charging.partners.refusals import (
    IdReused,
    Incomplete,
    NotAuthentic,
    NotRecorded,
    NotUnderstood,
    NotYours,
    Refused,
    Replayed,
    Stale,
    TokenExpired,
    TooLarge,
    TooMany,
    WronglyEncrypted,
)
from alerts.charging.partners.reports import Said
from alerts.charging.partners.spelling import by_name, text
from alerts.charging.partners.tokens import LASTS_S, bearer, is_valid, issue

router = APIRouter(prefix="/evcs/v1", tags=["T/CEC 102"])
_CHANNEL = "tcec102"
Reader = Callable[[Mapping[str, Any], Context], Said]

_RET: dict[type[Refused], Ret] = {
    NotAuthentic: BAD_SIGNATURE,
    TokenExpired: BAD_TOKEN,
    Stale: BAD_PARAMETERS,
    Replayed: BAD_PARAMETERS,
    IdReused: BAD_PARAMETERS,
    TooLarge: BAD_PARAMETERS,
    WronglyEncrypted: BAD_PARAMETERS,
    Incomplete: BAD_PARAMETERS,
    NotUnderstood: BAD_CONTENT,
    NotYours: BAD_CONTENT,
    TooMany: BUSY,
    NotRecorded: BUSY,
}
# What a proxy or a load balancer has to see as well; the rest is the protocol's own business.
_STATUS: dict[type[Refused], int] = {TooLarge: 413, TooMany: 429, NotRecorded: 503}
# query_token, FailReason.
_NO_OPERATOR, _WRONG_SECRET = 1, 2


def refused(request: Request, error: Refused) -> Response:
    """Return a refusal as T/CEC says it; signed where it is known to whom."""
    keys: Keys | None = getattr(request.state, "cec_keys", None)
    ret = _RET.get(type(error), SYSTEM_ERROR)
    if getattr(request.state, "cec_unreadable", False):
        ret = BAD_PARAMETERS
    status = _STATUS.get(type(error), 200)
    if getattr(request.state, "cec_unreadable", False) and status == 200:
        status = 400
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    body = seal_answer({"Status": 1, "SuccStat": 1}, keys, ret=ret, message=error.detail)
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def _interface(name: str, summary: str) -> dict[str, Any]:
    return {
        "path": f"/{name}",
        "summary": summary,
        "response_model": None,
        "responses": {
            status: {"description": meaning, "content": {"application/json": {"schema": CEC_ANSWER}}}
            for status, meaning in (
                (200, "Ret 0, or why not"),
                (400, "The body is no request of T/CEC 102"),
                (413, "Too large"),
                (429, "Ret -1: more than agreed"),
                (503, "Ret -1: acted on, not recorded: send it again"),
            )
        },
        "openapi_extra": {"requestBody": CEC_BODY},
    }


@router.post(**_interface("query_token", "Get an access token"))
async def query_token(request: Request) -> Response:
    gate, partner, key, envelope = await _admitted(request)
    keys = cec_keys(key)
    content = decrypted(envelope, keys)
    message = _message(gate, partner, envelope)

    await gate.pass_on(message, Said, is_kept=False)
    fields = by_name(content, ("OperatorID", "OperatorSecret"))
    answer: dict[str, Any] = {
        "OperatorID": envelope.operator_id,
        "SuccStat": 0,
        "AccessToken": "",
        "TokenAvailableTime": 0,
        "FailReason": 0,
    }
    if text(fields.get("OperatorID")) != envelope.operator_id:
        answer |= {"SuccStat": 1, "FailReason": _NO_OPERATOR}
    elif not hmac.compare_digest((text(fields.get("OperatorSecret")) or "").encode(), keys.operator_secret.encode()):
        answer |= {"SuccStat": 1, "FailReason": _WRONG_SECRET}
    else:
        token = issue(request.app.state.sealer, partner, key, now=gate.now())
        answer |= {"AccessToken": token, "TokenAvailableTime": LASTS_S}
    return _sealed(answer, keys)


@router.post(**_interface("notification_alarmInfo", "Push alarms"))
async def notification_alarm_info(request: Request) -> Response:
    return await _notified(request, cec_messages.read_alarms, _status_answer)


@router.post(**_interface("notification_bmsInfo", "Push battery data"))
async def notification_bms_info(request: Request) -> Response:
    return await _notified(request, cec_messages.read_battery, _status_answer)


@router.post(**_interface("notification_stationStatus", "Push the state of a connector"))
async def notification_station_status(request: Request) -> Response:
    return await _notified(request, cec_messages.read_status, _status_answer)


@router.post(**_interface("notification_equip_charge_status", "Push the state of a session"))
async def notification_equip_charge_status(request: Request) -> Response:
    return await _notified(request, cec_messages.read_session, _session_answer)


@router.post(**_interface("notification_start_charge_result", "Push how a start went"))
async def notification_start_charge_result(request: Request) -> Response:
    return await _notified(request, cec_messages.read_start_result, _session_answer)


@router.post(**_interface("notification_stop_charge_result", "Push how a stop went"))
async def notification_stop_charge_result(request: Request) -> Response:
    return await _notified(request, cec_messages.read_stop_result, _session_answer)


async def _notified(
    request: Request, read: Reader, answer: Callable[[Mapping[str, Any], bool], dict[str, Any]]
) -> Response:
    gate, partner, key, envelope = await _admitted(request)
    keys = cec_keys(key)
    token = bearer(request.headers.get("authorization", ""))
    if not is_valid(request.app.state.sealer, token, partner, now=gate.now()):
        raise TokenExpired("the access token is missing, ended or another partner's: ask query_token for one")
    content = decrypted(envelope, keys)
    message = _message(gate, partner, envelope)
    context = Context(
        partner=partner,
        operator=partner.operator_of(envelope.operator_id),
        occurrences=gate.occurrences,
        station_of=gate.sessions.station_of,
        sent_at=message.sent_at,
        received_at=gate.now(),
    )
    outcome = await gate.pass_on(message, lambda: read(content, context))
    problems = outcome.said.problems
    if problems:
        detail = "; ".join(problems) + "; the rest is taken"
        return _sealed(answer(content, False), keys, ret=BAD_CONTENT, message=detail)
    return _sealed(answer(content, True), keys)


async def _admitted(request: Request) -> tuple[Gate, Partner, Key, Envelope]:
    """Return who sent a request that is signed and fresh. The signature comes first: nothing unsigned is decrypted."""
    gate: Gate = request.app.state.gate
    request.state.cec_unreadable = True
    body = await read_body(request, most_bytes=request.app.state.settings.body_kib * 1024, check_type=False)
    try:
        envelope = read_envelope(body)
    except Incomplete:
        # That is the protocol's to say; a body that is no object at all the web's, too.
        request.state.cec_unreadable = False
        raise
    request.state.cec_unreadable = False
    partner = gate.registry.of_operator(envelope.operator_id)
    valid = partner.valid("tcec102", gate.now()) if partner is not None else ()
    key = next((key for key in valid if is_signed(envelope, cec_keys(key))), None)
    if partner is None or key is None:
        raise NotAuthentic("Sig is not made of OperatorID, Data, TimeStamp and Seq by a valid key of this operator")
    request.state.cec_keys = cec_keys(key)
    sent_at = envelope.at
    if sent_at is None:
        raise Stale("TimeStamp is not yyyyMMddHHmmss")
    gate.check_time(sent_at, name="TimeStamp")
    gate.count(partner)
    return gate, partner, key, envelope


def _message(gate: Gate, partner: Partner, envelope: Envelope) -> Message:
    sent_at = envelope.at
    assert sent_at is not None
    return Message(
        partner=partner,
        channel=_CHANNEL,
        message_id=f"{envelope.operator_id} {envelope.time_stamp} {envelope.seq}",
        sent_at=sent_at,
        digest=hashlib.sha256(envelope.data.encode()).digest(),
    )


def _status_answer(content: Mapping[str, Any], is_taken: bool) -> dict[str, Any]:
    return {"Status": 0 if is_taken else 1}


def _session_answer(content: Mapping[str, Any], is_taken: bool) -> dict[str, Any]:
    session = text(by_name(content, ("StartChargeSeq",)).get("StartChargeSeq")) or ""
    return {"StartChargeSeq": session, "SuccStat": 0 if is_taken else 1, "FailReason": 0}


def _sealed(content: Mapping[str, Any], keys: Keys, *, ret: Ret = OK, message: str = "") -> Response:
    return Response(seal_answer(content, keys, ret=ret, message=message), media_type="application/json")
