"""TCP ports on 127.0.0.1."""

import secrets
import socket
from pathlib import Path

# Below are ports that need rights or are well known to be something else's. From a number on, which Linux tells, are
# those that connections are given: one of them would take a chosen port before it is listened on.
_LOWEST, _LEAST_BEYOND, _USUAL_BEYOND = 20_000, 21_000, 32_768
_CONNECTIONS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 1000


def free_port() -> int:
    """Return a port nobody uses now, as of ``free_ports``."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return ports side by side that nobody uses now; another server may take one before it is used.

    Raises : OSError, when so many are not free anywhere
    """
    beyond = _first_of_connections()
    for _ in range(_TRIES):
        first = _LOWEST + secrets.randbelow(beyond - count - _LOWEST + 1)
        ports = list(range(first, first + count))
        if all(_can_bind(port, lingering=False) for port in ports):
            return ports
    raise OSError(f"no {count} free ports side by side were found on 127.0.0.1 from {_LOWEST} to {beyond}")


def _first_of_connections() -> int:
    try:
        first = int(_CONNECTIONS.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        first = 0
    # Where connections may use nearly all ports, one is as good as another.
    return first if first >= _LEAST_BEYOND else _USUAL_BEYOND


def is_taken(port: int) -> bool:
    """Say whether binding the port would fail, which a port that merely lingers from a closed connection does not."""
    return not _can_bind(port, lingering=True)


def _can_bind(port: int, *, lingering: bool) -> bool:
    """lingering : also a port that a connection has or had"""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, lingering)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Say whether something accepts connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
