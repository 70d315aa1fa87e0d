"""Several processes of this machine, each with a connection of its own."""

import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from config.errors import UserMistake
from forewarn.in_processes import in_order, process_pool, processors
from forewarn.workers.apart import Apart
from ingest.store.connection import connect
from models.workers import A, Connection, S, T


class ProcessLost(UserMistake):
    """A process ended in the middle of its work."""


class Processes(Apart):
    """So many processes of a pool that was begun by ``_begin``."""

    def __init__(self, pool: ProcessPoolExecutor, dsn: str, *, count: int) -> None:
        super().__init__(dsn)
        self._pool = pool
        self._count = count

    def each(self, work: Callable[[Connection, S, A], T], tasks: Iterable[A], *, shared: S) -> Iterator[T]:
        # Written once and read once by every process: models are large, and tasks are many.
        with TemporaryDirectory(prefix="forewarn-work-") as folder:
            file = Path(folder) / "shared"
            file.write_bytes(pickle.dumps(shared, protocol=pickle.HIGHEST_PROTOCOL))
            yield from self._each(work, tasks, file)

    def _each(self, work: Callable[[Connection, S, A], T], tasks: Iterable[A], shared: Path) -> Iterator[T]:
        try:
            yield from in_order(lambda task: self._pool.submit(_do, work, shared, task), tasks, ahead=self._count + 1)
        except BrokenProcessPool as error:
            raise ProcessLost(
                "a process ended in the middle of the work, perhaps for want of memory: run it again with fewer, as"
                " --on processes:1; nothing was stored"
            ) from error


@contextmanager
def in_processes(dsn: str, *, count: int | None = None) -> Iterator[Processes]:
    """Yield processes, which begin at once. count : None is one for each processor"""
    count = count or processors()
    with process_pool(count, initializer=_begin, initargs=(dsn,)) as pool:
        # They import for seconds, in which the caller loads models.
        for _ in range(count):
            pool.submit(_import)
        yield Processes(pool, dsn, count=count)


_conn: Connection | None = None


def _begin(dsn: str) -> None:
    global _conn
    _conn = connect(dsn, role="models", autocommit=True)


def _import() -> None:
    import_module("models.scoring")


def _do(work: Callable[[Connection, Any, A], T], shared: Path, task: A) -> T:
    assert _conn is not None
    return work(_conn, _read(shared), task)


# Works that take turns, each with what it shares, are two at a time.
@lru_cache(maxsize=4)
def _read(shared: Path) -> Any:
    # Its folder is only its maker's, as those of ``tempfile`` are, and gone when the work is done.
    return pickle.loads(shared.read_bytes())  # noqa: S301
