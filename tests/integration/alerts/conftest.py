"""Flagged cars: what triage finds after a scoring."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.types.json import Jsonb

from alerts.dealers import load_sample_dealers
from ingest.store.connection import connect

SCORED_AT = datetime(2026, 3, 1, 2, tzinfo=UTC)
AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
REASONS = [
    {"feature": "lv_battery_v.rest.level.7d", "signal": "lv_battery_v", "value": 12.1, "unit": "V", "usual": 12.6}
]


class Flagged(msgspec.Struct, frozen=True, kw_only=True):
    """A prediction as triage reads it."""

    prediction_id: int
    vehicle_id: int
    fault_mode: str
    probability: float
    scored_at: datetime = SCORED_AT
    as_of: datetime = AS_OF
    model_version: str = "v1"
    reasons: list[dict[str, Any]] = msgspec.field(default_factory=lambda: REASONS)


@pytest.fixture
def alerts_conn(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of role "alerts" to a database with the sample dealers."""
    with connect(database, role="alerts", autocommit=True) as conn:
        load_sample_dealers(conn)
        yield conn


@pytest.fixture
def flag(database: str) -> Callable[..., Flagged]:
    """Store a prediction above its threshold for a vehicle."""

    def flag_vehicle(
        vehicle_id: int, fault_mode: str = "lv_battery", probability: float = 0.8, scored_at: datetime = SCORED_AT
    ) -> Flagged:
        with connect(database, role="models") as conn:
            run = conn.execute(
                "INSERT INTO prediction.run (job, started_at, finished_at, outcome)"
                " VALUES ('score', %(at)s, %(at)s, 'done') RETURNING run_id",
                {"at": scored_at},
            ).fetchone()
            assert run is not None
            row = conn.execute(
                "INSERT INTO prediction.prediction (run_id, vehicle_id, fault_mode, scored_at, as_of, probability,"
                " threshold, model_version, reasons) VALUES (%s, %s, %s, %s, %s, %s, 0.5, %s, %s)"
                " RETURNING prediction_id",
                (
                    run[0],
                    vehicle_id,
                    fault_mode,
                    scored_at,
                    scored_at.replace(hour=0),
                    probability,
                    "v1",
                    Jsonb(REASONS),
                ),
            ).fetchone()
            assert row is not None
        return Flagged(
            prediction_id=row[0],
            vehicle_id=vehicle_id,
            fault_mode=fault_mode,
            probability=probability,
            scored_at=scored_at,
            as_of=scored_at.replace(hour=0),
        )

    return flag_vehicle
