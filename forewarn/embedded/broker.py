"""An MQTT broker of our own: rumqttd from the wheel ``iotcore``, on 127.0.0.1, in a process of its own.

It keeps sessions and messages in memory. What that means for those who use it is in docs/embedded.md; the limits
below were measured with rumqttd 0.20.
"""

import contextlib
import importlib.util
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.errors import UserMistake
from forewarn.embedded.account import make_folder
from forewarn.embedded.ports import free_port, is_taken
from forewarn.embedded.processes import has_ended, runs
from forewarn.embedded.shared import shared_server

# Messages the broker sends ahead of acknowledgements; fixed in rumqttd, whatever its settings say.
WINDOW_MESSAGES = 100
# Publishers split at 1 MB; a larger message would cut their connection, so there is room above that.
_PAYLOAD_LIMIT_BYTES = 2 * 2**20
# One log per subscription filter; the oldest segment is dropped when there are too many, read or unread.
_SEGMENT_BYTES = 16 * 2**20
_SEGMENTS = 32
USUAL_PORT = 1883
_START_TIMEOUT_S = 15
_STOP_TIMEOUT_S = 5
_LOG_LIMIT_BYTES = 16 * 2**20

_CONFIGURATION = """\
id = 0

[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = {segment}
max_segment_count = {segments}

[v4.1]
name = "v4"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1

[v4.1.connections]
connection_timeout_ms = 10000
max_payload_size = {payload}
max_inflight_count = {window}
dynamic_filters = true
"""


@dataclass(frozen=True, slots=True)
class ListeningBroker:
    """A running broker on 127.0.0.1."""

    home: Path
    pid: int
    port: int

    @property
    def host(self) -> str:
        return "127.0.0.1"

    def stop(self) -> None:
        """End the broker; sessions and undelivered messages go with it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        if not has_ended(self.pid, within_s=_STOP_TIMEOUT_S):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            has_ended(self.pid, within_s=_STOP_TIMEOUT_S)
        (self.home / "broker.pid").unlink(missing_ok=True)


@contextmanager
def shared_broker(directory: Path, *, port: int | None = None) -> Iterator[ListeningBroker]:
    """Yield the broker of ``directory`` that all processes share; see ``start_broker``."""
    home = _home(directory)
    with shared_server(home, start=lambda: _start(home, port), stop=_stop_whichever) as broker:
        yield broker


def start_broker(directory: Path, *, port: int | None = None) -> ListeningBroker:
    """Return a running broker whose files are in ``directory``, adopted when it still runs and answers.

    port   : None takes 1883 when it is free, else any free one
    Raises : UserMistake, when the port is taken or the package is missing
    """
    return _start(_home(directory), port)


def running_broker(directory: Path) -> ListeningBroker | None:
    """Return the broker of ``directory`` if it runs and answers now; starts and creates nothing."""
    broker = _running(directory.resolve())
    return broker if broker is not None and _answers_mqtt(broker.port) else None


def restart_broker(broker: ListeningBroker) -> None:
    """Start a broker that was killed again, on its port; the caller holds the start lock."""
    _start(broker.home, broker.port)


def runs_in(home: Path) -> bool:
    """Say whether the broker of ``home`` runs; whether it answers is not asked."""
    return _running(home) is not None


def _stop_whichever(started: ListeningBroker) -> None:
    # Killed and started again, it has another number than at first.
    running = _running(started.home)
    if running is not None:
        running.stop()


def _home(directory: Path) -> Path:
    home = directory.resolve()
    try:
        make_folder(home)
    except PermissionError as error:
        raise UserMistake(
            f"cannot write {error.filename}: run as its owner or set FOREWARN_DATA_DIR to a folder of your own"
        ) from error
    return home


def _start(home: Path, port: int | None) -> ListeningBroker:
    running = _running(home)
    if running is not None:
        if port not in (None, running.port):
            raise UserMistake(f"the broker of {home} already runs on port {running.port}: use it, or end it first")
        if _answers_mqtt(running.port):
            return running
        # Alive and deaf: its router has failed.
        running.stop()
    if importlib.util.find_spec("iotcore") is None:
        raise UserMistake("the package iotcore is missing: run make venv, or set FOREWARN_MQTT__HOST to your broker")
    if port is not None:
        if is_taken(port):
            raise UserMistake(f"port {port} is in use: stop what listens there or set FOREWARN_MQTT__PORT to another")
        return _launch(home, port)
    if not is_taken(USUAL_PORT):
        # Another process may be faster; a port that nobody knows about is not contested.
        with contextlib.suppress(UserMistake):
            return _launch(home, USUAL_PORT)
    return _launch(home, free_port())


def _launch(home: Path, port: int) -> ListeningBroker:
    configuration = home / "rumqttd.toml"
    configuration.write_text(
        _CONFIGURATION.format(
            port=port, payload=_PAYLOAD_LIMIT_BYTES, segment=_SEGMENT_BYTES, segments=_SEGMENTS, window=WINDOW_MESSAGES
        ),
        encoding="utf-8",
    )
    log = home / "broker.log"
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.old"))
    # Its log speaks of every packet at any level but the highest.
    command = [sys.executable, "-P", "-m", "iotcore", "--config", str(configuration), "--log-level", "CRITICAL"]
    # Not subprocess: the broker outlives this process when another one needs it. A session of its own, so that Ctrl-C
    # in the terminal is for us alone.
    pid = os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    (home / "broker.pid").write_text(f"{pid} {port}\n", encoding="ascii")
    broker = ListeningBroker(home, pid, port)
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not _answers_mqtt(port):
        if has_ended(pid, within_s=0) or time.monotonic() > deadline:
            broker.stop()
            raise UserMistake(f"the MQTT broker did not start on port {port}: see {log}")
        time.sleep(0.05)
    return broker


def _running(home: Path) -> ListeningBroker | None:
    try:
        pid, port = (int(word) for word in (home / "broker.pid").read_text(encoding="ascii").split())
    except (FileNotFoundError, ValueError):
        return None
    return ListeningBroker(home, pid, port) if runs(pid, "iotcore") else None


def _answers_mqtt(port: int) -> bool:
    """Connect as an MQTT 3.1.1 client would: an open port alone does not say that messages are routed."""
    client_id = f"forewarn-probe-{os.getpid()}".encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x0a" + len(client_id).to_bytes(2, "big") + client_id
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.settimeout(2)
            connection.sendall(b"\x10" + bytes([len(body)]) + body)
            accepted = connection.recv(4) == b"\x20\x02\x00\x00"
            connection.sendall(b"\xe0\x00")
            return accepted
    except OSError:
        return False
