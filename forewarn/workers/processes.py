"""Several processes of this machine, each with a connection of its own."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from types import TracebackType
from typing import Any, TypeVar

import psycopg

from config.errors import UserMistake
from forewarn.workers.order import in_order
from ingest.store.connection import connect

Connection = psycopg.Connection[Any]
S = TypeVar("S")
A = TypeVar("A")
T = TypeVar("T")


class ProcessLost(UserMistake):
    """A process ended in the middle of its work."""


class Processes:
    """Processes that begin with the first task and end with the context. count : None is one for each processor"""

    def __init__(self, dsn: str, *, count: int | None = None) -> None:
        self._dsn = dsn
        self._count = count or len(os.sched_getaffinity(0))
        # Spawned, since a fork copies the threads of whoever shows progress or holds a connection in no usable state.
        self._pool = ProcessPoolExecutor(
            self._count, mp_context=get_context("spawn"), initializer=_begin, initargs=(dsn,)
        )

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self._pool.shutdown()
            return
        # Whoever interrupts the work does not wait for what is under way.
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()

    def prepare(self, work: Callable[[Connection], object]) -> None:
        with connect(self._dsn, role="models") as conn:
            work(conn)

    def each(self, work: Callable[[Connection, S, A], T], tasks: Iterable[A], *, shared: S) -> Iterator[T]:
        def submit(task: A) -> Future[T]:
            return self._pool.submit(_do, work, shared, task)

        try:
            yield from in_order(submit, tasks, ahead=self._count + 1)
        except BrokenProcessPool as error:
            raise ProcessLost(
                "a process ended in the middle of the work, perhaps for want of memory: run it again with fewer, as"
                " --on processes:1; nothing was stored"
            ) from error


_conn: Connection | None = None


def _begin(dsn: str) -> None:
    global _conn
    _conn = connect(dsn, role="models", autocommit=True)


def _do(work: Callable[[Connection, S, A], T], shared: S, task: A) -> T:
    assert _conn is not None
    return work(_conn, shared, task)
