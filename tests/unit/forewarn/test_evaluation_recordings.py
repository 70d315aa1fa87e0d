"""Recordings become what the models see, and are scored day by day by what had been recorded by then."""

import csv
import io
import zipfile
from datetime import datetime, timedelta

import numpy as np
import pytest

from config.errors import UserMistake
from forewarn.evaluation.recordings import evaluate_recordings, recordings
from forewarn.evaluation.results import MODEL
from forewarn.evaluation.scored import Contender
from models.baselines import THRESHOLD, Limit, Rule
from models.features import Feature

SPREAD = Feature("cell_spread_mv", "rest", "highest", 3)
DAYS, FALLS_FROM = 50, 20
NAMES = ["tboxTime", "BMSChargeStatus", "vehSpeed", "BMSBatteryVoltage", "BMSCellVoltageMax", "BMSCellVoltageMin"]
NAMES += ["BMSBatteryCurrent", "vehBMSPackSOC", "BMSProbeTempMax", "BMSProbeTempMin", "BMSWarningInformation"]
NAMES += ["vehOdo", "insulationResistance", "V_1", "V_2", "V_3", "V_4", "T_1"]


def recorded(folder, car, *, falls):
    """A parked car that reports every six hours of China; one cell falls behind by 4 mV a day."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(NAMES)
    for report in range(4 * DAYS):
        at = datetime(2019, 4, 15, 8) + timedelta(hours=6 * report)  # noqa: DTZ001 - as the recordings write it
        behind = 0.004 * max(0, report / 4 - FALLS_FROM) if falls else 0.0
        cells = [3.7, 3.702, round(3.7 - behind, 4), 3.701]
        row = [at.strftime("%Y-%m-%d %H:%M:%S"), 3, 0, 14.8, max(cells), min(cells), 0.0, 60, 20, 19, 0, 1000, 5.0]
        writer.writerow([*row, *cells, 20])
    (folder / "ev-bms-faults").mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "ev-bms-faults" / f"{car}_processed.zip", "w") as archive:
        archive.writestr(f"{car}.csv", text.getvalue())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    recorded(folder, "car1", falls=False)
    recorded(folder, "car2", falls=True)
    return folder


def test_a_recording_is_rolled_up_by_the_days_of_utc(folder):
    calm, falling = recordings(folder, ["cell_spread_mv", "speed_kmh"])
    assert (calm.name, calm.readings) == ("car1", 4 * DAYS)
    days = falling.stored.aggregates
    assert set(days["regime"]) == {"rest"}
    assert days["cell_spread_mv__n"].sum() == 4 * DAYS
    # 08:00 in China is midnight in UTC: four reports a day.
    assert set(days["n"]) == {4}
    # The spread is to the highest cell, two millivolts above.
    first, last = days.iloc[0], days.iloc[-1]
    assert first["cell_spread_mv__max"] == pytest.approx(2, abs=1e-3)
    assert last["cell_spread_mv__max"] == pytest.approx(2 + 4 * (DAYS - 0.25 - FALLS_FROM), abs=0.2)


def test_it_is_named_when_what_had_been_recorded_says_so(folder):
    rule = Rule((Limit(SPREAD, +1, 60.0, 5.0),))
    calm, falling = evaluate_recordings(
        folder, Contender(MODEL, {"hv_self_discharge": rule}, {"hv_self_discharge": THRESHOLD})
    )
    assert calm.warnings == []
    assert calm.note == ""
    assert falling.note == "a development example"
    # 58 mV behind are reached within the 35th day; a flag opens when the last scorings together are beyond it.
    start = datetime.fromisoformat("2019-04-15T00:00:00+00:00")
    assert falling.warnings == [("hv_self_discharge", start + timedelta(days=37))]
    assert falling.days == DAYS
    probability, threshold = falling.highest["hv_self_discharge"]
    assert probability > threshold == THRESHOLD
    assert np.isfinite(probability)


def test_a_folder_without_recordings_is_said(tmp_path):
    with pytest.raises(UserMistake, match="holds none of the recordings"):
        list(recordings(tmp_path, ["speed_kmh"]))
