"""What partners answer to a stop, and what is sent, without a server."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from alerts.charging.partners.asked import Asked
from alerts.charging.partners.measuring import payload_of, topic_of
from alerts.charging.partners.reports import Measurement
from alerts.charging.partners.stop_cec import CecStopper
from alerts.charging.partners.stop_ocpi import OcpiStopper
from alerts.charging.partners.stop_webhook import WebhookStopper, answer_of
from alerts.charging.stopping import StopRequest
from ingest import topics
from ingest.charging import decode_charger

NOW = datetime(2026, 11, 26, 6, 30, tzinfo=UTC)


def _request(**fields: object) -> StopRequest:
    values = {
        "action_id": uuid.UUID(int=1),
        "danger_id": uuid.UUID(int=2),
        "operator": "NL-ALF",
        "station": "S1",
        "connector": "1",
        "session_id": "T1",
        "vin": "LFWA0000000000001",
        "kind": "contact_heat",
        "severity": 1,
        "reason": "gun hot",
        "issued_at": NOW,
        "expires_at": NOW + timedelta(minutes=2),
    }
    return StopRequest(**{**values, **fields})


def _client(answer) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(answer))


def _nobody(*_: object) -> None:
    return None


@pytest.mark.parametrize(
    ("status", "body", "result"),
    [
        (200, b'{"result":"confirmed","detail":"done"}', "confirmed"),
        (200, b'{"result":"done"}', "confirmed"),
        (202, b"", "accepted"),
        (200, b"not json", "accepted"),
        (200, b'{"Result":"Refused"}', "refused"),
        (404, b"", "refused"),
        (409, b'{"detail":"x"}', "refused"),
        (429, b"", "failed"),
        (500, b"", "failed"),
        (302, b"", "failed"),
    ],
)
def test_what_a_webhooks_answer_means(status, body, result):
    assert answer_of(status, body).result == result


def test_the_vin_does_not_leave():
    sent: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.content)
        return httpx.Response(200)

    stopper = WebhookStopper(
        "https://star.example/stop", [b"k" * 32], client=_client(answer), session_at=_nobody, asked=Asked()
    )
    assert stopper.stop(_request(), timeout_s=1).result == "accepted"
    assert b"LFWA" not in sent[0]
    assert json.loads(sent[0])["data"]["session_id"] == "T1"


def test_whoever_cannot_be_reached_has_failed_and_nothing_is_raised():
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    def slow(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("late")

    def endless(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b" " * 100_000)

    for answer in (away, slow, endless):
        client = _client(answer)
        webhook = WebhookStopper("https://s.example", [b"k" * 32], client=client, session_at=_nobody, asked=Asked())
        assert webhook.stop(_request(), timeout_s=1).result == "failed"
    bad = WebhookStopper("not an address", [b"k" * 32], client=_client(away), session_at=_nobody, asked=Asked())
    assert bad.stop(_request(), timeout_s=1).result == "failed"


@pytest.mark.parametrize(
    ("status", "body", "result"),
    [
        (200, {"status_code": 1000, "data": {"result": "ACCEPTED", "timeout": 30}}, "accepted"),
        (200, {"status_code": 1000, "data": {"result": "UNKNOWN_SESSION"}}, "refused"),
        (200, {"status_code": 2000, "status_message": "no"}, "failed"),
        (401, {"status_code": 2000}, "failed"),
        (200, [], "failed"),
    ],
)
def test_what_an_ocpi_answer_means(status, body, result):
    stopper = OcpiStopper(
        "https://s.example/ocpi",
        "token",
        response_url=lambda action: f"https://fw.example/{action}",
        party=("CN", "FWN"),
        client=_client(lambda request: httpx.Response(status, json=body)),
        session_at=_nobody,
        asked=Asked(),
    )
    assert stopper.stop(_request(), timeout_s=1).result == result


def test_without_a_session_or_a_key_nobody_is_asked():
    def answer(request: httpx.Request) -> httpx.Response:
        raise AssertionError("asked")

    client = _client(answer)
    for token, fields in ((None, {}), ("token", {"session_id": None})):
        ocpi = OcpiStopper(
            "https://s.example",
            token,
            response_url=str,
            party=("CN", "FWN"),
            client=client,
            session_at=_nobody,
            asked=Asked(),
        )
        assert ocpi.stop(_request(**fields), timeout_s=1).result == "failed"
    cec = CecStopper("https://s.example", None, operator_id="F", client=client, session_at=_nobody, asked=Asked())
    assert "keys" in cec.stop(_request(), timeout_s=1).detail


def test_what_was_asked_is_found_by_session_and_by_operator():
    asked = Asked(most=2)
    ids = [uuid.UUID(int=number) for number in range(3)]
    for number, action_id in enumerate(ids):
        asked.note(action_id, "star", f"T{number}")
    assert asked.of_session("star", "T2") == ids[2]
    assert asked.of_session("star", "T0") is None
    assert (asked.is_of(ids[2], "star"), asked.is_of(ids[2], "moon"), asked.is_of(ids[0], "star")) == (
        True,
        False,
        False,
    )


def test_a_measurement_goes_where_piles_publish_and_decodes_there():
    measured = Measurement(
        operator="star", station="S1", connector="1", session_id="T1", ts=NOW, signals={"SoC": 50.0, "Voltage": 400.0}
    )
    topic = topics.parse(topic_of(measured) or "")
    assert (topic.kind, topic.at) == ("charger", topics.Connector("star", "S1", "1"))
    decoded = decode_charger(payload_of(measured))
    assert (decoded.session_id, decoded.samples[0].signals) == ("T1", {"SoC": 50.0, "Voltage": 400.0})
    for name in ("a/b", "+", "#", "x" * 65):
        assert topic_of(Measurement(operator=name, station="S1", connector="1", ts=NOW, signals={})) is None
