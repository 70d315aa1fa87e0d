"""Charging sessions: two readings each and nothing invented."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from config.errors import UserMistake
from forewarn.replay import read
from ingest import topics
from ingest.charging import charger_row, decode_charger


def local(*parts: int) -> datetime:
    """Return a time as a cell has it: without a zone."""
    return datetime(*parts)  # noqa: DTZ001 - a workbook's cells have no zone


NAMES = ["Session", "CCS", "Arrival", "Departure", "Energy (Wh)", "Pmax (W)", "SOC arrival", "SOC departure"]
ROW = [278, "CCS1", local(2022, 8, 11, 23, 33), local(2022, 8, 11, 23, 37), 9632, 168393, 25.99, 35.5]
WINTER = [279, "CCS2", local(2022, 1, 11, 23, 33), local(2022, 1, 12, 0, 37), 30000, 90000, 20, 80]


def workbook(folder: Path, *rows: list[Any], names: list[str] = NAMES) -> Path:
    book = Workbook()
    for row in (names, *rows):
        book.active.append(row)
    book.save(folder / "sessions.xlsx")
    return folder / "sessions.xlsx"


def test_a_session_is_a_reading_at_arrival_and_one_at_departure(tmp_path):
    recording = read(workbook(tmp_path, ROW, WINTER), as_format="epfl")
    assert (recording.n_rows, recording.n_samples, recording.vin, recording.enrolment) == (2, 4, None, None)
    found = []
    for message in recording.messages:
        topic = topics.parse(message.topic)
        decoded = decode_charger(message.payload)
        assert (topic.kind, decoded.bad, decoded.samples[0].ts) == ("charger", [], topic.received_ms)
        row = charger_row(decoded.samples[0])
        at = datetime.fromtimestamp(message.received_ms / 1000, tz=UTC)
        found.append((topic.at, decoded.session_id, decoded.samples[0].seq, at, row))
    ccs1, ccs2 = (topics.Connector("epfl", "level-3", plug) for plug in ("CCS1", "CCS2"))
    said = {"extra": None, "quality": 0}
    assert found == [
        (ccs2, "279", 279, datetime.fromisoformat("2022-01-11T23:33+01:00"), {"soc_pct": 20.0, **said}),
        (
            ccs2,
            "279",
            279,
            datetime.fromisoformat("2022-01-12T00:37+01:00"),
            {"soc_pct": 80.0, "energy_kwh": 30.0, **said},
        ),
        (ccs1, "278", 278, datetime.fromisoformat("2022-08-11T23:33+02:00"), {"soc_pct": 25.99, **said}),
        (
            ccs1,
            "278",
            278,
            datetime.fromisoformat("2022-08-11T23:37+02:00"),
            {"soc_pct": 35.5, "energy_kwh": 9.632, **said},
        ),
    ]
    assert "left out: Pmax (W) (the highest power has no time)" in recording.notes


def test_odd_sessions_are_said(tmp_path):
    rows = [
        ROW,
        [1, "CCS1", local(2022, 8, 11, 23, 35), local(2022, 8, 12), 100, 9, 0, 50],
        [2, "CCS2", local(2022, 8, 12), local(2022, 8, 13), 200_000, 9, 90, 89],
    ]
    notes = read(workbook(tmp_path, *rows), as_format="epfl").notes
    assert "1 sessions begin before the one before has left the plug: sent as they are" in notes
    assert "1 sessions end with no more charge than they began with: sent as they are" in notes
    assert any(note.startswith("1 sessions begin at a state of charge of exactly 0") for note in notes)
    assert any("below 20 kWh in 1 sessions" in note for note in notes)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (0, None, "row 2 holds None as Session"),
        (1, "CCS3", "row 2 holds 'CCS3' as CCS, not one of CCS1, CCS2"),
        (2, "yesterday", "row 2 holds 'yesterday' as Arrival"),
        (2, local(2022, 8, 11, 23, 37), "row 2 has a departure that is not after its arrival"),
        (4, "much", "row 2 holds 'much' as Energy"),
        (6, 1e12, "as SOC arrival, which is no such number"),
    ],
)
def test_a_row_that_is_no_session_is_named(tmp_path, place, value, said):
    row = [*ROW[:place], value, *ROW[place + 1 :]]
    with pytest.raises(UserMistake, match=said):
        read(workbook(tmp_path, row), as_format="epfl")


def test_other_files_are_mistakes(tmp_path):
    with pytest.raises(UserMistake, match="holds session 278 twice"):
        read(workbook(tmp_path, ROW, ROW), as_format="epfl")
    with pytest.raises(UserMistake, match="holds no sessions"):
        read(workbook(tmp_path), as_format="epfl")
    with pytest.raises(UserMistake, match="lacks the columns CCS"):
        read(workbook(tmp_path, ROW, names=["Session", *"abcdefg"]), as_format="epfl")
    path = workbook(tmp_path, ROW)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(UserMistake, match="no Excel workbook"):
        read(path, as_format="epfl")
    with pytest.raises(UserMistake, match="is a folder"):
        read(tmp_path, as_format="epfl")
    with pytest.raises(UserMistake, match="leave --start out"):
        read(path, as_format="epfl", start=datetime.now().astimezone())
    with pytest.raises(UserMistake, match="leave --trip x out"):
        read(path, as_format="epfl", trip="x")
