"""One server for all Forewarn processes of a data folder: the first starts it, the last stops it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

from config.errors import UserMistake
from forewarn.embedded.locks import locked, try_lock

Server = TypeVar("Server")


@contextmanager
def shared_server(home: Path, *, start: Callable[[], Server], stop: Callable[[Server], None]) -> Iterator[Server]:
    """Yield the server that lives in ``home``; it runs for as long as one process needs it.

    start : returns the running server, or starts it; called by one process at a time
    stop  : ends it; called by the last process to leave. A process that was killed never gets there: its server
            is found by the next ``start`` and stopped when that one leaves.
    """
    starting = home / "start.lock"
    users = home / "users.lock"
    with locked(starting):
        ours = try_lock(users, exclusive=False)
        # Held exclusively only by one that leaves, and that one holds the starting lock too.
        assert ours is not None
        try:
            server = start()
        except BaseException:
            ours.close()
            raise
    try:
        yield server
    except BaseException:
        # What failed before counts, not that the server was hard to stop.
        with suppress(UserMistake, OSError):
            _leave(starting, users, ours, lambda: stop(server))
        raise
    _leave(starting, users, ours, lambda: stop(server))


def _leave(starting: Path, users: Path, ours: IO[str], stop: Callable[[], None]) -> None:
    with locked(starting):
        ours.close()
        alone = try_lock(users, exclusive=True)
        if alone is not None:
            with alone:
                stop()
