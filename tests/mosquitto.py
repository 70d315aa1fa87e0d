"""A real mosquitto on 127.0.0.1 for one test: started with the configuration given, ended by its process id."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

from forewarn.embedded.ports import free_ports
from tests.conftest import missing

_START_TIMEOUT_S = 10
_STOP_TIMEOUT_S = 10


class Mosquitto:
    """One broker whose files are in ``folder``; ``start`` after ``stop`` or ``kill`` finds what it had persisted."""

    def __init__(self, folder: Path, configuration: str, ports: Sequence[int]) -> None:
        self.folder = folder
        self.ports = tuple(ports)
        self.log = folder / "mosquitto.log"
        self._configuration = folder / "mosquitto.conf"
        self._configuration.write_text(configuration, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def pid(self) -> int:
        assert self._process is not None, "the broker does not run"
        return self._process.pid

    def start(self) -> None:
        """Start, and return when every port answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [_program(), "-c", str(self._configuration)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        for port in self.ports:
            while not _answers(port):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise AssertionError(f"mosquitto did not start: {self.log.read_text(errors='replace')[-2000:]}")
                time.sleep(0.02)

    def stop(self) -> None:
        """End it as its operator would: what persists is written."""
        self._end(SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(SIGKILL)

    def send(self, number: Signals) -> None:
        os.kill(self.pid, number)

    def _end(self, number: Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


@contextmanager
def mosquitto(folder: Path, configuration: str = "", *, ports: Sequence[int] = ()) -> Iterator[Mosquitto]:
    """Yield a running mosquitto and end it.

    folder        : for its configuration, log and whatever it persists; made if missing
    configuration : lines of mosquitto.conf; persistence_location, where wanted, is best ``folder``
    ports         : those that ``configuration`` listens on; without, it gets a plain listener that lets everybody in
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = configuration.rstrip("\n").split("\n")
    if not any(line.startswith("user ") for line in lines):
        # Run as root it would change to a user who may not read the folder of a test.
        lines.append(f"user {pwd.getpwuid(os.getuid()).pw_name}")
    if not ports:
        ports = free_ports(1)
        lines += [f"listener {ports[0]} 127.0.0.1", "allow_anonymous true"]
    broker = Mosquitto(folder, "\n".join(lines) + "\n", ports)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def _program() -> str:
    # Debian puts it where only root's PATH looks.
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        missing("mosquitto is not installed (Debian: apt-get install mosquitto)")
    assert found is not None
    return found


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
