"""The real recordings, row by row: what is published equals the file."""

import csv
import io
import lzma
import random
import tarfile
import zipfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from openpyxl import load_workbook

from forewarn.replay import read
from ingest import topics
from ingest.charging import charger_row, decode_charger

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


CAR2_MAP = """
[time]
column = "tboxTime"
format = "%Y-%m-%d %H:%M:%S"
zone = "Asia/Shanghai"

[vehicle]
powertrain = "bev"
chemistry = "NMC"

[columns]

BMSWarningInformation = "Vehicle.Powertrain.TractionBattery.WarningLevel"
"V_*" = "Vehicle.Powertrain.TractionBattery.CellVoltage.CellVoltages"
BMSBatteryCurrent = { signal = "Vehicle.Powertrain.TractionBattery.CurrentCurrent", scale = -1 }
insulationResistance = { signal = "Vehicle.Powertrain.TractionBattery.InsulationResistance", unit = "MOhm" }
BMSProbeTempM = { signal = "Vehicle.Powertrain.TractionBattery.Temperature.Average", offset = -40 }
"T_*" = { signal = "Vehicle.Powertrain.TractionBattery.Temperature.Probes", offset = -40, ignore = [0, 255] }

[columns.BMSChargeStatus]
signal = "Vehicle.Powertrain.TractionBattery.Charging.IsCharging"
values = { 1 = true, 2 = true, 3 = false, 4 = false }
"""


def test_a_mapping_file_says_all_that_the_reader_of_car2_knows(shared_data, tmp_path):
    path = shared_data / "ev-bms-faults" / "car2_processed.zip"
    plain = "\n".join(f'{column} = "{signal}"' for column, signal in AS_THEY_STAND.items())
    (tmp_path / "car2.toml").write_text(CAR2_MAP.replace("[columns]", f"[columns]\n{plain}"))
    mapped = read(path, as_format="csv", mapping=tmp_path / "car2.toml")
    known = read(path, as_format="ev-bms")
    assert (mapped.n_rows, mapped.n_samples, mapped.enrolment.cells) == (14385, 14385, 88)
    for one, other in zip(mapped.messages, known.messages, strict=True):
        assert msgspec.json.decode(one.payload) == msgspec.json.decode(other.payload)


def test_a_mapping_file_says_what_the_reader_of_trips_knows_but_the_spreading(shared_data, tmp_path):
    """Rows of one tick of the engine's clock are spread by the reader, and kept apart by seq by a mapping."""
    path = shared_data / "carobd" / "carobd_trips.tar.xz"
    names = {
        "ENGINE_RPM ()": "Vehicle.Powertrain.CombustionEngine.Speed",
        "VEHICLE_SPEED ()": "Vehicle.Speed",
        "CONTROL_MODULE_VOLTAGE ()": "Vehicle.LowVoltageBattery.CurrentVoltage",
    }
    columns = "\n".join(f'"{column}" = "{signal}"' for column, signal in names.items())
    time = '[time]\ncolumn = "ENGINE_RUN_TINE ()"\nelapsed = "s"\nstart = 2018-06-01T08:00:00-03:00\n'
    (tmp_path / "trip.toml").write_text(f'{time}[vehicle]\npowertrain = "ice"\n[columns]\n{columns}')
    mapped = sent_by(path, as_format="csv", mapping=tmp_path / "trip.toml", trip="drive1")
    known = sent_by(path, as_format="carobd", trip="drive1")
    assert len(mapped) == len(known) == 2709
    for one, other in zip(mapped, known, strict=True):
        assert one["signals"] == {path: other["signals"][path] for path in names.values() if path in other["signals"]}
        assert 0 <= other["ts"] - one["ts"] <= 6000


@pytest.mark.parametrize(
    ("name", "rows", "began"),
    [
        ("2017-07-05_Seat_Leon_RT_S_Stau", 46349, "2017-07-05T07:16:30.444+02:00"),
        ("2018-03-06_Seat_Leon_KA_RT_Normal", 46002, "2018-03-06T18:31:45.194+01:00"),
    ],
)
def test_every_answer_of_the_diesel_car_is_sent_at_its_time(shared_data, name, rows, began):
    path = shared_data / "kit-obd2" / f"{name}.csv.xz"
    with lzma.open(path, "rt", encoding="utf-8") as file:
        table = list(csv.reader(file))[1:]
    assert len(table) == rows
    turns = [number % 10 + 1 for number in range(rows)]
    # What the reader builds on: nothing ever changes out of turn.
    for turn, before, row in zip(turns[1:], table, table[1:], strict=False):
        assert [i for i in range(1, 11) if row[i] != before[i]] in ([], [turn])
    recording = read(path, as_format="kit-obd2")
    assert recording.notes == [
        "not in the signal catalogue, left out: Accelerator Pedal Position D, Accelerator Pedal Position E"
    ]
    sent = [msgspec.json.decode(message.payload)["samples"][0] for message in recording.messages]
    asked = [(row, turn) for row, turn in zip(table, turns, strict=True) if turn <= 8]
    assert len(sent) == len(asked) == recording.n_samples
    midnight = datetime.fromisoformat(began).replace(hour=0, minute=0, second=0, microsecond=0)
    signals: dict[int, set[str]] = {}
    for sample, (row, turn) in zip(sent, asked, strict=True):
        clock = datetime.strptime(row[0] + "+0000", "%H:%M:%S.%f%z") - datetime(1900, 1, 1, tzinfo=UTC)
        assert sample["ts"] == round((midnight + clock).timestamp() * 1000)
        ((signal, value),) = sample["signals"].items()
        assert value == float(row[turn])
        signals.setdefault(turn, set()).add(signal)
    assert all(len(names) == 1 for names in signals.values())
    assert sent[0]["ts"] == round(datetime.fromisoformat(began).timestamp() * 1000)
    assert signals[6] == {"Vehicle.OBD.MAF"}


def test_every_charging_session_is_two_readings_with_the_numbers_of_the_file(shared_data):
    path = shared_data / "epfl-dcfc" / "Session_data.xlsx"
    names, *rows = load_workbook(io.BytesIO(path.read_bytes())).worksheets[0].iter_rows(values_only=True)
    recording = read(path, as_format="epfl")
    assert (recording.n_rows, recording.n_samples) == (len(rows), 2 * len(rows)) == (1878, 3756)
    found: dict[str, list[tuple[str, int, dict[str, Any]]]] = {}
    keys = set()
    for message in recording.messages:
        at = topics.parse(message.topic).at
        decoded = decode_charger(message.payload)
        (sample,) = decoded.samples
        keys.add((at, sample.ts, sample.seq))
        found.setdefault(decoded.session_id, []).append((at.connector, sample.ts, charger_row(sample)))
    assert len(keys) == 3756
    zurich = ZoneInfo("Europe/Zurich")
    for values in rows:
        row = dict(zip(names, values, strict=True))
        ms = [round(row[name].replace(tzinfo=zurich).timestamp() * 1000) for name in ("Arrival", "Departure")]
        clean = {"extra": None, "quality": 0}
        assert found[str(row["Session"])] == [
            (row["CCS"], ms[0], {"soc_pct": row["SOC arrival"], **clean}),
            (row["CCS"], ms[1], {"soc_pct": row["SOC departure"], "energy_kwh": row["Energy (Wh)"] / 1000, **clean}),
        ]
    assert (
        "2 sessions begin at a state of charge of exactly 0: sent as they are, it may mean unknown" in recording.notes
    )
