"""One car's history as a frame: any signals, any time, any resolution, as it was known at any time."""

from datetime import timedelta

import pandas as pd
import pytest

from config.settings import StoreSettings
from ingest.store.connection import connect
from ingest.store.readings import UnknownSignal, car_history, resolution_for
from ingest.store.timeseries.retention import expire
from tests.integration.store.readings import CLOCK_AHEAD, COLUMNS, START, fleet

DAYS = 3
_FREQUENCY = {"minute": "min", "hour": "h", "day": "D"}


@pytest.fixture
def history(store):
    """A function that reads the history of car 1, and its readings as a table."""
    readings = fleet(seed=41, days=DAYS)
    store.insert("vehicle_reading", COLUMNS, readings)
    cells = [(*row[:4], [3.5, 3.6], [20.0]) for row in readings[::2]]
    store.insert("cell_reading", [*COLUMNS[:4], "cell_v", "probe_c"], cells)
    store.note_changed(readings)
    store.refresh()
    table = pd.DataFrame(readings, columns=COLUMNS)
    table = table[table["vehicle_id"] == 1].sort_values(["ts", "seq"])

    def read(*columns, **options):
        span = {"since": START, "until": START + timedelta(days=DAYS), "now": START + timedelta(days=DAYS), **options}
        with connect(store.dsn, role="models") as conn:
            return car_history(conn, 1, columns, **span)

    return read, table


def test_raw_gives_what_was_measured_also_what_is_flagged(history):
    read, table = history
    found = read("lv_battery_v", "is_charging", "lv_system_state", resolution="raw")
    assert list(found.columns) == [
        "ts",
        "seq",
        "received_at",
        "quality",
        "lv_battery_v",
        "is_charging",
        "lv_system_state",
    ]
    assert found["ts"].tolist() == table["ts"].tolist()
    assert found["lv_battery_v"].to_numpy() == pytest.approx(table["lv_battery_v"].astype(float), nan_ok=True)
    assert found["lv_system_state"].tolist() == table["lv_system_state"].tolist()
    assert str(found["ts"].dtype) == "datetime64[us, UTC]"


def test_raw_gives_cells_beside_the_reading(history):
    read, table = history
    found = read("lv_battery_v", "cell_v", resolution="raw", until=START + timedelta(days=1))
    assert len(found) == (table["ts"] < START + timedelta(days=1)).sum()
    with_cells = found["cell_v"].dropna()
    assert 0 < len(with_cells) < len(found)
    assert with_cells.iloc[0] == pytest.approx([3.5, 3.6])


@pytest.mark.parametrize("resolution", ["minute", "hour", "day"])
def test_buckets_are_those_of_the_readings(history, resolution):
    read, table = history
    found = read("lv_battery_v", "is_charging", resolution=resolution).set_index("ts")
    known = table[(table["quality"] & CLOCK_AHEAD) == 0]
    groups = known.groupby(known["ts"].dt.floor(_FREQUENCY[resolution]))
    assert found.index.tolist() == list(groups.groups)
    assert found["n"].tolist() == groups.size().tolist()
    volts = groups["lv_battery_v"]
    for name, wanted in {
        "lv_battery_v": volts.mean(),
        "lv_battery_v__n": volts.count(),
        "lv_battery_v__min": volts.min(),
        "lv_battery_v__max": volts.max(),
    }.items():
        assert found[name].to_numpy(dtype=float) == pytest.approx(
            wanted.to_numpy(dtype=float), rel=1e-6, nan_ok=True
        ), name
    # Of two in one instant and two regimes either is the last one.
    lone = known[~known["ts"].duplicated(keep=False)].dropna(subset="lv_battery_v")
    last = lone.groupby(lone["ts"].dt.floor(_FREQUENCY[resolution]))[["ts", "lv_battery_v"]].last()
    latest = known.dropna(subset="lv_battery_v").groupby(known["ts"].dt.floor(_FREQUENCY[resolution]))["ts"].max()
    last = last[last["ts"] == latest.reindex(last.index)]["lv_battery_v"]
    assert len(last) > 2
    assert found["lv_battery_v__last"].reindex(last.index).to_numpy() == pytest.approx(
        last.to_numpy(dtype=float), rel=1e-6
    )
    share = groups["is_charging"].agg(lambda states: states.dropna().astype(float).mean())
    assert found["is_charging"].to_numpy(dtype=float) == pytest.approx(share.to_numpy(dtype=float), nan_ok=True)


@pytest.mark.parametrize("resolution", ["raw", "hour", "day"])
def test_a_past_midnight_knows_only_what_had_been_received(history, resolution):
    read, table = history
    midnight = START + timedelta(days=1)
    found = read("lv_battery_v", resolution=resolution, received_before=midnight)
    known = table[table["received_at"] < midnight]
    assert 0 < len(known) < len(table)
    if resolution == "raw":
        assert found["ts"].tolist() == known["ts"].tolist()
    else:
        assert found["n"].sum() == ((known["quality"] & CLOCK_AHEAD) == 0).sum()


def test_raw_knows_any_instant_of_receipt_and_rollups_only_midnights(history):
    read, table = history
    noon = START + timedelta(hours=36)
    assert len(read("soc_pct", resolution="raw", received_before=noon)) == (table["received_at"] < noon).sum()
    with pytest.raises(ValueError, match="received_before is a UTC midnight"):
        read("soc_pct", resolution="hour", received_before=noon)


@pytest.mark.parametrize(
    ("days", "chosen"), [(1, "raw"), (2, "raw"), (5, "minute"), (90, "hour"), (365, "hour"), (800, "day")]
)
def test_the_resolution_follows_the_time_asked_for(history, days, chosen):
    assert resolution_for(timedelta(days=days)) == chosen
    read, _ = history
    found = read("lv_battery_v", until=START + timedelta(days=days))
    assert ("received_at" in found.columns) == (chosen == "raw")
    pd.testing.assert_frame_equal(found, read("lv_battery_v", until=START + timedelta(days=days), resolution=chosen))


@pytest.mark.parametrize(
    ("span_d", "age_d", "chosen"),
    [(2, 400, "raw"), (2, 401, "hour"), (7, 90, "minute"), (7, 91, "hour"), (7, 1101, "day"), (800, 5000, "day")],
)
def test_it_is_one_that_is_still_kept(span_d, age_d, chosen):
    assert resolution_for(timedelta(days=span_d), age=timedelta(days=age_d)) == chosen


def test_it_is_one_that_these_settings_keep():
    span, age = timedelta(days=7), timedelta(days=91)
    assert resolution_for(span, age=age, store=StoreSettings(minute_days=91)) == "minute"


def test_what_has_been_expired_is_read_from_what_is_left(store):
    ordinary, recording = store.enrol("LFWA0000000000001")["LFWA0000000000001"], 2
    assert store.enrol("LFWA0000000000002", replayed=True) == {"LFWA0000000000002": recording}
    readings = fleet(seed=42, cars=2, days=DAYS)
    store.insert("vehicle_reading", COLUMNS, readings)
    store.note_changed(readings)
    store.refresh()
    now = START + timedelta(days=150)
    with store.opened() as (conn, engine):
        expire(conn, engine, StoreSettings(), now=now)
        span = {"since": START, "until": START + timedelta(days=7), "now": now}
        found = {car: len(car_history(conn, car, ["lv_battery_v"], **span)) for car in (ordinary, recording)}
        hours = len(car_history(conn, ordinary, ["lv_battery_v"], resolution="hour", **span))
        assert car_history(conn, ordinary, ["lv_battery_v"], resolution="minute", **span).empty
    assert 0 < found[ordinary] == hours < found[recording]


def test_nothing_stored_is_an_empty_frame_with_its_columns(history):
    read, _ = history
    empty = {"since": START - timedelta(days=9), "until": START - timedelta(days=8)}
    for resolution in ("raw", "minute", "hour", "day"):
        found = read("lv_battery_v", resolution=resolution, **empty)
        assert found.empty
        assert "lv_battery_v" in found.columns
        assert str(found["ts"].dtype) == "datetime64[us, UTC]"


@pytest.mark.parametrize(
    ("column", "resolution"),
    [("nothing", "raw"), ("lv_system_state", "hour"), ("cell_low_number", "day"), ("latitude", "raw")],
)
def test_a_signal_that_is_not_there_is_told(history, column, resolution):
    read, _ = history
    with pytest.raises(UnknownSignal, match=column):
        read(column, resolution=resolution)
