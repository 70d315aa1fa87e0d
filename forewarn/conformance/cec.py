"""An operator's side of T/CEC 102."""

import secrets
from typing import Any

import httpx
import msgspec

from alerts.charging.partners.cec import (
    BAD_CONTENT,
    BAD_PARAMETERS,
    BAD_SIGNATURE,
    BAD_TOKEN,
    OK,
    Keys,
    read_answer,
    seal_request,
)
from alerts.charging.partners.refusals import Refused
from forewarn.conformance.session import BEYOND_TOLERANCE, NOTICE, STATION, WITHIN_TOLERANCE, Run

_OTHER = "wrong"


class Operator:
    """Seals requests as an operator and posts them."""

    def __init__(self, run: Run, operator_id: str, keys: Keys) -> None:
        self._run, self._operator_id, self.keys = run, operator_id, keys
        # Another run within the same second must not meet this one's numbers.
        self._seq = secrets.randbelow(9000)
        self.token = ""

    def sealed(self, content: Any, *, keys: Keys | None = None, at: Any = None) -> bytes:
        self._seq = self._seq % 9999 + 1
        return seal_request(
            content, keys or self.keys, operator_id=self._operator_id, at=at or self._run.now(), seq=self._seq
        )

    def post(self, name: str, body: bytes, *, token: str | None = None) -> httpx.Response:
        headers = {"content-type": "application/json; charset=utf-8"}
        if shown := self.token if token is None else token:
            headers["authorization"] = f"Bearer {shown}"
        return self._run.client.post(f"{self._run.url}/evcs/v1/{name}", content=body, headers=headers)

    def content(self, answer: httpx.Response) -> dict[str, Any]:
        return read_answer(answer.content, self.keys).content


def check_cec(run: Run, operator_id: str, keys: Keys) -> None:
    """Try what an operator sends, good and bad."""
    operator = Operator(run, operator_id, keys)

    def answered(*expected: int) -> Any:
        return lambda answer: answer.json()["Ret"] in expected

    log_in = {"OperatorID": operator_id, "OperatorSecret": keys.operator_secret}
    answers: list[httpx.Response] = []

    def ask_token() -> httpx.Response:
        answers.append(operator.post("query_token", operator.sealed(log_in)))
        return answers[-1]

    run.expect("query_token is answered", ask_token, answered(OK))
    try:
        said = operator.content(answers[-1]) if answers else {}
    except Refused as error:
        run.note("the answer is signed and encrypted by the keys agreed", fits=False, detail=error.detail)
        return
    operator.token = str(said.get("AccessToken", ""))
    run.note("it carries an access token", fits=bool(operator.token), detail=str(said.get("FailReason")))
    wrong = {"OperatorID": operator_id, "OperatorSecret": "wrong"}
    run.expect(
        "a wrong OperatorSecret gets none",
        lambda: operator.post("query_token", operator.sealed(wrong)),
        lambda answer: operator.content(answer).get("SuccStat") == 1 and not operator.content(answer)["AccessToken"],
    )

    def alarm(**fields: Any) -> dict[str, Any]:
        one = {"StationID": STATION, "ConnectorID": STATION, "AlarmCode": "900", "AlarmLevel": NOTICE, "AlarmStatus": 1}
        return {"AlarmInfos": [{**one, **fields}]}

    def push(content: Any, name: str = "notification_alarmInfo", **how: Any) -> Any:
        return lambda: operator.post(name, operator.sealed(content, **how))

    run.expect("an alarm is taken", push(alarm()), answered(OK))
    run.expect("it goes off", push(alarm(AlarmStatus=0)), answered(OK))
    misspelt = {"AlarmInfo": [{"StationId": STATION, "conectorID": STATION, "AlarmCode": 900, "AlarmLevel": "3"}]}
    run.expect("misspelt names are understood", push(misspelt), answered(OK))
    battery = {"BmsInfo": {"StationID": STATION, "ConnectorID": STATION, "TatalVoltage": "380", "TemptureH": "30"}}
    run.expect("battery data is taken", push(battery, "notification_bmsInfo"), answered(OK))
    status = {"ConnectorStatusInfo": {"StationID": STATION, "ConnectorID": STATION, "Status": 1}}
    run.expect("a connector's state is taken", push(status, "notification_stationStatus"), answered(OK))
    run.expect("half a message is refused", push({"AlarmInfos": [{}]}), answered(BAD_CONTENT))
    body = operator.sealed(alarm())
    run.expect("a request is taken once", lambda: operator.post("notification_alarmInfo", body), answered(OK))
    run.expect("a replay is refused", lambda: operator.post("notification_alarmInfo", body), answered(BAD_PARAMETERS))
    other = Keys(
        operator_secret="0" * 16, data_secret="0" * 16, data_secret_iv=keys.data_secret_iv, sig_secret=keys.sig_secret
    )
    run.expect("what is wrongly encrypted is refused", push(alarm(), keys=other), answered(BAD_PARAMETERS))
    forged = msgspec.structs.replace(keys, sig_secret="0" * 16)
    run.expect("a forged signature is refused", push(alarm(), keys=forged), answered(BAD_SIGNATURE))
    run.expect(
        "a wrong token is refused",
        lambda: operator.post("notification_alarmInfo", operator.sealed(alarm()), token=_OTHER),
        answered(BAD_TOKEN),
    )
    now = run.now()
    run.expect("4 minutes behind is taken", push(alarm(), at=now - WITHIN_TOLERANCE), answered(OK))
    run.expect("4 minutes ahead is taken", push(alarm(), at=now + WITHIN_TOLERANCE), answered(OK))
    run.expect("6 minutes behind is refused", push(alarm(), at=now - BEYOND_TOLERANCE), answered(BAD_PARAMETERS))
    run.expect("6 minutes ahead is refused", push(alarm(), at=now + BEYOND_TOLERANCE), answered(BAD_PARAMETERS))
    truncated = operator.sealed(alarm())[:-9]
    run.expect(
        "a truncated request is refused",
        lambda: operator.post("notification_alarmInfo", truncated),
        answered(BAD_PARAMETERS),
    )
    run.expect(
        "another operator's data is refused",
        push(alarm(OperatorID="not-" + secrets.token_hex(4))),
        answered(BAD_CONTENT),
    )
