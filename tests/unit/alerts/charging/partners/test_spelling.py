from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.charging.partners.spelling import CHINA, by_name, instant, number, text, whole

AT = datetime(2026, 11, 26, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("TatalVoltage", "TotalVoltage"),
        ("TemptureH", "TemperatureH"),
        ("TemptureL", "TemperatureL"),
        ("connectorId", "ConnectorID"),
        ("connector_id", "ConnectorID"),
        ("CONNECTORID", "ConnectorID"),
        ("ConectorID", "ConnectorID"),
        ("AlarmStaus", "AlarmStatus"),
        ("AlarmInfo", "AlarmInfos"),
    ],
)
def test_misspelt_names_are_known(written, meant):
    assert by_name({written: 5, "Else": 6}, (meant,)) == {meant: 5}


def test_a_name_spelt_as_it_should_be_wins():
    assert by_name({"TotalVoltage": 1, "TatalVoltage": 2}, ("TotalVoltage",)) == {"TotalVoltage": 1}
    assert by_name({"TatalVoltage": 2, "TotalVoltage": 1}, ("TotalVoltage",)) == {"TotalVoltage": 1}


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-26T06:30:00Z",
        "2026-11-26T14:30:00+08:00",
        "2026-11-26 14:30:00",
        "20261126143000",
        AT.timestamp(),
        int(AT.timestamp() * 1000),
        str(int(AT.timestamp())),
    ],
)
def test_times_are_read_however_they_are_written(written):
    assert instant(written, zone=CHINA) == AT


@given(st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.integers()) | st.integers())
def test_no_value_is_read_with_an_exception(value):
    found = instant(value)
    assert found is None or found.tzinfo is not None
    assert number(value) is None or isinstance(number(value), float)
    assert whole(value) is None or isinstance(whole(value), int)
    written = text(value)
    assert written is None or (0 < len(written) <= 200 and "\0" not in written)


def test_numbers_that_are_texts_are_numbers():
    assert (number("380.5"), whole("255"), whole("2.5"), number("nan"), number("x"), number(True)) == (
        380.5,
        255,
        None,
        None,
        None,
        None,
    )
