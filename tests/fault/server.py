"""A PostgreSQL server that tests may kill: the whole of it, then started again on the same files."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from forewarn.embedded.postgres import Cluster, start_cluster
from forewarn.embedded.processes import has_ended


class Server:
    """One server in ``folder``; its port, and so its DSN, stays the same over restarts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cluster: Cluster = start_cluster(folder, run_as=None)
        self._runs = True

    @property
    def dsn(self) -> str:
        return self._cluster.dsn

    @property
    def port(self) -> int:
        return self._cluster.port

    def start(self) -> float:
        """Start it if it does not run and return the seconds until it answered."""
        began = time.monotonic()
        if not self._runs:
            self._cluster = start_cluster(self._folder, run_as=None, port=self.port)
            self._runs = True
        return time.monotonic() - began

    def stop(self) -> None:
        """End it as its operator would: sessions are cut, what is committed is on disk."""
        if self._runs:
            self._cluster.stop()
        self._runs = False

    def kill(self) -> None:
        """End the postmaster and all its children at once, as a power cut would."""
        postmaster = int((self._cluster.data / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        # The parent first, stopped before it dies: it would otherwise start new children while we kill the old.
        os.kill(postmaster, signal.SIGSTOP)
        children = [int(pid) for pid in Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()]
        for pid in [postmaster, *children]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in [postmaster, *children]:
            assert has_ended(pid, within_s=10), f"process {pid} of PostgreSQL does not end"
        self._runs = False
