import msgspec
import numpy as np
import pytest

from models.benchmarks import tuning
from models.benchmarks.choices import CHOSEN, Choices, features_for
from models.benchmarks.cmapss import read_training
from models.benchmarks.cycles import rows_of
from models.benchmarks.regimes import fit_scale, scaled
from models.benchmarks.tuning import cross_validated, rmse_by_unit, tune
from models.benchmarks.turbofans import evaluate_set, phm_score, scores_of
from tests.unit.models.benchmarks.turbofans import write_set

QUICK = Choices(
    kinds=(("level", 5), ("drift", 5)),
    age=False,
    cap=60.0,
    every=2,
    parameters={"max_iter": 15, "learning_rate": 0.25, "max_leaf_nodes": 8, "early_stopping": False},
)


def test_late_costs_more_than_early():
    assert phm_score(np.array([0.0, 0.0])) == 0.0
    assert phm_score(np.array([-13.0])) == pytest.approx(np.e - 1)
    assert phm_score(np.array([10.0, -13.0])) == pytest.approx(2 * (np.e - 1))


def test_figures_capped_and_uncapped():
    predicted = np.array([[120.0, 100.0, 125.0], [50.0, 40.0, 60.0]])
    scores = scores_of(predicted, np.array([140.0, 62.0]), cap=125.0)
    assert scores.rmse_capped == pytest.approx(np.sqrt((25 + 144) / 2))
    assert scores.rmse_uncapped == pytest.approx(np.sqrt((400 + 144) / 2))
    assert scores.phm_score == pytest.approx(np.expm1(5 / 13) + np.expm1(12 / 13))
    assert scores.interval_coverage == 0.5
    assert scores.interval_width == pytest.approx(22.5)


def test_a_unit_with_many_rows_weighs_as_much_as_one_with_few():
    error = np.array([2.0, 2.0, 2.0, 0.0])
    assert rmse_by_unit(np.zeros(4), error, np.array([1, 1, 1, 2])) == pytest.approx(np.sqrt(2.0))


def test_a_small_set_is_learnt_and_judged(tmp_path):
    write_set(tmp_path, "FD001", units=30)
    steps = []
    result = evaluate_set(
        "FD001", data=tmp_path, seeds=2, choices=QUICK, progress=lambda what, done, total: steps.append((done, total))
    )
    assert (result.set, result.n_units, result.cap, len(result.seeds)) == ("FD001", 30, 125.0, 2)
    assert result.mean.rmse_capped == pytest.approx(np.mean([seed.rmse_capped for seed in result.seeds]))
    assert result.averaged.rmse_capped <= result.mean.rmse_capped
    assert result.mean.rmse_capped < 12
    assert all(one.low <= one.days <= one.high for one in result.predictions)
    assert steps[-1] == (3, 3)


def test_a_set_without_truth_is_predicted(tmp_path):
    write_set(tmp_path, "FD002", units=24, regimes=6, truth=False)
    result = evaluate_set("FD002", data=tmp_path, seeds=1, choices=QUICK)
    assert result.mean is None
    assert result.averaged is None
    assert result.seeds == []
    assert len(result.predictions) == 24
    assert all(one.truth is None and 0 <= one.low <= one.high <= 125 for one in result.predictions)


def test_settings_are_looked_for_without_a_test_file(tmp_path, monkeypatch):
    for name in tuning.TUNED_ON:
        write_set(tmp_path, name, units=6)
        (tmp_path / f"test_{name}.txt.gz").unlink()
        (tmp_path / f"RUL_{name}.txt.gz").unlink()
    quick = {"max_iter": 5, "learning_rate": 0.5, "max_leaf_nodes": 4, "early_stopping": False}
    monkeypatch.setattr(tuning, "_TREES_AT_FIRST", quick)
    monkeypatch.setattr(tuning, "_TREES", {"as they are": {}, "fewer": {"max_iter": 2}})
    trials = list(tune(data=tmp_path))
    best = {}
    for trial in trials:
        best.setdefault(trial.question, []).append(trial)
    assert set(best) == {"windows", "age", "cap while learning", "trees", "slopes"}
    for own in best.values():
        assert own[-1].mean == min(trial.mean for trial in own)
    assert msgspec.structs.asdict(trials[-1].choices).keys() == msgspec.structs.asdict(CHOSEN).keys()


def test_turbofans_it_has_not_seen_are_predicted(shared_data):
    """On training units held out, with few trees: a loose bound that a mistake in features or caps breaks.

    The units of the test set are for the figures of docs/benchmark-cmapss.md alone.
    """
    train = read_training("FD001", data=shared_data)
    assert train["unit"].nunique() == 100
    cycles = scaled(train, fit_scale(train, regimes=1))
    quick = msgspec.structs.replace(
        CHOSEN, every=8, parameters={**CHOSEN.parameters, "max_iter": 30, "learning_rate": 0.2, "max_leaf_nodes": 8}
    )
    rows = rows_of(cycles, features_for(tuple(cycles.columns.drop(["unit", "cycle"])), quick))
    assert cross_validated(rows, quick, seed=0) < 16
