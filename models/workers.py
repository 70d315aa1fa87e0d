"""Who works on a fleet: this process, several of this machine, or other machines. Results are the same and in order."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import psycopg

Connection = psycopg.Connection[Any]

S = TypeVar("S")
A = TypeVar("A")
T = TypeVar("T")


class Workers(Protocol):
    """Does pieces of work, each with a connection of role "models" to read by."""

    def prepare(self, work: Callable[[Connection], object]) -> None:
        """Do what every piece is to find in the store."""
        ...

    def each(self, work: Callable[[Connection, S, A], T], tasks: Iterable[A], *, shared: S) -> Iterator[T]:
        """Yield what comes of every task, in their order; no more tasks are taken than are under way.

        work   : a function of a module; it gets a connection, ``shared`` and a task
        shared : what every task needs
        """
        ...


@dataclass(frozen=True)
class Here:
    """This process, by the caller's connection and in its transaction."""

    conn: Connection

    def prepare(self, work: Callable[[Connection], object]) -> None:
        work(self.conn)

    def each(self, work: Callable[[Connection, S, A], T], tasks: Iterable[A], *, shared: S) -> Iterator[T]:
        for task in tasks:
            yield work(self.conn, shared, task)
