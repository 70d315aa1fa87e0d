import csv
import json

import pytest

from forewarn.cli import run
from models.benchmarks import choices, turbofans
from tests.unit.models.benchmarks.turbofans import write_set

QUICK = choices.Choices(
    kinds=(("level", 5),),
    age=False,
    cap=125.0,
    every=3,
    parameters={"max_iter": 10, "learning_rate": 0.3, "early_stopping": False},
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    evaluate_set = turbofans.evaluate_set
    monkeypatch.setattr(turbofans, "evaluate_set", lambda name, **options: evaluate_set(name, choices=QUICK, **options))


def evaluate(*arguments):
    return run(["evaluate", *(str(argument) for argument in arguments)])


def test_figures_are_one_json_object(tmp_path, capsys):
    write_set(tmp_path, "FD001", units=24)
    assert evaluate("--benchmark", "cmapss", "--set", "FD001", "--data", tmp_path, "--seeds", 2, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["set"] == "FD001"
    assert facts["n_units"] == 24
    assert facts["cap"] == 125.0
    for name in ("rmse_capped", "rmse_uncapped", "phm_score", "interval_coverage"):
        assert facts[name] == pytest.approx(sum(seed[name] for seed in facts["seeds"]) / 2)


def test_a_set_without_truth_is_written_to_a_file(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_set(tmp_path, "FD004", units=24, regimes=6, truth=False)
    assert evaluate("--benchmark", "cmapss", "--set", "FD004", "--data", tmp_path, "--seeds", 1, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["rmse_capped"] is None
    with open(facts["out"], newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["unit"] for row in rows] == [str(unit) for unit in range(1, 25)]
    assert all(float(row["low"]) <= float(row["cycles_left"]) <= float(row["high"]) for row in rows)
    assert {row["truth"] for row in rows} == {""}


def test_people_read_sentences(tmp_path, capsys):
    write_set(tmp_path, "FD001", units=24)
    out = tmp_path / "predictions.csv"
    assert evaluate("--benchmark", "cmapss", "--data", tmp_path, "--seeds", 1, "--out", out) == 0
    told = capsys.readouterr()
    assert "RMSE capped at 125" in told.out
    assert f"24 predictions are in {out}" in told.err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--benchmark", "imagenet"], "there is no benchmark imagenet: choose cmapss"),
        (["--benchmark", "cmapss", "--set", "FD009"], "no set FD009: choose FD001"),
        (["--benchmark", "cmapss", "--data", "/nowhere"], "no train_FD001.txt.gz in /nowhere"),
        (["--benchmark", "cmapss", "--data", "/nowhere", "--tune"], "no train_FD001.txt.gz in /nowhere"),
    ],
)
def test_a_mistake_is_one_line(arguments, what, capsys):
    assert evaluate(*arguments) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert what in told[-1]
    assert told[-1].startswith("forewarn: ")
    assert "Traceback" not in "".join(told)


def test_wrong_columns_are_one_line(tmp_path, capsys):
    (tmp_path / "train_FD001.txt").write_text("1 2 3\n")
    assert evaluate("--benchmark", "cmapss", "--data", tmp_path) == 2
    assert "has 3 columns and C-MAPSS 26" in capsys.readouterr().err
