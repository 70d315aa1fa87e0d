"""MLflow shows what the registry holds; without it everything works."""

import json
import sqlite3
import subprocess
import sys
import warnings

import pytest

from config.settings import DatabaseSettings, Settings
from forewarn.mirror import show_in_mlflow
from models.promotion import aliases, promote, roll_back
from models.registry import list_models, read_meta
from models.scoring import score
from tests.integration.models.conftest import END
from tests.integration.models.versions import another

NAME = "forewarn-lv_battery"


@pytest.fixture
def settings(database, trained) -> Settings:
    return Settings(data_dir=trained, database=DatabaseSettings(dsn=database))


@pytest.fixture
def look(trained):
    """What a person would see in MLflow: its client on the same store."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.tracking import MlflowClient

        def client():
            uri = f"sqlite:///{trained / 'mlflow' / 'mlflow.db'}"
            return MlflowClient(tracking_uri=uri, registry_uri=uri)

        yield client


def test_a_model_is_shown_with_its_data_code_metrics_and_report(settings, trained, look):
    assert show_in_mlflow(settings)
    [model] = list_models(trained)
    client = look()
    version = client.get_model_version_by_alias(NAME, "champion")
    assert version.tags["version"] == model.version
    assert version.tags["sha256"] == model.sha256
    assert version.tags["code"] == model.code
    assert version.tags["data"] == f"{model.reference.first:%Y-%m-%d} to {model.reference.last:%Y-%m-%d}"
    run = client.get_run(version.run_id)
    assert run.data.metrics == pytest.approx(model.metrics)
    assert run.data.params["max_iter"] == str(model.parameters["max_iter"])
    assert run.info.status == "FINISHED"
    folder = trained / "mlflow" / "artifacts" / "lv_battery" / version.run_id / "artifacts"
    assert f"# lv_battery {model.version}" in (folder / "evaluation.md").read_text()
    assert json.loads((folder / "meta.json").read_text())["sha256"] == model.sha256
    assert version.source == (trained / "models" / "lv_battery" / model.version).as_uri()


def test_aliases_follow_the_decisions(settings, with_mlflow, models_conn, trained, look):
    [first] = list_models(trained)
    another(trained, "20260418-b")

    def shown():
        assert show_in_mlflow(settings)
        client = look()
        named = client.get_registered_model(NAME).aliases
        return {alias: client.get_model_version(NAME, number).tags["version"] for alias, number in named.items()}

    assert shown() == {"champion": first.version, "challenger": "20260418-b"}
    by = {"by": "Li Na", "reason": "as good", "data_dir": trained}
    promote(models_conn, "lv_battery", "20260418-b", **by)
    assert shown() == {"champion": "20260418-b"}
    roll_back(models_conn, "lv_battery", **by)
    assert shown() == {"champion": first.version}
    assert len(look().search_model_versions(f"name='{NAME}'")) == 2


def test_a_store_that_is_lost_is_made_anew(settings, trained, look):
    assert show_in_mlflow(settings)
    (trained / "mlflow" / "mlflow.db").rename(trained / "elsewhere.db")
    other = settings.model_copy(
        update={"models": settings.models.model_copy(update={"tracking_uri": f"sqlite:///{trained}/again.db"})}
    )
    assert show_in_mlflow(other)
    with sqlite3.connect(trained / "again.db") as store:
        assert store.execute("SELECT count(*) FROM model_versions").fetchall() == [(1,)]


def test_a_damaged_store_stops_neither_scoring_nor_promotion(settings, models_conn, trained, capsys):
    (trained / "mlflow").mkdir()
    (trained / "mlflow" / "mlflow.db").write_bytes(b"no database" * 1000)
    assert not show_in_mlflow(settings)
    said = capsys.readouterr()
    assert "MLflow was not told" in said.out + said.err
    assert "Traceback" not in said.out + said.err
    another(trained, "20260418-b")
    promote(models_conn, "lv_battery", "20260418-b", by="Li Na", reason="as good", data_dir=trained)
    assert score(models_conn, as_of=END, data_dir=trained).scored["lv_battery"] > 0
    assert aliases(models_conn, trained) == {("lv_battery", "20260418-b"): "champion"}
    assert read_meta(trained, "lv_battery", "20260418-b").version == "20260418-b"


def test_scoring_training_and_triage_do_not_import_mlflow():
    program = (
        "import sys; import models.scoring, models.training, models.drift, models.promotion, alerts.jobs,"
        " forewarn.schedule, forewarn.mirror; print('mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
