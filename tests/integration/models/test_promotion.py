"""Which model scores is a decision: with a name, a reason and a gate, append-only and reversible."""

import hashlib
import shutil
import threading
from datetime import UTC, datetime

import msgspec
import psycopg
import pytest
import skops.io

from config.errors import UserMistake
from ingest.store.connection import connect
from models.promotion import (
    ChangedSince,
    DecidedMeanwhile,
    NothingToDecide,
    WorseThanChampion,
    aliases,
    champion_versions,
    decisions,
    line_of,
    promote,
    roll_back,
)
from models.registry import ModelFileUntrusted, ModelOutdated, NoModel, list_models, load_model
from models.scoring import score
from models.training import train
from tests.integration.models.conftest import END
from tests.integration.models.versions import another

BY = {"by": "Li Na", "reason": "catches more"}


@pytest.fixture
def first(trained) -> str:
    [model] = list_models(trained)
    return model.version


def scoring(conn):
    versions = champion_versions(conn)
    conn.rollback()
    return versions


def test_the_first_model_of_a_mode_scores_and_says_why(models_conn, trained, first):
    [decision] = decisions(models_conn)
    assert (decision.version, decision.kind, decision.reason) == (first, "first", "first model")
    assert (decision.decided_by, decision.replaced, decision.forced) == ("forewarn", None, False)


def test_a_later_training_is_a_challenger_and_changes_nothing_about_who_scores(models_conn, trained, first):
    [later] = train(models_conn, as_of=END.replace(day=END.day - 1), data_dir=trained)
    assert later.version != first
    assert scoring(models_conn) == {"lv_battery": first}
    assert aliases(models_conn, trained) == {
        ("lv_battery", first): "champion",
        ("lv_battery", later.version): "challenger",
    }


def test_a_promotion_has_a_name_a_reason_and_what_was_compared(models_conn, trained, first):
    another(trained, "20260418-b")
    decision = promote(models_conn, "lv_battery", "20260418-b", **BY, data_dir=trained)
    assert (decision.version, decision.replaced, decision.kind) == ("20260418-b", first, "promotion")
    assert (decision.decided_by, decision.reason, decision.forced) == ("Li Na", "catches more", False)
    assert {check.figure for check in decision.gate} >= {"average_precision", "brier"}
    assert all(check.passed for check in decision.gate)
    assert scoring(models_conn) == {"lv_battery": "20260418-b"}
    # A champion of before is nobody's challenger.
    assert aliases(models_conn, trained) == {("lv_battery", "20260418-b"): "champion"}
    assert decisions(models_conn)[-1] == decision


def test_a_worse_model_is_refused_with_how_much_unless_forced(models_conn, trained, first):
    another(trained, "20260418-b", average_precision=0.01)
    with pytest.raises(WorseThanChampion, match=r"average_precision 0\.010 is .* worse than .* --force"):
        promote(models_conn, "lv_battery", "20260418-b", **BY, data_dir=trained)
    assert scoring(models_conn) == {"lv_battery": first}
    decision = promote(models_conn, "lv_battery", "20260418-b", **BY, data_dir=trained, force=True)
    assert decision.forced
    assert [check.figure for check in decision.gate if not check.passed] == ["average_precision"]
    assert scoring(models_conn) == {"lv_battery": "20260418-b"}


def test_force_on_a_good_model_forces_nothing(models_conn, trained, first):
    another(trained, "20260418-b")
    assert not promote(models_conn, "lv_battery", "20260418-b", **BY, data_dir=trained, force=True).forced


def _damage(folder):
    file = folder / "model.skops"
    file.write_bytes(file.read_bytes()[:-1] + b"!")


def _silence(folder):
    file = folder / "meta.json"
    file.write_bytes(file.read_bytes().replace(b'"threshold": 0.', b'"threshold": 0.9'))


def _lose(folder):
    (folder / "model.skops").unlink()


def _age(folder):
    meta = folder / "meta.json"
    text = meta.read_text()
    at = text.index('"scikit-learn": "') + len('"scikit-learn": "')
    meta.write_text(text[:at] + "0." + text[at:])


@pytest.mark.parametrize(
    ("harm", "refusal", "what"),
    [
        (_damage, ModelFileUntrusted, "not the file that was saved"),
        (_lose, ModelFileUntrusted, "is gone"),
        (_age, ModelOutdated, "was trained with scikit-learn 0"),
    ],
)
def test_a_model_that_could_not_score_is_refused_and_the_champion_stays(
    models_conn, trained, first, harm, refusal, what
):
    another(trained, "20260418-b")
    harm(trained / "models" / "lv_battery" / "20260418-b")
    with pytest.raises(refusal, match=what) as refused:
        promote(models_conn, "lv_battery", "20260418-b", **BY, data_dir=trained, force=True)
    assert "forewarn train" in str(refused.value)
    models_conn.rollback()
    assert scoring(models_conn) == {"lv_battery": first}
    # Neither does it stand in the champion's way as its challenger.
    result = score(models_conn, as_of=END, data_dir=trained)
    assert (result.scored["lv_battery"] > 0, result.shadow) == (True, {})


def test_a_champion_whose_files_are_lost_can_be_followed(models_conn, trained, first):
    another(trained, "20260418-b")
    shutil.rmtree(trained / "models" / "lv_battery" / first)
    with pytest.raises(ModelFileUntrusted, match=rf"the files of {first}, the champion of lv_battery, are gone: put"):
        score(models_conn, as_of=END, data_dir=trained)
    with pytest.raises(WorseThanChampion, match="was not measured of both"):
        promote(models_conn, "lv_battery", "20260418-b", **BY, data_dir=trained)
    models_conn.rollback()
    assert promote(models_conn, "lv_battery", "20260418-b", **BY, data_dir=trained, force=True).forced
    assert score(models_conn, as_of=END, data_dir=trained).scored["lv_battery"] > 0


def test_going_back_leads_through_the_champions_of_before(models_conn, trained, first):
    for version, hours in (("20260418-b", 1), ("20260419-c", 2)):
        another(trained, version, hours_later=hours)
        promote(models_conn, "lv_battery", version, **BY, data_dir=trained)
    back = {"by": "Zhang Wei", "reason": "flags taxis", "data_dir": trained}
    decision = roll_back(models_conn, "lv_battery", **back)
    assert (decision.version, decision.replaced, decision.kind) == ("20260418-b", "20260419-c", "rollback")
    assert roll_back(models_conn, "lv_battery", **back).version == first
    with pytest.raises(NothingToDecide, match="no champion before this one"):
        roll_back(models_conn, "lv_battery", **back)
    models_conn.rollback()
    assert [one.kind for one in decisions(models_conn)] == ["first", *["promotion"] * 2, *["rollback"] * 2]
    assert line_of(decisions(models_conn)) == [first]


def test_going_back_to_a_model_that_could_not_score_is_refused(models_conn, trained, first):
    another(trained, "20260418-b")
    promote(models_conn, "lv_battery", "20260418-b", **BY, data_dir=trained)
    _lose(trained / "models" / "lv_battery" / first)
    with pytest.raises(ModelFileUntrusted, match="is gone"):
        roll_back(models_conn, "lv_battery", **BY, data_dir=trained)
    models_conn.rollback()
    assert scoring(models_conn) == {"lv_battery": "20260418-b"}


@pytest.mark.parametrize(
    ("changes", "refusal", "what"),
    [
        ({"version": "20200101-none"}, NoModel, "there is no model 20200101-none of lv_battery"),
        ({"version": "../../etc"}, NoModel, "is no name of a model"),
        ({"mode": "gearbox", "version": "20200101-none"}, NoModel, "there is no model 20200101-none of gearbox"),
        ({"by": " "}, UserMistake, "--by is empty"),
        ({"reason": ""}, UserMistake, "--reason is empty"),
    ],
)
def test_what_cannot_be_decided_says_what_to_do(models_conn, trained, first, changes, refusal, what):
    another(trained, "20260418-b")
    values = {"mode": "lv_battery", "version": "20260418-b", **BY} | changes
    with pytest.raises(refusal, match=what):
        promote(models_conn, values.pop("mode"), values.pop("version"), **values, data_dir=trained)
    models_conn.rollback()
    assert scoring(models_conn) == {"lv_battery": first}


def test_the_champion_is_not_promoted_again(models_conn, trained, first):
    with pytest.raises(NothingToDecide, match="is the champion of lv_battery already"):
        promote(models_conn, "lv_battery", first, **BY, data_dir=trained)


def test_a_threshold_that_nobody_decided_for_does_not_score(models_conn, trained, first):
    """Who can write the folder of models cannot silence a fault mode by it."""
    _silence(trained / "models" / "lv_battery" / first)
    with pytest.raises(ModelFileUntrusted, match="is not the one that was decided for"):
        score(models_conn, as_of=END, data_dir=trained)
    # Training the same again puts the right one in its place, and a person stands by it.
    [again] = train(models_conn, as_of=END, data_dir=trained)
    assert again.version == first
    with pytest.raises(ModelFileUntrusted, match="is not the one that was decided for"):
        score(models_conn, as_of=END, data_dir=trained)
    with pytest.raises(ChangedSince, match=r"are not those that were decided for.*backup.*--force"):
        promote(models_conn, "lv_battery", first, **BY, data_dir=trained)
    models_conn.rollback()
    decision = promote(models_conn, "lv_battery", first, **BY, data_dir=trained, force=True)
    assert (decision.version, decision.replaced, decision.forced) == (first, first, True)
    assert score(models_conn, as_of=END, data_dir=trained).scored["lv_battery"] > 0
    # It has not become another model, so there is none to go back to.
    with pytest.raises(NothingToDecide, match="no champion before this one"):
        roll_back(models_conn, "lv_battery", **BY, data_dir=trained)


def test_a_champion_of_before_whose_files_are_others_comes_back_by_force_alone(models_conn, trained, first):
    another(trained, "20260418-b")
    promote(models_conn, "lv_battery", "20260418-b", **BY, data_dir=trained)
    _silence(trained / "models" / "lv_battery" / first)
    with pytest.raises(ChangedSince, match=rf"{first}.*are not those that were decided for.*--force"):
        promote(models_conn, "lv_battery", first, **BY, data_dir=trained)
    models_conn.rollback()
    assert scoring(models_conn) == {"lv_battery": "20260418-b"}
    assert promote(models_conn, "lv_battery", first, **BY, data_dir=trained, force=True).forced


def test_figures_that_nobody_decided_for_are_none_to_beat(models_conn, trained, first):
    """Who can write the folder of models cannot lower the gate by the champion's figures."""
    another(trained, "20260418-b", average_precision=0.01)
    file = trained / "models" / "lv_battery" / first / "meta.json"
    told = msgspec.json.decode(file.read_bytes())
    told["metrics"]["average_precision"] = 0.01
    file.write_bytes(msgspec.json.encode(told))
    with pytest.raises(WorseThanChampion, match="was not measured of both"):
        promote(models_conn, "lv_battery", "20260418-b", **BY, data_dir=trained)
    models_conn.rollback()
    assert promote(models_conn, "lv_battery", "20260418-b", **BY, data_dir=trained, force=True).forced


def test_training_the_same_again_puts_a_model_in_the_place_of_another_one(models_conn, trained, first):
    """Whose hash is the right one, and whose name too: as who can write the folder of models can make it."""
    folder = trained / "models" / "lv_battery" / first
    estimator = load_model(trained, "lv_battery", first).estimator
    trees = len(estimator._predictors)
    estimator._predictors = estimator._predictors[:1]
    content = skops.io.dumps(estimator)
    (folder / "model.skops").write_bytes(content)
    told = msgspec.json.decode((folder / "meta.json").read_bytes())
    told["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "meta.json").write_bytes(msgspec.json.encode(told))
    [again] = train(models_conn, as_of=END, data_dir=trained)
    assert again.version == first
    assert len(load_model(trained, "lv_battery", first).estimator._predictors) == trees
    assert promote(models_conn, "lv_battery", first, **BY, data_dir=trained, force=True).forced


def test_going_back_leads_to_the_model_that_was_decided_for(models_conn, trained, first):
    another(trained, "20260418-b")
    promote(models_conn, "lv_battery", "20260418-b", **BY, data_dir=trained)
    _silence(trained / "models" / "lv_battery" / first)
    with pytest.raises(ModelFileUntrusted, match="is not the one that was decided for"):
        roll_back(models_conn, "lv_battery", **BY, data_dir=trained)
    models_conn.rollback()
    assert scoring(models_conn) == {"lv_battery": "20260418-b"}


def test_of_two_who_decide_at_once_one_is_told(database, models_conn, trained, first, monkeypatch):
    for version, hours in (("20260418-b", 1), ("20260418-c", 2)):
        another(trained, version, hours_later=hours)
    both_read = threading.Barrier(2)
    from models import promotion

    read = promotion.decisions

    def read_together(conn, mode=None):
        found = read(conn, mode)
        if mode is not None and len(found) == 1:
            both_read.wait(10)
        return found

    monkeypatch.setattr(promotion, "decisions", read_together)
    outcomes = []

    def decide(version):
        with connect(database, role="models") as conn:
            try:
                outcomes.append(promote(conn, "lv_battery", version, **BY, data_dir=trained).version)
            except DecidedMeanwhile as error:
                outcomes.append(str(error))

    threads = [threading.Thread(target=decide, args=[version]) for version in ("20260418-b", "20260418-c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    [refused] = [one for one in outcomes if one.startswith("somebody else has just decided about lv_battery")]
    [won] = [one for one in outcomes if one != refused]
    assert scoring(models_conn) == {"lv_battery": won}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE prediction.model_promotion SET reason = 'it was me'",
        "DELETE FROM prediction.model_promotion",
        "TRUNCATE prediction.model_promotion",
    ],
)
@pytest.mark.parametrize("role", ["models", "admin"])
def test_decisions_are_only_ever_added(database, models_conn, trained, first, statement, role):
    refusals = (psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation)
    with connect(database, role=role) as conn, pytest.raises(refusals):
        conn.execute(statement)
    [decision] = decisions(models_conn)
    assert decision.reason == "first model"


def test_a_champion_of_before_decisions_were_recorded_goes_on_scoring(models_conn, trained, first, database):
    """As an older version left it: a pointer file, and a table without a row."""
    with connect(database, role="admin") as conn:
        conn.execute("ALTER TABLE prediction.model_promotion DISABLE TRIGGER USER")
        conn.execute("DELETE FROM prediction.model_promotion")
        conn.execute("ALTER TABLE prediction.model_promotion ENABLE TRIGGER USER")
    another(trained, "20260418-b")
    (trained / "models" / "lv_battery" / "champion").write_text(first)
    assert score(models_conn, as_of=END, data_dir=trained).scored["lv_battery"] > 0
    [decision] = decisions(models_conn)
    assert (decision.version, decision.reason) == (first, "was the champion before decisions were recorded")
    models_conn.rollback()
    # From then on the table is what counts.
    promote(models_conn, "lv_battery", "20260418-b", **BY, data_dir=trained)
    score(models_conn, as_of=END, data_dir=trained)
    assert scoring(models_conn) == {"lv_battery": "20260418-b"}


def test_a_pointer_decides_nothing_once_anything_was_decided(models_conn, trained, first):
    """Who can write the folder of models has no model score by a file that names it, for a fault mode without one."""
    beside = trained / "models" / "brake_wear"
    shutil.copytree(trained / "models" / "lv_battery", beside)
    (beside / "champion").write_text(first)
    score(models_conn, as_of=END, data_dir=trained)
    assert scoring(models_conn) == {"lv_battery": first}


def test_a_decision_bears_the_time_of_the_clock(models_conn, trained, first):
    another(trained, "20260418-b")
    at = datetime(2026, 4, 18, 9, 30, tzinfo=UTC)
    decision = promote(models_conn, "lv_battery", "20260418-b", **BY, data_dir=trained, clock=lambda: at)
    assert decision.decided_at == at
