"""Mistakes at the command line of replay: one line, exit code 2, and nothing is started for them."""

import lzma
from datetime import UTC, datetime

import pytest
from openpyxl import Workbook

from forewarn.cli import run

MAP = '[time]\ncolumn = "t"\nepoch = "s"\n[vehicle]\npowertrain = "ice"\n[columns]\nv = "Vehicle.Speed"\n'


@pytest.fixture
def told(tmp_path, capsys, monkeypatch):
    """Return a function that runs replay in a folder with some files and returns its one line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trip.csv").write_text("t,v\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "header.csv").write_text("t,v\n")
    (tmp_path / "trip.toml").write_text(MAP)
    (tmp_path / "2017-07-05_A_B.csv.xz").write_bytes(lzma.compress(b"Time\n" * 100)[:-20])

    def tell(*arguments: str) -> str:
        assert run(["replay", *arguments]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        (line,) = said.err.splitlines()
        return line

    return tell


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("trip.csv --as obd", "use one of ev-bms, carobd, kit-obd2, epfl, csv"),
        ("trip.csv --as csv", "--as csv needs --map FILE.toml"),
        ("trip.csv --as carobd --map trip.toml", "leave --map out"),
        ("trip.csv --as csv --map none.toml", "none.toml does not exist"),
        ("none.csv --as csv --map trip.toml", "none.csv does not exist"),
        (". --as kit-obd2", "is a folder"),
        ("empty.csv --as csv --map trip.toml", "has no line with the names"),
        ("header.csv --as csv --map trip.toml", "holds no row"),
        ("trip.csv --as kit-obd2", "is not a kit-obd2 recording"),
        ("trip.csv --as epfl", "is no Excel workbook"),
        ("2017-07-05_A_B.csv.xz --as kit-obd2", "is damaged"),
        ("trip.csv --as csv --map trip.toml --speed fast", "--speed fast is not a speed"),
        ("trip.csv --as csv --map trip.toml --speed 0", "--speed 0 is not a speed"),
        ("trip.csv --as csv --map trip.toml --longest-gap nan", "--longest-gap"),
        ("trip.csv --as csv --map trip.toml --longest-gap -1", "--longest-gap"),
        ("trip.csv --as csv --map trip.toml --wire morse", "--wire morse is not a way to send"),
        ("trip.csv --as csv --map trip.toml --start 2018-06-01", "has no time zone"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(told, arguments, said):
    assert said in told(*arguments.split())


def test_a_station_sends_no_frames(told, tmp_path):
    book = Workbook()
    book.active.append(["Session", "CCS", "Arrival", "Departure", "Energy (Wh)", "SOC arrival", "SOC departure"])
    arrival, departure = (datetime(2022, 8, 11, hour, tzinfo=UTC).replace(tzinfo=None) for hour in (10, 11))
    book.active.append([1, "CCS1", arrival, departure, 20_000, 20, 60])
    book.save(tmp_path / "sessions.xlsx")
    assert "leave --wire out" in told("sessions.xlsx", "--as", "epfl", "--wire", "gbt32960")
