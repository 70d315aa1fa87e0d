"""The compact copy of the daily rollups says what the rollups say, whatever happened to them since."""

from datetime import UTC, date, timedelta

import numpy as np
import pandas as pd
import pytest

from ingest.store.connection import connect
from ingest.store.day_sums import PARTS, STATISTICS, NotCopied, Share, bring_up_to_date, read_share, shares
from ingest.store.readings import REGIMES, UnknownSignal, daily_aggregates
from tests.integration.store.readings import COLUMNS, START, fleet

SIGNALS = ["lv_battery_v", "insulation_kohm", "is_charging", "odometer_km"]
LAST = START + timedelta(days=40)


@pytest.fixture
def store(made):
    """PostgreSQL alone: TimescaleDB in WebAssembly has no COPY to read by."""
    store = made("plain")
    store.migrate()
    return store


def put(store, rows) -> None:
    store.insert("vehicle_reading", COLUMNS, rows)
    store.note_changed(rows)
    store.refresh()


def bring(store, signals=SIGNALS, since: date | None = None) -> int:
    with connect(store.dsn, role="models") as conn:
        return bring_up_to_date(conn, signals, since=since or START.date())


def copied(store, signals=SIGNALS, *, since=START, until=LAST, received_before=LAST) -> pd.DataFrame:
    days = {"since": since.date(), "until": until.date(), "received_before": received_before.date()}
    with connect(store.dsn, role="models") as conn:
        # Not in their order: that of the cars has to come out all the same.
        sums = read_share(conn, Share(tuple(reversed(range(PARTS)))), signals, **days)
    keys = {
        "vehicle_id": sums.vehicle_id,
        "day": pd.DatetimeIndex(sums.day.astype("datetime64[us]")).tz_localize("UTC"),
        "received_on": pd.DatetimeIndex(sums.received_on.astype("datetime64[us]")).tz_localize("UTC"),
        "regime": pd.Categorical.from_codes(sums.regime, categories=list(REGIMES)),
    }
    every = np.arange(len(sums))
    numbers = {f"{column}__{name}": sums.of(column, name, every) for column in signals for name in STATISTICS}
    found = pd.DataFrame(keys | numbers)
    in_order = found.sort_values(["vehicle_id", "day", "received_on"], kind="stable", ignore_index=True)
    pd.testing.assert_frame_equal(in_order, found)
    return found


def expected(store, signals=SIGNALS, *, since=START, until=LAST, received_before=LAST) -> pd.DataFrame:
    with connect(store.dsn, role="models") as conn:
        rows = daily_aggregates(conn, signals, since=since, until=until, received_before=received_before)
    return rows.drop(columns="n")


def assert_same(found: pd.DataFrame, rollups: pd.DataFrame) -> None:
    assert len(rollups)
    found = found.assign(regime=found["regime"].astype(object)).sort_values(
        ["vehicle_id", "day", "received_on", "regime"], ignore_index=True
    )
    for name in ("day", "received_on"):
        found[name] = found[name].astype(rollups[name].dtype)
    # Single precision, and a count that says 0 where there is no row of its own.
    for name in [name for name in rollups if str(name).endswith("__n")]:
        rollups[name] = rollups[name].fillna(0)
    pd.testing.assert_frame_equal(found, rollups, check_dtype=False, rtol=1e-5, atol=1e-6)


def test_the_copy_says_what_the_rollups_say(store) -> None:
    put(store, fleet(seed=1))
    assert bring(store) > 0
    assert_same(copied(store), expected(store))
    for day in (1, 2, 3):
        known = {"received_before": START + timedelta(days=day), "until": START + timedelta(days=day)}
        assert_same(copied(store, **known), expected(store, **known))


def test_the_shares_of_a_large_fleet_hold_every_car_once(store) -> None:
    """So large that each part is read by ranges of cars."""
    put(store, fleet(seed=1, cars=12))
    bring(store)
    days = {"since": START.date(), "until": LAST.date(), "received_before": LAST.date()}
    divided = shares(np.arange(1, 200), 1, seed=4)
    assert len(divided) > PARTS
    with connect(store.dsn, role="models") as conn:
        found = [read_share(conn, share, SIGNALS, **days) for share in divided]
    rows = sorted(car for one in found for car in one.vehicle_id.tolist())
    assert rows == copied(store)["vehicle_id"].tolist()
    assert len(set(rows)) == 12
    cars = [car for one in found for car in set(one.vehicle_id.tolist())]
    assert len(cars) == len(set(cars))


def test_what_comes_later_and_late_is_copied_and_nothing_else(store) -> None:
    rows = fleet(seed=2, cars=4, days=4)
    put(store, rows[:400])
    bring(store)
    put(store, rows[400:])
    written = bring(store)
    assert 0 < written < len(expected(store))
    assert_same(copied(store), expected(store))
    assert bring(store) == 0


def test_a_column_and_a_day_that_were_not_wanted_before(store) -> None:
    put(store, fleet(seed=3))
    later = START.date() + timedelta(days=1)
    bring(store, SIGNALS[:2], later)
    with pytest.raises(NotCopied, match="days before"):
        copied(store, SIGNALS[:2])
    bring(store, SIGNALS[:2])
    assert_same(copied(store, SIGNALS[:2]), expected(store, SIGNALS[:2]))
    with pytest.raises(NotCopied, match="odometer_km"):
        copied(store)
    bring(store, ["odometer_km", "is_charging"])
    assert_same(copied(store), expected(store))


def test_an_earlier_day_together_with_days_that_changed(store) -> None:
    rows = fleet(seed=4, cars=3, days=4)
    put(store, rows[:300])
    bring(store, since=START.date() + timedelta(days=2))
    put(store, rows[300:])
    bring(store)
    assert_same(copied(store), expected(store))


def test_days_that_nobody_asks_for_any_more_go(store) -> None:
    put(store, fleet(seed=5))
    bring(store)
    assert bring(store, since=START.date() + timedelta(days=20)) == 0
    assert_same(copied(store), expected(store))
    bring(store, since=START.date() + timedelta(days=40))
    assert store.ask("SELECT count(*) FROM telemetry.day_sums") == [(0,)]
    bring(store)
    assert_same(copied(store), expected(store))


def test_an_erased_car_is_erased_here_too(store) -> None:
    put(store, fleet(seed=6))
    bring(store)
    with store.opened() as (conn, engine):
        engine.erase(conn, [2])
    assert set(copied(store)["vehicle_id"]) == {1, 3}
    bring(store)
    assert_same(copied(store), expected(store))


def test_a_signal_that_is_none_is_refused(store) -> None:
    with pytest.raises(UnknownSignal, match="nonsense"):
        bring(store, ["nonsense"])


@pytest.mark.parametrize("engine", ["plain", "timescale"])
def test_each_engine_lists_what_it_rolled_up(made, engine) -> None:
    store = made(engine)
    store.migrate()
    rows = fleet(seed=7, cars=2, days=2)
    put(store, rows)
    days = {(row[1], row[0].astimezone(UTC).date()) for row in rows}
    assert set(store.ask("SELECT vehicle_id, day FROM telemetry.day_sums_stale")) == days
    with store.opened() as (conn, _):
        assert bring_up_to_date(conn, SIGNALS, since=date(2026, 1, 1)) > 0
    assert store.ask("SELECT count(*) FROM telemetry.day_sums_stale") == [(0,)]
    found = store.ask("SELECT count(*) FROM telemetry.day_sums")
    assert found == store.ask("SELECT count(*) FROM telemetry.rollup_day")
