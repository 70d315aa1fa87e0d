import asyncio
import warnings
from datetime import timedelta
from pathlib import Path

import pytest

from models.drift import measure
from models.scoring import score
from tests.integration.models.conftest import END

NOTEBOOKS = Path(__file__).resolve().parents[3] / "notebooks"


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
def test_a_notebook_runs_from_top_to_bottom(name, database, trained, models_conn, tmp_path, monkeypatch):
    # Two scorings, one of a day whose horizon has ended, and what has moved since.
    for day in (END - timedelta(days=31), END):
        score(models_conn, as_of=day, data_dir=trained)
    measure(models_conn, as_of=END, data_dir=trained)
    monkeypatch.setenv("FOREWARN_DATABASE__DSN", database)
    monkeypatch.setenv("FOREWARN_DATA_DIR", str(trained))
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parent))
    with warnings.catch_warnings():
        # The kernel's client warns about its own event loop and ports; what the cells do is what counts.
        warnings.simplefilter("ignore")
        import nbformat
        from nbclient import NotebookClient

        notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
        client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
        asyncio.run(client.async_execute())
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("application/vnd.plotly.v1+json" in output.get("data", {}) for output in outputs)
