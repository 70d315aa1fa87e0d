"""Asks an operator to stop a pile by T/CEC 102: ``query_token``, then ``query_stop_charge``.

Source: T/CEC 102.3. The operator answers at once whether it passes the stop on, and pushes
``notification_stop_charge_result`` within 50 s.
"""

import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx

from alerts.charging.partners.asked import Asked
from alerts.charging.partners.asking import NotReached, post, short
from alerts.charging.partners.cec import BAD_TOKEN, OK, Answer, Keys, read_answer, seal_request
from alerts.charging.partners.refusals import Refused
from alerts.charging.partners.spelling import by_name, text, whole
from alerts.charging.stopping import StopAnswer, StopRequest

_ENDED = 4
# FailReason of query_stop_charge: the device has stopped charging already.
_STOPPED_ALREADY = 3
# A token is asked for anew so long before it ends.
_MARGIN_S = 60.0


class CecStopper:
    """Speaks to an operator's T/CEC server at ``url``, below which the interfaces lie.

    operator_id : ours, by which the operator knows us
    session_at  : the session (StartChargeSeq) at a connector
    """

    def __init__(
        self,
        url: str,
        keys: Keys | None,
        *,
        operator_id: str,
        client: httpx.Client,
        session_at: Callable[[str, str | None, str | None], str | None],
        asked: Asked,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._url, self._keys, self._operator_id = url.rstrip("/"), keys, operator_id
        self._client, self._session_at, self._asked, self._clock = client, session_at, asked, clock
        self._lock = threading.Lock()
        self._token: tuple[str, float] | None = None
        self._numbers = itertools.cycle(range(1, 10_000))

    def stop(self, request: StopRequest, *, timeout_s: float) -> StopAnswer:
        deadline_s = time.monotonic() + timeout_s
        if self._keys is None:
            return StopAnswer("failed", "the partner has no valid T/CEC keys")
        session = request.session_id or self._session_at(request.operator or "", request.station, request.connector)
        if session is None:
            return StopAnswer("failed", "no session (StartChargeSeq) is known at this connector")
        self._asked.note(request.action_id, request.operator, session)
        try:
            answer = self._query_stop(self._keys, session, request.connector, deadline_s)
        except NotReached as error:
            return StopAnswer("failed", str(error))
        except Refused as error:
            return StopAnswer("failed", short(f"the operator's answer cannot be used: {error.detail}"))
        if answer.ret != OK:
            return StopAnswer("failed", short(f"Ret {answer.ret} {answer.message}"))
        return _answer_of(answer.content)

    def _query_stop(self, keys: Keys, session: str, connector: str | None, deadline_s: float) -> Answer:
        content = {"StartChargeSeq": session, "ConnectorID": connector or ""}
        answer = self._ask(keys, "query_stop_charge", content, self._token_now(keys, deadline_s), deadline_s)
        if answer.ret == BAD_TOKEN:
            # It may have been ended on the other side; a new one, once.
            self._token = None
            answer = self._ask(keys, "query_stop_charge", content, self._token_now(keys, deadline_s), deadline_s)
        return answer

    def _token_now(self, keys: Keys, deadline_s: float) -> str:
        with self._lock:
            if self._token is not None and time.monotonic() < self._token[1]:
                return self._token[0]
            content = {"OperatorID": self._operator_id, "OperatorSecret": keys.operator_secret}
            answer = self._ask(keys, "query_token", content, None, deadline_s)
            fields = by_name(answer.content, ("AccessToken", "TokenAvailableTime", "SuccStat", "FailReason"))
            token, lasts_s = text(fields.get("AccessToken"), longest=2000), whole(fields.get("TokenAvailableTime"))
            if answer.ret != OK or token is None or whole(fields.get("SuccStat")) not in (0, None):
                raise NotReached(short(f"no token: Ret {answer.ret} {answer.message}"))
            self._token = (token, time.monotonic() + max(0.0, (lasts_s or 0) - _MARGIN_S))
            return token

    def _ask(self, keys: Keys, name: str, content: Any, token: str | None, deadline_s: float) -> Answer:
        body = seal_request(content, keys, operator_id=self._operator_id, at=self._clock(), seq=next(self._numbers))
        headers = {"content-type": "application/json; charset=utf-8"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        reply = post(self._client, f"{self._url}/{name}", body, headers, deadline_s=deadline_s)
        if reply.status >= 500:
            raise NotReached(f"HTTP {reply.status}")
        return read_answer(reply.body, keys)


def _answer_of(content: dict[str, Any]) -> StopAnswer:
    fields = by_name(content, ("StartChargeSeqStat", "SuccStat", "FailReason"))
    state, reason = whole(fields.get("StartChargeSeqStat")), whole(fields.get("FailReason"))
    if whole(fields.get("SuccStat")) in (0, None):
        return StopAnswer("confirmed" if state == _ENDED else "accepted", f"StartChargeSeqStat {state}")
    if reason == _STOPPED_ALREADY:
        return StopAnswer("confirmed", "charging had stopped already")
    return StopAnswer("refused", f"FailReason {reason}")
