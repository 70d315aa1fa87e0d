from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from alerts.calls import open_calls
from alerts.jobs import triage

NOW = datetime(2026, 3, 1, 3, tzinfo=UTC)
VIN = "LFWA0000000001234"


def test_triage_reads_predictions_and_notes_its_run(
    alerts_conn: psycopg.Connection[Any], enrolled: Callable[..., dict[str, int]], flag: Callable[..., Any]
) -> None:
    prediction = flag(enrolled(VIN)[VIN])
    result = triage(alerts_conn, now=NOW)
    assert result.counts.opened == 1
    assert result.message.startswith("1 cars flagged: 1 cases opened")
    (call,) = open_calls(alerts_conn)
    assert call.vehicle_id == prediction.vehicle_id
    assert call.lead.as_of == prediction.as_of
    run = alerts_conn.execute(
        "SELECT outcome, detail -> 'opened' FROM prediction.run WHERE run_id = %s", (result.run_id,)
    ).fetchone()
    assert run == ("done", 1)
    assert triage(alerts_conn, now=NOW, language="zh_CN").counts.opened == 0


def test_a_triage_that_fails_says_so(
    alerts_conn: psycopg.Connection[Any],
    enrolled: Callable[..., dict[str, int]],
    flag: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flag(enrolled(VIN)[VIN])

    def fail(*_: object, **__: object) -> None:
        raise ArithmeticError("no evidence today")

    monkeypatch.setattr("alerts.jobs.observe_vehicle", fail)
    with pytest.raises(ArithmeticError):
        triage(alerts_conn, now=NOW)
    assert alerts_conn.execute("SELECT outcome FROM prediction.run WHERE job = 'triage'").fetchall() == [("failed",)]
    assert open_calls(alerts_conn) == []
