"""Results of work that is done elsewhere: in the order of their tasks, and never far ahead of whoever takes them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

A = TypeVar("A")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Result(Protocol[T_co]):
    """What will come of a task."""

    def result(self) -> T_co: ...


def in_order(submit: Callable[[A], Result[T]], tasks: Iterable[A], *, ahead: int) -> Iterator[T]:
    """Yield what comes of every task, in their order; at most ``ahead`` are under way."""
    waiting: deque[Result[T]] = deque()
    for task in tasks:
        waiting.append(submit(task))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
