"""What every OCPI route does: knows who asks, reads what came, answers as OCPI wraps it."""

from typing import Any, Final

import msgspec
from fastapi import Request, Response

from alerts.charging.partners.bodies import read_body
from alerts.charging.partners.describing import OCPI_ANSWER
from alerts.charging.partners.gate import Gate
from alerts.charging.partners.ocpi import (
    CLIENT_ERROR,
    INVALID,
    NO_ENDPOINTS,
    NO_VERSION,
    SERVER_ERROR,
    UNKNOWN,
    UNUSABLE,
    envelope,
    token_in,
)
from alerts.charging.partners.partner import Key, KeyKind, Partner
from alerts.charging.partners.refusals import (
    EndpointsMissing,
    NoCommonVersion,
    NotAuthentic,
    NotCharging,
    NotForNow,
    NotRecorded,
    NotUnderstood,
    PartnerUnusable,
    Refused,
    TooMany,
)

SECURITY: Final[dict[str, Any]] = {"security": [{"ocpi": []}]}
LONGEST_ID: Final = 200
_CODES: dict[type[Refused], int] = {
    NotUnderstood: INVALID,
    NotCharging: UNKNOWN,
    NotRecorded: SERVER_ERROR,
    TooMany: SERVER_ERROR,
    PartnerUnusable: UNUSABLE,
    NoCommonVersion: NO_VERSION,
    EndpointsMissing: NO_ENDPOINTS,
}


def refused(request: Request, error: Refused) -> Response:
    """Return a refusal as OCPI says it."""
    code = _CODES.get(type(error), CLIENT_ERROR)
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, NotForNow):
        headers["Allow"] = ", ".join(error.allowed)
    return answered(request, None, code=code, message=error.detail, status=error.status, headers=headers)


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of answers."""
    words = {
        200: "Taken",
        400: "Cannot be read",
        401: "No valid token",
        403: "Another party's",
        404: "Unknown",
        405: "Not while you are, or are not, registered",
        413: "Too large",
        415: "No JSON",
        429: "Too many",
        503: "Send it again",
    }
    content = {"application/json": {"schema": OCPI_ANSWER}}
    return {status: {"description": words[status], "content": content} for status in statuses}


def admitted(request: Request, *kinds: KeyKind) -> tuple[Gate, Partner, Key]:
    """Return who asks, by a token of one of these kinds, and count the message.

    Raises : NotAuthentic, TooMany
    """
    gate: Gate = request.app.state.gate
    found = gate.registry.key_of_token(token_in(request.headers.get("authorization", "")), kinds)
    if found is None:
        raise NotAuthentic("the token is none of ours: Authorization: Token, and the token in Base64")
    gate.count(found[0])
    return gate, *found


async def read_fields(request: Request) -> dict[str, Any]:
    """Return the object that came.

    Raises : NotUnderstood, TooLarge, WrongMediaType
    """
    body = await read_body(request, most_bytes=request.app.state.settings.body_kib * 1024)
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotUnderstood("the body is no JSON: was it cut off?") from error
    if not isinstance(fields, dict):
        raise NotUnderstood("the body is no JSON object")
    return fields


def answered(
    request: Request,
    data: Any,
    *,
    code: int = 1000,
    message: str = "",
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return an answer as OCPI wraps it."""
    gate: Gate = request.app.state.gate
    # OCPI 2.2.1, 4.1.4: they come back as they were sent.
    kept = {
        name: value
        for name in ("x-request-id", "x-correlation-id")
        if (value := request.headers.get(name)) is not None and len(value) <= LONGEST_ID
    }
    if status == 401:
        kept["WWW-Authenticate"] = "Token"
    body = msgspec.json.encode(envelope(data, now=gate.now(), code=code, message=message))
    return Response(body, status_code=status, media_type="application/json", headers={**kept, **(headers or {})})
