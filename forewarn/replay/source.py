"""Finds the CSV table of a recording: in a zip, in a tar, or as it is."""

import lzma
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from config.errors import UserMistake


@dataclass(frozen=True)
class Table:
    """A CSV file's bytes. ``place`` is its place among the tables of its archive, 0 when it came alone."""

    name: str
    place: int
    content: bytes
    archived: bool


def open_table(path: Path, *, name: str | None = None) -> Table:
    """Return the table ``name`` (its file name, ending optional) of ``path``; the first when no name is given.

    Raises : UserMistake, when there is no such file or table, or the archive is damaged
    """
    if not path.exists():
        raise UserMistake(f"{path} does not exist: give the path of the recording")
    if path.is_dir():
        raise UserMistake(f"{path} is a folder: give the path of the recording in it")
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                place, member = _choose(path, archive.namelist(), name)
                return Table(_stem(member), place, archive.read(member), archived=True)
        if tarfile.is_tarfile(path):
            with tarfile.open(path) as tar:
                place, member = _choose(path, [item.name for item in tar if item.isfile()], name)
                file = tar.extractfile(member)
                assert file is not None
                return Table(_stem(member), place, file.read(), archived=True)
        if name is not None and name not in (path.name, path.stem):
            raise UserMistake(f"{path} is a single table: leave --trip {name} out")
        return Table(path.stem, 0, path.read_bytes(), archived=False)
    except (zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError) as error:
        raise UserMistake(f"{path} is damaged ({error}): fetch it again") from error
    except PermissionError as error:
        raise UserMistake(f"{path} may not be read by this user: change its permissions") from error


def _choose(path: Path, members: list[str], name: str | None) -> tuple[int, str]:
    tables = [member for member in members if member.lower().endswith(".csv")]
    if not tables:
        raise UserMistake(f"{path} holds no .csv file: is it a recording?")
    if name is None:
        return 0, tables[0]
    for place, member in enumerate(tables):
        if name in (member, PurePosixPath(member).name, _stem(member)):
            return place, member
    some = ", ".join(_stem(member) for member in tables[:8])
    raise UserMistake(f"{path} holds no {name}: it has {some}{' and more' if len(tables) > 8 else ''}")


def _stem(member: str) -> str:
    return PurePosixPath(member).stem
