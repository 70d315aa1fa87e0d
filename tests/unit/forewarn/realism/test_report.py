"""The report of a few simulated cars against recordings made for the test."""

import csv
import io
import json
import tarfile
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from openpyxl import Workbook

from forewarn.cli import run
from forewarn.realism.report import SECTIONS

RNG = np.random.default_rng(3)
START = datetime(2019, 4, 15, 8)  # noqa: DTZ001 - as the recordings write it


def table(names: list[str], rows: list[list[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([names, *rows])
    return text.getvalue().encode()


def electric(path: Path, *, step_s: int, cells: int) -> None:
    """A car that drives half of the time, rests, and charges at the end."""
    names = ["tboxTime", "BMSChargeStatus", "vehSpeed", "BMSBatteryVoltage", "BMSCellVoltageMax", "BMSCellVoltageMin"]
    names += ["BMSBatteryCurrent", "vehBMSPackSOC", "BMSProbeTempMax", "BMSProbeTempMin", "BMSWarningInformation"]
    names += ["vehOdo", "insulationResistance", *(f"V_{i}" for i in range(1, cells + 1)), "T_1", "T_2"]
    own = RNG.normal(0.0, 0.006, cells)
    rows: list[list[object]] = []
    for i in range(1500):
        drives, charges = i % 100 < 60 and i < 1200, i >= 1300
        speed = max(0.0, round(30 + 25 * np.sin(i / 7), 1)) if drives else 0.0
        current = round(20 + 30 * np.sin(i / 5), 1) if drives else (-40.0 if charges else 0.0)
        volts = np.round(3.8 + own - current * 0.0008, 3)
        status, level = (1.0, 2) if charges else (3.0, int(i % 300 == 0))
        rows.append(
            [
                START + timedelta(seconds=i * step_s),
                status,
                speed,
                round(volts.sum(), 1),
                volts.max(),
                volts.min(),
                current,
                60,
                27,
                25,
                level,
                18000 + i * 0.1,
                5.0,
                *volts,
                67.0,
                65.0,
            ]
        )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("car.csv", table(names, rows))


def petrol(path: Path) -> None:
    """Trips that begin cold and warm up within 400 s."""
    names = ["ENGINE_RUN_TINE ()", "ENGINE_RPM ()", "VEHICLE_SPEED ()", "ENGINE_LOAD ()", "COOLANT_TEMPERATURE ()"]
    names += ["CONTROL_MODULE_VOLTAGE ()"]
    with tarfile.open(path, "w:xz") as archive:
        for trip in range(6):
            rows: list[list[object]] = [[0, 0, 0, 0, 27, 12.4], [1, 250, 0, 0, 27, 10.5 + trip / 10]]
            for i in range(2, 900):
                speed = max(0, round(30 + 28 * np.sin(i / 20 + trip)))
                rows.append([i, 800 + 20 * speed, speed, 30 + speed / 5, min(88, round(27 + 53 * i / 400)), 13.7])
            content = table(names, rows)
            info = tarfile.TarInfo(f"trip{trip}.csv")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def sessions(path: Path) -> None:
    book = Workbook()
    book.active.append(
        ["Session", "CCS", "Arrival", "Departure", "Energy (Wh)", "Pmax (W)", "SOC arrival", "SOC departure"]
    )
    for i in range(150):
        begins = START + timedelta(hours=i)
        ends = begins + timedelta(minutes=20 + i % 20)
        book.active.append([i, "CCS1", begins, ends, 20_000 + 100 * i, 90_000, 20 + i % 40, 80])
    book.save(path)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("recordings")
    for folder in ("ev-bms-faults", "carobd", "epfl-dcfc"):
        (data / folder).mkdir()
    for car, step_s, cells in (("car1", 1, 96), ("car2", 30, 88), ("car3", 10, 87)):
        electric(data / "ev-bms-faults" / f"{car}_processed.zip", step_s=step_s, cells=cells)
    petrol(data / "carobd" / "carobd_trips.tar.xz")
    sessions(data / "epfl-dcfc" / "Session_data.xlsx")
    return data


def reported(data: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    arguments = ["--data", str(data), "--out", str(out), "--vehicles", "3", "--days", "7"]
    assert run(["simulate", "realism", *arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["report"] == str(out / "realism.md")
    assert said["good"] + said["fair"] + said["bad"] > 50
    return (out / "realism.md").read_text(encoding="utf-8")


def test_a_report_has_every_section_and_its_plots_and_is_the_same_again(recordings, tmp_path, capsys):
    text = reported(recordings, tmp_path / "one", capsys)
    for section in SECTIONS:
        assert f"## {section}\n" in text
    assert "Missing, and so not compared: `kit-obd2`." in text
    for name in ("driving", "cells", "engine", "sessions"):
        assert f"realism/{name}.png" in text
        assert (tmp_path / "one" / "realism" / f"{name}.png").stat().st_size > 1000
    assert text == reported(recordings, tmp_path / "two", capsys)
    for plot in (tmp_path / "one" / "realism").iterdir():
        assert plot.read_bytes() == (tmp_path / "two" / "realism" / plot.name).read_bytes()


def test_made_figures_are_found_again(recordings):
    from forewarn.realism import electric as measured
    from forewarn.realism import engines, recorded

    (car,) = [recorded.electric_trace(recordings, "car3")]
    assert car is not None
    assert measured.alarm_share(car) == pytest.approx((200 + 5) / 1500, abs=0.002)
    assert measured.persistence(car) > 0.99
    trips = recorded.petrol_trips(recordings)
    assert np.median(engines.warm_ups_s(trips)) == pytest.approx(398, abs=5)
    assert engines.dips(trips).min() == pytest.approx(10.5)
    assert len(recorded.charging_sessions(recordings)) == 150


def test_what_is_missing_is_said_in_one_line(tmp_path, capsys):
    assert run(["simulate", "realism", "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path)]) == 2
    assert "is no folder" in capsys.readouterr().err
    assert run(["simulate", "realism", "--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err.strip()
    assert "holds no recording" in said
    assert "\n" not in said.removeprefix("Comparing with recordings\n")
