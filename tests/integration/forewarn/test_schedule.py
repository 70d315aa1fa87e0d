"""Jobs run through the scheduler, and only one of several schedulers works."""

import threading
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from config.errors import UserMistake
from config.settings import DatabaseSettings, Settings
from forewarn import schedule
from forewarn.schedule import JobContext, Schedule, run_elected, running_schedule
from ingest.store.connection import DatabaseAway

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def context(database, tmp_path):
    return JobContext(Settings(data_dir=tmp_path, database=DatabaseSettings(dsn=database)), clock=lambda: NOW)


def test_a_job_may_use_what_was_received_before_today(context):
    assert context.day == datetime(2026, 3, 1, tzinfo=UTC)


def test_run_now_returns_what_the_job_returned(context):
    with running_schedule(context) as scheduler:
        result = scheduler.run_now("triage")
    assert result.counts.opened == 0
    with psycopg.connect(context.dsn) as conn:
        assert conn.execute("SELECT job, outcome FROM prediction.run").fetchall() == [("triage", "done")]


def test_run_now_raises_what_the_job_raised(context):
    with running_schedule(context) as scheduler, pytest.raises(UserMistake):
        scheduler.run_now("train")


def test_a_restart_neither_repeats_nor_forgets(context, monkeypatch):
    monkeypatch.setattr(schedule, "JOBS", dict.fromkeys(schedule.JOBS, lambda context: None))
    scored_at = datetime.now(UTC) - timedelta(minutes=10)
    with psycopg.connect(context.dsn) as conn:
        conn.execute("INSERT INTO prediction.run (job, started_at, outcome) VALUES ('score', %s, 'done')", [scored_at])
    live = JobContext(context.settings)
    scheduler = Schedule(live)
    scheduler.start()
    try:
        scheduler.repeat()
        due = scheduler.next_runs()
    finally:
        scheduler.stop()
    assert due["score"] == scored_at + timedelta(minutes=60)
    assert due["train"] > datetime.now(UTC) - timedelta(seconds=5)


def test_who_stops_begins_no_other_job(context, monkeypatch):
    """Who lost the election must not go on with what was due: another one runs it by now."""
    runs, begun, goes_on = [], threading.Event(), threading.Event()

    def job(name):
        runs.append(name)
        if name != "care":
            begun.set()
            goes_on.wait(10)

    monkeypatch.setattr(schedule, "JOBS", {name: lambda context, name=name: job(name) for name in schedule.JOBS})
    scheduler = Schedule(JobContext(context.settings))
    scheduler.start()
    scheduler.repeat()
    assert begun.wait(10)
    stopping = threading.Thread(target=scheduler.stop)
    stopping.start()
    time.sleep(0.2)
    goes_on.set()
    stopping.join(10)
    assert not stopping.is_alive()
    [only] = {name for name in runs if name not in ("care", "triage")}
    assert ("triage" in runs) == (only == "score")


def test_of_two_schedulers_one_works(context, monkeypatch):
    runs = []
    monkeypatch.setattr(schedule, "_ELECTION_EVERY_S", 0.1)
    monkeypatch.setattr(
        schedule, "JOBS", {name: lambda context, name=name: runs.append(name) for name in schedule.JOBS}
    )
    stop = threading.Event()
    live = JobContext(context.settings)
    threads = [threading.Thread(target=run_elected, args=[live], kwargs={"stopped": stop.wait}) for _ in range(2)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 10
    while len(runs) < 9 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    stop.set()
    for thread in threads:
        thread.join(10)
    # Every recurring job was due once, and scoring is followed by a triage.
    assert sorted(runs) == [
        "care",
        "drift",
        "expire",
        "judge",
        "refresh",
        "report",
        "score",
        "slots",
        "train",
        "triage",
    ]


def test_a_database_that_is_away_for_a_while_ends_no_scheduler(context, monkeypatch):
    """Who works loses its lock with its connection, waits, and is elected again when the database is back."""
    elected, away = threading.Semaphore(0), threading.Event()
    usual = schedule.connect

    def connect(*arguments, **options):
        if away.is_set():
            raise DatabaseAway("the database cannot be reached")
        return usual(*arguments, **options)

    monkeypatch.setattr(schedule, "_ELECTION_EVERY_S", 0.1)
    monkeypatch.setattr(schedule, "connect", connect)
    monkeypatch.setattr(Schedule, "repeat", lambda self: elected.release())
    stop = threading.Event()
    thread = threading.Thread(
        target=run_elected, args=[JobContext(context.settings)], kwargs={"stopped": stop.wait}, daemon=True
    )
    thread.start()
    assert elected.acquire(timeout=10)
    away.set()
    with psycopg.connect(context.dsn, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'forewarn schedule' AND datname = current_database()"
        )
    time.sleep(0.5)
    away.clear()
    again = elected.acquire(timeout=10)
    stop.set()
    thread.join(10)
    assert again


def test_who_cannot_reach_the_database_at_first_is_told_so(context, monkeypatch):
    def connect(*arguments, **options):
        raise DatabaseAway("the database cannot be reached")

    monkeypatch.setattr(schedule, "connect", connect)
    with pytest.raises(DatabaseAway):
        run_elected(JobContext(context.settings), stopped=lambda seconds: False)


def test_what_was_received_is_judged_rolled_up_and_partitions_are_made_ahead(context, enrolled):
    vehicle = next(iter(enrolled("LFWA0000000000001").values()))
    with psycopg.connect(context.dsn) as conn:
        conn.execute("SELECT telemetry.ensure_partition('vehicle_reading', %s)", [NOW.date()])
        conn.execute(
            "INSERT INTO telemetry.vehicle_reading (ts, vehicle_id, seq, received_at, soc_pct)"
            " SELECT %s + n * interval '1 s', %s, n, %s, 50 FROM generate_series(1, 10) AS n",
            [NOW, vehicle, NOW],
        )
        conn.execute("INSERT INTO telemetry.changed_day (vehicle_id, day) VALUES (%s, %s)", [vehicle, NOW.date()])
    with running_schedule(context) as scheduler:
        scheduler.run_now("judge")
        assert scheduler.run_now("refresh") == 1
        assert scheduler.run_now("refresh") == 0
    with psycopg.connect(context.dsn) as conn:
        assert conn.execute("SELECT n, soc_pct__sum FROM telemetry.rollup_day").fetchall() == [(10, 500.0)]
        ahead = conn.execute("SELECT telemetry.ensure_partition('vehicle_reading', %s)", [NOW.date() + timedelta(7)])
        assert ahead.fetchone() == (False,)


def test_scoring_and_training_see_all_that_was_received(context, enrolled, monkeypatch):
    """Without waiting for the jobs that come round by themselves."""
    vehicle = next(iter(enrolled("LFWA0000000000001").values()))
    seen = []

    def look(conn, **_):
        seen.append(conn.execute("SELECT sum(n) FROM telemetry.rollup_day").fetchone())

    monkeypatch.setattr("models.training.train", look)
    monkeypatch.setattr("models.scoring.score", look)
    for number, job in enumerate(("train", "score"), start=1):
        with psycopg.connect(context.dsn) as conn:
            conn.execute("SELECT telemetry.ensure_partition('vehicle_reading', %s)", [NOW.date()])
            conn.execute(
                "INSERT INTO telemetry.vehicle_reading (ts, vehicle_id, seq, received_at) VALUES (%s, %s, %s, %s)",
                [NOW, vehicle, number, NOW],
            )
            conn.execute("INSERT INTO telemetry.changed_day (vehicle_id, day) VALUES (%s, %s)", [vehicle, NOW.date()])
        schedule.JOBS[job](context)
    assert seen == [(1,), (2,)]
