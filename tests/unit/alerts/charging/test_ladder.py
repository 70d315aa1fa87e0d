from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.charging.ladder import Rung, Standing, climb, rungs
from config.settings import ChargingSettings

NOW = datetime(2026, 11, 26, 6, 0, tzinfo=UTC)
SETTINGS = ChargingSettings()


def standing(**changes: Any) -> Standing:
    values = {"severity": 1, "kind": "thermal_runaway", "told": True, "receipt": False, "taken": False, "closed": False}
    return Standing(**(values | changes))


@pytest.mark.parametrize(
    ("severity", "kind", "expected"),
    [
        (1, "thermal_runaway", {"remind_owner": 5, "call_owner": 0, "tell_supervisor": 60, "send_specialist": 0}),
        (2, "insulation", {"remind_owner": 5, "call_owner": 60, "tell_supervisor": 60, "send_specialist": 0}),
        (2, "contact_heat", {"remind_owner": 5, "call_owner": 60, "tell_supervisor": 60}),
        (3, "other", {}),
    ],
)
def test_how_soon_what_happens_depends_on_severity_and_kind(severity: int, kind: str, expected: object) -> None:
    found = {rung.step: (rung.due_at - NOW).total_seconds() for rung in rungs(severity, kind, NOW, SETTINGS)}
    assert found == expected


@pytest.mark.parametrize(
    ("step", "round_", "changes", "do"),
    [
        ("remind_owner", 0, {}, None),
        ("remind_owner", 0, {"told": False}, "tell_owner"),
        ("remind_owner", 1, {}, "tell_owner"),
        ("remind_owner", 1, {"receipt": True}, None),
        ("call_owner", 0, {"receipt": True}, "task_call_owner"),
        ("call_owner", 0, {"severity": 2, "receipt": True}, None),
        ("call_owner", 0, {"severity": 2}, "task_call_owner"),
        ("tell_supervisor", 0, {}, "tell_supervisor"),
        ("tell_supervisor", 0, {"taken": True}, None),
        ("send_specialist", 0, {"receipt": True, "taken": True}, "task_send_specialist"),
        *((step, 0, {"closed": True}, None) for step in ("remind_owner", "call_owner", "tell_supervisor")),
        ("send_specialist", 0, {"closed": True}, None),
    ],
)
def test_a_rung_is_climbed_unless_it_became_needless(step: Any, round_: int, changes: object, do: str | None) -> None:
    found = climb(Rung(step, round_, NOW), standing(**changes), now=NOW, settings=SETTINGS)  # type: ignore[arg-type]
    assert found.do == do
    assert found.why


def test_reminders_go_on_until_a_receipt_but_not_for_ever() -> None:
    rung: Rung | None = Rung("remind_owner", 0, NOW)
    told = 0
    now = NOW
    while rung is not None:
        now = rung.due_at
        step = climb(rung, standing(), now=now, settings=SETTINGS)
        told += step.do == "tell_owner"
        if step.then is not None:
            assert step.then.due_at - now == timedelta(seconds=SETTINGS.remind_every_s)
        rung = step.then
    assert 5 <= told <= 20
