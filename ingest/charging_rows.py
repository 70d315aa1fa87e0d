"""Writes what the charging lane brings, inside the caller's transaction."""

from collections.abc import Iterable
from typing import Any

import msgspec
import psycopg
from psycopg.rows import TupleRow

from config import sql
from ingest.charging import charger_row
from ingest.other_rows import instant
from ingest.sorting import AlarmReport, ChargerReport, DeadLetter, SafetyReport
from ingest.topics import Connector

Cursor = psycopg.Cursor[TupleRow]


class Stored(msgspec.Struct):
    """What some samples came to."""

    stored: int = 0
    duplicate: int = 0
    dead: list[DeadLetter] = []


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


def store_chargers(cursor: Cursor, reports: Iterable[ChargerReport], connectors: Connectors) -> Stored:
    """Store the measurements of connectors; the same key with other content is a dead letter."""
    result = Stored()
    for report in reports:
        first: dict[tuple[int, int], Any] = {}
        for sample in report.message.samples:
            known = first.setdefault((sample.ts, sample.seq), sample)
            if known is not sample:
                _repeat(result, report, sample, same=known == sample)
        samples = list(first.values())
        rows = [
            {"n": n, "ts": sample.ts, "seq": sample.seq, "session_id": report.message.session_id, **charger_row(sample)}
            for n, sample in enumerate(samples)
        ]
        there = cursor.execute(
            sql.load("ingest.store", "insert_charger_readings"),
            {
                "rows": msgspec.json.encode(rows).decode(),
                "connector_id": connectors.number(cursor, report.at),
                "received_at": instant(report.received_ms),
            },
        ).fetchall()
        for n, same in there:
            _repeat(result, report, samples[n], same=same)
        result.stored += len(rows) - len(there)
    return result


def store_alarms(cursor: Cursor, reports: Iterable[AlarmReport], connectors: Connectors) -> Stored:
    """Store alarms; the same report again is a duplicate."""
    result = Stored()
    statement = sql.load("ingest.store", "insert_anomaly")
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
        new = cursor.execute(statement, values).rowcount
        result.stored += new
        result.duplicate += 1 - new
    return result


def store_safety(cursor: Cursor, reports: Iterable[SafetyReport]) -> Stored:
    """Store charging samples of cars whose owners agree to safety alone."""
    result = Stored()
    statement = sql.load("ingest.store", "insert_safety_readings")
    for report in reports:
        rows = [{"ts": s.ts, "seq": s.seq, "signals": _measured(s.signals)} for s in report.samples]
        values = {
            "rows": msgspec.json.encode(rows).decode(),
            "vehicle_id": report.vehicle_id,
            "received_at": instant(report.received_ms),
        }
        new = cursor.execute(statement, values).rowcount
        result.stored += new
        result.duplicate += len(rows) - new
    return result


def _measured(signals: Any) -> dict[str, Any]:
    values = msgspec.structs.asdict(signals)
    return {column: value for column, value in values.items() if value is not None and value == value}


def _repeat(result: Stored, report: ChargerReport, sample: Any, *, same: bool) -> None:
    if same:
        result.duplicate += 1
        return
    payload = msgspec.json.encode({"samples": [sample], "session_id": report.message.session_id})
    detail = "a reading with this time and seq but other content is stored already"
    result.dead.append(DeadLetter(report.received_ms, report.topic, "key_conflict", detail, payload))
