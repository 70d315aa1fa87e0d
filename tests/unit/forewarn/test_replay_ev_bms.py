"""Recordings of electric cars: units, signs, odd rows, and the numbers of the file to the last digit."""

import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from config.errors import UserMistake
from forewarn.replay import read
from ingest import topics
from ingest.telemetry import TelemetryDecoder

B = "Vehicle.Powertrain.TractionBattery"
HEADER = (
    "tboxTime,BMSChargeStatus,vehSpeed,BMSBatteryVoltage,BMSCellVoltageMax,BMSCellVoltageMin,BMSBatteryCurrent,"
    "vehBMSPackSOC,BMSProbeTempMax,BMSProbeTempMin,BMSWarningInformation,vehOdo,insulationResistance,BMSCellVoltageM,"
    "V_1,V_2,V_3,BMSProbeTempM,T_1,T_2\n"
)
ROWS = (
    "2019-04-15 17:42:30,3.0,36.3,351.2,3.96,3.922,44.3,92,29,25,0,18837.7,5.0,3.967,3.967,3.922,3.96,67.5,69.0,65.0\n",
    "2019-04-15 17:43:00,1.0,0.0,351.9,3.966,3.93,-12.5,92,29,25,2,18838.2,1.371,3.939,3.936,3.93,3.966,67,69.0,65.0\n",
    "2019-04-15 17:43:30,,0.0,352.0,3.964,3.935,0.0,91,29,25,3,0.0,5.0,3.966,3.966,0.0,3.964,67.0,69.0,0.0\n",
)


def recording(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "car.csv"
    path.write_text(header + "".join(rows))
    return path


def samples(path: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(m.payload)["samples"][0] for m in read(path, as_format="ev-bms").messages]


def test_every_row_is_one_sample_received_when_it_was_measured(tmp_path):
    read_back = read(recording(tmp_path, *ROWS), as_format="ev-bms")
    sent = list(read_back.messages)
    assert read_back.n_rows == len(sent) == 3
    # 17:42:30 in China is 09:42:30 UTC.
    assert sent[0].received_ms == 1_555_321_350_000
    topic = topics.parse(sent[0].topic)
    assert (topic.vin, topic.received_ms, topic.kind) == (read_back.vin, sent[0].received_ms, "telemetry")
    assert sent == list(read_back.messages), "a recording can be read twice"


def test_ingest_understands_every_signal(tmp_path):
    read_back = read(recording(tmp_path, *ROWS), as_format="ev-bms")
    for message in read_back.messages:
        decoded = TelemetryDecoder().decode(message.payload, vin=read_back.vin)
        assert not decoded.oddities
        assert not decoded.bad


def test_units_and_signs(tmp_path):
    first, second, third = (sample["signals"] for sample in samples(recording(tmp_path, *ROWS)))
    assert first[f"{B}.CurrentCurrent"] == -44.3
    assert second[f"{B}.CurrentCurrent"] == 12.5
    assert first[f"{B}.InsulationResistance"] == 5000.0
    assert second[f"{B}.InsulationResistance"] == 1371.0
    assert first[f"{B}.Temperature.Probes"] == [29.0, 25.0]
    assert first[f"{B}.Temperature.Max"] == 29.0
    assert first[f"{B}.Temperature.Average"] == 27.5
    assert first[f"{B}.CellVoltage.CellVoltages"] == [3.967, 3.922, 3.96]
    assert first["Vehicle.TraveledDistance"] == 18837.7
    assert [s[f"{B}.WarningLevel"] for s in (first, second, third)] == [0, 2, 3]
    assert [s.get(f"{B}.Charging.IsCharging") for s in (first, second, third)] == [False, True, None]


def test_zero_current_is_no_negative_zero(tmp_path):
    payload = list(read(recording(tmp_path, *ROWS), as_format="ev-bms").messages)[2].payload
    assert b"-0" not in payload


def test_what_was_not_measured_is_not_sent_and_said(tmp_path):
    path = recording(tmp_path, *ROWS)
    third = samples(path)[2]["signals"]
    assert "Vehicle.TraveledDistance" not in third
    assert third[f"{B}.Temperature.Probes"] == [29.0, None]
    # An impossible cell voltage is evidence: ingest keeps and flags it.
    assert third[f"{B}.CellVoltage.CellVoltages"] == [3.966, 0.0, 3.964]
    notes = " | ".join(read(path, as_format="ev-bms").notes)
    for said in ("1 rows say odometer 0", "1 rows have no charge status", "MOhm", "40 C too high", "BMSCellVoltageM"):
        assert said in notes


def test_rows_of_one_time_are_told_apart_only_when_they_differ(tmp_path):
    other = ROWS[0].replace("351.2", "351.3")
    path = recording(tmp_path, ROWS[0], ROWS[0], other, other, ROWS[1])
    assert [sample["seq"] for sample in samples(path)] == [0, 0, 1, 1, 0]
    notes = read(path, as_format="ev-bms").notes
    assert "4 rows share a time with another row and differ: kept apart by seq" in notes
    assert any(note.startswith("exact copies of an earlier row: 2,") for note in notes)


def test_a_file_without_offset_alarm_or_insulation(tmp_path):
    """car1 has none of these columns, and its probes need no correction."""
    header = (
        "tboxTime,vehSpeed,BMSBatteryVoltage,BMSCellVoltageMax,BMSCellVoltageMin,BMSBatteryCurrent,vehBMSPackSOC,"
        "BMSProbeTempMax,BMSProbeTempMin,vehOdo,V_1,V_2,BMSProbeTempM,T_1,T_2\n"
    )
    row = "2021-05-05 09:10:00,0.0,352,3.688,3.654,0.75,42.3,29,28,111426,3.658,3.688,28.916666666666668,29.0,0.0\n"
    (sample,) = samples(recording(tmp_path, row, header=header))
    assert sample["signals"][f"{B}.Temperature.Probes"] == [29.0, 0.0]
    assert sample["signals"][f"{B}.Temperature.Average"] == 28.917
    assert f"{B}.InsulationResistance" not in sample["signals"]
    assert f"{B}.WarningLevel" not in sample["signals"]


def test_probes_that_are_not_there_keep_their_place(tmp_path):
    rows = [row.rsplit(",", 1)[0] + ",255.0\n" for row in ROWS]
    path = recording(tmp_path, *rows)
    assert samples(path)[0]["signals"][f"{B}.Temperature.Probes"] == [29.0, None]
    assert any("1 probes say 255" in note for note in read(path, as_format="ev-bms").notes)


def test_a_zip_and_its_table_are_the_same_car(tmp_path):
    plain = recording(tmp_path, *ROWS)
    packed = tmp_path / "car.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(plain, "car.csv")
    one, other = read(plain, as_format="ev-bms"), read(packed, as_format="ev-bms")
    assert one.vin == other.vin
    assert topics.VIN.fullmatch(one.vin)
    assert one.enrolment.replayed
    assert one.enrolment.cells == 3
    assert list(one.messages) == list(other.messages)
    assert read(plain, as_format="ev-bms", vin="LFWA0000000000001").vin == "LFWA0000000000001"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not an ev-bms recording"),
        ("a,b\n1,2\n", "not an ev-bms recording: it lacks tboxTime"),
        (HEADER, "holds no rows"),
        (HEADER + ROWS[0].replace("351.2", "volts"), "does not hold what it should"),
        (HEADER + ROWS[0].replace("2019-04-15", "15.4.2019"), "does not hold what it should"),
    ],
)
def test_another_file_is_a_mistake_that_is_explained(tmp_path, content, said):
    path = tmp_path / "car.csv"
    path.write_text(content)
    with pytest.raises(UserMistake, match=said):
        read(path, as_format="ev-bms")


def test_an_unknown_format_names_the_known_ones(tmp_path):
    with pytest.raises(UserMistake, match="ev-bms, carobd"):
        read(tmp_path / "x", as_format="obd")
