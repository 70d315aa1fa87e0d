"""What is too old goes, recordings are spared, and rollups outlive their readings."""

import threading
from datetime import date, timedelta

import psycopg
import pytest

from config.settings import StoreSettings
from ingest.store.timeseries.retention import expire
from ingest.store.timeseries.rollups import LEVELS
from tests.integration.store.readings import COLUMNS, START, fleet
from tests.integration.store.test_catalogue import HUMIDITY, with_more
from tests.integration.store.test_columnstore import compress

VINS = ("LFWA0000000000001", "LFWA0000000000002", "LFWA0000000000003")
SETTINGS = StoreSettings(
    chunk_days=1, reading_days=30, cell_days=10, charging_days=20, minute_days=40, hour_days=50, day_days=60
)


@pytest.fixture
def filled(store):
    """Three cars, the third a recording, with three days of readings, cells and charging that are rolled up."""
    assert list(store.enrol(*VINS[:2]).values()) == [1, 2]
    assert store.enrol(VINS[2], replayed=True) == {VINS[2]: 3}
    readings = fleet(seed=21)
    store.insert("vehicle_reading", COLUMNS, readings)
    cells = [(*row[:4], [3.5, 3.6]) for row in readings]
    store.insert("cell_reading", [*COLUMNS[:4], "cell_v"], cells)
    charging = [(row[0], 1, row[2], row[3], 400.0) for row in readings if row[1] == 1]
    store.insert("charging_reading", ["ts", "connector_id", "seq", "received_at", "voltage_v"], charging)
    store.note_changed(readings)
    store.refresh()
    return store, readings


def run(store, *, days_after: float) -> dict[str, int]:
    with store.opened() as (conn, engine):
        return expire(conn, engine, SETTINGS, now=START + timedelta(days=days_after))


def cars(store, relation: str) -> set[int]:
    return {car for (car,) in store.ask(f"SELECT DISTINCT vehicle_id FROM telemetry.{relation}")}


def test_each_table_is_kept_for_its_own_time_and_recordings_for_ever(filled):
    store, readings = filled
    if store.is_timescale:
        compress(store, "vehicle_reading")
    assert run(store, days_after=9) == {}
    # Half a day short of the third day's end.
    found = run(store, days_after=12.5)
    assert found == {"cell_reading": 2}
    assert cars(store, "cell_reading") == {1, 2, 3}
    assert run(store, days_after=25) == {"cell_reading": 1, "charging_reading": 3}
    assert cars(store, "cell_reading") == {3}
    assert store.ask("SELECT count(*) FROM telemetry.charging_reading") == [(0,)]
    assert cars(store, "vehicle_reading") == {1, 2, 3}
    assert run(store, days_after=34)["vehicle_reading"] == 3
    assert cars(store, "vehicle_reading") == {3}
    assert store.ask("SELECT count(*) FROM telemetry.vehicle_reading") == [(sum(row[1] == 3 for row in readings),)]
    # Rollups outlive their readings, each for its own time; every chunk has to be over as a whole.
    assert cars(store, "rollup_minute") == cars(store, "rollup_hour") == cars(store, "rollup_day") == {1, 2, 3}
    run(store, days_after=800)
    assert cars(store, "rollup_minute") == cars(store, "rollup_hour") == cars(store, "rollup_day") == {3}
    assert run(store, days_after=801) == {}


def totals(store, level: str = "day") -> dict[tuple[int, date], int]:
    """Readings in the rollups by car and day."""
    query = f"SELECT vehicle_id, (bucket AT TIME ZONE 'UTC')::date, sum(n)::int FROM telemetry.rollup_{level}"
    return {(car, day): n for car, day, n in store.ask(f"{query} GROUP BY 1, 2")}


def add(store, row, *, car: int, ts, received) -> None:
    late = [(ts, car, 99, received, 0, *row[5:])]
    store.insert("vehicle_reading", COLUMNS, late)
    store.note_changed(late)


def test_a_refresh_after_it_takes_nothing_from_the_rollups(filled):
    """Whatever the settings have become since: a reading of an expired day expires at the next turn."""
    store, readings = filled
    before = {level: totals(store, level) for level in LEVELS}
    now = START + timedelta(days=34)
    run(store, days_after=34)
    add(store, readings[0], car=1, ts=START + timedelta(hours=3, seconds=1), received=now)
    store.refresh(minutes_from=None)
    assert {level: totals(store, level) for level in LEVELS} == before
    assert store.ask("SELECT count(*) FROM telemetry.stale_day") == [(0,)]


def test_what_went_is_remembered_and_never_goes_back(filled):
    store, readings = filled
    run(store, days_after=34)
    known = dict(store.ask("SELECT relation, day FROM telemetry.expired_before"))
    assert known == dict.fromkeys(("cell_reading", "charging_reading", "vehicle_reading"), date(2026, 3, 4))
    # A reading of the first day comes again, and only that day expires.
    add(store, readings[0], car=1, ts=START + timedelta(hours=3, seconds=1), received=START + timedelta(days=34))
    with store.opened() as (conn, engine):
        engine.expire(conn, "vehicle_reading", START + timedelta(days=1))
    assert dict(store.ask("SELECT relation, day FROM telemetry.expired_before")) == known


def test_hours_that_went_before_their_readings_are_not_made_of_one_late_reading(filled):
    """As settings once allowed."""
    store, readings = filled
    before = totals(store)
    with store.opened() as (conn, engine):
        assert engine.expire(conn, "rollup_hour", START + timedelta(days=60)) > 0
    hours = totals(store, "hour")
    add(store, readings[0], car=1, ts=START + timedelta(hours=3, seconds=1), received=START + timedelta(days=34))
    assert store.refresh() == 0
    assert totals(store) == before
    assert totals(store, "hour") == hours


def test_minutes_are_made_for_as_long_as_they_are_kept_and_for_recordings_always(filled):
    store, readings = filled
    second = (START + timedelta(days=1)).date()
    before = totals(store), totals(store, "minute")
    for car in (1, 3):
        for day in (0, 1):
            at = START + timedelta(days=day, hours=3, seconds=1)
            add(store, readings[0], car=car, ts=at, received=START + timedelta(days=5))
    store.refresh(minutes_from=second)
    days, minutes = (
        {key: n - was.get(key, 0) for key, n in totals(store, level).items() if n != was.get(key, 0)}
        for level, was in zip(("day", "minute"), before, strict=True)
    )
    assert days == {(car, day): 1 for car in (1, 3) for day in (START.date(), second)}
    assert minutes == {(1, second): 1, (3, START.date()): 1, (3, second): 1}


@pytest.mark.parametrize("in_columnstore", [False, True])
def test_recordings_of_expired_days_are_rolled_up_and_nobody_else_is(filled, in_columnstore):
    store, readings = filled
    before = {level: totals(store, level) for level in LEVELS}
    run(store, days_after=34)
    now = START + timedelta(days=34)
    if in_columnstore:
        with store.opened() as (conn, engine):
            assert all(engine.compress(conn, f"rollup_{level}") is store.is_timescale for level in LEVELS)
    for car in (1, 3):
        add(store, readings[0], car=car, ts=START + timedelta(hours=3, seconds=1), received=now)
    assert store.refresh(minutes_from=now.date()) == 1
    for level in LEVELS:
        assert totals(store, level) == before[level] | {(3, START.date()): before[level][3, START.date()] + 1}


def test_recordings_of_expired_days_are_in_every_part_of_the_rollups(filled):
    store, _ = filled
    run(store, days_after=34)
    more = with_more(HUMIDITY)
    store.migrate(more)
    late = [(START + timedelta(hours=3, seconds=1), 3, 99, START + timedelta(days=34), 55.0)]
    store.insert("vehicle_reading", ["ts", "vehicle_id", "seq", "received_at", "humidity_pct"], late)
    store.note_changed(late)
    store.refresh(more)
    for level in LEVELS:
        query = f"SELECT sum(humidity_pct__sum), sum(humidity_pct__n) FROM telemetry.rollup_{level}"
        assert store.ask(query) == [(55, 1)]


def test_a_partition_that_is_read_is_left_to_the_next_turn_and_ingest_goes_on(shared_store):
    """A query holds the table for as long as the turn lasts; who writes waits for one short try of it at most."""
    store = shared_store
    store.migrate()
    readings = fleet(seed=22, cars=1, days=2)
    store.insert("vehicle_reading", COLUMNS, readings)
    now = START + timedelta(days=34)
    store.insert("charging_reading", ["ts", "connector_id", "seq", "received_at"], [(START, 1, 1, START)])
    with psycopg.connect(store.dsn) as reader, psycopg.connect(store.dsn, autocommit=True) as writer:
        writer.execute("SET statement_timeout = '10s'")
        reader.execute("SELECT count(*) FROM telemetry.vehicle_reading")
        turn = threading.Thread(target=run, args=(store,), kwargs={"days_after": 34})
        turn.start()
        written = 0
        while turn.is_alive():
            writer.execute(
                "INSERT INTO telemetry.vehicle_reading (ts, vehicle_id, seq, received_at) VALUES (%s, 1, %s, %s)",
                (START + timedelta(hours=1), 1000 + written, now),
            )
            written += 1
            turn.join(0.05)
    assert written > 0
    assert store.ask("SELECT relation FROM telemetry.expired_before") == [("charging_reading",)]
    assert store.ask("SELECT count(*) FROM telemetry.vehicle_reading") == [(len(readings) + written,)]
    assert run(store, days_after=34) == {"vehicle_reading": 2}


def test_partitions_of_days_to_come_are_made_ahead(store):
    with store.opened() as (conn, engine):
        engine.make_days(conn, START.date(), (START + timedelta(days=3)).date())
        engine.make_days(conn, START.date(), (START + timedelta(days=3)).date())
    if store.is_timescale:
        return  # chunks are made as rows come
    made = store.ask(
        "SELECT inhparent::regclass::text, count(*) FROM pg_inherits WHERE inhparent::regclass::text"
        " LIKE 'telemetry.%reading' GROUP BY 1 ORDER BY 1"
    )
    assert made == [("telemetry.cell_reading", 4), ("telemetry.charging_reading", 4), ("telemetry.vehicle_reading", 4)]


def test_what_was_measured_for_safety_alone_goes_after_thirty_days(store):
    store.ask(
        "INSERT INTO telemetry.safety_reading (ts, vehicle_id, seq, received_at, signals)"
        " SELECT %s, 1, n, %s + n * interval '1 day', '{}' FROM generate_series(0, 9) AS n",
        START,
        START,
    )
    with store.opened() as (conn, engine):
        found = expire(conn, engine, StoreSettings(), now=START + timedelta(days=34.5))
    assert found == {"safety_reading": 5}


def test_a_car_is_erased_without_a_trace_in_readings_and_rollups(filled):
    store, readings = filled
    with store.opened() as (conn, engine):
        assert engine.erase(conn, [1, 3]) == sum(row[1] != 2 for row in readings)
    for relation in ("vehicle_reading", "cell_reading", "rollup_minute", "rollup_hour", "rollup_day"):
        assert cars(store, relation) == {2}
