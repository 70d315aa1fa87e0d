"""Bulk telemetry at a steady rate, from a process of its own: it shares nothing with what is measured but the machine.

``python -m forewarn.bench.background PORT RATE SECONDS`` prints how many messages the broker acknowledged.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from forewarn.bench.load import Load
from forewarn.message import Message
from forewarn.publish import publish

# A pause for each message would be shorter than the clock can wait.
_A_BURST_S = 0.01


def steady(load: Load, *, rate: float) -> Iterator[Message]:
    """Yield the messages of ``load``, ``rate`` a second; what is late is caught up with."""
    began = time.monotonic()
    for number, message in enumerate(load):
        ahead_s = number / rate - (time.monotonic() - began)
        if ahead_s > _A_BURST_S:
            time.sleep(ahead_s)
        yield message


def background_load(rate: float, seconds: float) -> Load:
    return Load(messages=max(1, round(rate * seconds)), batch=1, now_ms=time.time_ns() // 1_000_000, seed=2)


@contextmanager
def background(port: int, *, rate: float, seconds: float) -> Iterator[None]:
    """Publish bulk telemetry for ``seconds`` or for as long as the caller needs it, whichever is shorter."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "forewarn.bench.background", str(port), str(rate), str(seconds)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            # Its first line says that it publishes.
            process.stdout.readline()
            yield
        finally:
            process.terminate()


if __name__ == "__main__":
    _port, _rate, _seconds = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    _load = background_load(_rate, _seconds)
    sys.stdout.write("publishing\n")
    sys.stdout.flush()
    publish(steady(_load, rate=_rate), host="127.0.0.1", port=_port)
