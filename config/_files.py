"""Reads the TOML files that ship with the package."""

import tomllib
from importlib.resources import files
from typing import Any


def read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads(files("config").joinpath(name).read_text(encoding="utf-8"))
