"""Work spread over processes, whose results come back in order and are not made faster than they are taken."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, Protocol, TypeVar

A = TypeVar("A")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Result(Protocol[T_co]):
    """What will come of a task."""

    def result(self) -> T_co: ...


def each_in_order(work: Callable[[A], T], tasks: Sequence[A], *, processes: int | None = None) -> Iterator[T]:
    """Yield ``work(task)`` of every task, in their order.

    work      : a function of a module, which is called in a process of its own
    processes : None is one for each processor; 1 stays in this one
    """
    count = min(processes or processors(), len(tasks))
    if count <= 1:
        yield from map(work, tasks)
        return
    with process_pool(count) as pool:
        yield from in_order(lambda task: pool.submit(work, task), tasks, ahead=count + 2)


def in_order(submit: Callable[[A], Result[T]], tasks: Iterable[A], *, ahead: int) -> Iterator[T]:
    """Yield what comes of every task, in their order; at most ``ahead`` are under way, for results may be large."""
    waiting: deque[Result[T]] = deque()
    for task in tasks:
        waiting.append(submit(task))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@contextmanager
def process_pool(count: int, **options: Any) -> Iterator[ProcessPoolExecutor]:
    """Yield processes that end with the context; whoever interrupts it does not wait for what is under way.

    options : as ProcessPoolExecutor takes them
    """
    # Spawned, since a fork copies the threads of whoever shows progress or holds a connection in no usable state.
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), **options)
    try:
        yield pool
    except BaseException:
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        raise
    pool.shutdown()


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))
