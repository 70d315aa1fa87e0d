"""The import contracts name every module they must: a new one is not let through unnoticed."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_models_are_kept_out_of_all_of_ingest_but_the_store():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = (one for one in contracts if one.get("source_modules") == ["models"])
    inside = {f"ingest.{path.stem}" for path in (ROOT / "ingest").iterdir() if not path.name.startswith("__")}
    assert set(contract["forbidden_modules"]) == inside - {"ingest.store"}


def test_alerts_know_only_the_tables_of_models_and_the_store_of_ingest():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = (one for one in contracts if one.get("source_modules") == ["alerts"])
    modules = [*(ROOT / "models").glob("*.py"), *(file.parent for file in (ROOT / "models").glob("*/__init__.py"))]
    models = {f"models.{path.stem}" for path in modules if path.stem != "__init__"}
    inside = {f"ingest.{path.stem}" for path in (ROOT / "ingest").iterdir() if not path.name.startswith("__")}
    assert set(contract["forbidden_modules"]) == (models - {"models.tables"}) | (inside - {"ingest.store"})
