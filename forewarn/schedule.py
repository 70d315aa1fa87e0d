"""The scheduler and its jobs. It only decides when; ingest, models and alerts do the work."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import psycopg
import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from config import sql
from config.errors import UserMistake
from config.settings import ScheduleSettings, Settings
from config.signals import catalogue
from forewarn.workers import workers_on
from ingest.store.connection import DatabaseAway, connect

JobName = Literal["train", "score", "triage", "judge", "refresh", "expire", "drift", "report", "slots", "care"]

# Any number will do as long as every version of Forewarn takes the same one.
_ELECTION_LOCK = 7_033_261
_ELECTION_EVERY_S = 5.0
# Partitions are there before their day comes, also when the schedule stands still over a long weekend.
_DAYS_AHEAD = timedelta(days=7)
# What failed for a reason that may pass is tried again after that long, not only a week or a month later.
_AGAIN_AFTER = timedelta(hours=1)
# A run without an outcome after that long was killed, or has lost its database before it could tell.
_GIVEN_UP_AFTER = timedelta(days=1)
# One more than an owner may book ahead, so that the last of those is there before it can be asked for.
_SLOT_DAYS = 16
_SLOTS_EVERY = timedelta(hours=6)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a job needs. ``as_of`` is the UTC midnight whose received data it may use, None for today's.

    on : who trains and scores, as of ``forewarn.workers.ON``
    """

    settings: Settings
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    as_of: datetime | None = None
    on: str = "here"

    @property
    def dsn(self) -> str:
        assert self.settings.database.dsn is not None
        return self.settings.database.dsn

    @property
    def day(self) -> datetime:
        return self.as_of or self.clock().replace(hour=0, minute=0, second=0, microsecond=0)


def train(context: JobContext) -> Any:
    """Train a model for every fault mode: a challenger, where there is a champion."""
    from forewarn.mirror import show_in_mlflow
    from models.training import train as train_models

    _bring_up_to_date(context)
    with workers_on(context.on, context.dsn) as workers, connect(context.dsn, role="models") as conn:
        trained = train_models(
            conn, as_of=context.day, data_dir=context.settings.data_dir, clock=context.clock, workers=workers
        )
    show_in_mlflow(context.settings)
    return trained


def score(context: JobContext) -> Any:
    """Score every car with the champion models, and with the challengers in the shadow."""
    from models.scoring import score as score_fleet

    _bring_up_to_date(context)
    with workers_on(context.on, context.dsn) as workers, connect(context.dsn, role="models") as conn:
        return score_fleet(
            conn,
            as_of=context.day,
            data_dir=context.settings.data_dir,
            clock=context.clock,
            holdout_share=context.settings.models.holdout_share,
            workers=workers,
        )


def triage(context: JobContext) -> Any:
    """Open and refresh cases from the newest predictions."""
    from alerts.jobs import triage as open_cases

    with connect(context.dsn, role="alerts", autocommit=True) as conn:
        return open_cases(conn, now=context.clock(), language=context.settings.language)


def judge(context: JobContext) -> Any:
    """Flag readings that do not fit the ones before them, on the days of cars that changed."""
    from ingest.history import judge_changed_days

    with _recorded(context, "judge") as detail, connect(context.dsn, role="ingest") as conn:
        judged = judge_changed_days(conn)
        detail["readings"] = judged
    return judged


def refresh(context: JobContext) -> Any:
    """Roll up the days of cars that were judged, and make the partitions of the days to come."""
    from ingest.store.timeseries.detect import engine_of

    today = context.clock().date()
    minutes_from = today - timedelta(days=context.settings.store.minute_days)
    with _recorded(context, "refresh") as detail, connect(context.dsn, role="admin", autocommit=True) as conn:
        engine = engine_of(conn)
        engine.make_days(conn, today, today + _DAYS_AHEAD)
        refreshed = engine.refresh(conn, catalogue(), minutes_from=minutes_from)
        detail["days"] = refreshed
    return refreshed


def expire(context: JobContext) -> Any:
    """Delete dead letters, readings, rollups and records of runs that are older than the settings allow."""
    from ingest.store import dead_letters
    from ingest.store.timeseries import retention
    from ingest.store.timeseries.detect import engine_of

    now, settings = context.clock(), context.settings
    with _recorded(context, "expire") as detail:
        with connect(context.dsn, role="admin", autocommit=True) as conn:
            found = dict(retention.expire(conn, engine_of(conn), settings.store, now=now))
            older_than = now - timedelta(days=settings.schedule.run_days)
            found["run"] = conn.execute(sql.load("forewarn", "expire_runs"), {"older_than": older_than}).rowcount
        with connect(context.dsn, role="ingest", autocommit=True) as conn:
            kept = timedelta(days=settings.ingest.dead_letter_days)
            found["dead_letter"] = dead_letters.expire(conn, now=now, older_than=kept)
        detail.update(found)
    return found


def drift(context: JobContext) -> Any:
    """Compare what the champions see and say with what they learnt, and with what came true."""
    from models.drift import measure

    _bring_up_to_date(context)
    with connect(context.dsn, role="models") as conn:
        return measure(conn, as_of=context.day, data_dir=context.settings.data_dir, clock=context.clock)


def report(context: JobContext) -> Any:
    """Write the reports about the calendar month before: of the models, and of the call centre."""
    from alerts import report as care_report
    from models.monthly import last_month, write_report

    settings = context.settings
    with connect(context.dsn, role="models") as conn:
        written = write_report(
            conn,
            month_before=context.day,
            data_dir=settings.data_dir,
            language=settings.language,
            clock=context.clock,
        )
    since, until = last_month(context.day)
    with connect(context.dsn, role="alerts", autocommit=True) as conn:
        found = care_report.collect(conn, since=since, until=until, now=context.clock())
    care_report.write_report(found, settings.data_dir, language=settings.language)
    return written


@contextmanager
def _recorded(
    context: JobContext, job: Literal["judge", "refresh", "expire", "slots", "care"]
) -> Iterator[dict[str, Any]]:
    """Leave a row in ``prediction.run`` about a job whose work is not the models'; yields what is to be noted of it."""
    from models.runs import recorded_run

    with (
        connect(context.dsn, role="schedule") as conn,
        recorded_run(conn, job, clock=context.clock) as run,
    ):
        yield run.detail


def slots(context: JobContext) -> Any:
    """Make the appointment slots of the days to come."""
    from alerts.slots import make_slots

    with _recorded(context, "slots") as detail, connect(context.dsn, role="alerts", autocommit=True) as conn:
        made = make_slots(conn, now=context.clock(), days=_SLOT_DAYS)
        detail["made"] = made
    return made


def care(context: JobContext) -> Any:
    """See to help buttons, messages, reminders, missed visits and leads that no model gives."""
    from alerts.charging.channels import channels_of
    from alerts.charging.partners.webhooks import secret_of
    from alerts.work.push import push_entries
    from alerts.work.upkeep import keep_up

    charging = context.settings.charging
    channels = channels_of(charging)
    try:
        with _recorded(context, "care") as detail, connect(context.dsn, role="alerts", autocommit=True) as conn:
            done = keep_up(
                conn,
                channels,
                public_url=context.settings.owners_address,
                now=context.clock(),
            )
            detail.update(msgspec.to_builtins(done))
            crm = context.settings.crm
            if crm.url is not None and crm.secret is not None:
                detail["pushed"] = push_entries(
                    conn,
                    url=crm.url,
                    secret=secret_of(crm.secret),
                    language=context.settings.language,
                    now=context.clock(),
                )
    finally:
        for channel in channels:
            channel.close()
    return done


def _bring_up_to_date(context: JobContext) -> None:
    """Have the rollups hold everything that was received: models read nothing else."""
    judge(context)
    refresh(context)


JOBS: Mapping[JobName, Callable[[JobContext], Any]] = {
    "train": train,
    "score": score,
    "triage": triage,
    "judge": judge,
    "refresh": refresh,
    "expire": expire,
    "drift": drift,
    "report": report,
    "slots": slots,
    "care": care,
}


def triggers(settings: ScheduleSettings) -> dict[JobName, BaseTrigger]:
    """Return when each recurring job is due; triage is not among them, since it follows each scoring."""
    every: dict[JobName, timedelta] = {
        "train": timedelta(hours=settings.train_every_h),
        "score": timedelta(minutes=settings.score_every_min),
        "judge": timedelta(minutes=settings.judge_every_min),
        "refresh": timedelta(minutes=settings.refresh_every_min),
        "expire": timedelta(hours=settings.expire_every_h),
        "drift": timedelta(hours=settings.drift_every_h),
        "slots": _SLOTS_EVERY,
        "care": timedelta(minutes=settings.care_every_min),
    }
    recurring: dict[JobName, BaseTrigger] = {
        name: IntervalTrigger(seconds=int(interval.total_seconds()), timezone=UTC) for name, interval in every.items()
    }
    recurring["report"] = CronTrigger(day=settings.report_day, hour=0, minute=0, timezone=UTC)
    return recurring


def next_due(trigger: BaseTrigger, last: datetime | None, *, now: datetime) -> datetime:
    """Return when a job is to run next: at once when it never ended well, or a run after its last was missed.

    last : when the run began that last ended well
    """
    if last is None:
        return now
    if isinstance(trigger, IntervalTrigger):
        after: datetime = last + trigger.interval
    else:
        # One that began on the very stroke has done that stroke's work.
        after = trigger.get_next_fire_time(None, last + timedelta(microseconds=1))
    return max(now, after)


class Schedule:
    """Runs the jobs one at a time, in a thread of its own; "care" in another, for people wait for it.

    Jobs live in memory and their times come from ``prediction.run``, in which every run of every job is a row: a
    restart neither repeats nor forgets one, and no pickled job lies in a table.
    """

    def __init__(self, context: JobContext) -> None:
        self._context = context
        # It would print a trace for a person's mistake; what a job raises is told by ``_finished`` and ``run_now``.
        logging.getLogger("apscheduler.executors.default").setLevel(logging.CRITICAL)
        # One thread: training and scoring share the cores, and triage must see a whole scoring.
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(1), "care": ThreadPoolExecutor(1)},
            # Late is better than never, however late, and once is enough.
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )
        self._waiting: dict[str, list[JobExecutionEvent]] = {}
        self._stopping = threading.Event()
        self._scheduler.add_listener(self._finished, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)

    def start(self) -> None:
        """Start without any recurring job: ``run_now`` works, ``repeat`` adds the rest."""
        self._scheduler.start()

    def repeat(self) -> None:
        """Add the recurring jobs, each when ``next_due`` says; what was missed is caught up once, however often."""
        with connect(self._context.dsn, role="schedule", autocommit=True) as conn:
            now = self._context.clock()
            conn.execute(sql.load("forewarn", "give_up_runs"), {"before": now - _GIVEN_UP_AFTER, "now": now})
            last: dict[str, datetime] = dict(conn.execute(sql.load("forewarn", "last_runs")).fetchall())
        for name, trigger in triggers(self._context.settings.schedule).items():
            due = next_due(trigger, last.get(name), now=now)
            executor = "care" if name == "care" else "default"
            self._scheduler.add_job(self._run, trigger, args=[name], id=name, next_run_time=due, executor=executor)

    def run_now(self, name: JobName) -> Any:
        """Run a job through the scheduler, wait for it and return what it returned.

        Raises : whatever the job raised
        """
        key = f"{name}-now-{time.monotonic_ns()}"
        waiting = self._waiting[key] = []
        self._scheduler.add_job(JOBS[name], args=[self._context], id=key)
        while not waiting:
            time.sleep(0.02)
        del self._waiting[key]
        if waiting[0].exception is not None:
            raise waiting[0].exception
        return waiting[0].retval

    def next_runs(self) -> dict[str, datetime]:
        """Return when each recurring job is due."""
        return {job.id: job.next_run_time for job in self._scheduler.get_jobs()}

    def stop(self) -> None:
        """Stop after the job that runs now; those that wait for it are left to whoever comes next."""
        self._stopping.set()
        self._scheduler.shutdown(wait=True)

    def _run(self, name: JobName) -> None:
        # The pool of threads would still begin what had been handed to it.
        if self._stopping.is_set():
            return
        result = JOBS[name](self._context)
        _log.info("job done", job=name, result=str(result))
        if name == "score":
            JOBS["triage"](self._context)

    def _finished(self, event: JobExecutionEvent) -> None:
        if event.job_id in self._waiting:
            self._waiting[event.job_id].append(event)
        elif isinstance(event.exception, DatabaseAway):
            _log.warning("job without a database", job=event.job_id, reason=str(event.exception))
            self._try_again(event.job_id)
        elif isinstance(event.exception, UserMistake):
            # Too little data to train on is no failure of the scheduler: the next run may have more.
            _log.warning("job not possible yet", job=event.job_id, reason=str(event.exception))
        elif event.exception is not None:
            _log.error("job failed", job=event.job_id, error=str(event.exception), trace=event.traceback)
            self._try_again(event.job_id)

    def _try_again(self, job_id: str) -> None:
        job = self._scheduler.get_job(job_id)
        soon = datetime.now(UTC) + _AGAIN_AFTER
        if job is not None and job.next_run_time > soon:
            job.modify(next_run_time=soon)


@contextmanager
def running_schedule(context: JobContext) -> Iterator[Schedule]:
    """Start a schedule and stop it at the end."""
    schedule = Schedule(context)
    schedule.start()
    try:
        yield schedule
    finally:
        schedule.stop()


def run_elected(context: JobContext, *, stopped: Callable[[float], bool]) -> None:
    """Run the schedule while this process holds the database's election lock; wait for it otherwise.

    A database that is away for a while ends neither who works nor who waits.

    stopped : waits that many seconds, at most, and says whether to end (``threading.Event.wait``)
    Raises  : DatabaseAway, when it was away from the beginning; DatabaseUnreachable
    """
    reached = False
    while not stopped(0):
        try:
            with connect(context.dsn, role="schedule", autocommit=True) as conn:
                reached = True
                _run_while_elected(conn, context, stopped)
        except (DatabaseAway, psycopg.OperationalError) as error:
            if not reached:
                raise
            _log.warning("schedule without a database", reason=str(error))
            stopped(_ELECTION_EVERY_S)


def _run_while_elected(
    conn: psycopg.Connection[tuple[object, ...]], context: JobContext, stopped: Callable[[float], bool]
) -> None:
    if not _elected(conn):
        stopped(_ELECTION_EVERY_S)
        return
    with running_schedule(context) as schedule:
        schedule.repeat()
        # The lock is the connection's: without it another process may have taken over.
        while not stopped(_ELECTION_EVERY_S) and _alive(conn):
            pass


def _elected(conn: psycopg.Connection[tuple[object, ...]]) -> bool:
    row = conn.execute("SELECT pg_try_advisory_lock(%s)", [_ELECTION_LOCK]).fetchone()
    return row is not None and bool(row[0])


def _alive(conn: psycopg.Connection[tuple[object, ...]]) -> bool:
    try:
        conn.execute("SELECT")
    except psycopg.OperationalError as error:
        _log.warning("election lock lost with its connection", error=str(error))
        return False
    return True
