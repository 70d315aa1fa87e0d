"""A fleet straight into the store: all rollups or none, readings of a few, the truth where no model looks."""

from datetime import UTC, date, datetime

import pandas as pd
import pytest

from config.settings import DatabaseSettings, Settings
from forewarn.simulator import FleetPlan, Sampling
from forewarn.simulator.fleet import draw_cars
from forewarn.simulator.into_store import FleetIsThere, store_fleet
from ingest.store.connection import connect
from ingest.store.readings import daily_aggregates

END = datetime(2026, 3, 10, tzinfo=UTC)
PLAN = FleetPlan(8, 5, 21, END, 0.5, Sampling(120, 600, 240))


def settings_of(dsn: str) -> Settings:
    return Settings(database=DatabaseSettings(dsn=dsn))


def stored(dsn, tmp_path, **options):
    given = {"raw": 2, "truth": tmp_path / "truth", "processes": 1, "say": lambda _: None, **options}
    return store_fleet(PLAN, settings_of(dsn), **given)


def asked(dsn: str, query: str):
    with connect(dsn, role="admin") as conn:
        return conn.execute(query).fetchall()


@pytest.fixture
def done(database, tmp_path):
    return stored(database, tmp_path)


def test_every_car_has_rollups_and_the_few_have_readings(database, tmp_path, done):
    assert done.vehicles == 8
    assert done.raw_vehicles == 2
    ((cars, readings),) = asked(database, "SELECT count(DISTINCT vehicle_id), sum(n) FROM telemetry.rollup_day")
    assert cars == 8
    # What was sent twice or by a clock that ran ahead is in no rollup.
    assert 0.9 * done.readings < readings <= done.readings
    ((raw_cars, raw),) = asked(database, "SELECT count(DISTINCT vehicle_id), count(*) FROM telemetry.vehicle_reading")
    assert (raw_cars, raw) == (2, done.raw_readings)
    ((hours,),) = asked(database, "SELECT count(*) FROM telemetry.rollup_hour_given")
    assert hours == done.hours > 0
    with connect(database, role="models") as conn:
        days = daily_aggregates(conn, ["lv_battery_v"], since=PLAN.start, until=END, received_before=END)
    assert days["vehicle_id"].nunique() == 8
    truth = pd.read_parquet(tmp_path / "truth" / "truth.parquet")
    assert len(truth) == 4
    faulty = {draw.enrolment.vin for draw in draw_cars(PLAN) if draw.plan is not None}
    assert set(truth.vin) == faulty


def test_models_cannot_read_whose_cars_they_are_and_no_table_says_what_is_wrong(database, done):
    tables = asked(
        database,
        "SELECT column_name FROM information_schema.columns WHERE table_schema IN ('telemetry', 'prediction')"
        " AND (column_name LIKE '%severity%' OR column_name LIKE '%onset%' OR column_name LIKE '%oddity%')",
    )
    assert tables == []


def test_a_second_time_is_refused_or_replaces_and_comes_to_the_same(database, tmp_path, done):
    before = asked(database, "SELECT * FROM telemetry.rollup_day_given ORDER BY 1, 2, 3, 4")
    with pytest.raises(FleetIsThere, match="--replace"):
        stored(database, tmp_path)
    again = stored(database, tmp_path, replace=True)
    assert again == done
    assert asked(database, "SELECT * FROM telemetry.rollup_day_given ORDER BY 1, 2, 3, 4") == before


def test_the_checksum_does_not_depend_on_the_database_or_the_processes(database, tmp_path, done):
    with connect(database, role="admin") as conn:
        conn.execute("SELECT setval(pg_get_serial_sequence('telemetry.vehicle', 'vehicle_id'), 5000)")
        conn.execute("UPDATE pii.vehicle_identity SET vin = 'X' || substr(vin, 2)")
    other = stored(database, tmp_path, processes=2)
    assert other.checksum == done.checksum
    assert asked(database, "SELECT count(*) FROM telemetry.rollup_day_given WHERE vehicle_id > 5000")[0][0] > 0


def test_a_fleet_that_fails_on_the_way_leaves_no_rollups(database, tmp_path):
    def fail(done: int) -> None:
        raise RuntimeError("the machine went away")

    with pytest.raises(RuntimeError):
        stored(database, tmp_path, on_progress=fail)
    assert asked(database, "SELECT count(*) FROM telemetry.rollup_hour_given") == [(0,)]
    # And the next time it is all there.
    assert stored(database, tmp_path, replace=True).days > 0
    assert asked(database, "SELECT min(bucket)::date FROM telemetry.rollup_day")[0][0] >= date(2026, 3, 5)
