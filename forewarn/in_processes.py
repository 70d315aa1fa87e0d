"""Work spread over processes, whose results come back in order and are not made faster than they are taken."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")


def each_in_order(work: Callable[[A], T], tasks: Sequence[A], *, processes: int | None = None) -> Iterator[T]:
    """Yield ``work(task)`` of every task, in their order.

    work      : a function of a module, which is called in a process of its own
    processes : None is one for each processor; 1 stays in this one
    """
    count = min(processes or len(os.sched_getaffinity(0)), len(tasks))
    if count <= 1:
        yield from map(work, tasks)
        return
    # Spawned, since a fork copies the threads of whoever shows progress or holds a connection in no usable state.
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"))
    waiting: deque[Future[T]] = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(work, task))
            # Results may be large: no more are made than are taken.
            if len(waiting) > count + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BaseException:
        _end(pool)
        raise
    pool.shutdown()


def _end(pool: ProcessPoolExecutor) -> None:
    """End a pool in the middle of its work: whoever interrupts it does not wait for what is under way."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
