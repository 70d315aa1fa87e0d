"""File locks between the processes of one data folder; the system drops them when a process dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def try_lock(path: Path, *, exclusive: bool) -> IO[str] | None:
    """Return the open file that holds the lock until it is closed, or None when another process is in the way."""
    file = _open(path)
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock alone, after waiting for whoever has it."""
    with _open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _open(path: Path) -> IO[str]:
    # Opened for appending: it must exist, and what is in it must survive.
    return path.open("a", encoding="utf-8")
