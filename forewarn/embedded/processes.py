"""Is a process that is not our child still there, and is it the one we think it is?"""

import os
import time
from pathlib import Path


def runs(pid: int, word: str = "") -> bool:
    """Say whether a process runs whose command line has ``word`` in it; numbers are given again after a restart.

    Where the system has no /proc, any running process of that number counts.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    if not Path("/proc/self/cmdline").exists():
        return True
    try:
        # A process that ended and waits for its parent has no command line.
        command = Path("/proc", str(pid), "cmdline").read_bytes()
    except OSError:
        return False
    return bool(command) and word.encode() in command


def has_ended(pid: int, *, within_s: float) -> bool:
    """Wait for a process to end, a child of ours or not."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            ended = os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:
            ended = not runs(pid)
        if ended:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
