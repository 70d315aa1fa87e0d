"""Whatever lies in a table or a mapping file: it is read, or it is a mistake of one line."""

import math
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import UserMistake
from config.signals import catalogue
from forewarn.replay import FORMATS, read
from forewarn.replay.units import conversion, units_for
from ingest import topics

MAP = """
[time]
column = "t"
{time}
[vehicle]
powertrain = "bev"
[columns.v]
signal = "Vehicle.Speed"
{keys}
"""
NUMBERS = {s.unit: s for s in catalogue().signals if s.type in ("real", "double") and not s.derived}
UNITS = [(unit, into) for into in sorted(NUMBERS) for unit in units_for(into)]

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_scalars = st.one_of(
    _texts,
    st.booleans(),
    st.integers(-(10**400), 10**400) | st.integers(-9, 9),
    st.floats(),
    st.sampled_from(
        ["t", "v", "V_*", "iso", "%Y", "s", "ms", "bev", "NMC", "Vehicle.Speed", "V", "UTC", ",", "utf-16"]
    ),
    st.datetimes(),
)
_keys = st.sampled_from(
    [
        *("column", "format", "zone", "epoch", "elapsed", "start", "ignore", "powertrain", "model", "cells", "vin"),
        *("signal", "unit", "scale", "offset", "values", "delimiter", "encoding", "decimal", "skip_lines"),
        *("t", "v", "V_*"),
    ]
)
_tables = st.dictionaries(
    st.sampled_from(["file", "time", "vehicle", "columns"]) | _texts,
    st.dictionaries(_keys | _texts, st.recursive(_scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=4))
    | _scalars,
    max_size=5,
)
_fields = st.one_of(
    st.sampled_from(["", "nan", "-inf", "1e9999999", "1e-9999999", "0x1", "1_0", "١", '"', "a,b", "2019-04-15"]),
    st.floats().map(str),
    st.integers().map(str),
    _texts,
)


def toml(value: object) -> str:
    """Return a value as TOML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "nan" if math.isnan(value) else repr(value)
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(letter):08x}" for letter in value) + '"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def outcome(table: bytes, mapping: bytes) -> str:
    """Read it all and return what a person is told."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "a.csv").write_bytes(table)
        (Path(folder) / "a.toml").write_bytes(mapping)
        try:
            recording = read(Path(folder) / "a.csv", as_format="csv", mapping=Path(folder) / "a.toml")
            messages = list(recording.messages)
        except UserMistake as mistake:
            told = str(mistake)
            assert len(told.splitlines()) == 1
            return told
    assert sum(message.samples for message in messages) == recording.n_samples
    for message in messages:
        msgspec.json.decode(message.payload)
    return ""


def test_units_come_back_where_they_came_from():
    @given(st.sampled_from(UNITS), st.decimals(-(10**6), 10**6, places=6))
    def check(pair, value):
        found = conversion(*pair)
        assert found is not None
        there = value * found.scale + found.offset
        assert abs((there - found.offset) / found.scale - value) <= Decimal("1e-15")

    check()
    assert conversion("V", "A") is None


@given(st.sampled_from(UNITS), st.floats(-1e6, 1e6, allow_subnormal=False))
@settings(max_examples=60, deadline=None)
def test_a_value_sent_is_the_value_of_the_file_in_the_unit_of_the_catalogue(pair, value):
    unit, into = pair
    signal = NUMBERS[into]
    mapping = MAP.format(time='epoch = "s"', keys=f'unit = "{unit}"').replace("Vehicle.Speed", signal.path)
    with TemporaryDirectory() as folder:
        (Path(folder) / "a.csv").write_text(f"t,v\n1,{value!r}\n")
        (Path(folder) / "a.toml").write_text(mapping)
        recording = read(Path(folder) / "a.csv", as_format="csv", mapping=Path(folder) / "a.toml")
        (message,) = recording.messages
    sent = msgspec.json.decode(message.payload)["samples"][0]["signals"][signal.path]
    found = conversion(unit, into)
    assert sent == pytest.approx(value * float(found.scale) + float(found.offset), rel=1e-12, abs=1e-9)


@given(
    st.lists(st.lists(_fields, max_size=4), max_size=6),
    st.sampled_from(['epoch = "s"', 'epoch = "ns"', 'format = "iso"\nzone = "Europe/Zurich"', 'format = "%Y"']),
    st.sampled_from(["", "scale = -1e308", "offset = 1e300", 'unit = "mph"', "ignore = [1]", 'values = { "" = 1 }']),
)
@settings(max_examples=300, deadline=None)
def test_any_table_is_read_or_a_mistake_of_one_line(rows, time, keys):
    table = "\n".join(["t,v", *(",".join(row) for row in rows)])
    outcome(table.encode(), MAP.format(time=time, keys=keys).encode())


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"t,v\n", b"PK\x03\x04", b"\xfd7zXZ\x00", b"\x1f\x8b\x08", b"BZh9"])
)
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_a_mistake_of_one_line(content, start):
    outcome(start + content, MAP.format(time='epoch = "s"', keys="").encode())


@given(_tables)
@settings(max_examples=400, deadline=None)
def test_any_mapping_is_carried_out_or_a_mistake_of_one_line(tables):
    text = "\n".join(f"{toml(key)} = {toml(value)}" for key, value in tables.items())
    outcome(b"t,v,V_1\n100,1,2\n", text.encode("utf-8", "replace"))


@given(
    st.dictionaries(_keys, _scalars | st.lists(_scalars, max_size=2), max_size=2),
    st.dictionaries(_keys, _scalars | st.dictionaries(_texts, _scalars, max_size=2), max_size=3),
    st.sampled_from(sorted(catalogue().by_path)),
)
@settings(max_examples=400, deadline=None)
def test_a_nearly_right_mapping_is_carried_out_or_a_mistake_of_one_line(time, column, signal):
    tables = {
        "time": {"column": "t", "epoch": "s", **time},
        "vehicle": {"powertrain": "bev"},
        "columns": {"v": {"signal": signal, **column}},
    }
    outcome(b"t,v,V_1\n100,1,2\n", "\n".join(f"{k} = {toml(v)}" for k, v in tables.items()).encode())


@given(st.binary(max_size=100), st.sampled_from(FORMATS[:-1]), st.sampled_from(["a.csv", "2017-07-05_A_B.csv.xz"]))
@settings(max_examples=200, deadline=None)
def test_any_bytes_as_any_format_are_a_mistake(content, form, name):
    with TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(content)
        with pytest.raises(UserMistake):
            read(Path(folder) / name, as_format=form)


NEARLY = {
    "carobd": "ENGINE_RUN_TINE (),ENGINE_RPM (),VEHICLE_SPEED ()",
    "kit-obd2": "Time,Engine RPM [RPM],Vehicle Speed Sensor [km/h]",
    "ev-bms": (
        "tboxTime,vehSpeed,BMSBatteryVoltage,BMSCellVoltageMax,BMSCellVoltageMin,vehBMSPackSOC,BMSProbeTempMax,"
        "BMSProbeTempMin,BMSBatteryCurrent,BMSChargeStatus,BMSWarningInformation,vehOdo,insulationResistance,V_1,T_1"
    ),
}
_times = st.sampled_from(
    ["2019-04-15 08:00:00", "1066-10-14 08:00:00", "9999-12-31 23:59:59", "07:16:30", "00:00:01", "7"]
)


@given(st.sampled_from(sorted(NEARLY)), st.data())
@settings(max_examples=400, deadline=None)
def test_a_nearly_right_file_is_read_or_a_mistake_of_one_line(form, data):
    fields = st.one_of(st.sampled_from(["1", "0", "2.5", "nan", "inf", "", "1e300", "-1", "1e999"]), _fields)
    header = NEARLY[form]
    row = st.tuples(_times | fields, *[fields] * header.count(",")).map(",".join)
    rows = data.draw(st.lists(row, min_size=1, max_size=4))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "2017-07-05_A_B.csv"
        path.write_text("\n".join([header, *rows]), encoding="utf-8", newline="")
        try:
            for message in read(path, as_format=form).messages:
                assert topics.parse(message.topic).received_ms == message.received_ms
        except UserMistake as mistake:
            assert len(" ".join(str(mistake).split()).splitlines()) == 1
