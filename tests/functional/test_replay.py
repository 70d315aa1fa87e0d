"""A real recording goes out over MQTT and is found in the database as it stands in the file."""

import csv
import io
import json
import os
import random
import subprocess
import sys
import zipfile
from datetime import UTC, datetime

import psycopg
import pytest

from forewarn.embedded.postgres import shared_cluster

COLUMNS = {
    "vehSpeed": "speed_kmh",
    "BMSBatteryVoltage": "pack_v",
    "BMSCellVoltageMax": "cell_max_v",
    "BMSCellVoltageMin": "cell_min_v",
    "vehBMSPackSOC": "soc_pct",
    "vehOdo": "odometer_km",
    "BMSWarningInformation": "battery_warning_level",
}
# What a frame of 2016 rounds to, in the unit of the column.
STEPS = {"speed_kmh": 0.1, "pack_v": 0.1, "cell_max_v": 0.001, "cell_min_v": 0.001, "soc_pct": 1, "odometer_km": 0.1}


def replayed(data_dir, *arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREWARN_")}
    done = subprocess.run(
        [sys.executable, "-m", "forewarn", "replay", *map(str, arguments), "--json"],
        env=environment | {"FOREWARN_DATA_DIR": str(data_dir)},
        cwd=data_dir,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def stored(data_dir, vehicle_id, columns):
    with shared_cluster(data_dir / "postgres", run_as=None) as cluster, psycopg.connect(cluster.dsn) as conn:
        names = ", ".join(columns)
        query = f"SELECT ts, received_at, quality, pack_a, {names} FROM telemetry.vehicle_reading"
        found = conn.execute(f"{query} WHERE vehicle_id = {vehicle_id} ORDER BY ts, seq").fetchall()
        cells = conn.execute(
            f"SELECT ts, cell_v::float8[] FROM telemetry.cell_reading WHERE vehicle_id = {vehicle_id}"
        ).fetchall()
    return found, dict(cells)


def in_file(path):
    with zipfile.ZipFile(path) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read(archive.namelist()[0]).decode())))
    distinct = {row["tboxTime"]: row for row in rows}
    return [distinct[at] for at in sorted(distinct)]


@pytest.fixture(scope="module")
def car2(shared_data):
    return shared_data / "ev-bms-faults" / "car2_processed.zip"


def test_every_row_of_car2_is_stored_as_the_file_has_it(car2, data_folder):
    done = replayed(data_folder, car2, "--as", "ev-bms")
    assert (done["rows"], done["received"], done["stored"], done["duplicate"]) == (14385, 14385, 14384, 1)
    assert (done["dead"], done["refused"]) == (0, 0)
    found, cells = stored(data_folder, done["vehicle_id"], COLUMNS.values())
    file = in_file(car2)
    assert len(found) == len(file) == 14384
    for number in {0, 14383, *random.Random(1).sample(range(14384), 10)}:
        row = file[number]
        ts, received_at, _, pack_a, *values = found[number]
        local = datetime.strptime(row["tboxTime"] + "+0800", "%Y-%m-%d %H:%M:%S%z")
        assert ts == received_at == local.astimezone(UTC)
        assert pack_a == pytest.approx(-float(row["BMSBatteryCurrent"]), rel=1e-6, abs=1e-6)
        for name, value in zip(COLUMNS, values, strict=True):
            assert value == pytest.approx(float(row[name]), rel=1e-6), name
        volts = [float(row[f"V_{n}"]) for n in range(1, 89)]
        assert cells[ts] == pytest.approx(volts, rel=1e-6)


def test_as_frames_car2_is_the_same_within_their_resolution(car2, data_folder):
    fresh = data_folder / "frames"
    fresh.mkdir(mode=0o755)
    done = replayed(fresh, car2, "--as", "ev-bms", "--wire", "gbt32960")
    assert (done["stored"], done["duplicate"], done["dead"]) == (14384, 1, 0)
    found, cells = stored(fresh, done["vehicle_id"], STEPS)
    for row, (ts, received_at, _, pack_a, *values) in zip(in_file(car2), found, strict=True):
        assert ts == received_at
        assert pack_a == pytest.approx(-float(row["BMSBatteryCurrent"]), abs=0.051)
        for name, step, value in zip(
            ["vehSpeed", "BMSBatteryVoltage", "BMSCellVoltageMax", "BMSCellVoltageMin", "vehBMSPackSOC", "vehOdo"],
            STEPS.values(),
            values,
            strict=True,
        ):
            assert value == pytest.approx(float(row[name]), abs=step / 2 + 1e-3), name
    assert len(cells) == 14384


def test_a_petrol_car_is_stored_row_by_row(shared_data, data_folder):
    archive = shared_data / "carobd" / "carobd_trips.tar.xz"
    done = replayed(data_folder, archive, "--as", "carobd", "--trip", "drive1")
    assert done["stored"] == done["received"] == done["rows"] > 1000
    found, _ = stored(data_folder, done["vehicle_id"], ["engine_rpm", "coolant_c"])
    assert sum(rpm is not None and rpm > 500 for *_, rpm, _ in found) > 1000


def asked(data_dir, query):
    with shared_cluster(data_dir / "postgres", run_as=None) as cluster, psycopg.connect(cluster.dsn) as conn:
        return conn.execute(query).fetchall()


def test_a_diesel_car_is_stored_answer_by_answer_and_once(shared_data, data_folder):
    path = shared_data / "kit-obd2" / "2017-07-05_Seat_Leon_RT_S_Stau.csv.xz"
    done = replayed(data_folder, path, "--as", "kit-obd2")
    assert (done["rows"], done["received"], done["stored"]) == (46349, 37080, 37080)
    query = f"""SELECT count(engine_rpm), count(intake_air_gs), max(speed_kmh), max(intake_air_gs), count(extra),
                       min(ts)
                FROM telemetry.vehicle_reading WHERE vehicle_id = {done["vehicle_id"]}"""
    rpm, flow, speed, most, odd, began = asked(data_folder, query)[0]
    assert (rpm, flow, speed, odd) == (4635, 4635, 126, 0)
    assert most == pytest.approx(88.8)
    assert began == datetime(2017, 7, 5, 5, 16, 30, 444000, tzinfo=UTC)


def test_charging_sessions_are_stored_under_their_plugs_and_once(shared_data, data_folder):
    path = shared_data / "epfl-dcfc" / "Session_data.xlsx"
    done = replayed(data_folder, path, "--as", "epfl")
    assert (done["vehicle_id"], done["rows"], done["stored"], done["dead"], done["refused"]) == (None, 1878, 3756, 0, 0)
    query = """SELECT connector, count(*), count(DISTINCT session_id), count(energy_kwh), max(quality)
               FROM telemetry.charging_reading JOIN telemetry.connector USING (connector_id)
               WHERE operator = 'epfl' AND station = 'level-3' GROUP BY connector ORDER BY connector"""
    assert asked(data_folder, query) == [("CCS1", 2258, 1129, 1129, 0), ("CCS2", 1498, 749, 749, 0)]
    again = replayed(data_folder, path, "--as", "epfl")
    assert (again["stored"], again["duplicate"]) == (0, 3756)


def test_any_table_moved_to_now_is_a_fresh_car_that_was_heard_of_until_now(data_folder):
    (data_folder / "trip.csv").write_text("t,v\n" + "".join(f"{at},{at % 50}\n" for at in range(0, 100_000, 1000)))
    (data_folder / "trip.toml").write_text(
        '[time]\ncolumn = "t"\nepoch = "s"\n[vehicle]\npowertrain = "ice"\n[columns]\nv = "Vehicle.Speed"\n'
    )
    arguments = (data_folder / "trip.csv", "--as", "csv", "--map", data_folder / "trip.toml")
    recorded = replayed(data_folder, *arguments)
    first = replayed(data_folder, *arguments, "--shift-to-now")
    # A hundred messages a thousand seconds apart, each waited for a hundredth of a second.
    second = replayed(data_folder, *arguments, "--shift-to-now", "--speed", "60", "--longest-gap", "0.01")
    assert len({done["vehicle_id"] for done in (recorded, first, second)}) == 3
    for done in (first, second):
        assert (done["stored"], done["duplicate"], done["dead"]) == (100, 0, 0)
        query = f"""SELECT max(ts) - min(ts), now() - max(ts), bool_and(ts = received_at), max(quality)
                    FROM telemetry.vehicle_reading WHERE vehicle_id = {done["vehicle_id"]}"""
        span, ago, together, quality = asked(data_folder, query)[0]
        assert (span.total_seconds(), together, quality) == (99_000, True, 0)
        assert 0 <= ago.total_seconds() < 120
