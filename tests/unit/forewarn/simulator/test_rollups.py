"""Rollups made without a database: what ingest's own rows, added up one by one, come to."""

import math
from collections import defaultdict
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.signals import Catalogue, Signal, catalogue
from forewarn.simulator.readings import STATES, Readings
from forewarn.simulator.rollups import roll_up
from ingest.batch import RowGatherer, Rows, Source
from ingest.dedupe import split_repeats
from ingest.layout import Layout
from ingest.quality import Quality
from ingest.store.given import Rollups
from ingest.store.readings import REGIMES
from ingest.store.timeseries.rollups import rollup_columns
from ingest.telemetry import TelemetryDecoder

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
AHEAD_S = 300
START_MS = 1_772_323_200_000  # 2026-03-01
BATTERY = "Vehicle.Powertrain.TractionBattery"
AIR, INSULATION = "Vehicle.Exterior.AirTemperature", f"{BATTERY}.InsulationResistance"
LV, STATE, SPEED = "Vehicle.LowVoltageBattery.CurrentVoltage", "Vehicle.LowVoltageSystemState", "Vehicle.Speed"
CHARGING, WARNING, LOWEST = f"{BATTERY}.Charging.IsCharging", f"{BATTERY}.WarningLevel", f"{BATTERY}.CellVoltage.Min"
ODOMETER, CURRENT = "Vehicle.TraveledDistance", f"{BATTERY}.CurrentCurrent"
CELLS = f"{BATTERY}.CellVoltage.CellVoltages"
HUMIDITY = Signal(
    path="Vehicle.Exterior.Humidity", column="humidity_pct", type="real", on=("bev",), zh="湿度", en="humidity"
)
MORE = Catalogue((*catalogue().signals, HUMIDITY))

# Some of each are out of the signal's range, at its ends, or where a regime or a band of temperature changes.
VALUES: dict[str, st.SearchStrategy[float]] = {
    AIR: st.sampled_from([-0.1, 0.0, 14.9, 15.0, 28.0, 39.6]) | st.floats(-60, 70),
    INSULATION: st.floats(-100, 70_000),
    LV: st.floats(3, 19),
    STATE: st.sampled_from([float(number) for number in range(len(STATES))]),
    SPEED: st.just(0.0) | st.floats(-1, 310),
    CHARGING: st.sampled_from([0.0, 1.0]),
    WARNING: st.sampled_from([float(level) for level in range(-1, 7)]),
    LOWEST: st.floats(0.4, 5.1),
    ODOMETER: st.floats(0, 2_000_001),
    CURRENT: st.sampled_from([-2.0, 2.0, 2.05]) | st.floats(-50, 50),
    HUMIDITY.path: st.floats(0, 100),
    "Vehicle.CurrentLocation.Latitude": st.floats(-90, 90),
}


@st.composite
def readings(draw: st.DrawFn) -> Readings:
    """Readings in any order of receipt: late, at one instant, sent twice, ahead of their time."""
    minutes = st.integers(-3, 3 * 24 * 60)
    late_ms = st.sampled_from([0, 500, 500, 90_000, DAY_MS, 2 * DAY_MS, -AHEAD_S * 1000, -AHEAD_S * 1000 - 1, -HOUR_MS])
    keys = draw(st.lists(st.tuples(minutes, st.integers(0, 1), late_ms), max_size=25))
    keys.sort(key=lambda key: key[:2])
    ts = np.array([START_MS + minute * 60_000 for minute, _, _ in keys], dtype=np.int64)
    count = len(keys)
    columns = {}
    for path in draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True)):
        values = st.lists(VALUES[path] | st.just(math.nan), min_size=count, max_size=count)
        columns[path] = np.array(draw(values), dtype=np.float64)
    cells = draw(st.sampled_from([0, 1, 4, 5]))
    packs = draw(
        st.lists(st.lists(st.sampled_from([0, 3600, 3605, 3650, 5200]), min_size=cells, max_size=cells), max_size=6)
    )
    places = draw(st.permutations(range(count)))[: len(packs)]
    cell_row = np.full(count, -1)
    cell_row[places] = np.arange(len(places))
    return Readings(
        ts_ms=ts,
        received_ms=ts + np.array([late for _, _, late in keys], dtype=np.int64),
        message=np.arange(count),
        seq=np.array([seq for _, seq, _ in keys], dtype=np.int64),
        columns=columns,
        cell_mv=np.array(packs, dtype=np.int16).reshape(len(packs), cells),
        probe_c=np.zeros((len(packs), 0), dtype=np.int16),
        cell_row=cell_row,
    )


def stored(given: Readings, signals: Catalogue) -> Rows:
    """Return what ingest would store of them, received in the order of receipt."""
    layout = Layout(signals)
    decoder, gatherer = TelemetryDecoder(layout), RowGatherer(layout)
    for row in np.argsort(given.received_ms, kind="stable").tolist():
        values: dict[str, Any] = {}
        for path, column in given.columns.items():
            if not math.isnan(column[row]):
                kind = signals.by_path[path].type
                convert = {"text": lambda value: STATES[int(value)], "integer": int, "boolean": bool}.get(kind, float)
                values[path] = convert(column[row])
        if given.cell_row[row] >= 0:
            values[CELLS] = (given.cell_mv[given.cell_row[row]] / 1000).tolist()
        sample = {"ts": int(given.ts_ms[row]), "seq": int(given.seq[row]), "signals": values}
        decoded = decoder.decode(msgspec.json.encode({"samples": [sample]}), vin="V")
        assert not decoded.bad
        gatherer.add(Source(1, int(given.received_ms[row]), "t"), decoded.samples, decoded.oddities)
    rows = gatherer.rows(clock_ahead_ms=AHEAD_S * 1000)
    first, _, _ = split_repeats(rows, layout)
    rows = rows.take(first)
    return rows.take(np.flatnonzero((rows.quality & Quality.CLOCK_AHEAD) == 0))


def expected(rows: Rows, signals: Catalogue, bucket_ms: int) -> dict[tuple[int, int, str], dict[str, float]]:
    """Add the rows up one by one."""
    layout = Layout(signals)
    state = rows.texts[[signal.column for signal in layout.texts].index("lv_system_state")]
    groups: dict[tuple[int, int, str], list[int]] = defaultdict(list)
    for row in range(len(rows)):
        charging, rest = (rows.numeric[row, layout.index[name]] == 1 for name in ("is_charging", "at_rest"))
        regime = "charge" if charging else "rest" if rest else "drive"
        day = int(rows.received_ms[row]) // DAY_MS
        groups[int(rows.ts_ms[row]) // bucket_ms * bucket_ms, day, regime].append(row)
    found: dict[tuple[int, int, str], dict[str, float]] = {}
    for key, members in groups.items():
        made: dict[str, float] = {"n": len(members)}
        at = {
            signal.column: [
                (row, _stored(signal, rows.numeric[row, layout.index[signal.column]]))
                for row in members
                if not math.isnan(rows.numeric[row, layout.index[signal.column]])
            ]
            for signal in layout.numeric
        }
        for signal in signals.rolled_up:
            made |= _aggregates(signal.column, at[signal.column], rows)
            if signal.type != "boolean" and at[signal.column]:
                values = [value for _, value in at[signal.column]]
                made |= {f"{signal.column}__min": min(values), f"{signal.column}__max": max(values)}
                last, value = at[signal.column][-1]
                made |= {f"{signal.column}__last": value, f"{signal.column}__last_at": float(rows.ts_ms[last])}
        air = dict(at["air_temp_c"])
        for band, (low, high) in {"frost": (-99, 0), "cool": (0, 15), "mild": (15, 28), "hot": (28, 99)}.items():
            some = [value for row, value in at["insulation_kohm"] if row in air and low <= air[row] < high]
            made |= {f"insulation_kohm__{band}_n": len(some)}
            made |= (
                {f"insulation_kohm__{band}_sum": sum(some), f"insulation_kohm__{band}_min": min(some)} if some else {}
            )
        cranks = [value for row, value in at["lv_battery_v"] if state[row] == "START"]
        made |= {"lv_battery_v__crank_n": len(cranks)} | ({"lv_battery_v__crank_min": min(cranks)} if cranks else {})
        found[key] = made
    return found


def _stored(signal: Signal, value: float) -> float:
    return float(np.float32(value)) if signal.type == "real" else float(value)


def _aggregates(name: str, values: list[tuple[int, float]], rows: Rows) -> dict[str, float]:
    made: dict[str, float] = {f"{name}__n": len(values)}
    if values:
        made[f"{name}__sum"] = math.fsum(value for _, value in values)
        made[f"{name}__sumsq"] = math.fsum(value * value for _, value in values)
    return made


def found_in(rollups: Rollups, signals: Catalogue) -> dict[tuple[int, int, str], dict[str, float]]:
    """Return the rows by key, without what is NULL."""
    counts = {column.name for column in rollup_columns(signals) if column.type == "integer"}
    assert set(rollups.columns) <= {column.name for column in rollup_columns(signals)}
    found = {}
    for row in range(len(rollups)):
        key = (int(rollups.bucket_ms[row]), int(rollups.received_on[row]), REGIMES[rollups.regime[row]])
        values = dict.fromkeys(counts, 0.0) | {name: float(column[row]) for name, column in rollups.columns.items()}
        found[key] = {name: value for name, value in values.items() if not math.isnan(value)}
    assert len(found) == len(rollups)
    return found


@pytest.mark.parametrize("signals", [catalogue(), MORE], ids=["catalogue", "a signal more"])
@settings(max_examples=60, deadline=None)
@given(given_readings=readings())
def test_they_are_what_ingests_rows_come_to(signals, given_readings):
    if signals is not MORE:
        given_readings.columns.pop(HUMIDITY.path, None)
    rows = stored(given_readings, signals)
    levels = roll_up(given_readings, signals=signals, clock_ahead_s=AHEAD_S)
    for rollups, bucket_ms in zip(levels, (HOUR_MS, DAY_MS), strict=True):
        found, wanted = found_in(rollups, signals), expected(rows, signals, bucket_ms)
        assert found.keys() == wanted.keys()
        for key, values in wanted.items():
            assert found[key].keys() == values.keys()
            for name, value in values.items():
                if name.endswith(("sum", "sumsq")):
                    scale = max(1.0, abs(value)) if name.endswith("__sum") else abs(value)
                    assert abs(found[key][name] - value) <= 1e-9 * scale, (key, name)
                else:
                    assert found[key][name] == value, (key, name)


def some(**columns: list[float]) -> Readings:
    count = len(next(iter(columns.values())))
    ts = START_MS + np.arange(count) * 60_000
    return Readings(
        ts_ms=ts,
        received_ms=ts + 500,
        message=np.arange(count),
        seq=np.zeros(count, dtype=np.int64),
        columns={path: np.array(values) for path, values in columns.items()},
        cell_mv=np.zeros((0, 0), dtype=np.int16),
        probe_c=np.zeros((0, 0), dtype=np.int16),
        cell_row=np.full(count, -1),
    )


def test_a_car_that_sent_nothing_has_none():
    assert [len(level) for level in roll_up(some(**{SPEED: []}))] == [0, 0]


def test_a_column_is_summed_in_the_precision_in_which_it_is_stored():
    hours, _ = roll_up(some(**{LV: [12.1, 12.2]}))
    assert hours.columns["lv_battery_v__sum"].tolist() == [float(np.float32(12.1)) + float(np.float32(12.2))]
    assert hours.columns["lv_battery_v__min"].tolist() == [float(np.float32(12.1))]


def test_of_a_reading_sent_twice_the_first_received_counts_also_when_its_clock_was_ahead():
    given_readings = some(**{LV: [11.0, 12.0]})
    given_readings.ts_ms[:] = START_MS
    given_readings.received_ms[:] = [START_MS + 9000, START_MS + 500]
    hours, _ = roll_up(given_readings)
    assert hours.columns["lv_battery_v__last"].tolist() == [12.0]
    given_readings.received_ms[1] = START_MS - DAY_MS
    assert [len(level) for level in roll_up(given_readings)] == [0, 0]
