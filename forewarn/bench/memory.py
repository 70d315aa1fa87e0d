"""How much memory processes have had."""

import re
from collections.abc import Iterable
from pathlib import Path


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
