"""The most memory of some processes."""

import os

from forewarn.bench.memory import peak_rss_mib


def _status(proc, pid, text):
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "status").write_text(text)


def test_the_largest_counts_and_the_gone_are_left_out(tmp_path):
    _status(tmp_path, 1, "Name:\tpython\nVmPeak:\t  999999 kB\nVmHWM:\t  204800 kB\nVmRSS:\t  1024 kB\n")
    _status(tmp_path, 2, "VmHWM:\t  102400 kB\n")
    assert peak_rss_mib([1, 2, 3], proc=tmp_path) == 200.0


def test_a_system_that_does_not_tell_gives_none(tmp_path):
    _status(tmp_path, 1, "Name:\tpython\n")
    assert peak_rss_mib([1, os.getpid()], proc=tmp_path) is None
