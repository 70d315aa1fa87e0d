"""A data folder that every user can enter: as root the server would move out of pytest's own folders."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def data_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="forewarn-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
