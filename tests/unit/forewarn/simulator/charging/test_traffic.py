"""Traffic as a whole: repeatable, in order, and without a dead letter at the door of ingest."""

from collections import Counter
from datetime import UTC, datetime

import pandas as pd
import pytest

from forewarn.simulator.charging import messages, simulate_charging
from forewarn.simulator.charging.cars import draw_cars
from forewarn.simulator.charging.dangers import KINDS, NEAR_MISSES
from forewarn.simulator.charging.frames import alarm_frame, write_parquet
from forewarn.simulator.charging.traffic import stations_of
from forewarn.simulator.charging.truth import COLUMNS
from ingest import topics
from ingest.charging import charger_row, decode_alarm, decode_charger
from ingest.telemetry import TelemetryDecoder

START = datetime(2026, 7, 1, tzinfo=UTC)


def simulate(*, seed=3, stations=8, dangers=6, near_misses=3, cars=14, **options):
    _, visits = draw_cars(cars, stations_of(max(stations, 1), seed=seed), start=START, days=1, seed=seed)
    return simulate_charging(
        stations=stations,
        days=1,
        seed=seed,
        start=START,
        visits=visits,
        dangers=dangers,
        near_misses=near_misses,
        public_per_day=0.5,
        **options,
    )


@pytest.fixture(scope="module")
def traffic():
    return simulate()


@pytest.fixture(scope="module")
def runs(traffic):
    return list(traffic.runs())


def test_ingest_finds_no_dead_letter_and_everything_in_order(traffic):
    decoder = TelemetryDecoder()
    kinds: Counter[str] = Counter()
    keys = set()
    last_ms = 0
    for message in messages(traffic):
        topic = topics.parse(message.topic)
        assert topic.received_ms == message.received_ms >= last_ms
        assert message.samples == 1
        last_ms = message.received_ms
        kinds[topic.kind] += 1
        if topic.kind == "charger":
            decoded = decode_charger(message.payload)
            assert not decoded.bad
            assert decoded.session_id
            assert charger_row(decoded.samples[0])["quality"] == 0
            keys.add((topic.at, decoded.samples[0].ts))
        elif topic.kind == "alarm":
            alarm = decode_alarm(message.payload)
            keys.add((topic.at, alarm.id, alarm.state, alarm.ts, alarm.severity))
        else:
            assert topic.kind == "charging"
            heard = decoder.decode(message.payload, vin=topic.vin)
            assert not heard.bad
            assert not heard.oddities
            keys.add((topic.vin, heard.samples[0].ts))
    assert set(kinds) == {"charger", "charging", "alarm"}
    assert len(keys) == sum(kinds.values())


def test_the_same_seed_gives_the_same_bytes():
    def small(seed):
        return list(messages(simulate(seed=seed, stations=2, dangers=2, near_misses=1, cars=6)))

    assert small(5) == small(5)
    assert small(5) != small(6)


def test_truth_names_every_danger_and_near_miss(traffic, runs):
    rows = [row for run in runs for row in run.truth]
    dangers = [row for row in rows if row.what == "danger"]
    assert {row.kind for row in dangers} <= set(KINDS)
    wanted = traffic.kinds
    placed = {(run.session.visit.vin, run.session.visit.started_ms) for run in runs if run.car is not None}
    assert len(dangers) == sum(kind in KINDS and key in placed for key, kind in wanted.items()) >= 5
    assert sum(row.what == "near_miss" for row in rows) == sum(
        kind in NEAR_MISSES and key in placed for key, kind in wanted.items()
    )
    for run in runs:
        if run.danger is None:
            assert run.happening.gb38031_row is None
            assert run.happening.condition_row is None


def test_meters_only_ever_count_up(runs):
    last = {}
    for run in runs:
        register = run.pile.columns["Energy.Active.Import.Register"]
        if len(register):
            at = run.session.connector.at
            assert register[0] >= last.get(at, 0.0)
            last[at] = register[-1]


def test_failed_starts_have_no_power(runs):
    failed = [run for run in runs if run.session.failed]
    for run in failed:
        assert run.car is None
        assert not run.pile.columns["Power.Active.Import"].any()


def test_a_car_measures_beside_the_full_second(runs):
    assert all((run.car.ts_ms % 1000 != 0).all() for run in runs if run.car is not None)


def test_parquet_has_what_was_sent_and_keeps_the_truth_apart(traffic, runs, tmp_path):
    rows = write_parquet(traffic, tmp_path)
    charging = pd.concat(pd.read_parquet(path) for path in sorted(tmp_path.glob("charging/*/*.parquet")))
    cars = pd.concat(pd.read_parquet(path) for path in sorted(tmp_path.glob("car_charging/*/*.parquet")))
    alarms = alarm_frame(runs)
    assert rows == len(charging) + len(cars) + len(alarms)
    assert len(charging) == sum(len(run.pile.ts_ms) for run in runs)
    truth = pd.read_parquet(tmp_path / "truth" / "charging.parquet")
    assert tuple(truth) == COLUMNS
    assert str(truth["onset_at"].dt.tz) == "UTC"
    stations = pd.read_parquet(tmp_path / "stations.parquet")
    assert len(stations) == sum(len(station.connectors) for station in traffic.stations)


def test_a_stop_reaches_the_car_it_is_meant_for(traffic, runs):
    burning = next(run for run in runs if run.danger is not None and run.danger.is_danger)
    vin, at_ms = burning.session.visit.vin, burning.session.started_ms + 60_000
    stopped = next(run for run in simulate(stopped_at_ms={vin: at_ms}).runs() if run.car and run.car.vin == vin)
    assert burning.happening.energy_kwh[-1] > 2 * stopped.happening.energy_kwh[-1]


@pytest.mark.parametrize("wrong", [{"dangers": 200}, {"stations": 0}])
def test_what_cannot_be_simulated_is_refused(wrong):
    with pytest.raises(ValueError, match=r"no visit is left|at least one station"):
        simulate(**wrong)
