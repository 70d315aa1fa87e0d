"""The commands about models, as a person and as a program use them."""

import json

import pytest

from config.settings import describe
from forewarn import cli
from models.promotion import champion_versions, decisions
from models.registry import list_models
from tests.integration.models.conftest import END
from tests.integration.models.versions import another

BY = ["--by", "Li Na", "--reason", "catches more"]


@pytest.fixture
def run(database, trained, with_mlflow, monkeypatch, capsys):
    """Run a command on the trained fleet; return its code, what it printed and what it said beside."""
    for _, variable, _, _ in describe():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("FOREWARN_DATABASE__DSN", database)
    monkeypatch.setenv("FOREWARN_DATA_DIR", str(trained))
    monkeypatch.chdir(trained)

    def command(*arguments):
        capsys.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return command


@pytest.fixture
def first(trained) -> str:
    [model] = list_models(trained)
    return model.version


def one_line(said):
    [line] = said.strip().splitlines()
    assert line.startswith("forewarn: ")
    return line


def test_the_list_says_who_scores_and_who_waits(run, trained, first):
    another(trained, "20260418-b")
    code, printed, said = run("models", "list")
    assert code == 0
    row = {line.split("│")[2].strip(): line for line in printed.splitlines() if "lv_battery" in line}
    assert "champion" in row[first]
    assert "challenger" in row["20260418-b"]
    assert "forewarn models promote lv_battery 20260418-b --by NAME --reason TEXT" in said
    _, printed, _ = run("models", "list", "--json")
    aliases = {model["version"]: (model["alias"], model["scores"]) for model in json.loads(printed)}
    assert aliases == {first: ("champion", True), "20260418-b": ("challenger", False)}


def test_promote_show_and_roll_back(run, trained, first):
    another(trained, "20260418-b")
    code, printed, _ = run("models", "promote", "lv_battery", "20260418-b", *BY)
    assert (code, printed) == (0, f"lv_battery: 20260418-b scores from now on instead of {first}\n")
    code, printed, _ = run("models", "show", "lv_battery")
    assert code == 0
    assert "lv_battery 20260418-b (champion)" in printed
    assert "catches more" in printed
    code, printed, _ = run("models", "rollback", "lv_battery", *BY, "--json")
    decision = json.loads(printed)
    assert (code, decision["version"], decision["kind"]) == (0, first, "rollback")
    code, _, said = run("models", "rollback", "lv_battery", *BY)
    assert code == 2
    assert "has no champion before this one" in one_line(said)
    _, printed, _ = run("models", "show", "lv_battery", "20260418-b", "--json")
    facts = json.loads(printed)
    assert facts["alias"] is None
    assert [one["kind"] for one in facts["decisions"]] == ["first", "promotion", "rollback"]
    assert facts["reference"]["inputs"]


def test_a_worse_model_is_refused_in_one_line(run, trained, first, models_conn):
    another(trained, "20260418-b", brier=0.9)
    code, printed, said = run("models", "promote", "lv_battery", "20260418-b", *BY)
    assert (code, printed) == (2, "")
    assert "brier 0.900 is" in one_line(said)
    assert "--force" in said
    assert champion_versions(models_conn) == {"lv_battery": first}
    models_conn.rollback()
    code, printed, _ = run("models", "promote", "lv_battery", "20260418-b", *BY, "--force")
    assert code == 0
    assert printed.endswith(", against the gate\n")
    assert decisions(models_conn)[-1].forced


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["promote", "lv_battery", "20200101-none", *BY], "'forewarn models list' shows what there is"),
        (["promote", "lv_battery", "../../etc/passwd", *BY], "is no name of a model"),
        (["promote", "lv_battery", "20260418-b", "--by", " ", "--reason", "x"], "--by is empty"),
        (["rollback", "gearbox", *BY], "'forewarn models list' shows what there is"),
        (["show", "gearbox"], "no model of gearbox scores"),
        (["show", "lv_battery", "20200101-none"], "there is no model 20200101-none"),
        (["compare", "lv_battery", "20260418-b", "20200101-none"], "there is no model 20200101-none"),
        (["compare", "gearbox", "a", "b"], "there is no model a of gearbox"),
    ],
)
def test_a_mistake_is_one_line(run, trained, first, arguments, hint):
    another(trained, "20260418-b")
    code, printed, said = run("models", *arguments)
    assert (code, printed) == (2, "")
    assert hint in one_line(said)


def test_a_tampered_challenger_is_refused_and_the_champion_scores_on(run, trained, first):
    another(trained, "20260418-b")
    file = trained / "models" / "lv_battery" / "20260418-b" / "model.skops"
    file.write_bytes(file.read_bytes() + b" ")
    code, _, said = run("models", "promote", "lv_battery", "20260418-b", *BY, "--force")
    assert code == 2
    assert "is not the file that was saved: put it back from a backup" in one_line(said)
    code, printed, _ = run("score", "--as-of", f"{END:%Y-%m-%d}", "--json")
    scored = json.loads(printed)["score"]
    assert (code, scored["shadow"]) == (0, {})
    assert scored["scored"]["lv_battery"] > 0


def test_a_tampered_champion_does_not_score_and_says_what_to_do(run, trained, first):
    another(trained, "20260418-b")
    run("models", "promote", "lv_battery", "20260418-b", *BY)
    file = trained / "models" / "lv_battery" / "20260418-b" / "model.skops"
    file.write_bytes(b"PK")
    code, _, said = run("score", "--as-of", f"{END:%Y-%m-%d}")
    assert code == 2
    assert "go back with 'forewarn models rollback lv_battery'" in said.strip().splitlines()[-1]
    assert run("models", "rollback", "lv_battery", "--by", "Li Na", "--reason", "its file was changed")[0] == 0
    assert run("score", "--as-of", f"{END:%Y-%m-%d}")[0] == 0


def test_what_could_not_be_scored_is_said_and_the_rest_is_scored(run, trained, first, models_conn):
    models_conn.execute(
        "INSERT INTO prediction.model_promotion (fault_mode, version, kind, decided_by, reason, decided_at)"
        " VALUES ('brake_wear', '20260301-lost', 'first', 'forewarn', 'first model', now())"
    )
    models_conn.commit()
    code, printed, said = run("score", "--as-of", f"{END:%Y-%m-%d}", "--json")
    assert code == 1
    assert json.loads(printed)["score"]["scored"]["lv_battery"] > 0
    assert said.strip().splitlines()[-1].startswith("Not scored for brake_wear: the files of 20260301-lost")


def test_two_models_are_compared_as_table_and_as_json(run, trained, first):
    another(trained, "20260418-b", average_precision=0.01)
    code, printed, _ = run("models", "compare", "lv_battery", first, "20260418-b")
    assert code == 0
    assert "WORSE average_precision 0.010 is" in printed
    assert "never scored the same cars" in printed
    run("score", "--as-of", f"{END:%Y-%m-%d}")
    _, printed, _ = run("models", "compare", "lv_battery", first, "20260418-b")
    assert "both scored 18 cars on 1 days" in printed
    _, printed, _ = run("models", "compare", "lv_battery", first, "20260418-b", "--json")
    facts = json.loads(printed)
    assert (facts["shadow"]["pairs"], facts["shadow"]["difference"]) == (18, 0)
    assert [check["passed"] for check in facts["gate"]] == [False, True, True, True]
    assert facts["b"]["metrics"]["average_precision"] == 0.01


def test_training_again_makes_a_challenger(run, trained, first):
    code, printed, _ = run("train", "--as-of", "2026-04-17", "--json")
    [model] = json.loads(printed)
    assert (code, model["alias"], model["scores"]) == (0, "challenger", False)
    assert model["version"] != first
    assert (trained / "mlflow" / "mlflow.db").is_file()


def test_drift_is_shown_once_it_was_measured(run, trained):
    code, printed, _ = run("drift")
    assert (code, "'forewarn drift --measure' does" in printed) == (0, True)
    assert json.loads(run("drift", "--json")[1]) == {"as_of": None, "figures": []}
    run("score", "--as-of", f"{END:%Y-%m-%d}")
    code, printed, _ = run("drift", "--measure", "--as-of", f"{END:%Y-%m-%d}")
    assert code == 0
    assert "as of 2026-04-18" in printed
    assert sum("lv_battery_v." in line for line in printed.splitlines()) == 1
    facts = json.loads(run("drift", "--json")[1])
    assert facts["as_of"] == END.isoformat()
    assert {one["kind"] for one in facts["figures"]} == {"input", "score"}
    assert all(one["drifted"] == (one["value"] > one["worst"]) for one in facts["figures"])


def test_the_report_is_written_on_demand(run, trained):
    code, printed, _ = run("report", "--json")
    written = json.loads(printed)
    assert code == 0
    assert (trained / "reports" / f"models-{written['month']}.html").is_file()
