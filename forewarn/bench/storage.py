"""How much room readings take and how fast they are found again, on the server that the settings name.

docs/benchmarks.md says what is measured and why.
"""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import chain
from statistics import median
from typing import Any

import msgspec
import psycopg

from config import sql as sql_files
from config.settings import IngestSettings, Settings
from config.signals import catalogue
from forewarn.bench.databases import own_database, server
from forewarn.direct import DirectWriter
from forewarn.message import Message
from forewarn.progress import progress_bar
from forewarn.simulator import Fleet, Sampling, messages, simulate_fleet
from ingest.store.connection import connect
from ingest.store.enrolment import enrol
from ingest.store.migrate import migrate
from ingest.store.readings import car_history
from ingest.store.timeseries.detect import engine_of
from ingest.store.timeseries.engine import Engine

# A driving car reports every 10 s, the densest that the fleet's telemetry is.
_DENSE = Sampling(drive_s=10.0, charge_s=30.0, cells_s=40.0)
_YEAR = timedelta(days=365)
# What a page shows of a car at once.
_COLUMNS = ("soc_pct", "pack_v", "lv_battery_v", "cell_spread_mv", "cell_low_dev_mv", "insulation_kohm")
_READS = 15
# Every so many messages one comes late, after its chunk went to the columnstore.
_LATE_EVERY = 20

Connection = psycopg.Connection[tuple[Any, ...]]
Say = Callable[[str], None]


class Room(msgspec.Struct, frozen=True):
    """Bytes of the readings and of their cells, indexes included."""

    readings: int
    cells: int

    @property
    def total(self) -> int:
        return self.readings + self.cells


class StorageResult(msgspec.Struct, frozen=True, kw_only=True):
    """What ``forewarn bench storage`` prints, by these names. None is what this engine has not.

    Bytes are those of the readings and of their cells with all indexes, by reading; ``cells_share`` is what part of
    ``rowstore_bytes_per_row`` belongs to the cells, ``cells_ratio`` their own ratio.
    """

    engine: str
    cars: int
    days: int
    rows: int
    rowstore_bytes_per_row: float
    columnstore_bytes_per_row: float | None
    ratio: float | None
    readings_ratio: float | None
    cells_ratio: float | None
    cells_share: float
    year_of_one_car_ms: float
    late_rows: int
    late_rows_per_s: float
    refresh_day_s: float
    refresh_day_rows: int


def bench_storage(settings: Settings, *, cars: int, days: int, say: Say) -> StorageResult:
    """Measure in a database of the benchmark's own, which is dropped afterwards.

    settings : ``database.dsn`` names the server; None is a PostgreSQL of our own in a temporary folder
    Raises   : UserMistake
    """
    with server(settings) as dsn, own_database(dsn) as ours:
        migrate(ours, settings.store)
        return _measure(ours, settings, cars=cars, days=days, say=say)


def _measure(dsn: str, settings: Settings, *, cars: int, days: int, say: Say) -> StorageResult:
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with progress_bar(f"Simulating {cars} cars for {days} days", total=cars) as advance:
        fleet = simulate_fleet(vehicles=cars, days=days, seed=2, end=end, sampling=_DENSE, on_progress=advance)
    with connect(dsn, role="admin") as conn:
        enrol(conn, fleet.enrolments, chosen_at=fleet.start)
    on_time, late = _held_back(fleet)
    with connect(dsn, role="admin", autocommit=True) as conn:
        engine = engine_of(conn)
        say("Storing them")
        rows, _ = _store(dsn, settings.ingest, on_time)
        rowstore = _room(conn, engine)
        say("Rolling up all days but one, then the last one")
        refresh_day_s, refresh_day_rows = _refresh(conn, end.date() - timedelta(days=2))
        say("Moving them to the columnstore")
        columnstore = _columnstore_room(conn, engine)
        say("Storing late ones")
        late_rows, late_s = _store(dsn, settings.ingest, late)
        year_ms = _year_of_one_car(dsn, settings, conn, end=end, say=say)
    return StorageResult(
        engine=engine.name,
        cars=cars,
        days=days,
        rows=rows,
        rowstore_bytes_per_row=round(rowstore.total / rows, 1),
        columnstore_bytes_per_row=None if columnstore is None else round(columnstore.total / rows, 1),
        ratio=_ratio(columnstore, rowstore, lambda room: room.total),
        readings_ratio=_ratio(columnstore, rowstore, lambda room: room.readings),
        cells_ratio=_ratio(columnstore, rowstore, lambda room: room.cells),
        cells_share=round(rowstore.cells / rowstore.total, 3),
        year_of_one_car_ms=round(year_ms, 1),
        late_rows=late_rows,
        late_rows_per_s=round(late_rows / late_s, 1),
        refresh_day_s=round(refresh_day_s, 3),
        refresh_day_rows=refresh_day_rows,
    )


def _room(conn: Connection, engine: Engine) -> Room:
    return Room(engine.size_bytes(conn, "vehicle_reading"), engine.size_bytes(conn, "cell_reading"))


def _columnstore_room(conn: Connection, engine: Engine) -> Room | None:
    moved = [engine.compress(conn, table) for table in ("vehicle_reading", "cell_reading")]
    return _room(conn, engine) if all(moved) else None


def _held_back(fleet: Fleet) -> tuple[list[Message], list[Message]]:
    """Return the fleet's messages, and those that are to come late."""
    all_of_them = list(messages(fleet))
    late = all_of_them[::_LATE_EVERY]
    return [message for number, message in enumerate(all_of_them) if number % _LATE_EVERY], late


def _store(dsn: str, ingest: IngestSettings, given: Iterable[Message]) -> tuple[int, float]:
    """Store messages as a worker does, from the first transaction to the last COMMIT; return (readings, seconds)."""
    with connect(dsn, role="ingest") as conn:
        writer = DirectWriter(conn, ingest, name="bench")
        # Simulated before the clock runs.
        waiting = list(given)
        began = time.perf_counter()
        outcome = writer.write(waiting)
        took_s = time.perf_counter() - began
    return outcome.stored, took_s


def _refresh(conn: Connection, last: Any) -> tuple[float, int]:
    """Roll up every day but one, then that one; return what it took and how many readings it has."""
    conn.execute(sql_files.load("ingest.store", "all_days_stale"))
    engine = engine_of(conn)
    conn.execute("DELETE FROM telemetry.stale_day WHERE day = %s", (last,))
    engine.refresh(conn, catalogue(), minutes_from=None)
    conn.execute(sql_files.load("forewarn.bench", "one_day_stale"), (last,))
    began = time.perf_counter()
    engine.refresh(conn, catalogue(), minutes_from=None)
    took_s = time.perf_counter() - began
    row = conn.execute(
        "SELECT coalesce(sum(n), 0) FROM telemetry.rollup_day WHERE bucket = %s::timestamp AT TIME ZONE 'UTC'", (last,)
    ).fetchone()
    return took_s, int(row[0]) if row else 0


def _year_of_one_car(dsn: str, settings: Settings, conn: Connection, *, end: datetime, say: Say) -> float:
    """Return the median of how long a year of one car's hourly rollups takes to become a frame, in ms."""
    say("Storing a year of one car and rolling it up")
    fleet = simulate_fleet(vehicles=1, days=_YEAR.days, seed=3, end=end, sampling=_DENSE)
    (vehicle_id,) = enrol(conn, fleet.enrolments, chosen_at=fleet.start).values()
    _store(dsn, settings.ingest, chain(messages(fleet)))
    conn.execute(sql_files.load("forewarn.bench", "one_car_stale"), (vehicle_id,))
    engine_of(conn).refresh(conn, catalogue(), minutes_from=None)
    engine_of(conn).compress(conn, "rollup_hour")
    say("Reading the year")
    took_ms = []
    with connect(dsn, role="models", autocommit=True) as reader:
        for _ in range(_READS):
            began = time.perf_counter()
            found = car_history(
                reader, vehicle_id, _COLUMNS, since=end - _YEAR, until=end, resolution="hour", received_before=end
            )
            took_ms.append((time.perf_counter() - began) * 1000)
            assert len(found) > _YEAR.days
    # The first one plans and fills caches, as the first page of a day does; the median is what people wait for.
    return median(took_ms)


def _ratio(columnstore: Room | None, rowstore: Room, of: Callable[[Room], int]) -> float | None:
    return None if columnstore is None or not of(rowstore) else round(of(columnstore) / of(rowstore), 3)
