"""A simulated charging operator: it is asked over HTTP to stop piles, and obeys, refuses, is late or silent."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from config.errors import UserMistake

Manner = Literal["obey", "refuse", "late", "silent"]
MANNERS: tuple[Manner, ...] = ("obey", "refuse", "late", "silent")
# Later than the desk's patience with its first request, sooner than with its second.
_LATE_S = 12.0
_LONGEST_BODY = 1_000_000


class StopAsked:
    """One stop request as it came: ``data`` of its CloudEvent, and when (by ``time.perf_counter``)."""

    __slots__ = ("at_s", "data")

    def __init__(self, data: dict[str, Any], at_s: float) -> None:
        self.data = data
        self.at_s = at_s


class SimulatedOperator(ThreadingHTTPServer):
    """Listens on this machine, on any free port when it is 0. The manner may depend on the station.

    manner : by station
    late_s : how late "late" is
    asked  : is told each request at its arrival, before it is answered
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        manner: Callable[[str], Manner] = lambda station: "obey",
        *,
        late_s: float = _LATE_S,
        asked: Callable[[StopAsked], None] | None = None,
        port: int = 0,
    ) -> None:
        try:
            super().__init__(("127.0.0.1", port), _Stop)
        except OSError as error:
            raise UserMistake(f"port {port} cannot be listened on ({error.strerror}): choose another") from error
        self.manner = manner
        self.late_s = late_s
        self._asked = asked
        self.requests: list[StopAsked] = []
        # Stops that were carried out, by action id: asked again, a pile that stands is not stopped a second time.
        self.stopped: dict[str, int] = {}
        self._due_s: dict[str, float] = {}
        self.changed = threading.Condition()
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/stop"

    def note(self, data: dict[str, Any]) -> None:
        asked = StopAsked(data, time.perf_counter())
        if self._asked is not None:
            self._asked(asked)
        with self.changed:
            self.requests.append(asked)
            self.changed.notify_all()

    def answer(self, data: dict[str, Any]) -> tuple[int, dict[str, str]] | None:
        """Return status and body of the answer; None is no answer at all."""
        match self.manner(str(data.get("station"))):
            case "silent":
                # A connection that is held open, until we end.
                self.closing.wait(60)
                return None
            case "refuse":
                return 409, {"result": "refused", "detail": "the operator keeps this session"}
            case "late":
                self._wait_for_pile(str(data.get("action_id")))
        number = str(data.get("action_id"))
        with self.changed:
            self.stopped[number] = self.stopped.get(number, 0) + 1
            self.changed.notify_all()
        return 200, {"result": "confirmed", "detail": "the contactor is open"}

    def _wait_for_pile(self, number: str) -> None:
        # The pile takes so long from the first request on: whoever asks again meanwhile is answered with the first.
        with self.changed:
            due_s = self._due_s.setdefault(number, time.monotonic() + self.late_s)
        self.closing.wait(max(0.0, due_s - time.monotonic()))

    def wait_for(self, count: int, *, within_s: float = 10.0) -> bool:
        """Wait until so many requests have come."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.requests) >= count, within_s)


class _Stop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one piece: else Nagle's algorithm and a delayed acknowledgement cost 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: SimulatedOperator

    def do_POST(self) -> None:
        length = min(int(self.headers.get("Content-Length") or 0), _LONGEST_BODY)
        try:
            data = json.loads(self.rfile.read(length)).get("data", {})
        except (ValueError, AttributeError):
            self._reply(400, {"result": "refused", "detail": "not a CloudEvent in JSON"})
            return
        self.server.note(data)
        answer = self.server.answer(data)
        if answer is None:
            self.close_connection = True
            return
        self._reply(*answer)

    def _reply(self, status: int, body: dict[str, str]) -> None:
        payload = json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)
        except OSError:
            # Whoever asked did not wait for a late answer.
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing: what was asked is in ``requests``."""


@contextmanager
def simulated_operator(
    manner: Callable[[str], Manner] = lambda station: "obey",
    *,
    late_s: float = _LATE_S,
    asked: Callable[[StopAsked], None] | None = None,
    port: int = 0,
) -> Iterator[SimulatedOperator]:
    """Run a simulated operator for as long as the caller needs it.

    Raises : UserMistake, when its port is taken
    """
    with SimulatedOperator(manner, late_s=late_s, asked=asked, port=port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="operator", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
