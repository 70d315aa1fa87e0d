"""Writes what a batch holds besides readings, inside the caller's transaction."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import psycopg
from psycopg.rows import TupleRow

from config import sql
from ingest.batch import Rows
from ingest.events import chosen_ms
from ingest.letters import DeadLetter
from ingest.quality import Quality
from ingest.reports import ChoiceReport, EventReport

_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 86_400_000

Cursor = psycopg.Cursor[TupleRow]


class Stored(msgspec.Struct):
    """What some samples came to."""

    stored: int = 0
    duplicate: int = 0
    dead: list[DeadLetter] = []


def instant(epoch_ms: int) -> datetime:
    return _1970 + timedelta(milliseconds=epoch_ms)


def epoch_ms(at: datetime) -> int:
    return (at - _1970) // timedelta(milliseconds=1)


def store_events(cursor: Cursor, reports: Iterable[EventReport]) -> Stored:
    """Store events; the same one with another level is a dead letter."""
    result = Stored()
    insert, compare = sql.load("ingest.store", "insert_event"), sql.load("ingest.store", "same_event")
    for report in reports:
        event = report.event
        values = {
            "vehicle_id": report.vehicle_id,
            "ts": instant(event.ts),
            "received_at": instant(report.received_ms),
            "kind": event.kind,
            "code": event.code,
            "state": event.state,
            "level": event.level,
        }
        if cursor.execute(insert, values).rowcount == 1:
            result.stored += 1
        elif cursor.execute(compare, values).fetchone() == (True,):
            result.duplicate += 1
        else:
            detail = "this event with another level is stored already"
            letter = DeadLetter(report.received_ms, report.topic, "key_conflict", detail, report.payload)
            result.dead.append(letter)
    return result


def store_choices(cursor: Cursor, reports: Iterable[ChoiceReport]) -> Stored:
    """Store what owners chose; whether a choice is in force follows from all of them: ``pii.consent_now``."""
    result = Stored()
    statement = sql.load("ingest.store", "insert_consent")
    for report in reports:
        choice = report.choice
        chosen = chosen_ms(choice.ts, received_ms=report.received_ms)
        new = False
        for purpose, granted in msgspec.structs.asdict(choice.purposes).items():
            if granted is None:
                continue
            values = {
                "vehicle_id": report.vehicle_id,
                "purpose": purpose,
                "granted": granted,
                "policy_version": choice.policy_version,
                "received_at": instant(report.received_ms),
                "chosen_at": instant(chosen),
                "said_ms": max(-(2**63), min(choice.ts, 2**63 - 1)),
                "clock_believed": chosen == choice.ts,
            }
            new |= cursor.execute(statement, values).rowcount == 1
        result.stored += new
        result.duplicate += not new
    return result


def store_positions(cursor: Cursor, positions: Iterable[tuple[int, int, float, float]], *, horizon_ms: int) -> None:
    """Remember where cars were last parked, from (vehicle_id, ts_ms, latitude, longitude)."""
    newest: dict[int, tuple[int, float, float]] = {}
    for vehicle_id, ts_ms, latitude, longitude in positions:
        # A clock that runs ahead would pin the car to a place until the time it claims.
        if ts_ms <= horizon_ms and ts_ms > newest.get(vehicle_id, (-1,))[0]:
            newest[vehicle_id] = (ts_ms, latitude, longitude)
    if newest:
        cursor.executemany(
            sql.load("ingest.store", "upsert_position"),
            [
                {"vehicle_id": vehicle_id, "parked_at": instant(ts_ms), "latitude": latitude, "longitude": longitude}
                for vehicle_id, (ts_ms, latitude, longitude) in sorted(newest.items())
            ],
        )


def note_changed_days(cursor: Cursor, rows: Rows) -> None:
    """Note which days of the cars in ``rows`` got new readings; one whose clock is ahead is of the day it came, too."""
    if len(rows):
        changed = np.column_stack((rows.vehicle_id, rows.ts_ms // _DAY_MS))
        ahead = (rows.quality & Quality.CLOCK_AHEAD) != 0
        if ahead.any():
            came = np.column_stack((rows.vehicle_id[ahead], rows.received_ms[ahead] // _DAY_MS))
            changed = np.concatenate((changed, came))
        changed = np.unique(changed, axis=0)
        cursor.execute(
            sql.load("ingest.store", "add_changed_days"),
            {"vehicle_ids": changed[:, 0].tolist(), "days": changed[:, 1].tolist()},
        )


def store_dead_letters(cursor: Cursor, letters: Sequence[DeadLetter], *, epoch: uuid.UUID) -> None:
    """Keep what could not be stored."""
    if not letters:
        return
    values = [
        {
            **msgspec.structs.asdict(letter),
            # PostgreSQL has no text with NUL in it; a topic may.
            "topic": letter.topic.replace("\0", "\\0"),
            "detail": letter.detail.replace("\0", "\\0")[:2000],
            "received_at": instant(letter.received_ms),
            "epoch": epoch,
        }
        for letter in letters
    ]
    cursor.executemany(sql.load("ingest.store", "insert_dead_letter"), values)
