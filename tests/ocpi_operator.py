"""An operator's OCPI 2.2.1 interface, written from the text: versions, details and commands behind a token."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class OcpiOperator(ThreadingHTTPServer):
    """Answers whoever says one of ``tokens``; what it lists may be changed while it runs."""

    daemon_threads = True

    def __init__(self, *tokens: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.tokens = list(tokens)
        self.versions: Any = [
            {"version": "2.1.1", "url": f"{self.url}/2.1.1"},
            {"version": "2.2.1", "url": f"{self.url}/2.2.1"},
        ]
        self.endpoints: Any = [
            {"identifier": "credentials", "role": "SENDER", "url": f"{self.url}/2.2.1/credentials"},
            {"identifier": "commands", "role": "RECEIVER", "url": f"{self.url}/cpo/2.2.1/commands"},
        ]
        # Path and token of each request, and the bodies that were posted.
        self.asked: list[tuple[str, str]] = []
        self.posted: list[dict[str, Any]] = []
        self.held = threading.Event()
        self.held.set()

    @property
    def versions_url(self) -> str:
        return f"{self.url}/versions"

    def credentials(self, token: str, /, **fields: Any) -> dict[str, Any]:
        role = {"role": "CPO", "country_code": "NL", "party_id": "ALF", "business_details": {"name": "Alf"}}
        return {"token": token, "url": self.versions_url, "roles": [role], **fields}


class _Handler(BaseHTTPRequestHandler):
    server: OcpiOperator

    def do_GET(self) -> None:
        token = self._token()
        self.server.asked.append((self.path, token))
        self.server.held.wait(10)
        if token not in self.server.tokens:
            self._answer(401, {"status_code": 2001})
            return
        details = {"version": "2.2.1", "endpoints": self.server.endpoints}
        found = {"/versions": self.server.versions, "/2.2.1": details}[self.path]
        self._answer(200, {"status_code": 1000, "data": found, "timestamp": "2026-11-26T06:00:00Z"})

    def do_POST(self) -> None:
        self.server.asked.append((self.path, self._token()))
        self.server.posted.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        result = {"result": "ACCEPTED", "timeout": 30}
        self._answer(200, {"status_code": 1000, "data": result, "timestamp": "2026-11-26T06:00:00Z"})

    def _token(self) -> str:
        scheme, _, given = self.headers.get("authorization", "").partition(" ")
        assert scheme == "Token"
        return base64.b64decode(given).decode()

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def ocpi_operator(*tokens: str) -> Iterator[OcpiOperator]:
    with OcpiOperator(*tokens) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.held.set()
            server.shutdown()
            thread.join()
