"""A mosquitto of the benchmark's own, on 127.0.0.1, that queues without limit and keeps nothing on disk."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.errors import UserMistake
from forewarn.embedded.ports import answers, free_port

_START_TIMEOUT_S = 10
_STOP_TIMEOUT_S = 10

# 0 is no limit: a limit on what is in flight would measure round trips, one on the queue would lose messages.
_CONFIGURATION = """\
listener {port} 127.0.0.1
allow_anonymous true
max_inflight_messages 0
max_queued_messages 0
max_queued_bytes 0
set_tcp_nodelay true
persistence false
log_type error
"""


class MosquittoMissing(UserMistake):
    """The benchmark compares with what mosquitto delivers, and it is not installed."""


def program() -> str:
    """Return where mosquitto is.

    Raises : MosquittoMissing
    """
    # Debian puts it where only root's PATH looks.
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise MosquittoMissing(
            "the benchmark needs the broker mosquitto: install it (Debian: apt-get install mosquitto)"
        )
    return found


@contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """Run mosquitto with its files in ``folder`` and yield its port.

    Raises : MosquittoMissing; UserMistake, when it does not start
    """
    port = free_port()
    # Started by root it would become a user who cannot read the folder.
    user = "user root\n" if os.geteuid() == 0 else ""
    configuration = folder / "mosquitto.conf"
    configuration.write_text(_CONFIGURATION.format(port=port) + user, encoding="utf-8")
    log = folder / "mosquitto.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program(), "-c", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C is for us: we end it when nobody needs it any more.
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                said = " ".join(log.read_text(errors="replace").split())
                raise UserMistake(f"mosquitto did not start ({said[-300:]}): see that it runs on this machine")
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
