"""Folders for servers of a test."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter: in pytest's own ones, as root, the servers would move to /var/lib."""
    folder = Path(tempfile.mkdtemp(prefix="forewarn-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
