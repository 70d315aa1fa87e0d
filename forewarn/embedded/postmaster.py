"""The process of an embedded PostgreSQL: whether it runs, where it listens, and how it ends."""

import contextlib
import os
import signal
import time
from pathlib import Path

from config.errors import UserMistake
from forewarn.embedded.disk import is_full
from forewarn.embedded.ports import is_taken
from forewarn.embedded.processes import has_ended, runs

_STOP_TIMEOUT_S = 60
_ABORT_TIMEOUT_S = 10
_PORT_TIMEOUT_S = 1


def running_port(data: Path) -> int | None:
    """Return the port of the server that runs on ``data``, None when none does."""
    return _number(data, 3) if running_pid(data) is not None else None


def running_pid(data: Path) -> int | None:
    """Return the process of the server that runs on ``data``, None when none does."""
    pid = _number(data, 0)
    return pid if pid is not None and runs(pid, "postgres") else None


def socket_folder(data: Path) -> Path | None:
    """Return the folder of its sockets, None when the server has ended as it should."""
    named = _pid_file(data)[4:5]
    return Path(named[0]) if named and named[0] else None


def end_server(data: Path) -> None:
    """End the server that runs on ``data``, if one does, and wait for it.

    Raises : UserMistake, when it does not end
    """
    pid, port = running_pid(data), running_port(data)
    if pid is None:
        return
    # Signals, not pg_ctl: it has nothing more to offer, and fails when the server is gone or the disk is full.
    # A full disk has no room for the last checkpoint: what was committed is in the log, the next start reads it.
    orderly = [] if is_full(data) else [(signal.SIGINT, _STOP_TIMEOUT_S)]
    for number, within_s in (*orderly, (signal.SIGQUIT, _ABORT_TIMEOUT_S)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if has_ended(pid, within_s=within_s):
            _wait_for_port(port)
            return
    raise UserMistake(f"PostgreSQL does not end (process {pid}): see {data.parent / 'postgres.log'}")


def forget_stale_locks(data: Path, sockets: Path) -> bool:
    """Remove the locks of a server that is gone though its number is in use: given again, or kept by a dead process.

    Should its children still run, the server finds them by their shared memory and refuses to start.
    """
    locks = [lock for lock in (data / "postmaster.pid", *sockets.glob(".s.PGSQL.*.lock")) if lock.exists()]
    stale = [lock for lock in locks if not runs(int(lock.read_text(encoding="utf-8").split()[0]), "postgres")]
    for lock in stale:
        lock.unlink()
    return bool(stale)


def _wait_for_port(port: int | None) -> None:
    # A process counts as ended a moment before the system has closed its sockets.
    deadline = time.monotonic() + _PORT_TIMEOUT_S
    while port is not None and is_taken(port) and time.monotonic() < deadline:
        time.sleep(0.02)


def _number(data: Path, line: int) -> int | None:
    try:
        return int(_pid_file(data)[line])
    except (ValueError, IndexError):
        return None


def _pid_file(data: Path) -> list[str]:
    # The server writes: its process, data folder, start, port, socket folder, address.
    try:
        return (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, PermissionError):
        return []
