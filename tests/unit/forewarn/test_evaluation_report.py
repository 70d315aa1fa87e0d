"""The report of an evaluation: every figure is in it, text is escaped, nothing is fetched from elsewhere."""

import json
import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from config.errors import UserMistake
from config.faults import fault_modes
from forewarn.evaluation.report import write_reports
from forewarn.evaluation.results import MODEL, Examination
from forewarn.evaluation.scored import FleetRows, Scored
from models.dataset import Stored
from tests.unit.models.frames import aggregates, day, lamps

DAYS = 60


def scored(warned):
    """Probabilities of ten cars over sixty days, and warnings of those of ``warned``, five days before the lamp."""
    index = pd.MultiIndex.from_product(
        [pd.to_datetime([day(at).replace(tzinfo=None) for at in range(DAYS)]), range(1, 11)],
        names=["as_of", "vehicle_id"],
    )
    said = pd.DataFrame({mode: np.float32(0.01) for mode in fault_modes()}, index=index)
    warnings = pd.DataFrame(
        {
            "vehicle_id": np.array(warned, dtype=np.int64),
            "fault_mode": "tyre_leak",
            "first_flagged_at": pd.to_datetime([day(35)] * len(warned), utc=True),
        }
    )
    days = warnings.assign(days=7.0, low=6.0, high=9.0, cap_d=45.0, coverage=0.9)
    return Scored(said, warnings, days)


def fleet():
    faults = pd.DataFrame(
        {
            "vehicle_id": [1, 2, 3],
            "fault_mode": ["tyre_leak", "tyre_leak", "lv_battery"],
            "onset_at": pd.to_datetime([day(20)] * 3, utc=True),
            "lamp_on_at": pd.to_datetime([day(40)] * 3, utc=True),
            "has_precursor": [True, True, False],
            "gradual": [True, True, False],
        }
    )
    vehicles = pd.DataFrame({"vehicle_id": range(1, 11), "powertrain": "bev", "model": "A"})
    rows = scored([]).probabilities
    lit = lamps([(1, day(40), "tire_pressure", "on"), (2, day(40), "tire_pressure", "on")])
    vins = {car: f"V{car}" for car in range(1, 11)}
    return FleetRows(rows, Stored(aggregates([(1, 0, 0, "rest", [12.0])]).iloc[:0], lit, vehicles), vins, faults, 1234)


@pytest.fixture(scope="module")
def evaluation():
    examination = Examination()
    for name in ("first <fleet>", "second & last"):
        said = {MODEL: scored([1, 2]), "a simple <rule>": scored([1, 9])}
        examination.add(name, fleet(), said, until=day(DAYS))
    return examination.evaluation(
        about={"trained on": "<b>seeds</b> & more"},
        settings={"command": "forewarn evaluate --vehicles 10"},
        made_at=datetime(2026, 5, 1, 12, tzinfo=UTC),
    )


def test_the_figures_are_those_of_the_cars(evaluation):
    models, rule = evaluation.together[MODEL], evaluation.together["a simple <rule>"]
    assert (models.f1, models.right_mode, models.lead_gradual.median_d) == (1.0, 1.0, 5.0)
    assert rule.f1 == pytest.approx(0.5)
    assert (models.sudden, models.foreseeable, models.vehicles) == (2, 4, 20)
    assert evaluation.better_than_every_baseline
    goals = {goal.name: goal for goal in evaluation.goals}
    assert goals["f1"].ok
    assert goals["spread of f1"].reached == 0
    assert not goals["median lead, gradual faults, days"].ok
    assert evaluation.leads_d["tyre_leak"] == [5.0] * 4
    days = evaluation.days_to_lamp["tyre_leak"]
    assert (days.vehicles, days.median_error_d, days.bias_d, days.width_d) == (4, 2.0, 2.0, 3.0)
    assert (days.within, days.wanted) == (0.0, 0.9)
    assert evaluation.days_to_lamp == {"all": days, "tyre_leak": days}
    # 1 % was said throughout; the lamp of two cars of each fleet came within the horizon of so many of their rows.
    tyres, horizon_d = evaluation.calibration["tyre_leak"], fault_modes()["tyre_leak"].horizon_d
    assert sum(tyres.rows) == 2 * 10 * (DAYS - horizon_d + 1)
    assert tyres.base == pytest.approx(2 * 2 * horizon_d / sum(tyres.rows))
    assert tyres.predicted[0] == pytest.approx(0.01, rel=1e-5)


def test_the_page_is_one_escaped_file_that_fetches_nothing(evaluation, tmp_path):
    files = write_reports(evaluation, tmp_path / "out")
    page = (tmp_path / "out" / "evaluation.html").read_text()
    assert files["html"] == str(tmp_path / "out" / "evaluation.html")
    assert "first &lt;fleet&gt;" in page
    assert "&lt;b&gt;seeds&lt;/b&gt; &amp; more" in page
    assert "<b>seeds" not in page
    assert "a simple <rule>" not in page
    assert page.count("<svg") == 4
    assert 'name="viewport"' in page
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(link.startswith("#") for link in links)
    assert "@import" not in page
    assert "<script" not in page
    for mode in fault_modes().values():
        assert mode.en in page


def test_the_json_says_the_same_and_the_card_the_limits(evaluation, tmp_path):
    write_reports(evaluation, tmp_path)
    facts = json.loads((tmp_path / "evaluation.json").read_text())
    assert facts["together"][MODEL]["f1"] == 1.0
    assert [fleet["name"] for fleet in facts["fleets"]] == ["first <fleet>", "second & last"]
    assert facts["fleets"][0]["last_day"] == (day(DAYS - 1)).isoformat().replace("+00:00", "Z")
    card = (tmp_path / "model-card.md").read_text()
    assert "## Limits" in card
    assert "| right fault mode | at least 0.80 | 1.000 |" in card
    assert "(2 here)" in card
    assert "told with 4 of those warnings were 2.0 days off" in card


def test_a_folder_that_cannot_be_written_to_is_said(evaluation, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserMistake, match="name another folder with --out"):
        write_reports(evaluation, tmp_path / "file")


def test_an_evaluation_without_a_warning_or_a_fault_has_a_report_too(tmp_path):
    examination = Examination()
    quiet = fleet()
    empty = FleetRows(quiet.rows, quiet.stored, quiet.vins, quiet.faults.iloc[:0], 5)
    examination.add("calm", empty, {MODEL: scored([])}, until=day(DAYS) + timedelta(days=1))
    evaluation = examination.evaluation(about={}, settings={}, made_at=datetime(2026, 5, 1, tzinfo=UTC))
    assert evaluation.better_than_every_baseline is None
    assert "–" in (tmp_path / "evaluation.html").read_text() if write_reports(evaluation, tmp_path) else False
