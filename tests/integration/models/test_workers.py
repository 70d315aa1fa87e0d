"""Whoever trains and scores, the models and the predictions are the same."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from config.errors import UserMistake
from config.faults import fault_modes
from forewarn.embedded.ports import free_ports
from forewarn.workers import workers_on
from forewarn.workers.dask import ClusterLost, NoCluster, OtherCode, _Sealed
from forewarn.workers.processes import ProcessLost
from models.dataset import read_known_fleet
from models.promotion import champions
from models.registry import load_model
from models.scoring import score
from models.training import train
from models.watched import features_of
from models.workers import Here
from tests.integration.models.conftest import END

MODE = fault_modes()["lv_battery"]


@pytest.fixture(scope="module")
def cluster():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as running:
        yield running


@pytest.fixture(params=["processes:2", "dask"])
def where(request):
    if request.param == "dask":
        return request.getfixturevalue("cluster").scheduler_address.replace("tcp://", "dask://")
    return request.param


def stored(conn):
    rows = conn.execute(
        "SELECT vehicle_id, fault_mode, probability, threshold, model_version, reasons, days_to_lamp"
        " FROM prediction.prediction WHERE run_id = (SELECT max(run_id) FROM prediction.prediction) ORDER BY 1, 2"
    ).fetchall()
    conn.rollback()
    return rows


def test_they_read_the_same_fleet(models_conn, trained, database, where):
    asked = {"features": features_of(MODE), "as_of": END, "seed": 0, "chunk_vehicles": 5}
    here = read_known_fleet(models_conn, workers=Here(models_conn), **asked)
    with workers_on(where, database) as workers:
        there = read_known_fleet(models_conn, workers=workers, **asked)
    pd.testing.assert_frame_equal(there.rows, here.rows)
    pd.testing.assert_frame_equal(there.lamps, here.lamps)
    pd.testing.assert_series_equal(there.weight, here.weight)


def test_they_learn_the_same_models(models_conn, trained, database, where, tmp_path):
    with workers_on(where, database) as workers:
        made = train(models_conn, as_of=END, data_dir=tmp_path, workers=workers)
    before = {model.mode: model for model in champions(models_conn, trained)}
    assert {model.mode: model.version for model in made} == {mode: model.version for mode, model in before.items()}
    for model in made:
        one, other = (load_model(folder, model.mode, model.version) for folder in (trained, tmp_path))
        rows = pd.DataFrame(np.random.default_rng(0).normal(12, 1, (50, len(one.features))))
        rows.columns = [feature.name for feature in one.features]
        assert np.array_equal(one.estimator.predict_proba(rows), other.estimator.predict_proba(rows))
        assert one.meta.metrics == other.meta.metrics


def test_they_say_the_same(models_conn, trained, database, where):
    score(models_conn, as_of=END, data_dir=trained, chunk_vehicles=7)
    here = stored(models_conn)
    with workers_on(where, database) as workers:
        result = score(models_conn, as_of=END, data_dir=trained, chunk_vehicles=7, workers=workers)
    there = stored(models_conn)
    assert here
    assert there == here
    assert result.vehicles == 24


def numbered(conn, shared, task):
    return shared + task


def die_once(conn, sign, task):
    if task == 3 and not Path(sign).exists():
        Path(sign).touch()
        os._exit(1)
    return task


def die(conn, shared, task):
    os._exit(1)


def test_results_come_in_the_order_of_their_tasks(database, where):
    with workers_on(where, database) as workers:
        assert list(workers.each(numbered, range(20), shared=100)) == list(range(100, 120))


def test_a_worker_of_the_cluster_that_ends_is_replaced_and_nothing_is_lost(database, cluster, tmp_path):
    with workers_on(cluster.scheduler_address.replace("tcp://", "dask://"), database) as workers:
        done = workers.each(die_once, range(8), shared=str(tmp_path / "died"))
        assert list(done) == list(range(8))
    assert (tmp_path / "died").exists()


def test_work_that_ends_every_worker_says_so(database, cluster):
    with (
        workers_on(cluster.scheduler_address.replace("tcp://", "dask://"), database) as workers,
        pytest.raises(ClusterLost, match="nothing was stored"),
    ):
        list(workers.each(die, range(2), shared=None))


def test_a_process_that_ends_says_so(database):
    with pytest.raises(ProcessLost, match="--on processes:1"), workers_on("processes:2", database) as workers:
        list(workers.each(die, range(2), shared=None))


def test_a_worker_of_another_version_is_refused(database, cluster, monkeypatch):
    monkeypatch.setattr("forewarn.workers.dask.code_version", lambda: "0.0+other")
    with (
        pytest.raises(OtherCode, match=r"and this is 0\.0\+other"),
        workers_on(cluster.scheduler_address.replace("tcp://", "dask://"), database),
    ):
        pass


# A worker of a machine on which Forewarn was never installed.
_WITHOUT = """
import sys, importlib.metadata as metadata
sys.modules.update(dict.fromkeys(("forewarn", "ingest", "models", "config")))
known = metadata.Distribution.from_name
def from_name(name):
    if name == "forewarn":
        raise metadata.PackageNotFoundError(name)
    return known(name)
metadata.Distribution.from_name = from_name
from distributed.cli.dask_worker import main
main()
"""


def test_a_worker_without_forewarn_is_named(database):
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=50) as empty:
        command = [sys.executable, "-c", _WITHOUT, empty.scheduler_address, "--no-nanny", "--no-dashboard"]
        worker = subprocess.Popen([*command, "--host", "127.0.0.1"], stderr=subprocess.DEVNULL)
        try:
            with (
                pytest.raises(OtherCode, match=r"has no Forewarn: install .* where it runs"),
                workers_on(empty.scheduler_address.replace("tcp://", "dask://"), database),
            ):
                pass
        finally:
            worker.kill()
            worker.wait()


def test_a_scheduler_that_is_not_there_says_what_to_start(database, monkeypatch):
    monkeypatch.setattr("forewarn.workers.dask._ANSWERS_WITHIN_S", 1)
    with pytest.raises(NoCluster, match="dask scheduler"), workers_on(f"dask://127.0.0.1:{free_ports(1)[0]}", database):
        pass


@pytest.mark.parametrize("where", ["there", "processes:0", "dask://host", "tcp://host:8786", ""])
def test_nobody_is_refused_in_one_line(where):
    with pytest.raises(UserMistake, match=r"--on .* is nobody"), workers_on(where, "dbname=x"):
        pass


def test_no_dashboard_shows_the_login():
    assert "secret" not in repr(_Sealed("password=secret", "1", None))
