"""A call centre with agents, and cars that are expected to fail."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from alerts.access.roles import Caller, Role
from alerts.dealers import all_dealers
from alerts.triage import apply_predictions
from alerts.work.agents import Agent, agent_of
from config.faults import fault_modes
from ingest.store.connection import connect
from tests.signing_in import add_account

# A Wednesday, 11:00 in Shanghai.
NOW = datetime(2026, 3, 4, 3, tzinfo=UTC)
VINS = [f"LFWA{number:013d}" for number in range(60)]


@pytest.fixture
def agent(database: str) -> Callable[..., Agent]:
    """Add an agent; keyword arguments are columns of its account."""

    def add(name: str = "li.na", *, role: Role = Role.AGENT, **columns: Any) -> Agent:
        number = add_account(database, role, now=NOW, name=name)
        with connect(database, role="admin") as conn:
            for column, value in columns.items():
                conn.execute(f"UPDATE access.account SET {column} = %s WHERE account_id = %s", (value, number))
        return again(database, Agent(number, name, [], None, None))

    return add


def again(dsn: str, agent: Agent) -> Agent:
    """Return an agent as the database has it now."""
    with connect(dsn, role="alerts", autocommit=True) as conn:
        return agent_of(conn, Caller(kind="account", name=agent.name, account_id=agent.account_id))


@pytest.fixture
def open_cases(
    alerts_conn: psycopg.Connection[Any], enrolled: Callable[..., dict[str, int]], flag: Callable[..., Any]
) -> Callable[..., list[int]]:
    """Open a case for each of some new cars; keyword arguments are those of their enrolment."""
    used = iter(VINS)

    def make(count: int = 1, *, mode: str = "lv_battery", **fields: Any) -> list[int]:
        vins = [next(used) for _ in range(count)]
        cars = [enrolled(vin, phone=f"+8613800{vins.index(vin):06d}", **fields)[vin] for vin in vins]
        at = NOW.replace(hour=2)
        flags = [flag(car, mode, 0.8, at) for car in cars]
        triage_all(alerts_conn, flags)
        rows = alerts_conn.execute("SELECT case_id FROM care.case WHERE vehicle_id = ANY (%s) ORDER BY 1", [cars])
        return [case_id for (case_id,) in rows]

    return make


def triage_all(conn: psycopg.Connection[Any], flags: list[Any]) -> None:
    """Bring flagged cars into their cases."""
    apply_predictions(
        conn, flags, fault_modes=fault_modes(), dealers=all_dealers(conn), observe=lambda *_: None, now=NOW
    )
