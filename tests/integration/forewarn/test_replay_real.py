"""The real recordings, row by row: what is published equals the file."""

import csv
import io
import random
import tarfile
import zipfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from forewarn.replay import read

B = "Vehicle.Powertrain.TractionBattery"
AS_THEY_STAND = {
    "vehSpeed": "Vehicle.Speed",
    "BMSBatteryVoltage": f"{B}.CurrentVoltage",
    "BMSCellVoltageMax": f"{B}.CellVoltage.Max",
    "BMSCellVoltageMin": f"{B}.CellVoltage.Min",
    "vehBMSPackSOC": f"{B}.StateOfCharge.Current",
    "BMSProbeTempMax": f"{B}.Temperature.Max",
    "BMSProbeTempMin": f"{B}.Temperature.Min",
    "vehOdo": "Vehicle.TraveledDistance",
}


def rows_of(path: Path) -> list[dict[str, str]]:
    with zipfile.ZipFile(path) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    return list(csv.DictReader(io.StringIO(text)))


def sent_by(path: Path, **options: Any) -> list[dict[str, Any]]:
    recording = read(path, **options)
    return [msgspec.json.decode(message.payload)["samples"][0] for message in recording.messages]


@pytest.mark.parametrize(
    ("car", "rows", "copies", "offset"),
    [("car1", 66666, 0, 0), ("car2", 14385, 1, 40), ("car3", 50000, 34, 40)],
)
def test_every_row_of_an_electric_car_is_sent_with_the_numbers_of_the_file(shared_data, car, rows, copies, offset):
    path = shared_data / "ev-bms-faults" / f"{car}_processed.zip"
    file, sent = rows_of(path), sent_by(path, as_format="ev-bms")
    assert len(file) == len(sent) == rows
    keys = Counter((sample["ts"], sample["seq"]) for sample in sent)
    assert len(keys) == rows - copies
    content = {}
    for sample in sent:
        key = (sample["ts"], sample["seq"])
        assert content.setdefault(key, sample) == sample, "one key never stands for two contents"
    for number in {0, rows - 1, *random.Random(7).sample(range(rows), 200)}:
        row, signals = file[number], sent[number]["signals"]
        local = datetime.strptime(row["tboxTime"] + "+0800", "%Y-%m-%d %H:%M:%S%z")
        assert sent[number]["ts"] == local.astimezone(UTC).timestamp() * 1000
        for column, path_of in AS_THEY_STAND.items():
            if column != "vehOdo" or float(row[column]):
                assert signals[path_of] == float(row[column]), column
        assert signals[f"{B}.CurrentCurrent"] == -float(row["BMSBatteryCurrent"])
        cells = [float(row[name]) for name in row if name.startswith("V_")]
        assert signals[f"{B}.CellVoltage.CellVoltages"] == cells
        probes = [float(row[name]) for name in row if name.startswith("T_")]
        absent = {255.0, 0.0} if offset else set()
        assert signals[f"{B}.Temperature.Probes"] == [None if raw in absent else raw - offset for raw in probes]


def test_car1_explains_its_twelve_rows_of_shared_time(shared_data):
    path = shared_data / "ev-bms-faults" / "car1_processed.zip"
    notes = read(path, as_format="ev-bms").notes
    assert "12 rows share a time with another row and differ: kept apart by seq" in notes
    assert sum(sample["seq"] == 1 for sample in sent_by(path, as_format="ev-bms")) == 6


def test_car2_explains_its_copy_and_its_units(shared_data):
    notes = " | ".join(read(shared_data / "ev-bms-faults" / "car2_processed.zip", as_format="ev-bms").notes)
    for said in (
        "exact copies of an earlier row: 1,",
        "15 rows hold 463 cell voltages that no cell has",
        "insulation resistance up to 5 is taken as MOhm",
        "40 C is taken off",
        "2 probe readings are a bare 0",
    ):
        assert said in notes


def test_car3_explains_what_it_never_measured(shared_data):
    notes = " | ".join(read(shared_data / "ev-bms-faults" / "car3_processed.zip", as_format="ev-bms").notes)
    for said in (
        "exact copies of an earlier row: 34,",
        "912 rows say odometer 0",
        "7269 rows have no charge status",
        "11520 kOhm in every row",
        "8 probes say 255 (not there) in every row: 8, 9, 10, 11, 12, 13, 14, 15",
    ):
        assert said in notes


def test_every_trip_of_the_petrol_car_is_sent_row_by_row(shared_data):
    path = shared_data / "carobd" / "carobd_trips.tar.xz"
    with tarfile.open(path) as archive:
        names = [member.name.removesuffix(".csv") for member in archive if member.isfile()]
    assert len(names) == 53
    # Plain, with short rows, with a column fewer, with a blank line.
    for name, rows in (("drive1", 2709), ("live16", 3082), ("live6", 2287), ("live18", 3084)):
        sent = sent_by(path, as_format="carobd", trip=name)
        assert len({sample["ts"] for sample in sent}) == len(sent) == rows
    first, last = sent_by(path, as_format="carobd")[::2708]
    assert first["signals"]["Vehicle.LowVoltageBattery.CurrentVoltage"] == 12.382
    # The engine ran 1,330 s; the minutes since trouble codes were cleared went from 8,260 to 8,282 meanwhile.
    assert 1330 <= (last["ts"] - first["ts"]) / 1000 < 1332
