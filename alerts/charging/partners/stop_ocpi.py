"""Asks an operator to stop a session by OCPI 2.2.1: STOP_SESSION, whose result comes later at our own address."""

import time
import uuid
from collections.abc import Callable
from typing import Final

import httpx
import msgspec

from alerts.charging.partners.asked import Asked
from alerts.charging.partners.asking import NotReached, post, short
from alerts.charging.partners.ocpi import authorization
from alerts.charging.partners.spelling import by_name, text
from alerts.charging.stopping import Answer, StopAnswer, StopRequest

# OCPI 2.2.1, 13.4.1: what is answered at once.
_AT_ONCE: dict[str, Answer] = {
    "ACCEPTED": "accepted",
    "REJECTED": "refused",
    "NOT_SUPPORTED": "refused",
    "UNKNOWN_SESSION": "refused",
}
# 13.4.2: what the charging station made of it.
LATER: Final[dict[str, Answer]] = {
    "ACCEPTED": "confirmed",
    "REJECTED": "refused",
    "NOT_SUPPORTED": "refused",
    "EVSE_INOPERATIVE": "refused",
    "EVSE_OCCUPIED": "refused",
    "FAILED": "failed",
    "TIMEOUT": "failed",
    "CANCELED_RESERVATION": "failed",
    "UNKNOWN_RESERVATION": "failed",
}


class OcpiStopper:
    """Posts STOP_SESSION below ``url``, the partner's commands module.

    response_url : of an action, where the partner posts the result
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        response_url: Callable[[uuid.UUID], str],
        party: tuple[str, str],
        client: httpx.Client,
        session_at: Callable[[str, str | None, str | None], str | None],
        asked: Asked,
    ) -> None:
        self._url, self._token, self._client = url.rstrip("/"), token, client
        self._response_url, self._party, self._session_at, self._asked = response_url, party, session_at, asked

    def stop(self, request: StopRequest, *, timeout_s: float) -> StopAnswer:
        deadline_s = time.monotonic() + timeout_s
        if self._token is None:
            return StopAnswer("failed", "the partner has no valid OCPI token")
        session = request.session_id or self._session_at(request.operator or "", request.station, request.connector)
        if session is None:
            return StopAnswer("failed", "no session is known at this connector")
        self._asked.note(request.action_id, request.operator, session)
        country, _, party = (request.operator or "").partition("-")
        body = msgspec.json.encode({"response_url": self._response_url(request.action_id), "session_id": session})
        headers = {
            "authorization": authorization(self._token),
            "content-type": "application/json",
            "x-request-id": str(uuid.uuid4()),
            # The same when asked again: what belongs together is seen on both sides.
            "x-correlation-id": str(request.action_id),
            "ocpi-from-country-code": self._party[0],
            "ocpi-from-party-id": self._party[1],
            "ocpi-to-country-code": country,
            "ocpi-to-party-id": party,
        }
        try:
            reply = post(self._client, f"{self._url}/STOP_SESSION", body, headers, deadline_s=deadline_s)
        except NotReached as error:
            return StopAnswer("failed", str(error))
        return _answer_of(reply.status, reply.body)


def _answer_of(status: int, body: bytes) -> StopAnswer:
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return StopAnswer("failed", f"HTTP {status} and no OCPI answer")
    data = said.get("data")
    result = text(by_name(data, ("result",)).get("result")) if isinstance(data, dict) else None
    if status >= 400 or result is None:
        return StopAnswer(
            "failed", short(f"HTTP {status}, {said.get('status_code')} {said.get('status_message') or ''}")
        )
    return StopAnswer(_AT_ONCE.get(result.upper(), "failed"), result)
