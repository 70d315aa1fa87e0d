"""Trips from a diagnostic plug: trailing commas, a clock that stands still, blanks."""

import io
import itertools
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import UserMistake
from forewarn.replay import read
from forewarn.replay.carobd import _spread
from ingest.telemetry import TelemetryDecoder

HEADER = "ENGINE_RUN_TINE (),ENGINE_RPM (),VEHICLE_SPEED (),CONTROL_MODULE_VOLTAGE (),PEDAL_D ()\n"
ROWS = (
    "0.000000, 0.000000, 0.000000, 12.382000, 16.078432,\n"
    "0.000000, 245.250000, 0.000000, 11.894000, 16.078432,\n"
    "2.000000, 1128.000000, 0.000000, 13.574000, 16.078432,\n"
    "2.000000, 1113.250000, 5.000000, , 16.078432,\n"
    "4.000000, 1113.250000\n"
)
START_MS = 1_527_850_800_000  # 2018-06-01 08:00 -03:00


def trip(folder: Path, text: str = HEADER + ROWS) -> Path:
    path = folder / "trip.csv"
    path.write_text(text)
    return path


def trips(folder: Path, *names: str) -> Path:
    path = folder / "trips.tar.xz"
    with tarfile.open(path, "w:xz") as archive:
        for name in names:
            content = (HEADER + ROWS).encode()
            info = tarfile.TarInfo(f"{name}.csv")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def samples(path: Path, **options: Any) -> list[dict[str, Any]]:
    recording = read(path, as_format="carobd", **options)
    return [msgspec.json.decode(message.payload)["samples"][0] for message in recording.messages]


def test_rows_of_one_tick_are_spread_to_the_next(tmp_path):
    assert [s["ts"] - START_MS for s in samples(trip(tmp_path))] == [0, 1000, 2000, 3000, 4000]


def test_the_trailing_comma_shifts_nothing(tmp_path):
    signals = samples(trip(tmp_path))[1]["signals"]
    assert signals["Vehicle.Powertrain.CombustionEngine.Speed"] == 245.25
    assert signals["Vehicle.LowVoltageBattery.CurrentVoltage"] == 11.894
    assert signals["Vehicle.Speed"] == 0.0
    assert len(signals) == 3


def test_blanks_and_rows_cut_short_are_left_out(tmp_path):
    sent = samples(trip(tmp_path))
    assert "Vehicle.LowVoltageBattery.CurrentVoltage" not in sent[3]["signals"]
    assert sent[4]["signals"] == {"Vehicle.Powertrain.CombustionEngine.Speed": 1113.25}
    notes = read(trip(tmp_path), as_format="carobd").notes
    assert "4 values are blank or missing: left out" in notes
    assert "not in the signal catalogue, left out: PEDAL_D" in notes


def test_ingest_understands_every_signal(tmp_path):
    recording = read(trip(tmp_path), as_format="carobd")
    for message in recording.messages:
        assert not TelemetryDecoder().decode(message.payload, vin=recording.vin).oddities
    assert recording.enrolment.powertrain == "ice"


def test_trips_of_an_archive_are_one_car_on_different_days(tmp_path):
    path = trips(tmp_path, "drive1", "drive3")
    first, second = (read(path, as_format="carobd", trip=name) for name in ("drive1", "drive3.csv"))
    assert first.vin == second.vin
    assert next(second.messages).received_ms - next(first.messages).received_ms == 86_400_000
    assert list(read(path, as_format="carobd").messages) == list(first.messages)


def test_the_start_can_be_given_with_its_time_zone(tmp_path):
    start = datetime(2020, 1, 1, tzinfo=UTC)
    assert samples(trip(tmp_path), start=start)[0]["ts"] == start.timestamp() * 1000
    with pytest.raises(UserMistake, match="no time zone"):
        read(trip(tmp_path), as_format="carobd", start=datetime(2020, 1, 1))  # noqa: DTZ001


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e5)), min_size=1, max_size=60))
def test_time_always_goes_on(clock):
    times = _spread(clock, 0, [])
    assert len(times) == len(clock)
    assert times[0] == 0
    assert all(later > earlier for earlier, later in itertools.pairwise(times))


def test_a_clock_that_goes_back_goes_on_and_is_said():
    notes: list[str] = []
    assert _spread([0.0, 5.0, 2.0, 4.0], 0, notes) == [0, 5000, 6000, 7000] or notes
    assert any("goes back 1 times" in note for note in notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "not a carobd recording"),
        (HEADER, "holds no rows"),
        (HEADER + "0,fast,1,2,3\n", "no number"),
    ],
)
def test_another_file_is_a_mistake_that_is_explained(tmp_path, text, said):
    with pytest.raises(UserMistake, match=said):
        read(trip(tmp_path, text), as_format="carobd")


def test_a_trip_that_is_not_there_names_those_that_are(tmp_path):
    with pytest.raises(UserMistake, match="it has drive1, drive3"):
        read(trips(tmp_path, "drive1", "drive3"), as_format="carobd", trip="drive2")
