"""A charge point operator's side of OCPI 2.2.1, and of reading a car back."""

import uuid
from typing import Any

import httpx
import msgspec

from alerts.charging.partners.ocpi import SUCCESS, authorization
from forewarn.conformance.session import STATION, Run, has_status


def check_ocpi(run: Run, token: str, *, operator: str) -> None:
    """Try what an operator sends, good and bad."""
    country, _, party = operator.partition("-")
    session_id = f"check-{uuid.uuid4().hex[:12]}"

    def ask(method: str, path: str, content: Any = None, *, given: str = token) -> Any:
        def send() -> httpx.Response:
            body = None if content is None else msgspec.json.encode(content)
            headers = {"authorization": authorization(given), "content-type": "application/json", "x-request-id": "c1"}
            return run.client.request(method, f"{run.url}/ocpi{path}", content=body, headers=headers)

        return send

    def is_success(answer: httpx.Response) -> bool:
        return answer.status_code == 200 and answer.json()["status_code"] == SUCCESS

    run.expect("versions are listed", ask("GET", "/versions"), is_success)
    run.expect(
        "endpoints are listed, and the request's id comes back",
        ask("GET", "/2.2.1"),
        lambda answer: is_success(answer) and answer.headers["x-request-id"] == "c1",
    )
    run.expect(
        "credentials are shown to whom they belong",
        ask("GET", "/2.2.1/credentials"),
        lambda answer: is_success(answer) and answer.json()["data"]["token"] == token,
    )
    run.expect(
        "credentials are not shown to a wrong token", ask("GET", "/2.2.1/credentials", given="wrong"), has_status(401)
    )
    address = f"/emsp/2.2.1/sessions/{country}/{party}/{session_id}"
    now = run.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    session = {
        "country_code": country,
        "party_id": party,
        "id": session_id,
        "start_date_time": now,
        "location_id": STATION,
        "evse_uid": STATION,
        "connector_id": "1",
        "kwh": 0.5,
        "status": "ACTIVE",
        "last_updated": now,
    }
    run.expect("a session is put", ask("PUT", address, session), is_success)
    run.expect("a session is put again", ask("PUT", address, session), is_success)
    run.expect("a session is changed", ask("PATCH", address, {"kwh": 1.5, "last_updated": now}), is_success)
    run.expect(
        "a session is read as it was put",
        ask("GET", address),
        lambda answer: is_success(answer) and answer.json()["data"]["location_id"] == STATION,
    )
    completed = {**session, "status": "COMPLETED", "end_date_time": now}
    run.expect("a session is ended", ask("PUT", address, completed), is_success)
    run.expect("half a session is refused", ask("PUT", address, {"status": "ACTIVE"}), has_status(400))
    run.expect("a wrong token is refused", ask("PUT", address, session, given="wrong"), has_status(401))
    foreign = f"/emsp/2.2.1/sessions/{country}/ZZ9/{session_id}"
    run.expect(
        "another party's session is refused", ask("PUT", foreign, {**session, "party_id": "ZZ9"}), has_status(403)
    )


def check_read(run: Run, partner: str, token: str) -> None:
    """Try to read cars that are not there to be read."""
    address = f"{run.url}/v1/partners/{partner}/sessions/check-{uuid.uuid4().hex[:12]}/car"

    def read(given: str) -> Any:
        return lambda: run.client.get(address, headers={"authorization": f"Bearer {given}"})

    run.expect("a session that is not going on cannot be read", read(token), has_status(404))
    run.expect("a wrong token is refused", read("wrong"), has_status(401))
