"""Rollups that are given without readings: the rows SQL makes of them, seen by every reader, wiped by no refresh."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pandas as pd
import pytest

from config.settings import IngestSettings, StoreSettings
from config.signals import catalogue
from forewarn.simulator import Fleet, Sampling, messages, simulate_fleet
from forewarn.simulator.readings import Readings
from forewarn.simulator.rollups import roll_up
from ingest import inbox
from ingest.batch import RowGatherer, Source
from ingest.dedupe import split_repeats
from ingest.gate import Gate
from ingest.layout import layout
from ingest.store.connection import connect
from ingest.store.enrolment import enrol
from ingest.store.given import (
    CarHasReadings,
    GivenTwice,
    Rollups,
    check_without_readings,
    encode_rollups,
    write_rollups,
)
from ingest.store.migrate import migrate
from ingest.store.readings import car_history, daily_aggregates
from ingest.store.timeseries.retention import expire
from ingest.store.timeseries.rollups import KEYS
from ingest.store.timeseries.views import relation_with
from ingest.telemetry import TelemetryDecoder
from ingest.writer import Epoch, Writer
from tests import rollups as rolled_by_sql
from tests.given import insert_rollups
from tests.integration.store.readings import COLUMNS, START, fleet
from tests.integration.store.test_catalogue import HUMIDITY, left_out, with_more
from tests.integration.store.test_rollups import rolled

LV, SOC = "Vehicle.LowVoltageBattery.CurrentVoltage", "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"
DAY = timedelta(days=1)
DAY_MS = 86_400_000
LEVELS = ("hour", "day")


def give(store, level, rows: Mapping[int, Rollups], **options) -> int:
    with connect(store.dsn, role="admin") as conn:
        if not store.wasm:
            return write_rollups(conn, level, rows, **options)
        check_without_readings(conn, rows)
        return sum(
            insert_rollups(conn, level, encode_rollups(some, vehicle_id=car, **options), **options)
            for car, some in rows.items()
        )


def give_both(store, rows: Mapping[int, tuple[Rollups, Rollups]], **options) -> None:
    for number, level in enumerate(LEVELS):
        count = give(store, level, {car: levels[number] for car, levels in rows.items()}, **options)
        assert count == sum(len(levels[number]) for levels in rows.values())


def car(*, volts: float = 12.5, days: int = 3, **more: float) -> Readings:
    """A car that reports every ten minutes from START on and says little."""
    count = days * 144
    ts = int(START.timestamp() * 1000) + np.arange(count) * 600_000
    return Readings(
        ts_ms=ts,
        received_ms=ts + 500,
        message=np.arange(count),
        seq=np.zeros(count, dtype=np.int64),
        columns={path: np.full(count, value) for path, value in {LV: volts, **more}.items()},
        cell_mv=np.zeros((0, 0), dtype=np.int16),
        probe_c=np.zeros((0, 0), dtype=np.int16),
        cell_row=np.full(count, -1),
    )


def total(store, level: str) -> dict[int, int]:
    return dict(store.ask(f"SELECT vehicle_id, sum(n)::int FROM telemetry.rollup_{level} GROUP BY 1"))


def untidy(readings: Readings) -> Readings:
    """Some values out of range, some messages late, ahead of their time, or sent twice."""
    rng = np.random.default_rng(5)
    readings.columns[LV][rng.random(len(readings.ts_ms)) < 0.05] = 66.0
    numbers = np.unique(readings.message)
    late, ahead = (rng.choice(numbers, len(numbers) // 10, replace=False) for _ in range(2))
    received = readings.received_ms + 2 * DAY_MS * np.isin(readings.message, late)
    first_ms = readings.ts_ms[np.searchsorted(readings.message, readings.message)]
    received = np.where(np.isin(readings.message, ahead), first_ms - 3_600_000, received)
    again = np.flatnonzero(np.isin(readings.message, rng.choice(numbers, len(numbers) // 10, replace=False)))
    rows = np.r_[np.arange(len(received)), again]
    is_again = np.arange(len(rows)) >= len(received)
    order = np.argsort(readings.ts_ms[rows], kind="stable")
    rows, is_again = rows[order], is_again[order]
    return replace(
        readings,
        ts_ms=readings.ts_ms[rows],
        received_ms=received[rows] + 3 * DAY_MS * is_again,
        message=readings.message[rows] + 1_000_000 * is_again,
        seq=readings.seq[rows],
        columns={path: values[rows] for path, values in readings.columns.items()},
        cell_row=readings.cell_row[rows],
    )


@pytest.fixture(scope="module")
def simulated() -> Fleet:
    made = simulate_fleet(vehicles=3, days=2, seed=11, end=START + 2 * DAY, sampling=Sampling(240, 900, 480))
    return replace(made, vehicles=tuple(replace(v, readings=untidy(v.readings)) for v in made.vehicles))


def store_messages(store, simulated: Fleet, cars: Mapping[str, int]) -> None:
    """Store what the fleet sent as a worker does; where there is no COPY, what it would have copied."""
    sent = [
        inbox.Message(m.topic, m.payload, 1, m.received_ms, 1) for m in messages(simulated) if "events" not in m.topic
    ]
    if not store.wasm:
        epoch = Epoch("test", "bulk", uuid.uuid4(), datetime.now(UTC))
        with connect(store.dsn, role="ingest") as conn:
            writer = Writer(conn, epoch=epoch, gate=Gate(remember_s=60), settings=IngestSettings())
            batch = 0
            while sent:
                batch += 1
                written = writer.write(sent[:500], batch=batch)
                assert written.outcome.dead == written.outcome.refused == 0
                sent = sent[written.messages :]
        return
    decoder, gatherer = TelemetryDecoder(layout()), RowGatherer(layout())
    for message in sent:
        vin = message.topic.split("/")[-2]
        decoded = decoder.decode(message.payload, vin=vin)
        gatherer.add(Source(cars[vin], message.received_ms, message.topic), decoded.samples, decoded.oddities)
    rows = gatherer.rows(clock_ahead_ms=IngestSettings().clock_ahead_s * 1000)
    rows = rows.take(split_repeats(rows, layout())[0])
    instants = [
        [datetime.fromtimestamp(ms / 1000, UTC) for ms in column.tolist()] for column in (rows.ts_ms, rows.received_ms)
    ]
    kinds = [{"integer": int, "boolean": bool}.get(signal.type, float) for signal in layout().numeric]
    numbers = [
        [None if value != value else kind(value) for kind, value in zip(kinds, row, strict=True)]
        for row in rows.numeric.tolist()
    ]
    keys = zip(
        instants[0], rows.vehicle_id.tolist(), rows.seq.tolist(), instants[1], rows.quality.tolist(), strict=True
    )
    names = ["ts", "vehicle_id", "seq", "received_at", "quality", *(signal.column for signal in layout().columns)]
    values = [(*key, *row, *texts) for key, row, *texts in zip(keys, numbers, *rows.texts, strict=True)]
    assert store.insert("vehicle_reading", names, values) == len(values)


def test_they_are_what_sql_makes_of_the_readings_that_ingest_stores(store, simulated):
    with connect(store.dsn, role="admin") as conn:
        cars = enrol(conn, simulated.enrolments, chosen_at=simulated.start)
        twins = [msgspec.structs.replace(enrolment, vin=f"T{enrolment.vin[1:]}") for enrolment in simulated.enrolments]
        given_cars = enrol(conn, twins, chosen_at=simulated.start)
    store_messages(store, simulated, cars)
    rolled_by_sql.roll_up(store.dsn)
    ids = dict(zip(given_cars.values(), cars.values(), strict=True))
    made = {new: roll_up(vehicle.readings) for new, vehicle in zip(ids, simulated.vehicles, strict=True)}
    give_both(store, made)
    for level in LEVELS:
        both = rolled(store, level).copy().reset_index()
        of_sql, of_numpy = (both[both["vehicle_id"].isin(list(some))] for some in (ids.values(), ids))
        of_numpy = of_numpy.assign(vehicle_id=of_numpy["vehicle_id"].map(ids))
        one, other = (table.sort_values(list(KEYS), ignore_index=True) for table in (of_sql, of_numpy))
        assert len(one) == len(other) > 10
        sums = [name for name in one if name.endswith(("_sum", "_sumsq"))]
        pd.testing.assert_frame_equal(one[sums].astype(float), other[sums].astype(float), rtol=1e-9, atol=1e-9)
        pd.testing.assert_frame_equal(one.drop(columns=sums), other.drop(columns=sums), check_exact=True)
        assert {"charge", "rest", "drive"} == set(one["regime"])
        assert one.loc[:, [name for name in one if name.startswith("cell_spread_mv")]].notna().any().all()


def test_readers_see_them_beside_those_of_readings(store):
    store.enrol("LFWA0000000000001", "LFWA0000000000002")
    readings = [row for row in fleet(seed=9) if row[1] == 1]
    store.insert("vehicle_reading", COLUMNS, readings)
    store.note_changed(readings)
    store.refresh()
    columns, until = ["lv_battery_v", "is_charging"], START + 3 * DAY
    with connect(store.dsn, role="models") as conn:
        assert relation_with(conn, "hour", ["n"]).as_string(conn) == 'telemetry."rollup_hour_1"'
        alone = daily_aggregates(conn, columns, since=START, until=until)
    give_both(store, {2: roll_up(car())})
    with connect(store.dsn, role="models") as conn:
        # Who reads a car that was given none pays for none.
        assert relation_with(conn, "hour", ["n"], vehicle_id=1).as_string(conn) == 'telemetry."rollup_hour_1"'
        both = daily_aggregates(conn, columns, since=START, until=until)
        pd.testing.assert_frame_equal(both[both["vehicle_id"] == 1].reset_index(drop=True), alone)
        assert both.loc[both["vehicle_id"] == 2, "n"].tolist() == [144, 144, 144]
        known = daily_aggregates(conn, columns, since=START, until=until, received_before=START + DAY, vehicle_ids=[2])
        assert known["n"].tolist() == [144]
        for resolution, length in (("hour", 72), ("day", 3)):
            seen = car_history(conn, 2, columns, since=START, until=until, resolution=resolution)
            assert len(seen) == length
            assert seen["n"].sum() == 432
            assert seen["lv_battery_v__last"].tolist() == [12.5] * length
        # Nothing finer was given.
        seen = car_history(conn, 2, columns, since=START, until=until, now=until)
        assert len(seen) == 72
        assert len(car_history(conn, 1, columns, since=START, until=until, now=until)) > 72


def test_no_refresh_touches_them(store):
    store.enrol("LFWA0000000000001", "LFWA0000000000002", "LFWA0000000000003", "LFWA0000000000004")
    give_both(store, {4: roll_up(car())})
    before = {level: store.ask(f"SELECT * FROM telemetry.rollup_{level} ORDER BY 1, 2, 3, 4") for level in LEVELS}
    readings = fleet(seed=10)
    store.insert("vehicle_reading", COLUMNS, readings)
    for _ in range(2):
        store.note_changed(readings)
        store.ask("INSERT INTO telemetry.stale_day (vehicle_id, day) VALUES (4, %s)", START.date())
        store.refresh()
    for level in LEVELS:
        query = f"SELECT * FROM telemetry.rollup_{level} WHERE vehicle_id = 4 ORDER BY 1, 2, 3, 4"
        assert store.ask(query) == before[level]
        assert len(total(store, level)) == 4


def test_a_car_with_readings_and_rows_twice_are_refused(store):
    store.enrol("LFWA0000000000001", "LFWA0000000000002")
    readings = [row for row in fleet(seed=9) if row[1] == 1]
    store.insert("vehicle_reading", COLUMNS, readings)
    hours, _ = roll_up(car(days=1))
    with pytest.raises(CarHasReadings, match=r"cannot be given rollups, .*: vehicle_id 1$"):
        give(store, "hour", {1: hours, 2: hours})
    assert give(store, "hour", {2: hours}) == 24
    if not store.wasm:
        with pytest.raises(GivenTwice, match=r"already \(Key \(vehicle_id, bucket.*: erase the cars first"):
            give(store, "hour", {2: hours})
    assert total(store, "hour") == {2: 144}


def test_they_are_erased_with_their_car(store):
    give_both(store, {1: roll_up(car()), 2: roll_up(car())})
    with store.opened() as (conn, engine):
        assert engine.erase(conn, [1]) == 0
    assert [total(store, level) for level in LEVELS] == [{2: 432}] * 2


def test_they_are_kept_as_long_as_the_level_and_recordings_for_ever(store):
    store.enrol("LFWA0000000000001")
    store.enrol("LFWA0000000000002", replayed=True)
    give_both(store, {1: roll_up(car()), 2: roll_up(car())})
    settings = StoreSettings(reading_days=30, minute_days=30, hour_days=50, day_days=60)
    with store.opened() as (conn, engine):
        found = expire(conn, engine, settings, now=START + timedelta(days=52.5))
        assert list(found) == ["rollup_hour"]
        assert expire(conn, engine, settings, now=START + timedelta(days=52.5)) == {}
    assert total(store, "hour") == {1: 144, 2: 432}
    assert total(store, "day") == {1: 432, 2: 432}
    # Nothing is made of their readings, so nothing has to be kept from being made.
    assert store.ask("SELECT * FROM telemetry.expired_before") == []


def test_a_signal_more_is_a_column_of_them(store):
    store.enrol("LFWA0000000000001", "LFWA0000000000002")
    give_both(store, {1: roll_up(car())})
    more = with_more(HUMIDITY)
    store.migrate(more)
    wet = roll_up(car(**{HUMIDITY.path: 40.0}), signals=more)
    give_both(store, {2: wet}, signals=more)
    for level in LEVELS:
        sums = "vehicle_id, sum(n)::int, sum(humidity_pct__sum)"
        assert store.ask(f"SELECT {sums} FROM telemetry.rollup_{level} GROUP BY 1 ORDER BY 1") == [
            (1, 432, None),
            (2, 432, 432 * 40.0),
        ]
        with connect(store.dsn, role="models") as conn:
            for names, expected in ((["n", "humidity_pct__n"], 864), (["n", "lv_battery_v__n"], 864)):
                relation = relation_with(conn, level, names)
                assert conn.execute(b"SELECT sum(n) FROM " + relation.as_bytes(conn)).fetchone() == (expected,)


def test_a_signal_that_is_rolled_up_from_now_on_is_none_of_theirs(empty_store):
    """Days that have rollups are rolled up anew, of readings; these have none."""
    store, less = empty_store, left_out("lv_battery_v")
    store.migrate(less)
    give_both(store, {1: roll_up(car(), signals=less)}, signals=less)
    store.migrate()
    assert store.ask("SELECT count(*) FROM telemetry.stale_day") == [(0,)]
    assert store.ask("SELECT sum(n)::int, sum(lv_battery_v__n) FROM telemetry.rollup_day") == [(432, None)]


def test_they_move_to_timescaledb(made):
    store = made("timescale")
    migrate(store.dsn, StoreSettings(timescaledb="off"))
    store.enrol("LFWA0000000000001", "LFWA0000000000002", "LFWA0000000000003", "LFWA0000000000004")
    readings = fleet(seed=3)
    store.insert("vehicle_reading", COLUMNS, readings)
    store.note_changed(readings)
    store.refresh()
    give_both(store, {4: roll_up(car())})
    before = [total(store, level) for level in LEVELS]
    store.migrate()
    assert [total(store, level) for level in LEVELS] == before
    assert before[0].keys() == {1, 2, 3, 4}


@pytest.mark.parametrize("engine", ["plain", "timescale"])
def test_a_store_of_the_version_before_has_them_after_its_migration(made, engine):
    store = made(engine)
    migrate(store.dsn, StoreSettings(timescaledb="off"), to="0009_expiry")
    store.migrate()
    give_both(store, {1: roll_up(car())})
    assert [total(store, level) for level in LEVELS] == [{1: 432}] * 2
    columns = catalogue().rolled_up
    with connect(store.dsn, role="models") as conn:
        assert len(daily_aggregates(conn, [s.column for s in columns], since=START, until=START + DAY)) == 1
