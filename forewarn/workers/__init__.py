"""Who trains and scores: this process, several of this machine, or workers of a Dask cluster."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from config.errors import UserMistake

if TYPE_CHECKING:
    from models.workers import Workers


ON = "Who does it: here, processes, processes:4, or dask://host:8786 (dask+tls://… with TLS)."


@contextmanager
def workers_on(where: str, dsn: str) -> "Iterator[Workers | None]":
    """Yield who does the work; None is the caller's own process.

    where  : as of ON
    dsn    : of the store, as the workers reach it
    Raises : UserMistake, when it is none of those, or nobody answers there
    """
    if where == "here":
        yield None
    elif found := re.fullmatch(r"processes(?::([1-9]\d{0,2}))?", where):
        from forewarn.workers.processes import in_processes

        with in_processes(dsn, count=int(found[1]) if found[1] else None) as several:
            yield several
    elif found := re.fullmatch(r"dask(\+tls)?://(.+:\d{1,5})", where):
        from forewarn.workers.dask import on_dask

        with on_dask(f"{'tls' if found[1] else 'tcp'}://{found[2]}", dsn) as cluster:
            yield cluster
    else:
        raise UserMistake(f"--on {where} is nobody: write here, processes, processes:4 or dask://host:8786")
