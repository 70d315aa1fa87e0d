"""SQL lives in files beside the code that runs it and is loaded by name."""

from functools import cache
from importlib.resources import files
from typing import LiteralString


@cache
def load(package: str, name: str) -> LiteralString:
    """Return the text of ``<package>/sql/<name>.sql``.

    Raises : FileNotFoundError, when there is no such file
    """
    # The files are part of the program, so psycopg may trust them like a literal.
    return files(package).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
