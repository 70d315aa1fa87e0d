"""Judges readings against those before them, once a day of a car has changed.

One car's messages may reach different workers, and late ones come after newer ones: at the door nobody knows what the
reading before was. So ingest only notes which days of which cars changed, and this judges those days from what is
stored. The flags depend on the readings alone, not on the order of their arrival or the number of workers.
"""

import time
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from config import sql as sql_files
from config.signals import Catalogue, catalogue
from ingest.backoff import backoff_s
from ingest.quality import BY_HISTORY, Quality

_MOST_ATTEMPTS = 8
# Days of cars that are judged in one transaction: some seconds of work.
_AT_ONCE = 2000
# A car that spoke again after so many days is asked for what it missed.
_SILENT_DAYS = 30
# Readings further apart than this are not compared.
_PAUSE: LiteralString = "interval '10 minutes'"
_SPEED = "speed_kmh"
# Any number will do as long as every process takes the same one: one judge at a time.
_JUDGE_LOCK = 7_033_262


def judge_changed_days(conn: psycopg.Connection[Any]) -> int:
    """Judge every day that has changed by now; return how many readings were flagged or cleared.

    conn : role ingest, outside a transaction; of several processes that judge one works at a time
    """
    conn.execute("CREATE TEMP TABLE IF NOT EXISTS judged_day (vehicle_id bigint, day date) ON COMMIT DELETE ROWS")
    # What comes meanwhile is left to the next turn: ingest adds to the list without end.
    newest = conn.execute("SELECT max(changed_day_id) FROM telemetry.changed_day").fetchone()
    conn.commit()
    assert newest is not None
    statement, count = _judge_statement(catalogue()), _count_statement()
    changed = attempt = 0
    while True:
        try:
            judged = _judge_some(conn, statement, count, newest=newest[0])
        except psycopg.errors.DeadlockDetected:
            # TimescaleDB moves a chunk to the columnstore just now; what was taken off the list is on it again.
            attempt += 1
            if attempt == _MOST_ATTEMPTS:
                raise
            time.sleep(backoff_s(0))
            continue
        if judged is None:
            return changed
        changed += judged
        attempt = 0


def _judge_some(
    conn: psycopg.Connection[Any], statement: sql.Composed, count: sql.Composed, *, newest: int | None
) -> int | None:
    """Judge the oldest days of the list up to ``newest``; return how many readings changed, None when none is left."""
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_JUDGE_LOCK,))
        values = {
            "newest": newest,
            "limit": _AT_ONCE,
            "silent_days": _SILENT_DAYS,
            "ahead": int(Quality.CLOCK_AHEAD),
        }
        cursor.execute(sql_files.load("ingest.store", "take_changed_days"), values)
        row = cursor.execute("SELECT min(day), max(day) FROM judged_day").fetchone()
        assert row is not None
        if row[0] is None:
            return None
        # Planned for these days: a plan for any would open every partition.
        changed = cursor.execute(statement, {"first": row[0], "last": row[1]}, prepare=False).rowcount
        cursor.execute(count)
    return changed


def _judge_statement(signals: Catalogue) -> sql.Composed:
    stepping = [s for s in signals.columns if s.max_step is not None]
    freezing = [s for s in signals.columns if s.frozen_after_s is not None]
    compared = {s.column: s for s in [signals.by_column[_SPEED], *stepping, *freezing]}.values()
    number, last, since = " number", " last", " since"
    each = [
        {
            "c": sql.Identifier(signal.column),
            "number": sql.Identifier(signal.column + number),
            "last": sql.Identifier(signal.column + last),
            "since": sql.Identifier(signal.column + since),
        }
        for signal in compared
    ]
    speed = each[0]
    last_numbers = [_format(", max(number) FILTER (WHERE {c} IS NOT NULL) OVER before AS {number}", **n) for n in each]
    last_values = [
        _format(
            ", lag({c}, (number - {number})::int) OVER car AS {last}"
            ", ts - lag(ts, (number - {number})::int) OVER car AS {since}",
            **names,
        )
        for names in each
    ]
    # A speed that was not said again holds for as long as a pause that excuses a jump.
    known_speed = _format(
        "coalesce({c}, CASE WHEN {since} <= " + _PAUSE + " THEN {last} END)",
        **speed,
    )
    runs: list[sql.Composable] = [sql.SQL(", ") + known_speed + sql.SQL(" AS known_speed")]
    stuck: list[sql.Composable] = []
    for signal, names in zip(compared, each, strict=True):
        if signal.frozen_after_s is None:
            continue
        run = sql.Identifier(f"{signal.column} run")
        # A run of equal values ends with a change, a stop of the car or a pause in its readings or in this signal.
        runs.append(
            _format(
                ", CASE WHEN coalesce({speed}, 0) <= 0 OR since_last > " + _PAUSE + " OR ({c} IS NOT NULL"
                " AND ({last} IS DISTINCT FROM {c} OR {since} > " + _PAUSE + ")) THEN ts END AS {run}",
                speed=known_speed,
                run=run,
                **names,
            )
        )
        seconds = sql.Literal(signal.frozen_after_s)
        stuck.append(
            _format(
                "({c} IS NOT NULL AND ts - max({run}) OVER car >= {seconds} * interval '1 second')",
                c=names["c"],
                run=run,
                seconds=seconds,
            )
        )
    jumped: list[sql.Composable] = [
        _format(
            "({since} <= " + _PAUSE + " AND abs({c} - {last}) > {step})", **names, step=sql.Literal(signal.max_step)
        )
        for signal, names in zip(compared, each, strict=True)
        if signal.max_step is not None
    ]
    return sql.SQL(sql_files.load("ingest.store", "judge_history")).format(
        signals=sql.Composed([_format(", reading.{c}", c=names["c"]) for names in each]),
        last_numbers=sql.Composed(last_numbers),
        last_values=sql.Composed(last_values),
        runs=sql.Composed(runs),
        jumped=_any(jumped),
        stuck=_any(stuck),
        jump=sql.Literal(int(Quality.JUMP)),
        frozen=sql.Literal(int(Quality.FROZEN)),
        gap=sql.Literal(int(Quality.GAP)),
        ahead=sql.Literal(int(Quality.CLOCK_AHEAD)),
        history=sql.Literal(int(BY_HISTORY)),
        silent_days=sql.Literal(_SILENT_DAYS),
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
