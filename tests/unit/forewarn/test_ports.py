import socket

import pytest

from forewarn.embedded import ports


def test_ports_lie_side_by_side_below_those_that_connections_are_given():
    first, second, third = ports.free_ports(3)
    assert (second, third) == (first + 1, first + 2)
    beyond = int(ports._CONNECTIONS.read_text().split()[0]) if ports._CONNECTIONS.exists() else 32_768
    assert first >= 20_000
    assert third < beyond or beyond < 21_000


@pytest.mark.parametrize("told", ["1024\t65535\n", "nothing", ""])
def test_a_system_that_gives_connections_nearly_all_ports_or_does_not_say_still_has_some(tmp_path, monkeypatch, told):
    monkeypatch.setattr(ports, "_CONNECTIONS", tmp_path / "range")
    assert 20_000 <= ports.free_port() < 32_768
    (tmp_path / "range").write_text(told)
    assert 20_000 <= ports.free_port() < 32_768


def test_a_port_that_is_listened_on_or_connected_from_is_not_free(monkeypatch):
    taken = ports.free_port()
    monkeypatch.setattr(ports, "_LOWEST", taken)
    monkeypatch.setattr(ports, "_first_of_connections", lambda: taken + 1)
    with socket.socket() as used:
        used.bind(("127.0.0.1", taken))
        used.listen()
        with pytest.raises(OSError, match="no 1 free ports side by side"):
            ports.free_port()
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.bind(("127.0.0.1", taken))
        client.connect(server.getsockname())
        with pytest.raises(OSError, match="no 1 free ports side by side"):
            ports.free_port()
