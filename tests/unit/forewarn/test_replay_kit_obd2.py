"""A log of answers, one a row: which of them is new, when it was given, and spellings of the degree sign."""

import lzma
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from config.errors import UserMistake
from forewarn.replay import read
from ingest.telemetry import TelemetryDecoder

ENGINE = "Vehicle.Powertrain.CombustionEngine"
COOLANT, RPM, FLOW = f"{ENGINE}.EngineCoolant.Temperature", f"{ENGINE}.Speed", "Vehicle.OBD.MAF"
HEADER = "Time,Engine Coolant Temperature [°C],Engine RPM [RPM],Air Flow Rate from Mass Flow Sensor [g/s],Pedal [%]\n"
ROWS = (
    "07:16:30.444,31,,,\n"
    "07:16:30.535,31,800.0,,\n"
    "07:16:30.625,31,800.0,3.5,\n"
    "07:16:30.716,31,800.0,3.5,14.1\n"
    "07:16:30.814,31,800.0,3.5,14.1\n"
    "07:16:30.895,31,810.0,3.5,14.1\n"
)
START_MS = 1_499_231_790_444  # 2017-07-05 07:16:30.444 +02:00


def log(folder: Path, text: str | bytes = HEADER + ROWS, name: str = "2017-07-05_Seat_Leon_RT_S_Stau.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def sent(path: Path, **options: Any) -> list[tuple[int, int, dict[str, Any]]]:
    messages = read(path, as_format="kit-obd2", **options).messages
    samples = [msgspec.json.decode(message.payload)["samples"][0] for message in messages]
    return [(sample["ts"] - START_MS, sample["seq"], sample["signals"]) for sample in samples]


def test_a_row_is_the_answer_whose_turn_it_was(tmp_path):
    assert sent(log(tmp_path)) == [
        (0, 0, {COOLANT: 31.0}),
        (91, 0, {RPM: 800.0}),
        (181, 0, {FLOW: 3.5}),
        (370, 0, {COOLANT: 31.0}),
        (451, 0, {RPM: 810.0}),
    ]
    recording = read(log(tmp_path), as_format="kit-obd2")
    assert (recording.n_rows, recording.n_samples) == (6, 5)
    assert recording.notes == ["not in the signal catalogue, left out: Pedal"]
    assert (recording.enrolment.model, recording.enrolment.powertrain) == ("Seat Leon", "ice")
    for message in recording.messages:
        assert not TelemetryDecoder().decode(message.payload, vin=recording.vin).oddities


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252"])
def test_the_degree_sign_may_be_spelled_in_any_encoding(tmp_path, encoding):
    assert len(sent(log(tmp_path, (HEADER + ROWS).encode(encoding)))) == 5
    twice = (HEADER + ROWS).encode().decode("latin-1").encode()
    assert len(sent(log(tmp_path, twice))) == 5


def test_a_packed_log_is_the_same(tmp_path):
    packed = log(tmp_path, lzma.compress((HEADER + ROWS).encode()), "2017-07-05_Seat_Leon_RT_S_Stau.csv.xz")
    assert sent(packed) == sent(log(tmp_path))


def test_missing_answers_do_not_shift_the_others(tmp_path):
    path = log(tmp_path, HEADER + ROWS * 3 + "07:16:31.0,31,810.0,9.0,14.1\n")
    assert sent(path)[-1][2] == {FLOW: 9.0}
    assert any(note.startswith("answers are missing in") for note in read(path, as_format="kit-obd2").notes)


def test_past_midnight_it_is_the_next_day(tmp_path):
    path = log(tmp_path, HEADER + "23:59:59.9,31,,,\n00:00:00.1,31,800,,\n")
    (first, _, _), (second, _, _) = sent(path)
    assert second - first == 200
    assert "the clock passes midnight: the rows after it are of the next day" in read(path, as_format="kit-obd2").notes


def test_a_clock_set_back_is_said(tmp_path):
    path = log(tmp_path, HEADER + "08:00:00,31,,,\n07:59:59,31,800,,\n")
    assert [ts for ts, _, _ in sent(path)] == [2_609_556, 2_608_556]
    assert any("goes back 1 times" in note for note in read(path, as_format="kit-obd2").notes)


def test_trips_of_one_model_are_one_car(tmp_path):
    one = read(log(tmp_path), as_format="kit-obd2")
    other = read(log(tmp_path, name="2018-03-06_Seat_Leon_KA_RT_Normal.csv"), as_format="kit-obd2")
    assert one.vin == other.vin != read(log(tmp_path, name="2018-03-06_VW_Golf.csv"), as_format="kit-obd2").vin
    # In winter Germany is an hour behind.
    assert (next(other.messages).received_ms - next(one.messages).received_ms) % 86_400_000 == 3_600_000


def test_a_given_start_is_that_of_the_first_row(tmp_path):
    path = log(tmp_path, name="trip.csv")
    assert sent(path, start=datetime.fromisoformat("2017-07-05T05:16:30.444Z"))[1][0] == 91
    with pytest.raises(UserMistake, match="does not begin with its date"):
        sent(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not a kit-obd2 recording"),
        ("a,b\n1,2\n", "not a kit-obd2 recording"),
        (HEADER, "holds no rows"),
        (HEADER + "25:00:00,1,,,\n", "line 2 begins with '25:00:00', not with a time"),
        (HEADER + "07:16:30+02:00,1,,,\n07:16:31,1,,,\n", "not with a time"),
        (HEADER + "07:16:30,1\n", "line 2 has 2 fields, not 5"),
        (HEADER + "07:16:30,hot,,,\n", "line 2 holds 'hot' where a number belongs"),
        (HEADER + "".join(f"07:16:{n},{n},{n},{n},{n}\n" for n in range(10, 50)), "do not change in turns"),
        (b"\xfd7zXZ\x00 cut short", "is damaged"),
    ],
)
def test_another_file_is_a_mistake_that_is_explained(tmp_path, content, said):
    with pytest.raises(UserMistake, match=said):
        sent(log(tmp_path, content))


def test_a_name_with_an_impossible_date_is_a_mistake(tmp_path):
    with pytest.raises(UserMistake, match="2017-13-05, which is no date"):
        sent(log(tmp_path, name="2017-13-05_Seat_Leon.csv"))


def test_numbers_that_are_none_are_left_out(tmp_path):
    assert [signals for _, _, signals in sent(log(tmp_path, HEADER + "07:16:30,nan,,,\n07:16:31,nan,5,,\n"))] == [
        {RPM: 5.0}
    ]
