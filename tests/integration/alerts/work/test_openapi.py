"""Schemathesis against the description of the interface for programs: requests made up by it, in bounded time."""

from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import psycopg
import pytest
import schemathesis
from fastapi import FastAPI
from schemathesis.checks import load_all_checks
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from alerts.access.audit import Actor
from alerts.access.keys import make_key
from alerts.access.roles import Scope
from alerts.dealers import all_dealers, load_sample_dealers
from alerts.web import create_app
from config.settings import Settings
from ingest.store.connection import open_pool
from tests.asgi import Client
from tests.integration.alerts.work.conftest import NOW
from tests.serving import served
from tests.signing_in import CHEAP

Connection = psycopg.Connection[Any]
EXAMPLES = 25
load_all_checks()
CHECKS = [
    schemathesis.checks.CHECKS.get_one("not_a_server_error"),
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
    ignored_auth,
]
OPERATIONS = {
    "GET /api/v1/alerts",
    "GET /api/v1/cases/{case_id}/dealers",
    "GET /api/v1/coupons/{code}",
    "POST /api/v1/coupons/{code}/redeem",
    "POST /api/v1/coupons/{code}/roll-back",
    "POST /api/v1/cases/{case_id}/findings",
}


@pytest.fixture
def app(database: str) -> Iterator[FastAPI]:
    with open_pool(database, role="alerts", max_size=4) as pool:
        yield create_app(Settings(), pool, clock=lambda: NOW, hasher=CHEAP)


@pytest.fixture
def key(alerts_conn: Connection) -> str:
    """A key that may do everything, of a dealer."""
    by = Actor("command", "tester")
    load_sample_dealers(alerts_conn)
    dealer_id = all_dealers(alerts_conn)[0].dealer_id
    _, made = make_key(alerts_conn, "a program", set(Scope), dealer_id=dealer_id, by=by, now=NOW)
    alerts_conn.commit()
    return made


def described(app: FastAPI, key: str) -> Any:
    return Client(app, headers={"authorization": f"Bearer {key}"}).get("/api/v1/openapi.json").json()


def test_everything_that_is_served_is_described(app: FastAPI, key: str) -> None:
    found = described(app, key)
    assert {f"{method.upper()} {path}" for path, of in found["paths"].items() for method in of} == OPERATIONS
    assert all(operation["security"] for of in found["paths"].values() for operation in of.values())


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_nothing_is_found(
    app: FastAPI, key: str, open_cases: Callable[..., list[int]], operation: str, mode: GenerationMode
) -> None:
    open_cases(3)
    method, path = operation.split()
    schema = schemathesis.openapi.from_dict(described(app, key))

    @hypothesis.given(case=schema[path][method].as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def tried(case: Any) -> None:
        case.call_and_validate(base_url=address, headers={"Authorization": f"Bearer {key}"}, checks=CHECKS)

    with served(app) as address:
        tried()
