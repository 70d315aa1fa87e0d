"""Judges readings against those before them, once a day of a car has changed.

One car's messages may reach different workers, and late ones come after newer ones: at the door nobody knows what the
reading before was. So ingest only notes which days of which cars changed, and this judges those days from what is
stored. The flags depend on the readings alone, not on the order of their arrival or the number of workers.
"""

from typing import Any, LiteralString

import psycopg
from psycopg import sql

from config import sql as sql_files
from config.signals import Catalogue, catalogue
from ingest.quality import BY_HISTORY, Quality

# Days of cars that are judged in one transaction: some seconds of work.
_AT_ONCE = 2000
# Any number will do as long as every process takes the same one: one judge at a time.
_JUDGE_LOCK = 7_033_262


def judge_changed_days(conn: psycopg.Connection[Any]) -> int:
    """Judge every day that changed; return how many readings were flagged or cleared.

    conn : role ingest, outside a transaction; of several processes that judge one works at a time
    """
    conn.execute("CREATE TEMP TABLE IF NOT EXISTS judged_day (vehicle_id bigint, day date) ON COMMIT DELETE ROWS")
    conn.commit()
    statement, count = _judge_statement(catalogue()), _count_statement()
    changed = 0
    while True:
        with conn.transaction(), conn.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_JUDGE_LOCK,))
            cursor.execute(sql_files.load("ingest.store", "take_changed_days"), {"limit": _AT_ONCE})
            if cursor.rowcount == 0:
                return changed
            changed += cursor.execute(statement).rowcount
            cursor.execute(count)


def _judge_statement(signals: Catalogue) -> sql.Composed:
    stepping = [s for s in signals.columns if s.max_step is not None]
    freezing = [s for s in signals.columns if s.frozen_after_s is not None]
    columns: list[sql.Composable] = [
        _format(
            ", abs(reading.{c} - lag(reading.{c}) OVER car) > {step} AS {jumped}",
            c=sql.Identifier(signal.column),
            step=sql.Literal(signal.max_step),
            jumped=sql.Identifier(f"{signal.column} jumped"),
        )
        for signal in stepping
    ]
    runs: list[sql.Composable] = []
    stuck: list[sql.Composable] = []
    for signal in freezing:
        names = {
            "c": sql.Identifier(signal.column),
            "moved": sql.Identifier(f"{signal.column} moved"),
            "run": sql.Identifier(f"{signal.column} run"),
            "seconds": sql.Literal(signal.frozen_after_s),
        }
        # A run of equal values ends with a change, a stop of the car or a gap in its readings.
        columns.append(
            _format(
                ", (reading.{c} IS NULL OR reading.{c} IS DISTINCT FROM lag(reading.{c}) OVER car"
                " OR coalesce(reading.speed_kmh, 0) <= 0"
                " OR reading.ts - lag(reading.ts) OVER car > interval '10 minutes')::int AS {moved}",
                **names,
            )
        )
        runs.append(_format(", CASE WHEN {moved} = 1 THEN ts END AS {run}", **names))
        stuck.append(_format("ts - max({run}) OVER car >= {seconds} * interval '1 second'", **names))
    return sql.SQL(sql_files.load("ingest.store", "judge_history")).format(
        columns=sql.Composed(columns),
        runs=sql.Composed(runs),
        jumped=_any([sql.Identifier(f"{signal.column} jumped") for signal in stepping]),
        stuck=_any(stuck),
        jump=sql.Literal(int(Quality.JUMP)),
        frozen=sql.Literal(int(Quality.FROZEN)),
        gap=sql.Literal(int(Quality.GAP)),
        ahead=sql.Literal(int(Quality.CLOCK_AHEAD)),
        history=sql.Literal(int(BY_HISTORY)),
    )


def _count_statement() -> sql.Composed:
    parts = [
        _format(
            "{name}, count(*) FILTER (WHERE reading.quality & {bit} <> 0)",
            name=sql.Literal((flag.name or "").lower()),
            bit=sql.Literal(int(flag)),
        )
        for flag in Quality
    ]
    return sql.SQL(sql_files.load("ingest.store", "count_quality")).format(by_flag=sql.SQL(", ").join(parts))


def _any(conditions: list[sql.Composable]) -> sql.Composable:
    return sql.SQL(" OR ").join(conditions) if conditions else sql.SQL("false")


def _format(template: LiteralString, **parts: sql.Composable) -> sql.Composed:
    return sql.SQL(template).format(**parts)
