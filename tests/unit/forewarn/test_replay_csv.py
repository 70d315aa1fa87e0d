"""Any CSV with a mapping file: what is understood, and that every mistake is one line."""

import re
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from config.errors import UserMistake
from forewarn.replay import read
from ingest.telemetry import TelemetryDecoder

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "replay.md"
B = "Vehicle.Powertrain.TractionBattery"
MAP = """
[time]
column = "t"
epoch = "s"
[vehicle]
powertrain = "bev"
[columns]
v = "Vehicle.Speed"
"""
TABLE = "t,v\n100,1.5\n101,2\n"


def files(folder: Path, table: str | bytes = TABLE, mapping: str = MAP) -> tuple[Path, Path]:
    (folder / "trip.csv").write_bytes(table.encode() if isinstance(table, str) else table)
    (folder / "trip.toml").write_text(mapping, encoding="utf-8")
    return folder / "trip.csv", folder / "trip.toml"


def samples(folder: Path, table: str | bytes = TABLE, mapping: str = MAP, **options: Any) -> list[dict[str, Any]]:
    path, map_path = files(folder, table, mapping)
    recording = read(path, as_format="csv", mapping=map_path, **options)
    return [msgspec.json.decode(message.payload)["samples"][0] for message in recording.messages]


def notes(folder: Path, table: str, mapping: str = MAP) -> list[str]:
    path, map_path = files(folder, table, mapping)
    return read(path, as_format="csv", mapping=map_path).notes


def mistake(folder: Path, table: str | bytes = TABLE, mapping: str = MAP, **options: Any) -> str:
    with pytest.raises(UserMistake) as caught:
        samples(folder, table, mapping, **options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def column(keys: str, name: str = "v") -> str:
    return MAP.replace('v = "Vehicle.Speed"', f"[columns.{name}]\n{keys}")


def test_the_example_of_the_document_is_what_is_published(tmp_path):
    blocks = dict(re.findall(r"```(csv|toml|json)\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL))
    path, mapping = files(tmp_path, blocks["csv"], blocks["toml"])
    recording = read(path, as_format="csv", mapping=mapping)
    assert [message.payload.decode() for message in recording.messages] == blocks["json"].splitlines()
    assert "not in the mapping, left out: Fahrer" in recording.notes
    assert (recording.enrolment.model, recording.enrolment.chemistry, recording.enrolment.cells) == (
        "Recorded van",
        "LFP",
        2,
    )
    for message in recording.messages:
        assert not TelemetryDecoder().decode(message.payload, vin=recording.vin).oddities


@pytest.mark.parametrize(
    ("time", "text", "ts"),
    [
        ('format = "%Y-%m-%d %H:%M"\nzone = "Asia/Shanghai"', "2019-04-15 08:00", 1555286400000),
        ('format = "%Y-%m-%d %H:%M"\nzone = "+08:00"', "2019-04-15 08:00", 1555286400000),
        ('format = "%Y-%m-%d %H:%M"\nzone = "-03:30"', "2019-04-15 08:00", 1555327800000),
        ('format = "%Y-%m-%dT%H:%M%z"', "2019-04-15T08:00+0800", 1555286400000),
        ('format = "iso"', "2019-04-15T00:00:00.25Z", 1555286400250),
        ('epoch = "s"', "1555286400.25", 1555286400250),
        ('epoch = "ms"', "1555286400250", 1555286400250),
        ('epoch = "us"', "1555286400250000", 1555286400250),
        ('epoch = "ns"', "1555286400250000000", 1555286400250),
        ('elapsed = "s"\nstart = 2019-04-15T08:00:00+08:00', "0.25", 1555286400250),
        ('elapsed = "ms"\nstart = 2019-04-15T00:00:00Z', "250", 1555286400250),
    ],
)
def test_times_are_understood(tmp_path, time, text, ts):
    mapping = MAP.replace('epoch = "s"', time)
    assert samples(tmp_path, f"t,v\n{text},1\n", mapping)[0]["ts"] == ts


def test_the_start_on_the_command_line_comes_first(tmp_path):
    from datetime import UTC, datetime

    mapping = MAP.replace('epoch = "s"', 'elapsed = "s"')
    start = datetime(2020, 1, 1, tzinfo=UTC)
    assert samples(tmp_path, mapping=mapping, start=start)[0]["ts"] == 1577836800000 + 100_000
    assert "give --start" in mistake(tmp_path, mapping=mapping)
    assert "leave --start out" in mistake(tmp_path, start=start)


@pytest.mark.parametrize(
    ("keys", "field", "value"),
    [
        ('signal = "Vehicle.Speed"\nunit = "mph"', "100", 160.9344),
        ('signal = "Vehicle.Exterior.AirTemperature"\nunit = "degF"', "212", 100.0),
        ('signal = "Vehicle.Exterior.AirTemperature"\nunit = "K"', "273.15", 0.0),
        (f'signal = "{B}.InsulationResistance"\nunit = "MOhm"', "1.371", 1371.0),
        (f'signal = "{B}.CurrentVoltage"\nunit = "mV"', "351234", 351.234),
        (f'signal = "{B}.CurrentCurrent"\nscale = -1', "0.0", 0.0),
        (f'signal = "{B}.CurrentCurrent"\nscale = -0.1\noffset = 10', "1.5", 9.85),
        (f'signal = "{B}.StateOfCharge.Current"\nunit = "ratio"', "0.57", 57.0),
        (f'signal = "{B}.WarningLevel"', "2.0", 2),
        (f'signal = "{B}.WarningLevel"\nscale = 2\noffset = -1', "2", 3),
        (f'signal = "{B}.WarningLevel"\nvalues = {{ severe = 3 }}', "severe", 3),
        (f'signal = "{B}.Charging.IsCharging"', "TRUE", True),
        (f'signal = "{B}.Charging.IsCharging"\nvalues = {{ 1 = true, 4 = false }}', "4.0", False),
        ('signal = "Vehicle.LowVoltageSystemState"', "ON", "ON"),
        ('signal = "Vehicle.LowVoltageSystemState"\nvalues = { 2 = "START" }', "2", "START"),
    ],
)
def test_values_are_converted_exactly(tmp_path, keys, field, value):
    (sample,) = samples(tmp_path, f"t,v\n1,{field}\n", column(keys))
    (found,) = sample["signals"].values()
    assert (found, type(found), str(found)) == (value, type(value), str(value))


def test_what_says_nothing_is_left_out_and_counted(tmp_path):
    mapping = MAP.replace(
        'v = "Vehicle.Speed"', f'v = {{ signal = "Vehicle.Speed", ignore = [255, "n/a"] }}\ns = "{B}.WarningLevel"'
    )
    table = "t,v,s\n1,255.0,1\n2,n/a,1\n3,NaN,1\n4,-inf,1\n5, ,1\n6,1e999,1\n7,7,1\n8,,\n\n9,1\n"
    sent = samples(tmp_path, table, mapping)
    assert [sample["signals"].get("Vehicle.Speed") for sample in sent] == [None] * 6 + [7.0, 1.0]
    said = notes(tmp_path, table, mapping)
    assert "1 rows say nothing of the mapped columns: left out" in said
    assert "1 rows are shorter than the line of names: what they lack is left out" in said


def test_lists_are_ordered_by_number_and_keep_their_places(tmp_path):
    keys = f'signal = "{B}.CellVoltage.CellVoltages"\nignore = [9]'
    table = "t,V_10,V_2,V_1,V_x\n1,3.3,3.2,3.1,a\n2,9,nan,3.1,a\n3,9,9,9,a\n4,3,3,3,a\n"
    sent = samples(tmp_path, table, column(keys, '"V_*"'))
    assert [next(iter(sample["signals"].values())) for sample in sent] == [
        [3.1, 3.2, 3.3],
        [3.1, None, None],
        [3.0, 3.0, 3.0],
    ]


def test_rows_of_one_time_and_rows_that_go_back(tmp_path):
    table = "t,v\n5,1\n5,2\n5,1\n5,2\n4,1\n"
    assert [(s["ts"], s["seq"]) for s in samples(tmp_path, table)] == [
        (5000, 0),
        (5000, 1),
        (5000, 0),
        (5000, 1),
        (4000, 0),
    ]
    said = notes(tmp_path, table)
    assert "1 rows are older than the row before them: sent in the order of the file" in said
    assert "1 rows have the time of an earlier row and differ from it: kept apart by seq" in said
    assert "exact copies of an earlier row: 2, sent again to be counted as duplicates" in said


def test_rows_without_a_time_can_be_ignored(tmp_path):
    mapping = MAP.replace('epoch = "s"', 'epoch = "s"\nignore = ["", "-"]')
    assert len(samples(tmp_path, "t,v\n1,1\n-,2\n,3\n", mapping)) == 1


def test_encodings_and_a_byte_order_mark(tmp_path):
    assert samples(tmp_path, "\ufefft,v\n1,1\n".encode())[0]["ts"] == 1000
    german = "t,Öl\n1,1\n"
    mapping = MAP.replace("v =", '"Öl" =')
    assert "set file.encoding" in mistake(tmp_path, german.encode("latin-1"), mapping)
    assert samples(tmp_path, german.encode("latin-1"), '[file]\nencoding = "latin-1"\n' + mapping)
    assert samples(tmp_path, german.encode("utf-16"), '[file]\nencoding = "utf-16"\n' + mapping)


def test_the_same_mapping_is_the_same_car_and_another_is_another(tmp_path):
    path, mapping = files(tmp_path)

    def vin() -> str:
        return read(path, as_format="csv", mapping=mapping).vin

    first = vin()
    mapping.write_text("# a remark\n" + MAP)
    assert vin() == first
    mapping.write_text(column('signal = "Vehicle.Speed"\nunit = "mph"'))
    assert vin() != first
    mapping.write_text(MAP.replace("[vehicle]", '[vehicle]\nvin = "LFWA0000000000001"'))
    assert vin() == "LFWA0000000000001"


def test_a_table_of_an_archive(tmp_path):
    path, mapping = files(tmp_path)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("other.csv", "a\n")
        archive.write(path, "trip.csv")
    recording = read(tmp_path / "all.zip", as_format="csv", mapping=mapping, trip="trip")
    assert recording.n_samples == 2


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ("[time", "is no TOML"),
        ("", r"the table \[time\] is missing"),
        (MAP + "[extra]\n", "extra is no table of a mapping file"),
        (MAP.replace('column = "t"', ""), "time: Object missing required field `column`"),
        (MAP.replace('epoch = "s"', 'epoch = "h"'), "time.epoch: Invalid enum value 'h'"),
        (MAP.replace('epoch = "s"', ""), "one of format, epoch and elapsed: it has 0"),
        (MAP.replace('epoch = "s"', 'epoch = "s"\nformat = "iso"'), "it has 2"),
        (MAP.replace('epoch = "s"', 'epoch = "s"\nzone = "UTC"'), "time.zone is for times with a format"),
        (MAP.replace('epoch = "s"', 'elapsed = "s"\nstart = 2019-01-01T00:00:00'), "time.start has no time zone"),
        (MAP.replace('epoch = "s"', 'format = "%H:%M"'), "has no year"),
        (MAP.replace('epoch = "s"', 'format = "%Y %Q"'), "cannot be used"),
        (MAP.replace('epoch = "s"', 'format = "%Y %Y"'), "cannot be used"),
        (MAP.replace('epoch = "s"', 'format = "%Y"\nzone = "Mars/Base"'), "time.zone 'Mars/Base' is no time zone"),
        (MAP.replace('epoch = "s"', 'format = "%Y"\nzone = "/etc/passwd"'), "is no time zone"),
        (MAP.replace('epoch = "s"', 'format = "%Y"\nzone = "Europe"'), "is no time zone"),
        (MAP.replace('column = "t"', 'column = "time"'), "has no column 'time', it has t, v: correct time.column"),
        (MAP.replace('"bev"', '"steam"'), "vehicle.powertrain: Invalid enum value 'steam'"),
        (MAP.replace('"bev"', '"bev"\ncells = "many"'), "vehicle.cells: Expected `int | null`, got `str`"),
        (MAP.replace('"bev"', '"bev"\nvin = "X"'), "vehicle.vin is not 17 characters"),
        (MAP.replace('"bev"', '"bev"\ncolour = "red"'), "unknown field `colour`"),
        (MAP.replace("v =", "w ="), "has no column 'w'"),
        (MAP.replace("v =", "t ="), 'columns."t" is the time already'),
        (MAP + 'w = "Vehicle.Speed"', 'columns."v" and columns."w" are both Vehicle.Speed: keep one'),
        (MAP.replace("Vehicle.Speed", "Vehicle.Sped"), "no signal 'Vehicle.Sped': did you mean Vehicle.Speed?"),
        (MAP.replace("Vehicle.Speed", "Forewarn.AtRest"), "is derived from others"),
        (MAP.replace("Vehicle.Speed", f"{B}.CellVoltage.CellVoltages"), r"is a list: give one name with one \*"),
        (MAP.replace("v =", '"v*" ='), "is one value: name one column"),
        (column(f'signal = "{B}.CellVoltage.CellVoltages"', '"x*"'), r"no columns 'x\*' with a number"),
        (column('signal = "Vehicle.Speed"\nunit = "knots"'), "none of km/h, m/s, mph: use scale and offset"),
        (column('signal = "Vehicle.Speed"\nscale = 0'), "scale is not 0"),
        (column('signal = "Vehicle.Speed"\nscale = nan'), "are finite numbers"),
        (column('signal = "Vehicle.Speed"\nscale = "two"'), r'columns."v".scale: Expected `int | float`, got `str`'),
        (column('signal = "Vehicle.Speed"\nvalues = { a = true }'), "takes a number, not True"),
        (column(f'signal = "{B}.WarningLevel"\nvalues = {{ a = 1.5 }}'), "takes a whole number, not 1.5"),
        (column(f'signal = "{B}.Charging.IsCharging"\nvalues = {{ 1 = "yes" }}'), "takes true or false, not 'yes'"),
        (column(f'signal = "{B}.Charging.IsCharging"\nscale = 2'), "is no number: leave unit, scale and offset out"),
        (column('signal = "Vehicle.LowVoltageSystemState"\nvalues = { 1 = "AN" }'), "takes one of UNDEFINED, LOCK"),
        ('[file]\ndelimiter = "::"\n' + MAP, "file.delimiter"),
        ('[file]\nencoding = "morse"\n' + MAP, "file.encoding: Invalid enum value 'morse'"),
        ("[file]\nskip_lines = -1\n" + MAP, "file.skip_lines"),
        ("[file]\nskip_lines = 9\n" + MAP, "has no line with the names of its columns"),
    ],
)
def test_a_mistake_in_the_mapping_names_the_key_and_what_to_do(tmp_path, mapping, said):
    text = mistake(tmp_path, mapping=mapping)
    assert re.search(said, text), text
    assert "trip.toml" in text


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "has no line with the names"),
        ("t,v\n", "holds no row in trip"),
        ("t,v\n,\n", "holds no row in trip"),
        ("t,v,v\n1,1,1\n", "has 2 columns 'v'"),
        ("t;v\n1;1\n", "has no column 't', it has t;v: correct time.column in .*, or file.delimiter"),
        ("t,v\n1,fast\n", "line 2, column v: 'fast' is no number: add it to ignore"),
        ("t,v\n1,1,5\n", "line 2 has 3 fields"),
        ("t,v\nx,1\n", "line 2, column t: 'x' is no number: correct"),
        ("t,v\nnan,1\n", "line 2, column t: "),
        ("t,v\n-1,1\n", "is no time between 1970 and 2286"),
        ("t,v\n1e999999,1\n", "is no time between 1970 and 2286"),
        ("t,v\n,1\n", "line 2, column t: '' is no number"),
        (b"t,v\n1,\xff\n", "is not utf-8: set file.encoding"),
        (b't,v\n1,"' + b"x" * 200_000 + b'"\n', "is no line of a table"),
        (b"PK\x03\x04 cut", "is damaged|has no column"),
        (b"\xfd7zXZ\x00 cut", "is damaged .*: fetch it again"),
        (b"\x1f\x8b cut", "is damaged .*: fetch it again"),
    ],
)
def test_a_mistake_in_the_table_names_line_and_column(tmp_path, table, said):
    assert re.search(said, mistake(tmp_path, table))


@pytest.mark.parametrize(
    ("signal", "field", "said"),
    [
        (f"{B}.WarningLevel", "1.5", "is no whole number"),
        (f"{B}.WarningLevel", "1e300", "is no whole number"),
        (f"{B}.Charging.IsCharging", "3", "is not true or false: say in values"),
        ("Vehicle.LowVoltageSystemState", "AN", "is none of UNDEFINED, LOCK"),
    ],
)
def test_a_value_of_the_wrong_type_is_a_mistake(tmp_path, signal, field, said):
    assert said in mistake(tmp_path, f"t,v\n1,{field}\n", MAP.replace("Vehicle.Speed", signal))


def test_the_mapping_goes_with_csv_and_csv_with_a_mapping(tmp_path):
    path, mapping = files(tmp_path)
    with pytest.raises(UserMistake, match="needs --map FILE"):
        read(path, as_format="csv")
    with pytest.raises(UserMistake, match="leave --map out"):
        read(path, as_format="ev-bms", mapping=mapping)
    for missing, said in ((tmp_path / "none.toml", "does not exist"), (tmp_path, "is a folder")):
        with pytest.raises(UserMistake, match=said):
            read(path, as_format="csv", mapping=missing)
    mapping.write_bytes(b"\xff")
    with pytest.raises(UserMistake, match="not UTF-8"):
        read(path, as_format="csv", mapping=mapping)


def test_the_document_lists_every_format_unit_and_encoding():
    from typing import get_args

    from forewarn.replay import FORMATS
    from forewarn.replay.mapping import Encoding
    from forewarn.replay.units import _INTO

    text = DOCUMENT.read_text(encoding="utf-8")
    for name in (*FORMATS, *(unit for units in _INTO.values() for unit in units)):
        assert f"`{name}`" in text, name
    for name in get_args(Encoding):
        assert name in text
