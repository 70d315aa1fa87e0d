"""How much memory processes have had."""

import os
import re
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

_SERVER = "postgres"


def peak_rss_mib(pids: Iterable[int], *, proc: Path = Path("/proc")) -> float | None:
    """Return the most resident memory that any of these processes has had so far.

    None where the system does not tell, or the process is gone.
    """
    peaks = []
    for pid in pids:
        try:
            status = (proc / str(pid) / "status").read_text(encoding="utf-8")
        except OSError:
            continue
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        if found:
            peaks.append(int(found[1]) / 1024)
    return max(peaks, default=None)


class PeakOfFamily:
    """Watches this process and all that it started while its block runs, a database server aside.

    mib : most resident memory they had at one time; pages that several share count once for each
    """

    def __init__(self, *, every_s: float = 0.2, proc: Path = Path("/proc")) -> None:
        self.mib = 0.0
        self._every_s = every_s
        self._proc = proc
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakOfFamily":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(self._every_s):
            self.mib = max(self.mib, self._resident_mib())

    def _resident_mib(self) -> float:
        parents: dict[int, int] = {}
        resident: dict[int, float] = {}
        for folder in self._proc.glob("[0-9]*"):
            try:
                status = (folder / "status").read_text(encoding="utf-8")
            except OSError:
                continue
            found = dict(re.findall(r"^(Name|PPid|VmRSS):\s+(\S+)", status, re.MULTILINE))
            if found.get("Name") == _SERVER:
                continue
            parents[int(folder.name)] = int(found.get("PPid", 0))
            resident[int(folder.name)] = int(found.get("VmRSS", 0)) / 1024
        family = {os.getpid()}
        while more := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= more
        return sum(resident.get(pid, 0.0) for pid in family)
