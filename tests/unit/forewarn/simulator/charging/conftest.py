"""One car, one connector, one session: what most tests of charging begin with."""

from collections.abc import Callable
from typing import Any

import pytest

from forewarn.simulator.charging import SessionRun, Visit, run_session
from forewarn.simulator.charging.sessions import Session
from forewarn.simulator.charging.stations import OPERATORS, Connector
from ingest import topics

START_MS = 1_780_000_000_000


def make_visit(**values: Any) -> Visit:
    minutes = values.pop("minutes", 40)
    chemistry = values.get("chemistry", "NMC")
    fields = {
        "vin": "LFWA0010X0T100001",
        "city": "Beijing",
        "started_ms": START_MS,
        "ended_ms": START_MS + minutes * 60_000,
        "kind": "DC",
        "soc_start": 0.2,
        "soc_end": 0.9,
        "capacity_kwh": 53.0,
        "cells": 96,
        "chemistry": chemistry,
        "nominal_v": 354.0 if chemistry == "NMC" else 317.0,
    }
    return Visit(**fields | values)


def make_session(visit: Visit, *, power_kw: float | None = None) -> Session:
    power_kw = power_kw or (120.0 if visit.kind == "DC" else 7.0)
    connector = Connector(topics.Connector("linhe", "be0001", "1"), visit.kind, power_kw)
    return Session(
        "s-1",
        OPERATORS[0],
        connector,
        visit.city,
        visit.started_ms,
        visit.ended_ms,
        visit.soc_start,
        visit.soc_end,
        visit=visit,
    )


def make_run(**values: Any) -> SessionRun:
    # ``kind`` is that of the danger; that of the connector is ``charger``.
    charger = values.pop("charger", "DC")
    options = {"number": 1, "seed": 1, "air_c": 25.0}
    own = {*Visit.__dataclass_fields__, "minutes"} - {"kind"}
    visit = make_visit(kind=charger, **{name: values.pop(name) for name in list(values) if name in own})
    return run_session(make_session(visit), **options | values)


@pytest.fixture
def run() -> Callable[..., SessionRun]:
    """Run a session; fields of the visit and arguments of ``run_session`` by name."""
    return make_run
