"""A fleet read from files: the same sums as without them, whoever wrote them, and one line about what is wrong."""

import decimal
from datetime import UTC, date, datetime, timedelta
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from config.signals import catalogue
from forewarn.fleet_folder import BadFleet, each_cars, open_folder, sum_up
from forewarn.fleet_folder.columns import Unreadable, epoch_ms, numbers, packs
from forewarn.fleet_frames import simulated
from forewarn.simulator import FleetPlan, Sampling
from forewarn.simulator.files import CELLS, write_fleet

PLAN = FleetPlan(10, 14, 5, datetime(2026, 3, 10, 16, tzinfo=UTC), 0.6, Sampling(120, 600, 240))
COLUMNS = [signal.column for signal in catalogue().rolled_up]
KEYS = ["vin", "day", "received_on", "regime"]
SPEED, STATE = "Vehicle.Speed", "Vehicle.LowVoltageSystemState"


def whole(frames):
    return frames


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    directory = tmp_path_factory.mktemp("fleet") / "a"
    write_fleet(PLAN, directory, processes=1)
    return directory


@pytest.fixture(scope="module")
def expected():
    return joined(list(simulated(PLAN, COLUMNS, whole, processes=1)))


def read(directory, scratch, columns=COLUMNS, processes=1):
    scratch.mkdir(exist_ok=True)
    found = sum_up(open_folder(directory), columns, scratch=scratch, processes=processes)
    return found, joined(list(each_cars(found, whole, processes=processes)))


def joined(parts):
    """Return sums and lamps of a whole fleet, with vins for numbers."""
    tables = {}
    for name in ("aggregates", "lamps", "vehicles"):
        frames = []
        for part in parts:
            frame = getattr(part.stored, name)
            frames.append(frame.assign(vin=frame["vehicle_id"].map(part.vins)).drop(columns="vehicle_id"))
        tables[name] = pd.concat(frames, ignore_index=True)
    tables["aggregates"] = tables["aggregates"].sort_values(KEYS, ignore_index=True)
    tables["lamps"] = tables["lamps"].sort_values(["vin", "ts", "code"], ignore_index=True)
    tables["vehicles"] = tables["vehicles"].sort_values("vin", ignore_index=True)
    return tables


def same(found, wanted, **tolerance):
    assert len(found) == len(wanted)
    pd.testing.assert_frame_equal(found[list(wanted)], wanted, check_dtype=False, **tolerance)


def test_the_sums_are_those_of_the_same_fleet_without_files(fleet, expected, tmp_path):
    found, tables = read(fleet, tmp_path / "s")
    assert len(expected["aggregates"]) > 300
    for name in ("aggregates", "lamps", "vehicles"):
        same(tables[name], expected[name], check_exact=True)
    assert found.seen.repeated > 0
    assert (found.unknown, found.seen.strangers, found.seen.timeless) == ((), set(), 0)
    first = date.fromisoformat(min(folder.name for folder in (fleet / "telemetry").iterdir())[4:])
    assert found.days[0].date() == first + timedelta(days=1)
    assert found.days[-1] == datetime(2026, 3, 11, tzinfo=UTC)


def test_several_processes_some_columns_and_small_pieces_change_nothing(fleet, expected, tmp_path, monkeypatch):
    monkeypatch.setattr("forewarn.fleet_folder.frames.DAYS_AT_ONCE", 4)
    columns = ["lv_battery_v", "cell_spread_mv", "is_charging"]
    _, tables = read(fleet, tmp_path / "s", columns, processes=2)
    names = [name for name in expected["aggregates"] if name in tables["aggregates"]]
    assert any(name.startswith("cell_spread_mv__") for name in names)
    assert not any(name.startswith("speed") for name in tables["aggregates"])
    same(tables["aggregates"], expected["aggregates"][names], check_exact=True)


def test_cars_cut_by_the_pieces_that_are_worked_on_add_up(fleet, expected, tmp_path, monkeypatch):
    monkeypatch.setattr("forewarn.fleet_folder.days.ROWS_AT_ONCE", 97)
    _, tables = read(fleet, tmp_path / "s")
    same(tables["aggregates"], expected["aggregates"], rtol=1e-12, atol=1e-9)


def rewritten(fleet, directory, change, *, events=True):
    """Write a fleet again, every day as one file, as ``change`` makes the table of (day, table)."""
    for kind in ("telemetry", "events") if events else ("telemetry",):
        for folder in sorted((fleet / kind).iterdir()):
            files = sorted(folder.glob("*.parquet"))
            table = pa.concat_tables([pq.read_table(file, partitioning=None) for file in files]).unify_dictionaries()
            target = directory / kind / folder.name
            target.mkdir(parents=True)
            if kind == "telemetry":
                table = change(folder.name[4:], table)
            pq.write_table(table, target / "data.parquet", row_group_size=300)
    pq.write_table(pq.read_table(fleet / "vehicles.parquet"), directory / "vehicles.parquet")
    return directory


def test_files_of_other_writers_say_the_same(fleet, expected, tmp_path):
    random = np.random.default_rng(1)

    def change(day, table):
        columns = {}
        for name in reversed(table.column_names):
            column = table[name]
            if name == "vin" or name == STATE:
                column = column.cast(pa.string())
            elif name == "ts":
                column = column.cast(pa.timestamp("ms")).cast(pa.timestamp("ns"))
            elif name == "received_ts":
                column = column.cast(pa.timestamp("ms", tz="UTC"))
            elif name == "seq":
                column = column.cast(pa.int32())
            elif name == CELLS:
                column = column.cast(pa.large_list(pa.float64()))
            elif name == SPEED:
                values = [None if v is None else decimal.Decimal(str(v)) for v in column.to_pylist()]
                column = pa.array(values, pa.decimal128(10, 3))
            elif pa.types.is_boolean(column.type):
                column = column.cast(pa.int8())
            elif pa.types.is_floating(column.type) and "TraveledDistance" not in name:
                column = column.cast(pa.float32())
            columns[name] = column
        table = pa.table(columns)
        return table.take(random.permutation(len(table)))

    directory = rewritten(fleet, tmp_path / "b", change)
    (directory / "telemetry" / "_SUCCESS").touch()
    odd = next((directory / "telemetry").glob("day=*")) / "._data.parquet"
    odd.write_bytes(b"left by a file system")
    found, tables = read(directory, tmp_path / "s")
    same(tables["aggregates"], expected["aggregates"], rtol=1e-12, atol=1e-9)
    same(tables["lamps"], expected["lamps"], check_exact=True)
    assert found.unknown == ()


def test_what_pandas_writes_without_seq_and_receipt_is_known_on_the_day_of_its_folder(fleet, tmp_path):
    def change(day, table):
        frame = table.select(["vin", "ts", SPEED]).to_pandas()
        return pa.Table.from_pandas(frame.assign(vin=frame["vin"].astype(str)), preserve_index=False)

    _, tables = read(rewritten(fleet, tmp_path / "b", change), tmp_path / "s", ["speed_kmh"])
    days = {folder.name[4:] for folder in (fleet / "telemetry").iterdir()}
    received = set(tables["aggregates"]["received_on"].dt.strftime("%Y-%m-%d"))
    assert received <= days
    late = tables["aggregates"]["received_on"] > tables["aggregates"]["day"]
    # What came a day late is filed under the day it came on.
    assert late.any()


def test_missing_unknown_and_derived_signals_are_listed(fleet, expected, tmp_path):
    def change(day, table):
        table = table.drop_columns(["Vehicle.LowVoltageBattery.CurrentVoltage"])
        return table.append_column("Vehicle.Mood", pa.array(["good"] * len(table))).append_column(
            "Forewarn.Cell.Spread", pa.array([1.0] * len(table))
        )

    found, tables = read(rewritten(fleet, tmp_path / "b", change), tmp_path / "s")
    assert found.unknown == ("Forewarn.Cell.Spread", "Vehicle.Mood")
    assert "Vehicle.LowVoltageBattery.CurrentVoltage" in found.missing
    assert SPEED not in found.missing
    kept = [name for name in expected["aggregates"] if not name.startswith("lv_battery_v")]
    same(tables["aggregates"][kept], expected["aggregates"][kept], rtol=1e-12, atol=1e-9)
    assert (tables["aggregates"]["lv_battery_v__n"] == 0).all()
    assert tables["aggregates"]["lv_battery_v__sum"].isna().all()


def test_cars_that_nobody_knows_are_listed_and_left_out(fleet, expected, tmp_path):
    directory = rewritten(fleet, tmp_path / "b", lambda day, table: table)
    vehicles = pq.read_table(directory / "vehicles.parquet")
    gone = vehicles["vin"][0].as_py()
    pq.write_table(vehicles.slice(1), directory / "vehicles.parquet")
    found, tables = read(directory, tmp_path / "s")
    assert found.seen.strangers == {gone}
    wanted = expected["aggregates"][expected["aggregates"]["vin"] != gone].reset_index(drop=True)
    same(tables["aggregates"], wanted, rtol=1e-12, atol=1e-9)
    assert gone not in set(tables["lamps"]["vin"])


def tiny(directory, days, *, vehicles=None):
    """Write a fleet by hand. days : by name of the day, columns"""
    for day, columns in days.items():
        folder = directory / "telemetry" / f"day={day}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table(columns), folder / "a.parquet")
    vehicles = vehicles or {"vin": ["A", "B"], "powertrain": ["bev", "ICE"], "model": ["m", None]}
    directory.mkdir(exist_ok=True)
    pq.write_table(pa.table(vehicles), directory / "vehicles.parquet")
    return directory


def ms(day, hour=0, minute=0):
    return int(datetime(2026, 3, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


def test_a_reading_received_again_another_day_counts_once_as_received_first(tmp_path):
    days = {
        "2026-03-01": {
            "vin": ["A", "A"],
            "ts": [ms(1, 10), ms(1, 23, 59)],
            "seq": [1, 2],
            "received_ts": [ms(1, 10), ms(1, 23, 59)],
            SPEED: [10.0, 20.0],
        },
        # The second comes again after midnight with something else in it, the third is another of the same instant.
        "2026-03-02": {
            "vin": ["A", "A", "B"],
            "ts": [ms(1, 23, 59), ms(1, 23, 59), ms(1, 23, 59)],
            "seq": [2, 3, 2],
            "received_ts": [ms(2), ms(2), ms(2)],
            SPEED: [99.0, 30.0, 40.0],
        },
    }
    found, tables = read(tiny(tmp_path / "a", days), tmp_path / "s", ["speed_kmh"])
    sums = tables["aggregates"].groupby("vin")["speed_kmh__sum"].sum()
    assert sums.to_dict() == {"A": 60.0, "B": 40.0}
    assert (found.seen.readings, found.seen.repeated) == (5, 1)


def test_a_reading_of_a_clock_ahead_is_none_even_when_it_is_sent_again_later(tmp_path):
    first = {"vin": ["A"], "ts": [ms(2, 0, 6)], "seq": [1], "received_ts": [ms(1, 23, 59)], SPEED: [10.0]}
    again = {**first, "received_ts": [ms(2, 0, 5)], SPEED: [20.0]}
    days = {"2026-03-01": first, "2026-03-02": again}
    _, tables = read(tiny(tmp_path / "a", days), tmp_path / "s", ["speed_kmh"])
    assert tables["aggregates"].empty


def test_packs_of_different_sizes_in_one_file(tmp_path):
    cells = [[3.6, 3.61, 3.65], None, [3.6, 3.7], [], [3.6, None, 3.62]]
    columns = {
        "vin": ["A", "A", "B", "B", "A"],
        "ts": [ms(1, 10), ms(1, 11), ms(1, 10), ms(1, 12), ms(1, 13)],
        "received_ts": [ms(1, 14)] * 5,
        SPEED: [0.0] * 5,
        CELLS: pa.array(cells, pa.list_(pa.float64())),
    }
    _, tables = read(tiny(tmp_path / "a", {"2026-03-01": columns}), tmp_path / "s", ["cell_spread_mv", "speed_kmh"])
    found = tables["aggregates"].set_index("vin")
    assert found.loc["A", "cell_spread_mv__n"] == 2
    assert found.loc["A", "cell_spread_mv__max"] == pytest.approx(50, abs=1e-4)
    assert found.loc["A", "cell_spread_mv__min"] == pytest.approx(20, abs=1e-4)
    assert found.loc["B", "cell_spread_mv__sum"] == pytest.approx(100, abs=1e-4)
    assert found.loc["A", "speed_kmh__n"] == 3


def test_a_day_without_readings_and_a_reading_without_a_time(tmp_path):
    nothing = {"vin": pa.array([], pa.string()), "ts": pa.array([], pa.int64()), SPEED: pa.array([], pa.float64())}
    some = {"vin": ["A", "A", None], "ts": [ms(3, 1), None, ms(3, 2)], SPEED: [1.0, 2.0, 3.0]}
    found, tables = read(
        tiny(tmp_path / "a", {"2026-03-01": nothing, "2026-03-03": some}), tmp_path / "s", ["speed_kmh"]
    )
    assert tables["aggregates"]["speed_kmh__sum"].tolist() == [1.0]
    assert found.seen.timeless == 1
    assert [instant.day for instant in found.days] == [2, 3, 4]


@pytest.mark.parametrize(
    "nothing",
    [
        {"vin": pa.array([], pa.float64()), "ts": pa.array([], pa.string()), SPEED: pa.array([], pa.null())},
        {"index": pa.array([], pa.int64())},
    ],
)
def test_files_without_rows_may_have_columns_of_any_type(tmp_path, nothing):
    some = {"vin": ["A"], "ts": [ms(3, 1)], SPEED: [1.0]}
    found, tables = read(
        tiny(tmp_path / "a", {"2026-03-01": nothing, "2026-03-03": some}), tmp_path / "s", ["speed_kmh"]
    )
    assert tables["aggregates"]["speed_kmh__sum"].tolist() == [1.0]
    assert [instant.day for instant in found.days] == [2, 3, 4]


@pytest.mark.parametrize("never", [2**63 - 1, 2**62, -(2**63), 253_402_300_800_000])
def test_a_time_that_no_calendar_holds_is_none(tmp_path, never):
    some = {"vin": ["A"] * 4, "ts": [ms(3, 1), ms(3, 2), never, ms(3, 3)], SPEED: [1.0, 2.0, 4.0, 8.0]}
    found, tables = read(tiny(tmp_path / "a", {"2026-03-03": some}), tmp_path / "s", ["speed_kmh"])
    assert tables["aggregates"]["speed_kmh__sum"].sum() == 11.0
    assert found.seen.timeless == 1


SOME = {"2026-03-01": {"vin": ["A"], "ts": [ms(1, 1)], SPEED: [1.0]}}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "vehicles.parquet").unlink(), "no fleet: it has no vehicles.parquet"),
        (lambda folder: (folder / "vehicles.parquet").write_bytes(b"PAR1"), "vehicles.parquet cannot be read"),
        (lambda folder: next(folder.glob("telemetry/*/*")).unlink(), "has no telemetry"),
        (
            lambda folder: next(folder.glob("telemetry/*/*")).write_bytes(b"PAR1 and no more"),
            "a.parquet cannot be read",
        ),
        (lambda folder: (folder / "telemetry/day=2026-03-01").rename(folder / "telemetry/day=1.3."), "is no day"),
        (partial(tiny, days={}, vehicles={"vin": ["A", "A"], "powertrain": ["bev", "bev"]}), "has A twice"),
        (partial(tiny, days={}, vehicles={"vin": ["A"], "powertrain": ["steam"]}), "the powertrain of A is steam"),
        (partial(tiny, days={}, vehicles={"vin": ["A"]}), "no column powertrain"),
        (partial(tiny, days={}, vehicles={"vin": ["Z"], "powertrain": ["bev"]}), "no reading of a car"),
        (partial(tiny, days={}, vehicles={"vin": [None], "powertrain": ["bev"]}), "without a vin"),
        (partial(tiny, days={"2026-03-02": {"vin": ["A"]}}), "no column ts"),
        (partial(tiny, days={"2026-03-02": {"vin": [1], "ts": [1]}}), "the column vin holds int64"),
        (partial(tiny, days={"2026-03-02": {"vin": ["A"], "ts": [ms(2)], SPEED: ["fast"]}}), "Vehicle.Speed holds"),
        (partial(tiny, days={"2026-03-02": {"vin": ["A"], "ts": [ms(2)], CELLS: [3.6]}}), "lists of numbers"),
        (partial(tiny, days={"2026-03-02": {"vin": ["A"], "ts": [2e20]}}), "epoch milliseconds are expected"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_it(tmp_path, spoil, said):
    directory = tiny(tmp_path / "a", SOME)
    spoil(directory)
    with pytest.raises(BadFleet) as raised:
        read(directory, tmp_path / "s", ["speed_kmh", "cell_spread_mv"])
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_folder_at_all(tmp_path):
    with pytest.raises(BadFleet, match="there is no folder"):
        open_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_instants_are_what_they_are_in_any_unit(unit):
    instant = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
    wanted = int(instant.timestamp() * 1000)
    stamps = pa.chunked_array([pa.array([instant.replace(tzinfo=None), None], pa.timestamp(unit))])
    whole_numbers = stamps.cast(pa.int64())
    for column in (stamps, whole_numbers, whole_numbers.cast(pa.float64(), safe=False)):
        found, known = epoch_ms(column, "ts")
        assert found[0] == wanted
        assert known.tolist() == [True, False]


def test_numbers_of_any_type():
    assert numbers(pa.chunked_array([pa.array(["1.5", "", "TRUE", None])]), "x")[[0, 2]].tolist() == [1.5, 1.0]
    assert np.isnan(numbers(pa.chunked_array([pa.array([None, None])]), "x")).all()
    with pytest.raises(Unreadable):
        packs(pa.chunked_array([pa.array([1.0])]), "cells")


def test_the_truth_is_not_opened(tmp_path):
    directory = tiny(tmp_path / "a", SOME)
    (directory / "truth").mkdir()
    (directory / "truth" / "truth.parquet").write_bytes(b"whoever opens it fails")
    _, tables = read(directory, tmp_path / "s", ["speed_kmh"])
    assert len(tables["aggregates"]) == 1
