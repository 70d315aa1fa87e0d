"""Writes what the charging lane brings, inside the caller's transaction."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import psycopg
from psycopg.rows import TupleRow

from config import sql
from ingest.batch import Rows
from ingest.charging import charger_row
from ingest.keyed_rows import Fate, Table, insert_keyed
from ingest.layout import Layout
from ingest.letters import DeadLetter
from ingest.other_rows import Stored, instant
from ingest.quality import clock_flags
from ingest.reports import AlarmReport, ChargerReport
from ingest.topics import Connector

Cursor = psycopg.Cursor[TupleRow]

_CHARGERS = Table("insert_charger_readings", "same_charger_readings", ("ts", "seq"))
_SAFETY = Table("insert_safety_readings", "same_safety_readings", ("vehicle_id", "ts", "seq"))
_CONFLICT = "a reading with this time and seq but other content is stored already"


class Connectors:
    """The numbers of connectors, remembered."""

    def __init__(self) -> None:
        self._known: dict[Connector, int] = {}

    def number(self, cursor: Cursor, at: Connector) -> int:
        if at not in self._known:
            values = msgspec.structs.asdict(at)
            row = cursor.execute(sql.load("ingest.store", "connector_id"), values).fetchone()
            if row is None:
                # Another worker has just made it: a new statement sees it.
                row = cursor.execute(sql.load("ingest.store", "connector_id"), values).fetchone()
            assert row is not None
            self._known[at] = int(row[0])
        return self._known[at]

    def forget(self) -> None:
        """Ask the database again: a transaction that numbered connectors was rolled back."""
        self._known.clear()


def store_chargers(
    cursor: Cursor, reports: Iterable[ChargerReport], connectors: Connectors, *, clock_ahead_ms: int
) -> Stored:
    """Store the measurements of connectors; the same key with other content is a dead letter."""
    result = Stored()
    for report in reports:
        message, received_ms = report.message, report.received_ms
        rows = []
        for n, sample in enumerate(message.samples):
            row = {"n": n, "ts": sample.ts, "seq": sample.seq, "session_id": message.session_id, **charger_row(sample)}
            row["quality"] |= clock_flags(sample.ts, received_ms, clock_ahead_ms=clock_ahead_ms)
            rows.append(row)
        values = {"connector_id": connectors.number(cursor, report.at), "received_at": instant(received_ms)}
        fate = insert_keyed(cursor, _CHARGERS, rows, values)

        def letter(n: int, reason: str, detail: str, report: ChargerReport = report) -> DeadLetter:
            alone = msgspec.structs.replace(report.message, samples=[report.message.samples[n]])
            return DeadLetter(report.received_ms, report.topic, reason, detail, msgspec.json.encode(alone))

        _add(result, len(rows), fate, letter)
    return result


def store_alarms(cursor: Cursor, reports: Iterable[AlarmReport], connectors: Connectors) -> Stored:
    """Store alarms; the same report again is a duplicate, with another rest a dead letter."""
    result = Stored()
    insert, same = sql.load("ingest.store", "insert_anomaly"), sql.load("ingest.store", "same_anomaly")
    for report in reports:
        alarm = report.alarm
        values = {
            "connector_id": connectors.number(cursor, report.at),
            "alarm_id": alarm.id,
            "ts": instant(alarm.ts),
            "received_at": instant(report.received_ms),
            "session_id": alarm.session_id,
            "vehicle_id": report.vehicle_id,
            "code": alarm.code,
            "severity": alarm.severity,
            "state": alarm.state,
            "remark": alarm.text,
            "measures": msgspec.json.encode(alarm.measures).decode(),
        }
        if cursor.execute(insert, values).rowcount == 1:
            result.stored += 1
        elif cursor.execute(same, values).fetchone() == (True,):
            result.duplicate += 1
        else:
            detail = "this report with another session, car, text or measures is stored already"
            result.dead.append(DeadLetter(report.received_ms, report.topic, "key_conflict", detail, report.payload))
    return result


def store_safety(cursor: Cursor, rows: Rows, signals: Layout) -> Stored:
    """Store charging samples of cars whose owners agree to safety alone."""
    sent = [
        {
            "n": n,
            "vehicle_id": int(rows.vehicle_id[n]),
            "ts": int(rows.ts_ms[n]),
            "seq": int(rows.seq[n]),
            "received_ms": int(rows.received_ms[n]),
            "quality": int(rows.quality[n]),
            "signals": _safety_signals(rows, n, signals),
        }
        for n in range(len(rows))
    ]

    def letter(n: int, reason: str, detail: str) -> DeadLetter:
        return DeadLetter(int(rows.received_ms[n]), rows.topic[n], reason, detail, rows.payload(n, signals))

    result = Stored()
    _add(result, len(rows), insert_keyed(cursor, _SAFETY, sent), letter)
    return result


def _safety_signals(rows: Rows, n: int, signals: Layout) -> dict[str, Any]:
    """Return what a sample measured, by column, and what has no column by its path; a frame's lamps and level too."""
    values = {signal.column: value for signal, value in rows.measured(n, signals)}
    ours = {signal.column for signal in (*signals.columns, *signals.lists, *signals.positions)}
    if n not in rows.frames:
        ours |= {"lamps", "level"}
    for path, value in rows.extra.get(n, {}).items():
        # What a car calls like one of our names must not pass for it.
        while path in ours or path in values:
            path = f"extra.{path}"
        values[path] = value
    return values


def _add(result: Stored, count: int, fate: Fate, letter: Callable[[int, str, str], DeadLetter]) -> None:
    result.stored += count - fate.not_stored
    result.duplicate += len(fate.duplicates)
    result.dead += [letter(n, "key_conflict", _CONFLICT) for n in fate.conflicts]
    result.dead += [letter(n, "refused_by_database", reason) for n, reason in fate.refused]
