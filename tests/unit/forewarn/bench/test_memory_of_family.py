"""The memory of a process and its children is their sum at one time."""

import subprocess
import sys
import time

from forewarn.bench.memory import PeakOfFamily

_CHILD = """
import time
kept = bytearray(80 * 2**20)
kept[::4096] = b"x" * len(kept[::4096])
print("big", flush=True)
time.sleep(60)
"""


def test_a_child_counts():
    with PeakOfFamily(every_s=0.02) as alone:
        time.sleep(0.2)
    with PeakOfFamily(every_s=0.02) as together, subprocess.Popen([sys.executable, "-c", _CHILD], stdout=-1) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.2)
        child.kill()
    assert alone.mib > 10
    assert together.mib > alone.mib + 75
