"""Where the table of a recording is found, and what is said when it is not."""

import io
import tarfile
import zipfile

import pytest

from config.errors import UserMistake
from forewarn.replay.source import open_table


def test_a_table_alone(tmp_path):
    path = tmp_path / "one.csv"
    path.write_bytes(b"a\n1\n")
    table = open_table(path)
    assert (table.name, table.place, table.content, table.archived) == ("one", 0, b"a\n1\n", False)
    with pytest.raises(UserMistake, match="single table"):
        open_table(path, name="two")


def test_a_table_of_an_archive_by_name_and_place(tmp_path):
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/notes.txt", "no table")
        archive.writestr("folder/one.csv", "1")
        archive.writestr("folder/two.csv", "2")
    assert open_table(path).name == "one"
    for name in ("two", "two.csv", "folder/two.csv"):
        table = open_table(path, name=name)
        assert (table.name, table.place, table.content, table.archived) == ("two", 1, b"2", True)


@pytest.mark.parametrize("name", ["missing.zip", "."])
def test_no_file_is_a_mistake(tmp_path, name):
    with pytest.raises(UserMistake, match="give the path of the recording"):
        open_table(tmp_path / name)


def test_an_archive_without_tables_is_a_mistake(tmp_path):
    path = tmp_path / "empty.tar.xz"
    with tarfile.open(path, "w:xz") as archive:
        archive.addfile(tarfile.TarInfo("readme.txt"), io.BytesIO())
    with pytest.raises(UserMistake, match=r"no \.csv file"):
        open_table(path)


def test_a_damaged_archive_is_a_mistake(tmp_path):
    path = tmp_path / "broken.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.csv", "1,2,3\n" * 1000)
    content = bytearray(path.read_bytes())
    content[45:60] = b"\xff" * 15
    path.write_bytes(content)
    with pytest.raises(UserMistake, match="damaged"):
        open_table(path)
