"""How many cars are scored in a second, from rollups to stored predictions, and how much memory that takes."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from config import sql as sql_files
from config.settings import DatabaseSettings, Settings
from forewarn.bench.databases import own_database, server
from forewarn.bench.memory import PeakOfFamily
from forewarn.in_processes import process_pool
from forewarn.simulator import FleetPlan
from forewarn.simulator.into_store import store_fleet
from forewarn.workers import workers_on
from ingest.store import day_sums
from ingest.store.connection import connect
from ingest.store.migrate import migrate
from models.features import columns_of, reach_of
from models.peers import own_features
from models.scoring import load_champions, score
from models.training import train

_SEED = 1
# Cars that are simulated; the others are copies of them. Nearly all are faulty: models of all modes can be learnt.
ORIGINALS, DAYS, _FAULTY_SHARE = 240, 120, 0.9
_AT_ONCE = 2000

Say = Callable[[str], None]


class ScoreBenchResult(msgspec.Struct, frozen=True, kw_only=True):
    """What ``forewarn bench score`` prints, by these names.

    seconds        : the scoring of one day, as the schedule does it every day: what was rolled up since the day before
                     is copied, features, peers, all models, reasons of flagged cars, predictions committed
    peak_rss_mib   : most memory that this process and those it began had meanwhile; the database server's not counted
    first_copy_s   : what the first scoring of a fleet takes on top: the daily sums of ``reach_d`` days are copied
    predictions    : stored; a car has one for every mode that it can have and whose lamp is off
    flagged        : of them; each with its three reasons
    """

    vehicles: int
    seconds: float
    vehicles_per_s: float
    peak_rss_mib: float
    first_copy_s: float
    reach_d: int
    modes: int
    features: int
    rollup_rows: int
    predictions: int
    flagged: int


def bench_score(
    settings: Settings, *, vehicles: int, say: Say, on: str = "here", originals: int = ORIGINALS, days: int = DAYS
) -> ScoreBenchResult:
    """Measure in a database of the benchmark's own, which is dropped afterwards.

    vehicles        : how many are scored; beyond those that are simulated they are copies
    on              : who scores, as of ``forewarn.workers.ON``
    originals, days : cars that are simulated and learnt from, and how long they live
    """
    # A day in the middle of a month, so that nothing depends on today.
    as_of = datetime(2026, 3, 15, tzinfo=UTC)
    with ExitStack() as stack:
        dsn = stack.enter_context(own_database(stack.enter_context(server(settings))))
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="forewarn-bench-")))
        migrate(dsn, settings.store)
        own = settings.model_copy(update={"database": DatabaseSettings(dsn=dsn), "data_dir": folder})
        say(f"Simulating {originals} cars and learning from them")
        plan = FleetPlan(min(originals, vehicles), days, _SEED, as_of, _FAULTY_SHARE)
        store_fleet(plan, own, raw=0, truth=folder / "truth", say=say)
        # In a process of its own, whose memory is not that of scoring.
        with process_pool(1) as pool:
            pool.submit(_learn, dsn, as_of, folder).result()
        with connect(dsn, role="models") as conn:
            models = load_champions(conn, folder)
        features = own_features([feature for model in models for feature in model.features])
        reach_d = reach_of(features)
        say(f"Copying them until there are {vehicles:,}")
        since, last = as_of - timedelta(days=reach_d), as_of - timedelta(days=1)
        with connect(dsn, role="admin") as conn:
            begin, end = _copies(conn, vehicles - plan.vehicles)
            _rollups(conn, begin, end, plan.vehicles, since, last)
            began = time.perf_counter()
            day_sums.bring_up_to_date(conn, columns_of(features), since=since.date())
            conn.commit()
            first_copy_s = time.perf_counter() - began
            _rollups(conn, begin, end, plan.vehicles, last, as_of)
            row = conn.execute(sql_files.load("forewarn.bench", "count_rollups"), {"since": since}).fetchone()
            # What the refresh of the day leaves behind.
            conn.execute(sql_files.load("forewarn.bench", "list_days"), {"day": last.date()})
            conn.commit()
            conn.autocommit = True
            conn.execute("VACUUM ANALYZE")
        say("Scoring")
        with connect(dsn, role="models") as conn, PeakOfFamily() as peak:
            began = time.perf_counter()
            with workers_on(on, dsn) as workers:
                result = score(conn, as_of=as_of, data_dir=folder, workers=workers)
            seconds = time.perf_counter() - began
    assert row is not None
    return ScoreBenchResult(
        vehicles=result.vehicles,
        seconds=round(seconds, 2),
        vehicles_per_s=round(result.vehicles / seconds, 1),
        peak_rss_mib=round(peak.mib, 1),
        first_copy_s=round(first_copy_s, 1),
        reach_d=reach_d,
        modes=len(result.scored),
        features=len(features),
        rollup_rows=int(row[0]),
        predictions=sum(result.scored.values()),
        flagged=sum(result.flagged.values()),
    )


def _learn(dsn: str, as_of: datetime, folder: Path) -> None:
    with connect(dsn, role="models") as conn:
        train(conn, as_of=as_of, data_dir=folder)


def _copies(conn: psycopg.Connection[Any], count: int) -> tuple[int, int]:
    """Enrol copies of the cars; return the first and the last vehicle_id, none when the last is smaller."""
    if count <= 0:
        return 1, 0
    row = conn.execute(sql_files.load("forewarn.bench", "copies_of_cars"), {"copies": count}).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def _rollups(
    conn: psycopg.Connection[Any], begin: int, end: int, originals: int, since: datetime, until: datetime
) -> None:
    """Give copies the rollups of their originals, some cars at a time."""
    names = [
        name
        for (name,) in conn.execute(sql_files.load("forewarn.bench", "columns_of_rollup"))
        if name not in ("vehicle_id", "bucket", "received_on", "regime")
    ]
    query = sql.SQL(sql_files.load("forewarn.bench", "rollups_of_copies")).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, names)),
        values=sql.SQL(", ").join(sql.Identifier("rollup", name) for name in names),
    )
    for first in range(begin, end + 1, _AT_ONCE):
        values = {"first": first, "last": min(first + _AT_ONCE - 1, end), "begin": begin, "originals": originals}
        conn.execute(query, values | {"since": since, "until": until})
