import numpy as np
import pandas as pd
import pytest

from models.benchmarks.choices import Choices, features_for
from models.benchmarks.cmapss import (
    SENSORS,
    CmapssMissing,
    CmapssUnreadable,
    UnknownSet,
    aggregates_of,
    cycle_before,
    day_after,
    read_set,
    read_training,
)
from models.benchmarks.cycles import LEAST_CYCLES, last_rows, rows_of
from models.benchmarks.regimes import fit_scale, scaled
from models.features import feature_rows
from tests.unit.models.benchmarks.turbofans import write, write_set

KINDS = (("level", 5), ("drift", 5), ("recent", 15))


def test_a_set_is_read_from_its_folder_or_the_one_above(tmp_path):
    folder = tmp_path / "cmapss"
    folder.mkdir()
    write_set(folder, "FD001", units=3)
    inside, above = read_set("FD001", data=folder), read_set("FD001", data=tmp_path)
    pd.testing.assert_frame_equal(inside.train, above.train)
    assert list(inside.train.columns[:3]) == ["unit", "cycle", "setting_1"]
    assert inside.test["unit"].nunique() == len(inside.truth) == 3


def test_truth_may_be_absent(tmp_path):
    write_set(tmp_path, "FD002", units=2, truth=False)
    assert read_set("FD002", data=tmp_path).truth is None


def test_a_folder_without_the_files_says_what_to_do(tmp_path):
    with pytest.raises(CmapssMissing, match=r"no train_FD003.txt.gz in .*: name the folder .* with --data"):
        read_set("FD003", data=tmp_path / "nowhere")


def test_an_unknown_set_names_those_there_are(tmp_path):
    with pytest.raises(UnknownSet, match="no set FD005: choose FD001, FD002, FD003 or FD004"):
        read_training("FD005", data=tmp_path)


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([[1, 1, 2, 3]], "has 4 columns and C-MAPSS 26"),
        ([[1, 1, *range(24)], [1, 3, *range(24)]], "leaves cycles of a unit out"),
        ([[1, 1, *range(24)], [1, 2, *range(20)]], "has lines that end early"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path, rows, what):
    write(tmp_path / "train_FD001.txt.gz", rows)
    with pytest.raises(CmapssUnreadable, match=what):
        read_training("FD001", data=tmp_path)


@pytest.mark.parametrize("content", [b"1 1 one two", b"", b"\x1f\x8b broken"])
def test_a_file_that_is_no_table_is_refused(tmp_path, content):
    (tmp_path / "train_FD001.txt").write_bytes(content)
    with pytest.raises(CmapssUnreadable, match="no table of numbers"):
        read_training("FD001", data=tmp_path)


def test_a_damaged_archive_is_refused(tmp_path):
    (tmp_path / "train_FD001.txt.gz").write_bytes(b"1 2 3")
    with pytest.raises(CmapssUnreadable, match="no table of numbers"):
        read_training("FD001", data=tmp_path)


def test_an_archive_that_is_damaged_inside_is_refused(tmp_path):
    write_set(tmp_path, "FD001", units=3)
    file = tmp_path / "train_FD001.txt.gz"
    content = bytearray(file.read_bytes())
    content[40:90] = bytes(byte ^ 0x5A for byte in content[40:90])
    file.write_bytes(content)
    with pytest.raises(CmapssUnreadable, match="no table of numbers"):
        read_training("FD001", data=tmp_path)


@pytest.mark.parametrize("unit", [1.5, -1, np.inf])
def test_units_that_are_no_whole_numbers_are_refused(tmp_path, unit):
    write(tmp_path / "train_FD001.txt.gz", [[unit, 1, *range(24)]])
    with pytest.raises(CmapssUnreadable, match="units or cycles that are no whole numbers"):
        read_training("FD001", data=tmp_path)


@pytest.mark.parametrize("left", [1.5, -3, np.nan])
def test_truth_that_is_no_number_of_cycles_is_refused(tmp_path, left):
    write_set(tmp_path, "FD001", units=2)
    write(tmp_path / "RUL_FD001.txt.gz", [[left], [2]])
    with pytest.raises(CmapssUnreadable, match="cycles left that are no whole numbers"):
        read_set("FD001", data=tmp_path)


def test_truth_of_other_units_is_refused(tmp_path):
    write_set(tmp_path, "FD001", units=3)
    write(tmp_path / "RUL_FD001.txt.gz", [[1], [2]])
    with pytest.raises(CmapssUnreadable, match="has 2 lines and the test set 3 units"):
        read_set("FD001", data=tmp_path)


def test_days_and_cycles_are_each_others_inverse():
    days = np.array([day_after(cycle).date() for cycle in (1, 30, 543)], dtype="datetime64[D]")
    assert cycle_before(days).tolist() == [1, 30, 543]


def test_the_features_are_the_products_own(tmp_path):
    write_set(tmp_path, "FD001", units=3)
    train = read_training("FD001", data=tmp_path)
    columns = ("sensor_2", "sensor_7")
    features = features_for(columns, Choices(kinds=KINDS, age=False, cap=125.0, every=1, parameters={}))
    rows = rows_of(train, features)
    at = 40
    same = feature_rows(aggregates_of(train, columns), features, as_of=day_after(int(rows.cycle[at])))
    np.testing.assert_array_equal(rows.features.iloc[at], same.loc[rows.unit[at]])


def test_rows_count_down_to_the_end_of_each_unit(tmp_path):
    write_set(tmp_path, "FD001", units=4)
    train = read_training("FD001", data=tmp_path)
    choices = Choices(kinds=KINDS, age=True, cap=125.0, every=1, parameters={})
    rows = rows_of(train, features_for(("sensor_2",), choices))
    life = train.groupby("unit")["cycle"].max()
    assert len(rows.left) == (life - LEAST_CYCLES + 1).sum()
    assert (rows.cycle + rows.left == life.loc[rows.unit]).all()
    assert (rows.features["cycle.drive.highest.1d"] == rows.cycle).all()
    assert last_rows(rows).cycle.tolist() == life.tolist()


def test_a_row_does_not_know_the_cycles_after_it(tmp_path):
    write_set(tmp_path, "FD001", units=2)
    train = read_training("FD001", data=tmp_path)
    features = features_for(("sensor_2",), Choices(kinds=KINDS, age=False, cap=125.0, every=1, parameters={}))
    whole, cut = rows_of(train, features), rows_of(train[train["cycle"] <= 50], features)
    pd.testing.assert_frame_equal(
        whole.features[whole.cycle <= 50].reset_index(drop=True), cut.features, check_exact=True
    )


def test_each_way_of_flying_has_its_own_scale(tmp_path):
    write_set(tmp_path, "FD002", units=8, regimes=3)
    train = read_training("FD002", data=tmp_path)
    scale = fit_scale(train, regimes=3)
    table = scaled(train, scale)
    assert scale.sensors == ("sensor_2", "sensor_3", "sensor_7")
    for regime in range(3):
        own = table[(train["setting_2"] == 0.25 * regime).to_numpy()]
        assert own[list(scale.sensors)].mean().abs().max() < 1e-9
        assert own[list(scale.sensors)].std(ddof=0).to_numpy() == pytest.approx(1.0)


def test_scales_are_those_of_the_training_units(tmp_path):
    write_set(tmp_path, "FD001", units=4)
    recordings = read_set("FD001", data=tmp_path)
    scale = fit_scale(recordings.train, regimes=1)
    first = scaled(recordings.test, scale)
    alone = scaled(recordings.test.iloc[:1], scale)
    pd.testing.assert_frame_equal(first.iloc[:1], alone)
    assert set(first.columns) < {"unit", "cycle", *SENSORS}
