"""The web server past this machine: by TLS of its own, or behind the proxy that was stated."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from alerts.access.roles import Role
from forewarn import cli
from forewarn.embedded.ports import free_ports
from tests.certificates import Authority
from tests.signing_in import add_account


@pytest.fixture
def serve(database: str, tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Run ``forewarn serve`` with these settings; return its port once somebody listens."""
    running = []

    def start(**settings: str) -> int:
        (port,) = free_ports(1)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREWARN_")}
        environment |= {
            "FOREWARN_DATABASE__DSN": database,
            "FOREWARN_DATA_DIR": str(tmp_path),
            "FOREWARN_WEB__PORT": str(port),
            **{f"FOREWARN_WEB__{name.upper()}": value for name, value in settings.items()},
        }
        process = subprocess.Popen([sys.executable, "-m", "forewarn", "serve"], env=environment)
        running.append(process)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return port
            time.sleep(0.1)
        raise AssertionError("nobody listens")

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _settle(client: httpx.Client, path: str, **options: object) -> httpx.Response:
    """Ask until the server, whose socket listens before it answers, does."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return client.get(path, **options)  # type: ignore[arg-type]
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_by_its_own_certificate(serve: Callable[..., int], tmp_path: Path) -> None:
    authority = Authority(tmp_path, "web")
    cert, key = authority.issue("localhost", file="web", server=True)
    port = serve(host="0.0.0.0", names="localhost", cert_file=str(cert), key_file=str(key))
    context = ssl.create_default_context(cafile=str(authority.file))
    with httpx.Client(base_url=f"https://localhost:{port}", verify=context, timeout=30) as client:
        page = _settle(client, "/sign-in")
        assert page.status_code == 200
        assert "__Host-forewarn-visit=" in page.headers["set-cookie"]
        assert "secure" in page.headers["set-cookie"].lower()
        assert client.get("/sign-in", headers={"host": "evil.example"}).status_code == 400
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://localhost:{port}/sign-in")


def test_only_the_stated_proxy_is_believed(serve: Callable[..., int], database: str) -> None:
    from datetime import UTC, datetime

    add_account(database, Role.AGENT, now=datetime.now(UTC))
    through = {"host": "calls.example", "x-forwarded-proto": "https"}
    ours = serve(host="127.0.0.1", names="calls.example", proxy="127.0.0.1")
    with httpx.Client(base_url=f"http://127.0.0.1:{ours}", timeout=30) as client:
        page = _settle(client, "/sign-in", headers=through)
        assert page.status_code == 200
        assert page.headers["strict-transport-security"]
        # Without the proxy's word it was no TLS.
        assert client.get("/sign-in", headers={"host": "calls.example"}).status_code == 403
        assert client.get("/healthz").status_code == 200
        # A form of the name that browsers see is taken, one of another name is not.
        cookie = page.headers["set-cookie"].partition(";")[0]
        token = page.text.partition('name="csrf" value="')[2].partition('"')[0]
        form = {"csrf": token, "name": "agent", "password": "nine brown foxes", "back": "/"}
        for origin, status in (("https://calls.example", 303), ("http://calls.example", 403)):
            headers = {**through, "cookie": cookie, "origin": origin}
            assert client.post("/sign-in", data=form, headers=headers).status_code == status
    theirs = serve(host="127.0.0.1", names="calls.example", proxy="10.9.8.7")
    with httpx.Client(base_url=f"http://127.0.0.1:{theirs}", timeout=30) as client:
        assert _settle(client, "/sign-in", headers=through).status_code == 403


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"HOST": "0.0.0.0"}, "web.cert_file and web.key_file"),
        ({"HOST": "0.0.0.0", "PROXY": "10.0.0.5"}, "web.names is empty"),
        ({"CERT_FILE": "web.crt"}, "web.cert_file and web.key_file go together"),
        ({"KEY_FILE": "web.key"}, "go together"),
    ],
)
def test_what_is_not_safe_is_one_line(
    settings: dict[str, str],
    hint: str,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FOREWARN_DATABASE__DSN", database)
    monkeypatch.setenv("FOREWARN_DATA_DIR", str(tmp_path))
    for name, value in settings.items():
        monkeypatch.setenv(f"FOREWARN_WEB__{name}", value)
    assert cli.run(["serve"]) == 2
    said = capsys.readouterr().err.strip()
    assert hint in said
    assert "\n" not in said
