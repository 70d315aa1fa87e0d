import errno
import hashlib
import json
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
import sklearn
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from models.features import Feature, as_table
from models.registry import (
    ModelFileUntrusted,
    ModelOutdated,
    NoModel,
    TrainedModel,
    digest_of,
    list_models,
    load_model,
    newest_model,
    pointers,
    read_meta,
    save_model,
)
from models.remaining import fit_remaining, predict_remaining

FEATURES = (Feature("lv_battery_v", "rest", "level", 7, -1), Feature("air_temp_c", "rest", "level", 7))
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def rows(count=200):
    random = np.random.default_rng(0)
    return pd.DataFrame({feature.name: random.normal(size=count) for feature in FEATURES})


def estimator():
    table = rows()
    return HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(table, (table.iloc[:, 0] < 0).astype(int))


def meta(**changes):
    values = TrainedModel(
        mode="lv_battery",
        version="20260501-0a1b",
        as_of=NOW,
        trained_at=NOW,
        features=as_table(FEATURES),
        threshold=0.25,
        metrics={"roc_auc": 0.9},
        usual={},
        rows=200,
        vehicles=20,
        failing_vehicles=5,
        parameters={"max_iter": 5},
        versions={"scikit-learn": sklearn.__version__},
    )
    return msgspec.structs.replace(values, **changes)


@pytest.fixture
def folder(tmp_path):
    saved = save_model(estimator(), meta(), data_dir=tmp_path)
    return tmp_path / "models" / saved.mode / saved.version


def test_what_is_loaded_is_what_was_saved(tmp_path, folder):
    [saved] = list_models(tmp_path)
    loaded = load_model(tmp_path, saved.mode, saved.version)
    assert loaded.meta == saved
    assert loaded.features == FEATURES
    assert np.array_equal(loaded.estimator.predict_proba(rows()), estimator().predict_proba(rows()))


def lamp_time():
    table, unit = rows(), np.repeat(np.arange(40), 5)
    left_d = np.tile(np.arange(5.0), 40)
    # One feature nobody of those that failed sent.
    return fit_remaining(table[[FEATURES[0].name]], left_d, unit, cap_d=30, parameters={"max_iter": 5}, seed=0)


def test_the_days_to_the_lamp_are_saved_beside_the_model(tmp_path):
    made = lamp_time()
    saved = save_model(estimator(), meta(), data_dir=tmp_path, lamp_time=made)
    loaded = load_model(tmp_path, saved.mode, saved.version)
    assert loaded.lamp_time is not None
    pd.testing.assert_frame_equal(predict_remaining(loaded.lamp_time, rows()), predict_remaining(made, rows()))
    # A later save of the version without them forgets them.
    save_model(estimator(), meta(), data_dir=tmp_path)
    assert load_model(tmp_path, saved.mode, saved.version).lamp_time is None


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda file: file.write_bytes(file.read_bytes() + b" "), "not the file that was saved"),
        (lambda file: file.unlink(), "is gone"),
    ],
)
def test_changed_days_to_the_lamp_are_not_loaded(tmp_path, damage, what):
    saved = save_model(estimator(), meta(), data_dir=tmp_path, lamp_time=lamp_time())
    damage(tmp_path / "models" / saved.mode / saved.version / "lamp-time.skops")
    with pytest.raises(ModelFileUntrusted, match=what):
        load_model(tmp_path, saved.mode, saved.version)


def test_days_to_the_lamp_of_types_we_do_not_use_are_not_loaded_even_with_the_right_hash(tmp_path):
    foreign = DecisionTreeRegressor().fit(rows(), rows().iloc[:, 0])
    foreign.extra_ = np.random.RandomState
    made = msgspec.structs.replace(lamp_time(), members=(foreign,))
    saved = save_model(estimator(), meta(), data_dir=tmp_path, lamp_time=made)
    loaded = load_model(tmp_path, saved.mode, saved.version)
    with pytest.raises(ModelFileUntrusted, match="holds"):
        _ = loaded.lamp_time


def test_a_changed_file_is_not_loaded(tmp_path, folder):
    file = folder / "model.skops"
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ModelFileUntrusted, match=r"not the file that was saved.*forewarn train"):
        load_model(tmp_path, "lv_battery", folder.name)


def test_a_lost_file_is_not_loaded(tmp_path, folder):
    (folder / "model.skops").unlink()
    with pytest.raises(ModelFileUntrusted, match=r"is gone: .*forewarn models rollback lv_battery.*forewarn train"):
        load_model(tmp_path, "lv_battery", folder.name)


@pytest.mark.parametrize("name", ["model.skops", "meta.json"])
def test_a_file_that_cannot_be_read_is_refused_in_words(tmp_path, folder, monkeypatch, name):
    """As one that was copied by somebody else."""
    read = Path.read_bytes

    def denied(file):
        if file.name == name:
            raise PermissionError(errno.EACCES, "Permission denied")
        return read(file)

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(ModelFileUntrusted, match=rf"{name} cannot be read \(Permission denied\): .*backup"):
        load_model(tmp_path, "lv_battery", folder.name)
    assert len(list_models(tmp_path)) == (name == "model.skops")


def test_types_we_do_not_use_are_not_loaded_even_with_the_right_hash(tmp_path):
    foreign = DecisionTreeClassifier().fit(rows(), rows().iloc[:, 0] < 0)
    foreign.extra_ = np.random.RandomState
    saved = save_model(foreign, meta(), data_dir=tmp_path)
    assert skops.io.get_untrusted_types(file=tmp_path / "models" / saved.mode / saved.version / "model.skops")
    with pytest.raises(ModelFileUntrusted, match="holds"):
        load_model(tmp_path, saved.mode, saved.version)


def test_a_model_of_another_scikit_learn_is_not_loaded(tmp_path):
    saved = save_model(estimator(), meta(versions={"scikit-learn": "0.1"}), data_dir=tmp_path)
    with pytest.raises(ModelOutdated, match=r"with scikit-learn 0\.1"):
        load_model(tmp_path, saved.mode, saved.version)


def test_features_that_are_not_the_models_own_are_noticed(tmp_path):
    saved = save_model(estimator(), meta(features=as_table(FEATURES[::-1])), data_dir=tmp_path)
    with pytest.raises(ModelFileUntrusted, match="other features"):
        load_model(tmp_path, saved.mode, saved.version)


def test_saving_a_version_again_replaces_it_and_leaves_no_draft(tmp_path, folder):
    save_model(estimator(), meta(threshold=0.5), data_dir=tmp_path)
    assert [model.threshold for model in list_models(tmp_path)] == [0.5]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_version_that_cannot_be_replaced_stays(tmp_path, folder, monkeypatch):
    [before] = list_models(tmp_path)
    rename = Path.rename

    def fails_for_the_new_one(self, target):
        if (self / "meta.json").is_file() and msgspec.json.decode((self / "meta.json").read_bytes())[
            "threshold"
        ] == 0.5:
            raise OSError("no space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails_for_the_new_one)
    with pytest.raises(OSError, match="no space"):
        save_model(estimator(), meta(threshold=0.5), data_dir=tmp_path)
    assert load_model(tmp_path, "lv_battery", folder.name).meta == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_the_same_model_again_leaves_what_is_there(tmp_path, folder):
    before = (folder / "meta.json").read_bytes()
    again = save_model(estimator(), meta(trained_at=NOW + timedelta(hours=1), code="newer"), data_dir=tmp_path)
    assert (folder / "meta.json").read_bytes() == before
    assert again.trained_at == meta().trained_at


@pytest.mark.parametrize("name", ["meta.json", "model.skops"])
def test_the_same_model_again_mends_what_is_damaged(tmp_path, folder, name):
    (folder / name).write_bytes(b"{")
    saved = save_model(estimator(), meta(), data_dir=tmp_path)
    assert load_model(tmp_path, "lv_battery", folder.name).meta == saved


def test_another_threshold_in_the_file_is_not_what_was_decided_for(tmp_path, folder):
    digest = digest_of(tmp_path, "lv_battery", folder.name)
    assert load_model(tmp_path, "lv_battery", folder.name, digest=digest).digest == digest
    about = msgspec.json.decode((folder / "meta.json").read_bytes()) | {"threshold": 0.999}
    (folder / "meta.json").write_bytes(msgspec.json.encode(about))
    with pytest.raises(ModelFileUntrusted, match=r"is not the one that was decided for.*models rollback"):
        load_model(tmp_path, "lv_battery", folder.name, digest=digest)


def test_a_damaged_meta_file_says_so_and_hides_no_other(tmp_path, folder):
    save_model(estimator(), meta(version="20260401-whole"), data_dir=tmp_path)
    (folder / "meta.json").write_text("{")
    with pytest.raises(ModelFileUntrusted, match="damaged"):
        read_meta(tmp_path, "lv_battery", folder.name)
    assert [model.version for model in list_models(tmp_path)] == ["20260401-whole"]


def test_a_version_that_does_not_exist_is_not_loaded(tmp_path, folder):
    with pytest.raises(NoModel, match="models list"):
        load_model(tmp_path, "lv_battery", "20200101-ffff")


def test_files_under_another_name_are_not_loaded(tmp_path, folder):
    folder.rename(folder.with_name("20260502-ffff"))
    with pytest.raises(ModelFileUntrusted, match="belongs to 20260501-0a1b of lv_battery"):
        load_model(tmp_path, "lv_battery", "20260502-ffff")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"column": "heat_of_vaporisation"}, "no signal or quantity is called heat_of_vaporisation"),
        ({"kind": "jerk"}, "nothing here makes lv_battery_v.rest.jerk.7d"),
        ({"regime": "flight"}, "nothing here makes lv_battery_v.flight.level.7d"),
        ({"phase": 3}, "phase"),
    ],
)
def test_a_model_of_another_forewarn_is_not_loaded(tmp_path, change, what):
    table = as_table(FEATURES)
    saved = save_model(estimator(), meta(features=[table[0] | change, table[1]]), data_dir=tmp_path)
    with pytest.raises(ModelOutdated, match=rf"trained by another Forewarn \(.*{what}.*\): run 'forewarn train'"):
        load_model(tmp_path, saved.mode, saved.version)


def test_a_meta_file_of_before_training_was_kept_is_read(tmp_path, folder):
    facts = json.loads((folder / "meta.json").read_text())
    assert {"code", "reference"} <= facts.keys()
    del facts["code"], facts["reference"]
    (folder / "meta.json").write_text(json.dumps(facts))
    assert load_model(tmp_path, "lv_battery", folder.name).meta.reference is None


def test_the_newest_model_is_the_one_trained_last_and_damage_is_passed_over(tmp_path, folder):
    assert newest_model(tmp_path, "hv_self_discharge") is None
    later = meta(version="20260401-later", trained_at=NOW + timedelta(hours=1))
    save_model(estimator(), later, data_dir=tmp_path)
    assert newest_model(tmp_path, "lv_battery").version == "20260401-later"
    (folder.parent / "20260401-later" / "meta.json").write_bytes(b"\xff")
    assert newest_model(tmp_path, "lv_battery").version == "20260501-0a1b"


def test_champions_of_pointer_files_are_found(tmp_path, folder):
    assert pointers(tmp_path) == {}
    (folder.parent / "champion").write_text("20260501-0a1b\n")
    assert pointers(tmp_path) == {"lv_battery": "20260501-0a1b"}


@pytest.mark.parametrize("version", ["../../etc", "", ".hidden", "a/b", "x" * 100])
def test_names_cannot_leave_the_folder(tmp_path, version):
    with pytest.raises(NoModel, match="no name of a model"):
        load_model(tmp_path, "lv_battery", version)


def test_an_empty_folder_has_no_models(tmp_path):
    assert list_models(tmp_path) == []


def in_its_place(folder, content):
    """Put other content in the place of a model, with its hash."""
    (folder / "model.skops").write_bytes(content)
    about = msgspec.json.decode((folder / "meta.json").read_bytes())
    about["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "meta.json").write_bytes(msgspec.json.encode(about))


class RunsCode:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("kind", ["pickle", "nothing", "an archive of nothing"])
def test_what_is_no_model_at_all_is_refused_even_with_the_right_hash(tmp_path, folder, kind):
    trace = tmp_path / "code-ran"
    contents = {
        "pickle": pickle.dumps(RunsCode(trace)),
        "nothing": b"",
        "an archive of nothing": b"PK\x05\x06" + bytes(18),
    }
    in_its_place(folder, contents[kind])
    with pytest.raises(ModelFileUntrusted, match=r"holds no model.*forewarn train"):
        load_model(tmp_path, "lv_battery", folder.name)
    assert not trace.exists()


def test_another_kind_of_estimator_is_refused_even_with_the_right_hash(tmp_path, folder):
    table = rows()
    in_its_place(folder, skops.io.dumps(HistGradientBoostingRegressor(max_iter=2).fit(table, table.iloc[:, 0])))
    with pytest.raises(ModelFileUntrusted, match=r"HistGradientBoostingRegressor.*forewarn train"):
        load_model(tmp_path, "lv_battery", folder.name)


def test_members_that_cannot_say_when_are_refused(tmp_path):
    made = msgspec.structs.replace(
        lamp_time(),
        members=(HistGradientBoostingClassifier(max_iter=2).fit(rows().iloc[:, :1], rows().iloc[:, 0] < 0),),
    )
    saved = save_model(estimator(), meta(), data_dir=tmp_path, lamp_time=made)
    with pytest.raises(ModelFileUntrusted, match="HistGradientBoostingClassifier"):
        _ = load_model(tmp_path, saved.mode, saved.version).lamp_time


def test_a_calibration_that_is_none_is_refused_when_the_model_is_loaded(tmp_path):
    saved = save_model(estimator(), meta(parameters={"calibration": "none"}), data_dir=tmp_path)
    with pytest.raises(ModelFileUntrusted, match=r"calibration.*forewarn train"):
        load_model(tmp_path, saved.mode, saved.version)
