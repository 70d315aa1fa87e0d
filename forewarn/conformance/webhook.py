"""The partner's side of signed CloudEvents."""

import uuid
from datetime import datetime
from typing import Any

import httpx
import msgspec

from alerts.charging.partners.events import ANOMALY, OCPP16, OCPP201
from alerts.charging.partners.webhooks import headers_for
from forewarn.conformance.session import BEYOND_TOLERANCE, NOTICE, STATION, WITHIN_TOLERANCE, Run, has_status

_OTHER = b"not the key of this partner ----"


class Sender:
    """Signs events as a partner and posts them."""

    def __init__(self, run: Run, partner: str, secret: bytes) -> None:
        self._run, self._secret = run, secret
        self._url = f"{run.url}/v1/partners/{partner}/events"

    def post(
        self,
        event: Any,
        *,
        message_id: str | None = None,
        at: datetime | None = None,
        secrets: tuple[bytes, ...] | None = None,
        **headers: str,
    ) -> httpx.Response:
        body = event if isinstance(event, bytes) else msgspec.json.encode(event)
        signed = headers_for(
            secrets if secrets is not None else (self._secret,),
            message_id=message_id or f"check_{uuid.uuid4().hex}",
            timestamp=int((at or self._run.now()).timestamp()),
            body=body,
        )
        sent = {"content-type": "application/cloudevents+json", **signed, **headers}
        return self._run.client.post(self._url, content=body, headers=sent)


def check_webhook(run: Run, partner: str, secret: bytes, *, operator: str) -> None:
    """Try what a partner sends, good and bad."""
    sender, now = Sender(run, partner, secret), run.now()
    taken, refused = has_status(200), has_status(401)

    def anomaly(**fields: Any) -> dict[str, Any]:
        data = {"id": uuid.uuid4().hex, "operator": operator, "station": STATION, "code": "check", "severity": NOTICE}
        return _event(ANOMALY, {**data, **fields}, now)

    first, message_id = anomaly(), f"check_{uuid.uuid4().hex}"
    run.expect("a signed event is taken", lambda: sender.post(first, message_id=message_id, at=now), taken)
    run.expect("a replay is refused", lambda: sender.post(first, message_id=message_id, at=now), has_status(409))
    later = datetime.fromtimestamp(now.timestamp() + 2, now.tzinfo)
    run.expect(
        "another attempt is taken as the same",
        lambda: sender.post(first, message_id=message_id, at=later),
        lambda answer: answer.status_code == 200 and answer.json()["duplicate"] is True,
    )
    run.expect(
        "an id with other content is refused",
        lambda: sender.post(anomaly(), message_id=message_id, at=later),
        has_status(409),
    )
    run.expect("it goes off", lambda: sender.post(anomaly(id=first["data"]["id"], state="off")), taken)
    run.expect("a code that nobody knows is taken", lambda: sender.post(anomaly(code="Z-99 ?")), taken)
    misspelt = _event(ANOMALY, {"Id": "c1", "stationId": STATION, "code": "check", "severty": "3"}, now)
    run.expect("misspelt names are understood", lambda: sender.post(misspelt), taken)
    run.expect("a forged signature is refused", lambda: sender.post(anomaly(), secrets=(_OTHER,)), refused)
    run.expect("one good signature of two is enough", lambda: sender.post(anomaly(), secrets=(_OTHER, secret)), taken)
    run.expect("4 minutes behind is taken", lambda: sender.post(anomaly(), at=run.now() - WITHIN_TOLERANCE), taken)
    run.expect("4 minutes ahead is taken", lambda: sender.post(anomaly(), at=run.now() + WITHIN_TOLERANCE), taken)
    run.expect("6 minutes behind is refused", lambda: sender.post(anomaly(), at=run.now() - BEYOND_TOLERANCE), refused)
    run.expect("6 minutes ahead is refused", lambda: sender.post(anomaly(), at=run.now() + BEYOND_TOLERANCE), refused)
    run.expect("a truncated body is refused", lambda: sender.post(msgspec.json.encode(first)[:-9]), has_status(400))
    run.expect("an oversized body is refused", lambda: sender.post(b" " * 11 * 2**20), has_status(413))
    run.expect(
        "another partner's operator is refused",
        lambda: sender.post(anomaly(operator=f"not-{uuid.uuid4().hex[:8]}")),
        has_status(403),
    )
    heartbeat = {"operator": operator, "station": STATION, "call": [2, "1", "Heartbeat", {}]}
    run.expect("an OCPP 1.6 call is understood", lambda: sender.post(_event(OCPP16, heartbeat, now)), taken)
    run.expect("an OCPP 2.0.1 call is understood", lambda: sender.post(_event(OCPP201, heartbeat, now)), taken)


def _event(kind: str, data: dict[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": uuid.uuid4().hex,
        "source": "/conformance-check",
        "type": kind,
        "time": now.isoformat(),
        "data": data,
    }
