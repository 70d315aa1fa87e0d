"""Finds the CSV table of a recording: in a zip, in a tar, packed by itself, or as it is."""

import bz2
import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from config.errors import UserMistake

# By the bytes that such a file begins with, whatever it is called.
_UNPACK: dict[bytes, Callable[[bytes], bytes]] = {
    b"\xfd7zXZ\x00": lzma.decompress,
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
}
_PACKED_ENDINGS = (".xz", ".gz", ".bz2")
# What the libraries raise for archives that are cut short, scribbled over, encrypted or packed in unusual ways.
_DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, struct.error),
    *(RuntimeError, ValueError, OSError),
)


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
    check_file(path)
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
        stem = _stem(path.name)
        if name is not None and name not in (path.name, path.stem, stem):
            raise UserMistake(f"{path} is a single table: leave --trip {name} out")
        return Table(stem, 0, _unpacked(path.read_bytes()), archived=False)
    except PermissionError as error:
        raise UserMistake(f"{path} may not be read by this user: change its permissions") from error
    except _DAMAGE as error:
        raise UserMistake(f"{path} is damaged ({error}): fetch it again") from error


def check_file(path: Path) -> None:
    """Raise UserMistake when there is no file at ``path``."""
    try:
        is_there, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError) as error:
        raise UserMistake(f"{path} is no path of a file ({error}): give the path of the recording") from error
    if not is_there:
        raise UserMistake(f"{path} does not exist: give the path of the recording")
    if is_folder:
        raise UserMistake(f"{path} is a folder: give the path of the recording in it")


def _unpacked(content: bytes) -> bytes:
    unpack = next((unpack for start, unpack in _UNPACK.items() if content.startswith(start)), None)
    return unpack(content) if unpack is not None else content


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
    name = PurePosixPath(member)
    return PurePosixPath(name.stem).stem if name.suffix.lower() in _PACKED_ENDINGS else name.stem
