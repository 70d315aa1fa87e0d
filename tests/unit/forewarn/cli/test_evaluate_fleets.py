"""The command on small fleets: simulated ones, one in files with and without its truth, and what may go wrong."""

import csv
import json
from datetime import UTC, datetime

import pandas as pd
import pytest

from config.faults import fault_modes
from forewarn.cli import run
from forewarn.simulator import FleetPlan, Sampling
from forewarn.simulator.files import write_fleet

COARSE = Sampling(300, 900, 300)
# Four faults are enough to learn, and make many examples of each.
MODES = ("lv_battery", "tyre_leak", "insulation", "brake_wear")
TAUGHT = (FleetPlan(70, 60, 901, datetime(2026, 1, 1, tzinfo=UTC), 0.6, COARSE, MODES),)
SMALL = FleetPlan(24, 40, 5, datetime(2026, 3, 1, tzinfo=UTC), 0.5, COARSE, MODES)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def small(monkeypatch, data_dir, tmp_path):
    monkeypatch.setenv("FOREWARN_DATA_DIR", str(data_dir))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("forewarn.evaluation.trained.TRAINING_PLANS", TAUGHT)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    directory = tmp_path_factory.mktemp("fleet") / "a"
    write_fleet(SMALL, directory, processes=1)
    return directory


def evaluate(*arguments):
    sizes = ["--train-vehicles", "70", "--train-days", "60", "--processes", "1"]
    return run(["evaluate", *sizes, *(str(argument) for argument in arguments)])


def test_simulated_fleets_are_scored_and_reported(capsys, tmp_path, data_dir):
    arguments = ("--vehicles", 20, "--days", 40, "--seeds", 2, "--faulty", 0.4, "--out", tmp_path / "r", "--json")
    assert evaluate(*arguments) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [fleet["vehicles"] for fleet in facts["fleets"]] == [20, 20]
    assert set(facts["together"]) == {
        "models",
        "standard thresholds, earlier",
        "best single feature",
        "isolation forest",
    }
    models = facts["together"]["models"]
    assert facts["f1"] == models["f1"]
    assert models["vehicles"] == 40
    assert models["foreseeable"] == models["hits"] + models["missed"]
    assert models["foreseeable"] + models["sudden"] + models["unlit"] == 16
    assert sum(mode["hits"] for mode in models["modes"].values()) == models["hits"]
    assert set(facts["calibration"]) <= {"all", *fault_modes()}
    assert facts["spread"]["models"]["f1"] == [fleet["contenders"]["models"]["f1"] for fleet in facts["fleets"]]
    for name in ("evaluation.html", "evaluation.json", "model-card.md"):
        assert (tmp_path / "r" / name).stat().st_size > 1000
    # What was learnt is kept, and found again.
    (kept,) = (data_dir / "simulated-training").iterdir()
    before = {file: file.stat().st_mtime_ns for file in kept.rglob("*")}
    assert evaluate(*arguments[:-1]) == 0
    assert {file: file.stat().st_mtime_ns for file in kept.rglob("*")} == before
    said = capsys.readouterr().out
    assert "F1 of isolation forest" in said
    assert str(tmp_path / "r" / "evaluation.html") in said


def test_a_fleet_in_files_is_predicted_before_its_truth_is_opened(capsys, fleet, tmp_path, monkeypatch):
    from forewarn.evaluation import fleets

    opened = []
    truth_of_folder = fleets.truth_of_folder

    def watched(directory, vins):
        opened.append((tmp_path / "predictions.csv").is_file())
        return truth_of_folder(directory, vins)

    monkeypatch.setattr(fleets, "truth_of_folder", watched)
    assert evaluate("--fleet", fleet, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert opened == [True]
    with (tmp_path / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["vin", "fault_mode", "first_flagged_at"]
    assert len(rows) == facts["warnings"] > 0
    vins = set(pd.read_parquet(fleet / "vehicles.parquet")["vin"])
    assert {row["vin"] for row in rows} <= vins
    assert {row["fault_mode"] for row in rows} <= set(fault_modes())
    times = [datetime.fromisoformat(row["first_flagged_at"]) for row in rows]
    assert times == sorted(times)
    assert all(at.tzinfo is not None and (at.hour, at.minute) == (0, 0) for at in times)
    assert facts["fleet"]["vehicles"] == 24
    assert facts["fleet"]["unknown_signals"] == facts["fleet"]["unknown_vehicles"] == []
    assert (tmp_path / "evaluation" / "evaluation.html").is_file()
    # The figures are those of what was written.
    truth = pd.read_parquet(fleet / "truth" / "truth.parquet").set_index("vin")
    lit = truth[truth["has_precursor"] & (truth["lamp_on_at"] < SMALL.end)]
    named = pd.DataFrame(rows).assign(at=pd.to_datetime(times, utc=True)).merge(lit, left_on="vin", right_index=True)
    in_time = named[(named["at"] > named["onset_at"]) & (named["at"] < named["lamp_on_at"])]
    assert facts["hits"] == in_time["vin"].nunique()
    assert facts["foreseeable"] == len(lit)


def test_a_fleet_without_truth_is_predicted_alone(capsys, fleet, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("telemetry", "vehicles.parquet"):
        (bare / name).symlink_to(fleet / name)
    assert evaluate("--fleet", bare, "--out", tmp_path / "out", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["truth"] is None
    assert (tmp_path / "out" / "predictions.csv").is_file()
    assert not (tmp_path / "out" / "evaluation").exists()
    assert evaluate("--fleet", bare, "--out", tmp_path / "out") == 0
    assert "24 cars" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fleet", "nowhere"], "there is no folder nowhere"),
        (["--fleet", "."], "no vehicles.parquet"),
        (["--fleet", "{fleet}", "--models", "champions"], "no model has been trained yet"),
        (["--fleet", "{fleet}", "--models", "best"], "choose simulated or champions"),
        (["--fleet", "{fleet}", "--real"], "two evaluations"),
        (["--fleet", "{fleet}", "--out", "{fleet}/vehicles.parquet"], "--out"),
        (["--seed", "901"], "choose another one"),
        (["--tune"], "name it, as --benchmark cmapss"),
        (["--benchmark", "mars"], "there is no benchmark mars"),
        (["--real", "--data", "nowhere"], "there is no folder nowhere"),
        (["--vehicles", "1"], "--vehicles"),
    ],
)
def test_a_mistake_is_one_line(capsys, fleet, arguments, said):
    assert evaluate(*(argument.format(fleet=fleet) for argument in arguments)) == 2
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("forewarn:")]
    assert len(err) == 1
    assert said in err[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda truth: truth.drop(columns="gradual"), "no column gradual"),
        (lambda truth: truth.assign(fault_mode="rust"), "no fault mode rust"),
        (lambda truth: pd.concat([truth, truth]), "twice"),
        (lambda truth: truth.assign(vin="car " + truth["vin"]), "about none of the fleet's cars"),
        (lambda truth: truth.assign(lamp_on_at="soon"), "holds no times"),
    ],
)
def test_a_truth_that_is_none_is_said_in_one_line(capsys, fleet, tmp_path, change, said):
    spoilt = tmp_path / "spoilt"
    (spoilt / "truth").mkdir(parents=True)
    for name in ("telemetry", "events", "vehicles.parquet"):
        (spoilt / name).symlink_to(fleet / name)
    change(pd.read_parquet(fleet / "truth" / "truth.parquet")).to_parquet(spoilt / "truth" / "truth.parquet")
    assert evaluate("--fleet", spoilt) == 2
    assert said in capsys.readouterr().err
    assert (tmp_path / "predictions.csv").is_file()


def other(fleet, folder):
    """Make a folder in which the fleet's files stand and may be replaced one by one."""
    folder.mkdir()
    for name in ("telemetry", "events", "vehicles.parquet", "truth", "fleet.json"):
        (folder / name).symlink_to(fleet / name)
    return folder


def test_healthy_cars_may_stand_in_the_truth_and_an_end_before_the_fleet_is_none(capsys, fleet, tmp_path):
    assert evaluate("--fleet", fleet, "--json") == 0
    usual = json.loads(capsys.readouterr().out)
    same = other(fleet, tmp_path / "same")
    (same / "truth").unlink()
    (same / "truth").mkdir()
    truth = pd.read_parquet(fleet / "truth" / "truth.parquet")
    vins = pd.read_parquet(fleet / "vehicles.parquet")["vin"]
    nothing = {"fault_mode": None, "has_precursor": False, "gradual": False}
    healthy = pd.DataFrame({"vin": vins[~vins.isin(truth["vin"])], **nothing})
    pd.concat([truth, healthy]).to_parquet(same / "truth" / "truth.parquet")
    (same / "fleet.json").unlink()
    (same / "fleet.json").write_text(json.dumps({"end": "1999-01-01T00:00:00+00:00"}))
    assert evaluate("--fleet", same, "--json") == 0
    assert json.loads(capsys.readouterr().out)["foreseeable"] == usual["foreseeable"] > 0


def test_a_fleet_that_was_received_before_it_was_measured_is_said_to_be_so(capsys, fleet, tmp_path):
    odd = other(fleet, tmp_path / "odd")
    (odd / "telemetry").unlink()
    for file in (fleet / "telemetry").rglob("*.parquet"):
        target = odd / file.relative_to(fleet)
        target.parent.mkdir(parents=True)
        pd.read_parquet(file, columns=["vin", "ts", "Vehicle.Speed"]).assign(received_ts=0).to_parquet(target)
    assert evaluate("--fleet", odd) == 2
    assert "no day on which a car can be scored" in capsys.readouterr().err
