"""Every run of every job is a row with its outcome; what was missed is caught up once."""

import threading
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from config.errors import UserMistake
from config.settings import DatabaseSettings, ScheduleSettings, Settings
from forewarn import schedule
from forewarn.schedule import JOBS, JobContext, Schedule, next_due, triggers
from ingest.store.connection import DatabaseAway

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)


@pytest.fixture
def context(database, tmp_path):
    return JobContext(Settings(data_dir=tmp_path, database=DatabaseSettings(dsn=database)), clock=lambda: NOW)


def runs(context, columns="job, outcome"):
    with psycopg.connect(context.dsn) as conn:
        return conn.execute(f"SELECT {columns} FROM prediction.run ORDER BY run_id").fetchall()


def ended(context, job, at, outcome="done"):
    with psycopg.connect(context.dsn) as conn:
        conn.execute(
            "INSERT INTO prediction.run (job, started_at, finished_at, outcome) VALUES (%s, %s, %s, %s)",
            [job, at, None if outcome is None else at, outcome],
        )


@pytest.mark.parametrize("job", ["judge", "refresh", "expire", "report", "triage", "slots", "care"])
def test_a_job_leaves_a_row(context, job):
    JOBS[job](context)
    assert runs(context, "job, outcome, started_at = finished_at OR job = 'triage'") == [(job, "done", True)]


@pytest.mark.parametrize("job", ["train", "score", "drift"])
def test_a_job_that_cannot_work_yet_leaves_a_row_that_says_why(context, job):
    """They bring the rollups up to date first, which are runs of their own."""
    with pytest.raises(UserMistake):
        JOBS[job](context)
    assert runs(context) == [("judge", "done"), ("refresh", "done"), (job, "failed")]
    assert "forewarn train" in runs(context, "detail ->> 'error'")[-1][0] or job == "train"


@pytest.mark.parametrize(
    ("job", "what"),
    [
        ("judge", "ingest.history.judge_changed_days"),
        ("refresh", "ingest.store.timeseries.detect.engine_of"),
        ("expire", "ingest.store.timeseries.retention.expire"),
        ("drift", "models.drift.load_champions"),
        ("report", "models.monthly.collect"),
        ("train", "models.training.read_known_fleet"),
        ("score", "models.scoring.load_champions"),
        ("triage", "alerts.jobs.apply_predictions"),
        ("slots", "alerts.slots.make_slots"),
        ("care", "alerts.work.upkeep.gather"),
    ],
)
def test_a_job_that_breaks_leaves_a_row_that_says_so(context, monkeypatch, job, what):
    def broken(*_, **__):
        raise ArithmeticError("broken on purpose")

    monkeypatch.setattr(schedule, "_bring_up_to_date", lambda context: None)
    monkeypatch.setattr(what, broken)
    with pytest.raises(ArithmeticError):
        JOBS[job](context)
    assert runs(context) == [(job, "failed")]


def test_every_job_is_one_of_those_tested_here():
    assert set(JOBS) == {"train", "score", "triage", "judge", "refresh", "expire", "drift", "report", "slots", "care"}
    assert set(triggers(ScheduleSettings())) == set(JOBS) - {"triage"}


@pytest.mark.parametrize(
    ("job", "last", "due"),
    [
        ("score", None, NOW),
        ("score", NOW - timedelta(minutes=10), NOW + timedelta(minutes=50)),
        ("score", NOW - timedelta(days=9), NOW),
        ("train", NOW - timedelta(days=2), NOW + timedelta(days=5)),
        ("drift", NOW - timedelta(hours=23), NOW + timedelta(hours=1)),
        ("report", None, NOW),
        ("report", datetime(2026, 3, 1, 0, 0, 2, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)),
        ("report", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)),
        # By hand in the month before: this month's is still missing.
        ("report", datetime(2026, 2, 27, tzinfo=UTC), NOW),
        ("report", datetime(2025, 11, 1, 0, 0, 2, tzinfo=UTC), NOW),
    ],
)
def test_a_job_is_due_after_it_last_ended_well(job, last, due):
    assert next_due(triggers(ScheduleSettings())[job], last, now=NOW) == due


def test_what_was_missed_is_caught_up_once(context, monkeypatch):
    """The schedule stood still for three days: each job runs once, not as often as it was missed."""
    made = []
    monkeypatch.setattr(schedule, "JOBS", {name: lambda context, name=name: made.append(name) for name in JOBS})
    live = JobContext(context.settings)
    for job in triggers(ScheduleSettings()):
        ended(live, job, datetime.now(UTC) - timedelta(days=40))
    scheduler = Schedule(live)
    scheduler.start()
    try:
        scheduler.repeat()
        deadline = time.monotonic() + 20
        while len(made) < len(JOBS) and time.monotonic() < deadline:
            time.sleep(0.02)
        # Whatever were to run again at once would have come before this, which waits behind it in the same thread.
        scheduler.run_now("triage")
        due = scheduler.next_runs()
    finally:
        scheduler.stop()
    assert sorted(made) == sorted([*JOBS, "triage"])
    # One that is due every minute was due again meanwhile, or soon is.
    assert all(at > datetime.now(UTC) + timedelta(minutes=4) for name, at in due.items() if name != "care")


@pytest.mark.parametrize("failure", [ArithmeticError("broken on purpose"), DatabaseAway("it cannot be reached")])
def test_a_job_that_broke_is_tried_again_before_its_week_is_over(context, monkeypatch, failure):
    tried = threading.Event()

    def break_down(context):
        tried.set()
        raise failure

    jobs = dict.fromkeys(JOBS, lambda context: None) | {"train": break_down}
    monkeypatch.setattr(schedule, "JOBS", jobs)
    scheduler = Schedule(JobContext(context.settings))
    scheduler.start()
    try:
        scheduler.repeat()
        assert tried.wait(20)
        scheduler.run_now("triage")
        deadline = time.monotonic() + 20
        while scheduler.next_runs()["train"] > datetime.now(UTC) + timedelta(hours=1):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        scheduler.stop()


def test_a_run_that_never_said_how_it_ended_is_given_up(context, monkeypatch):
    live = JobContext(context.settings)
    ended(live, "drift", datetime.now(UTC) - timedelta(days=2), outcome=None)
    ended(live, "score", datetime.now(UTC) - timedelta(minutes=2), outcome=None)
    monkeypatch.setattr(schedule, "JOBS", dict.fromkeys(JOBS, lambda context: None))
    scheduler = Schedule(live)
    scheduler.start()
    try:
        scheduler.repeat()
    finally:
        scheduler.stop()
    assert runs(live) == [("drift", "failed"), ("score", None)]
    assert runs(live, "detail ->> 'error'")[0] == ("it ended without saying how",)


def test_old_records_of_small_jobs_expire_and_the_last_good_one_stays(context):
    old = NOW - timedelta(days=120)
    for job in ("judge", "refresh", "train"):
        ended(context, job, old)
        ended(context, job, old + timedelta(hours=1))
    ended(context, "judge", old + timedelta(hours=2), outcome="failed")
    JOBS["expire"](context)
    kept = [(job, at) for job, at in runs(context, "job, started_at") if job != "expire"]
    assert kept == [
        ("judge", old + timedelta(hours=1)),
        ("refresh", old + timedelta(hours=1)),
        ("train", old),
        ("train", old + timedelta(hours=1)),
    ]
    assert runs(context, "detail -> 'run'")[-1] == (3,)
