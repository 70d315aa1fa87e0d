"""Schemathesis against the OpenAPI description: messages made up by it, signed as a partner's, in bounded time."""

import base64
import json
import uuid
from datetime import UTC, datetime

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from alerts.charging.partners.webhooks import secret_of, sign
from tests.partners import CLIENT

EXAMPLES = 12
load_all_checks()
CHECKS = [
    schemathesis.checks.CHECKS.get_one("not_a_server_error"),
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]
OPERATIONS = {
    "POST /v1/partners/{partner_id}/events",
    "GET /v1/partners/{partner_id}/sessions/{session_id}/car",
    "POST /evcs/v1/query_token",
    "POST /evcs/v1/notification_alarmInfo",
    "POST /evcs/v1/notification_bmsInfo",
    "POST /evcs/v1/notification_stationStatus",
    "POST /evcs/v1/notification_equip_charge_status",
    "POST /evcs/v1/notification_start_charge_result",
    "POST /evcs/v1/notification_stop_charge_result",
    "GET /ocpi/versions",
    "GET /ocpi/2.2.1",
    "GET /ocpi/2.2.1/credentials",
    "POST /ocpi/2.2.1/credentials",
    "PUT /ocpi/2.2.1/credentials",
    "DELETE /ocpi/2.2.1/credentials",
    "PUT /ocpi/emsp/2.2.1/sessions/{country_code}/{party_id}/{session_id}",
    "PATCH /ocpi/emsp/2.2.1/sessions/{country_code}/{party_id}/{session_id}",
    "GET /ocpi/emsp/2.2.1/sessions/{country_code}/{party_id}/{session_id}",
    "POST /ocpi/emsp/2.2.1/commands/STOP_SESSION/{action_id}",
}


def test_everything_that_is_served_is_described(world):
    found = CLIENT.get(f"{world.url}/openapi.json").json()
    assert {f"{method.upper()} {path}" for path, of_path in found["paths"].items() for method in of_path} == OPERATIONS


def _schema(world):
    return schemathesis.openapi.from_dict(CLIENT.get(f"{world.url}/openapi.json").json())


def _settings():
    return hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_nothing_is_found_by_who_has_no_key(world, operation, mode):
    method, path = operation.split()

    @hypothesis.given(case=_schema(world)[path][method].as_strategy(generation_mode=_mode(mode)))
    @_settings()
    def tried(case):
        case.call_and_validate(base_url=world.url, checks=CHECKS)

    tried()
    assert world.desk.sightings == []


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_nothing_is_found_in_signed_events(world, mode):
    world.add("star", "star")
    events = "/v1/partners/{partner_id}/events"
    secret = secret_of(world.secret("star"))

    @hypothesis.given(case=_schema(world)[events]["POST"].as_strategy(generation_mode=_mode(mode)))
    @_settings()
    def tried(case):
        body = case.body if isinstance(case.body, bytes) else json.dumps(case.body, default=str).encode()
        at, message_id = datetime.now(UTC), f"msg_{uuid.uuid4().hex}"
        case.path_parameters["partner_id"] = "star"
        case.headers.update(
            {
                "webhook-id": message_id,
                "webhook-timestamp": str(int(at.timestamp())),
                # Not every body is text, and the package of Standard Webhooks' authors signs nothing else.
                "webhook-signature": sign(secret, message_id=message_id, timestamp=int(at.timestamp()), body=body),
            }
        )
        answer = CLIENT.post(
            f"{world.url}/v1/partners/star/events",
            content=body,
            headers={**dict(case.headers), "content-type": "application/cloudevents+json"},
        )
        # Whatever is signed is read or refused with words.
        assert answer.status_code in (200, 400, 403), answer.text
        if answer.status_code != 200:
            assert answer.json()["detail"]
        if mode == "positive":
            assert answer.status_code == 200, (body, answer.text)

    tried()


@pytest.mark.parametrize("path", sorted({one.split()[1] for one in OPERATIONS if "/ocpi/" in one}))
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_nothing_is_found_by_an_ocpi_party(world, path, mode):
    world.add("alf", "NL-ALF", kinds=("ocpi",))
    token = base64.b64encode(world.keys["alf", "ocpi"].shown["token"].encode()).decode()
    schema = _schema(world)
    # What ends the registration comes last: afterwards the token is none.
    for method in ("GET", "PUT", "PATCH", "POST", "DELETE"):
        if f"{method} {path}" not in OPERATIONS:
            continue

        @hypothesis.given(case=schema[path][method].as_strategy(generation_mode=_mode(mode)))
        @_settings()
        def tried(case):
            for name, value in (("country_code", "NL"), ("party_id", "ALF"), ("action_id", str(uuid.uuid4()))):
                if name in case.path_parameters:
                    case.path_parameters[name] = value
            case.call_and_validate(
                base_url=world.url,
                headers={"Authorization": f"Token {token}"},
                checks=CHECKS,
                excluded_checks=[ignored_auth, positive_data_acceptance, negative_data_rejection],
            )

        tried()


def _mode(name: str) -> schemathesis.GenerationMode:
    return schemathesis.GenerationMode(name)
