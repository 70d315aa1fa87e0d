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
from ingest.events import ConsentChoice, Event
from ingest.quality import Quality
from ingest.sorting import DeadLetter

_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 86_400_000

Cursor = psycopg.Cursor[TupleRow]


def instant(epoch_ms: int) -> datetime:
    return _1970 + timedelta(milliseconds=epoch_ms)


def epoch_ms(at: datetime) -> int:
    return (at - _1970) // timedelta(milliseconds=1)


def store_events(cursor: Cursor, events: Iterable[tuple[int, int, Event]]) -> list[bool]:
    """Store (vehicle_id, received_ms, event); return for each whether it was new."""
    statement = sql.load("ingest.store", "insert_event")
    results = []
    for vehicle_id, received_ms, event in events:
        values = {
            "vehicle_id": vehicle_id,
            "ts": instant(event.ts),
            "received_at": instant(received_ms),
            "kind": event.kind,
            "code": event.code,
            "state": event.state,
            "level": event.level,
        }
        results.append(cursor.execute(statement, values).rowcount == 1)
    return results


def store_choices(cursor: Cursor, choices: Iterable[tuple[int, str, ConsentChoice]]) -> list[bool]:
    """Store (vehicle_id, VIN, choice); return for each whether it said anything new."""
    statement = sql.load("ingest.store", "insert_consent")
    results = []
    for vehicle_id, _, choice in choices:
        new = False
        for purpose, granted in msgspec.structs.asdict(choice.purposes).items():
            if granted is None:
                continue
            values = {
                "vehicle_id": vehicle_id,
                "purpose": purpose,
                "granted": granted,
                "policy_version": choice.policy_version,
                "chosen_at": instant(choice.ts),
            }
            new |= cursor.execute(statement, values).rowcount == 1
        results.append(new)
    return results


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
