"""Asks a partner to stop a pile by a signed CloudEvent."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import httpx
import msgspec

from alerts.charging.partners.asked import Asked
from alerts.charging.partners.asking import NotReached, post, short
from alerts.charging.partners.events import STOP
from alerts.charging.partners.spelling import by_name, text
from alerts.charging.partners.webhooks import headers_for
from alerts.charging.stopping import Answer, StopAnswer, StopRequest

# What asks to be asked again is no refusal.
_LATER = frozenset({408, 425, 429})
_RESULTS: dict[str, Answer] = {
    "accepted": "accepted",
    "confirmed": "confirmed",
    "done": "confirmed",
    "refused": "refused",
    "failed": "failed",
}


class WebhookStopper:
    """Posts a stop request to the partner's address.

    The event's id, and so ``webhook-id``, is the request's ``action_id``: asked again, it is the same.
    """

    def __init__(
        self,
        url: str,
        secrets: Sequence[bytes],
        *,
        client: httpx.Client,
        session_at: Callable[[str, str | None, str | None], str | None],
        asked: Asked,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._url, self._secrets, self._client = url, tuple(secrets), client
        self._session_at, self._asked, self._clock = session_at, asked, clock

    def stop(self, request: StopRequest, *, timeout_s: float) -> StopAnswer:
        deadline_s = time.monotonic() + timeout_s
        if not self._secrets:
            return StopAnswer("failed", "the partner has no valid webhook key")
        now, session = self._clock(), self._session_of(request)
        self._asked.note(request.action_id, request.operator, session)
        body = msgspec.json.encode(stop_event(request, session, now=now))
        headers = headers_for(
            self._secrets, message_id=str(request.action_id), timestamp=int(now.timestamp()), body=body
        )
        headers["content-type"] = "application/cloudevents+json"
        try:
            reply = post(self._client, self._url, body, headers, deadline_s=deadline_s)
        except NotReached as error:
            return StopAnswer("failed", str(error))
        return answer_of(reply.status, reply.body)

    def _session_of(self, request: StopRequest) -> str | None:
        return request.session_id or self._session_at(request.operator or "", request.station, request.connector)


def stop_event(request: StopRequest, session_id: str | None, *, now: datetime) -> dict[str, object]:
    """Return the event that asks for a stop. The VIN stays here: the pile is known by its own names."""
    return {
        "specversion": "1.0",
        "id": str(request.action_id),
        "source": "/forewarn",
        "type": STOP,
        "time": now.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {
            "action_id": str(request.action_id),
            "operator": request.operator,
            "station": request.station,
            "connector": request.connector,
            "session_id": session_id,
            "kind": request.kind,
            "severity": request.severity,
            "reason": request.reason,
            "expires_at": request.expires_at.isoformat().replace("+00:00", "Z"),
        },
    }


def answer_of(status: int, body: bytes) -> StopAnswer:
    """Return what the partner's answer means: ``{"result", "detail"}``, or by the status of HTTP alone."""
    try:
        said = msgspec.json.decode(body) if body else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = {}
    fields = by_name(said, ("result", "detail", "error")) if isinstance(said, dict) else {}
    detail = short(text(fields.get("detail")) or text(fields.get("error")) or f"HTTP {status}")
    if 200 <= status < 300:
        return StopAnswer(_RESULTS.get((text(fields.get("result")) or "").casefold(), "accepted"), detail)
    if 400 <= status < 500 and status not in _LATER:
        return StopAnswer("refused", detail)
    return StopAnswer("failed", detail)
