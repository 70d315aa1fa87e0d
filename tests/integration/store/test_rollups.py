"""Rollups: the same from both engines, and what the readings say, whatever came late or twice."""

import math
from datetime import UTC, date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from config.signals import catalogue
from ingest.store.timeseries.rollups import INSULATION_BANDS, KEYS, LEVELS, rollup_columns
from tests.integration.store.readings import CLOCK_AHEAD, COLUMNS, START, Row, fleet
from tests.integration.store.test_upgrade import at_revision, store_something

_FREQUENCY = {"minute": "min", "hour": "h", "day": "D"}


def rolled(store, level: str) -> pd.DataFrame:
    names = [*KEYS, *(column.name for column in rollup_columns(catalogue()))]
    rows = store.ask(f"SELECT {', '.join(names)} FROM telemetry.rollup_{level} ORDER BY {', '.join(KEYS)}")
    table = pd.DataFrame(rows, columns=names)
    # One of the servers calls it GMT.
    for name in table.columns[table.dtypes.map(lambda dtype: isinstance(dtype, pd.DatetimeTZDtype))]:
        table[name] = table[name].dt.tz_convert("UTC")
    # Hundreds of columns that were put in one by one lie apart in memory.
    return table.set_index(list(KEYS)).copy()


def expected(rows: list[Row], level: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Work out some columns of every row of a rollup from the readings, without SQL."""
    table = pd.DataFrame(rows, columns=COLUMNS).drop_duplicates(["vehicle_id", "ts", "seq"])
    table = table[(table["quality"] & CLOCK_AHEAD) == 0]
    table["bucket"] = table["ts"].dt.floor(_FREQUENCY[level])
    table["received_on"] = table["received_at"].dt.date
    table["regime"] = np.where(
        table["is_charging"] == True,  # noqa: E712 -- NULL is neither
        "charge",
        np.where(table["at_rest"] == True, "rest", "drive"),  # noqa: E712
    )
    found = {}
    for key, group in table.sort_values(["ts", "seq"]).groupby(list(KEYS)):
        volts, insulation = group["lv_battery_v"].dropna(), group["insulation_kohm"]
        cranking = group.loc[group["lv_system_state"] == "START", "lv_battery_v"].dropna()
        air = group["air_temp_c"]
        bands = {"frost": air < 0, "cool": (air >= 0) & (air < 15), "mild": (air >= 15) & (air < 28), "hot": air >= 28}
        assert bands.keys() == INSULATION_BANDS.keys()
        found[key] = {
            "n": len(group),
            "lv_battery_v__n": len(volts),
            "lv_battery_v__sum": volts.sum() if len(volts) else math.nan,
            "lv_battery_v__sumsq": (volts**2).sum() if len(volts) else math.nan,
            "lv_battery_v__min": volts.min(),
            "lv_battery_v__max": volts.max(),
            "lv_battery_v__last": volts.iloc[-1] if len(volts) else math.nan,
            "lv_battery_v__crank_n": len(cranking),
            "lv_battery_v__crank_min": cranking.min(),
            "odometer_km__last": group["odometer_km"].dropna().iloc[-1] if group["odometer_km"].notna().any() else None,
            "is_charging__n": int(group["is_charging"].notna().sum()),
            "is_charging__sum": float((group["is_charging"] == True).sum()),  # noqa: E712
            **{f"insulation_kohm__{name}_n": int(insulation[mask].count()) for name, mask in bands.items()},
            **{f"insulation_kohm__{name}_min": insulation[mask].min() for name, mask in bands.items()},
        }
    return found


def check_against_readings(store, rows: list[Row]) -> None:
    for level in LEVELS:
        found, wanted = rolled(store, level), expected(rows, level)
        assert len(found) == len(wanted)
        for key, values in wanted.items():
            row = found.loc[key]
            for name, value in values.items():
                if (
                    value is None
                    or value != value
                    or (name.endswith("__sum") and not row[name.replace("__sum", "__n")])
                ):
                    assert row[name] is None or row[name] != row[name], (level, key, name)
                else:
                    assert row[name] == pytest.approx(value, rel=1e-6), (level, key, name)


@pytest.mark.parametrize("seed", [1, 2])
def test_both_engines_hold_the_same_rows(made, seed):
    """Fed alike, in three rounds with refreshes between: on time, then late and re-sent, then more late ones."""
    readings = fleet(seed=seed)
    on_time = [row for row in readings if row[3] - row[0] < timedelta(hours=1)]
    late = [row for row in readings if row not in on_time]
    rounds = [on_time, [*late[: len(late) // 2], *on_time[:50]], late[len(late) // 2 :]]
    tables = {}
    for name in ("plain", "timescale"):
        store = made(name)
        store.migrate()
        for part in rounds:
            assert store.insert("vehicle_reading", COLUMNS, part) == len(
                set(part) - set(on_time if part is not on_time else [])
            )
            store.note_changed(part)
            assert store.refresh() > 0
            assert store.refresh() == 0
        check_against_readings(store, readings)
        tables[name] = {level: rolled(store, level) for level in LEVELS}
    for level in LEVELS:
        one, other = tables["plain"][level], tables["timescale"][level]
        # Sums may differ in the last digit: they are added up in another order.
        pd.testing.assert_frame_equal(one, other, rtol=1e-12, atol=0)


def test_a_day_is_the_sum_of_its_hours_and_minutes(store):
    readings = fleet(seed=3, cars=2, days=2)
    store.insert("vehicle_reading", COLUMNS, readings)
    store.note_changed(readings)
    store.refresh()
    days, hours, minutes = (rolled(store, level) for level in ("day", "hour", "minute"))
    for table in (hours, minutes):
        again = table.reset_index()
        again["bucket"] = again["bucket"].dt.floor("D")
        total = again.groupby(list(KEYS))[["n", "lv_battery_v__n", "cell_spread_mv__n"]].sum()
        pd.testing.assert_frame_equal(total, days[total.columns], check_dtype=False)


def test_only_days_on_the_list_are_rolled_up_and_the_list_is_worked_off(store):
    readings = fleet(seed=4, cars=2, days=2)
    store.insert("vehicle_reading", COLUMNS, readings)
    second = [row for row in readings if row[0] >= START + timedelta(days=1)]
    store.note_changed(second)
    assert store.refresh() == 2
    assert {row[0].date() for row in store.ask("SELECT bucket FROM telemetry.rollup_day")} == {date(2026, 3, 2)}
    assert store.ask("SELECT count(*) FROM telemetry.stale_day") == [(0,)]


def test_what_a_migration_finds_stored_is_rolled_up_at_the_next_refresh(empty_store):
    """Rows that were there before the rollups were: of an older schema, or before the extension came."""
    at_revision(empty_store, "0005_charging")
    store_something(empty_store, "0005_charging")
    empty_store.migrate()
    assert empty_store.refresh() == 3
    assert sum(n for (n,) in empty_store.ask("SELECT n FROM telemetry.rollup_day")) == 4


def test_models_read_rollups_and_nobody_else_writes_them(store):
    for role, may in (("models", True), ("alerts", True), ("ingest", False)):
        with store.opened() as (conn, _):
            (answer,) = conn.execute(
                "SELECT has_table_privilege(%s, 'telemetry.rollup_day', 'SELECT')", (f"forewarn_{role}",)
            ).fetchone()
            assert answer is may
            (writes,) = conn.execute(
                "SELECT has_table_privilege(%s, 'telemetry.rollup_day', 'INSERT, UPDATE, DELETE')",
                (f"forewarn_{role}",),
            ).fetchone()
            assert not writes


def test_buckets_begin_at_utc_whatever_the_session_says(store):
    readings = fleet(seed=5, cars=1, days=1)
    store.insert("vehicle_reading", COLUMNS, readings)
    store.note_changed(readings)
    with store.opened() as (conn, engine):
        conn.execute("SET TIME ZONE 'Asia/Shanghai'")
        engine.refresh(conn, catalogue(), minutes_from=None)
    buckets = {row[0].astimezone(UTC) for row in store.ask("SELECT bucket FROM telemetry.rollup_day")}
    assert buckets == {START}
